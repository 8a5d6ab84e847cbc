"""Settings: what is wrong is told before the first request, and a secret never."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tap_billing.checks import environment, problems
from tap_billing.settings import BY_NAME, SETTINGS, config_jsonschema, settings, site_url

SECRET = "s3cr3t-value"
ACCOUNTS = {
    "chargeover": {
        "provider": "chargeover",
        "username": "public",
        "password": SECRET,
        "site": "acme",
    },
    "cheddar": {
        "provider": "cheddar",
        "username": "a@example.com",
        "password": SECRET,
        "product_code": "SAMPLE",
    },
}
ACCOUNT = ACCOUNTS["chargeover"]


def wrong(**given_settings):
    return problems({**ACCOUNT, **given_settings}, {})


@pytest.mark.parametrize("config", ACCOUNTS.values(), ids=ACCOUNTS)
def test_least_account_is_enough(config):
    assert problems(config, {}) == []


@pytest.mark.parametrize("provider", ACCOUNTS)
def test_sandbox_needs_nothing_else(provider):
    assert problems({"provider": provider, "sandbox": True}, {}) == []


@pytest.mark.parametrize(
    ("provider", "name"),
    [(provider, name) for provider, config in ACCOUNTS.items() for name in config],
)
def test_each_missing_setting_is_named_with_what_is_allowed(provider, name):
    config = {key: value for key, value in ACCOUNTS[provider].items() if key != name}
    [line, *_] = problems(config, {})
    assert line.startswith(f"{name}: missing; allowed: ")


def test_api_url_takes_the_place_of_site():
    config = {key: value for key, value in ACCOUNT.items() if key != "site"}
    assert problems({**config, "api_url": "https://gateway.example.com/v3"}, {}) == []


@pytest.mark.parametrize("sandbox", [False, None, "false"])
def test_sandbox_that_is_not_true_still_needs_credentials(sandbox):
    lines = problems({"provider": "chargeover", "sandbox": sandbox}, {})
    assert {line.partition(":")[0] for line in lines} >= {"username", "password", "site"}


def test_unknown_setting_is_named_with_the_likely_one():
    assert wrong(pasword=SECRET) == ["pasword: unknown setting; did you mean password?"]


def test_unknown_setting_without_a_likely_one_lists_all():
    [line] = wrong(zzz=1)
    assert line.startswith("zzz: unknown setting; allowed: ")
    assert all(setting.name in line for setting in SETTINGS)


def test_everything_wrong_is_told_at_once():
    assert len(wrong(page_size=0, decimals="text", nonsense=1)) == 3


WRONG = {
    "provider": ["stripe", "", 7, ["cheddar"]],
    "sandbox": ["yes", 1, 0],
    "site": [
        *("", "ac me", "acme\n", "acme/x", "acme?x", "a@b", "acme#x", "acme\\x", ".", "..", "/"),
        *("-", "https://", "http://acme", "http://acme.chargeover.com", "ftp://acme"),
        *(
            "https://acme.chargeover.com/admin",
            "https://user:pw@acme.chargeover.com",
            "acme:999999",
        ),
        7,
    ],
    "api_url": [
        *("", "acme", "ftp://x", "https://", "https://h:99999", "https://ho st", "https://h/a b"),
        *("https://u:pw@h/x", "https://h/x?key=1", "https://h/x#y", "https://h\n/x", "//h/x"),
        7,
    ],
    "username": ["", "a:b", 7],
    "password": ["", 7],
    "start_date": [
        *("", "soon", "2024-13-01", "31.01.2024", "2024-01-01T25:00:00", 20240101),
        *("0001-01-01", "9999-12-31T23:00:00-05:00", "0001-01-01T00:00:00+05:00"),
    ],
    "timezone": ["", "Chicago", "America", "../etc/passwd", "UTC\n", "a\0b", "America/Nowhere", 7],
    "filters": [[], "x", 7],
    "custom_streams": [{}, "x", ["x"], [{}], [{"name": "a", "path": "b"}]],
    "page_size": [0, 501, -1, "100", 1.5, True, math.nan],
    "max_concurrency": [0, 65, "8", True],
    "requests_per_second": [0, -1, "1", True, math.nan, math.inf],
    "request_timeout": [0, -1, "1", True, math.nan, math.inf, 1e300],
    "lookback": [-1, "1", True, math.nan, math.inf, 1e300],
    "decimals": ["text", "", 7],
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in WRONG.items() for v in values], ids=repr
)
def test_wrong_value_is_refused_with_what_is_allowed(name, value):
    [line, *_] = wrong(**{name: value})
    assert line.startswith(f"{name}: ")
    assert line.endswith(f"allowed: {BY_NAME[name].allowed}")
    assert len(line.splitlines()) == 1


RIGHT = {
    "sandbox": [True, False],
    "site": [
        *("acme", "acme-staging", "acme.chargeover.com", "https://acme.chargeover.com", "ACME"),
        *("https://acme.chargeover.com/", "https://acme.chargeover.com/api/v3", "acme.example.com"),
        "https://acme.chargeover.com/api/v3/",
    ],
    "api_url": ["https://h", "http://127.0.0.1:8080/x/", "https://[::1]:8/x", "https://h/a/b/"],
    "start_date": ["2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01 10:00:00-05:00"],
    "timezone": ["UTC", "America/Chicago", "Asia/Kolkata", "America/Argentina/Ushuaia"],
    "page_size": [1, 10, 500],
    "max_concurrency": [1, 64],
    "requests_per_second": [0.1, 1, 1000],
    "request_timeout": [0.5, 1, 3600],
    "lookback": [0, 0.5, 86400],
    "decimals": ["number", "string"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in RIGHT.items() for v in values], ids=repr
)
def test_right_value_is_accepted(name, value):
    assert wrong(**{name: value}) == []


@pytest.mark.parametrize("value", [[], "x", {"a": 7}], ids=repr)
def test_setting_of_the_sdk_is_checked_without_being_quoted(value):
    further = {
        "stream_maps": {"type": ["object", "null"], "additionalProperties": {"type": "object"}}
    }
    assert problems({**ACCOUNT, "stream_maps": value}, further) == [
        "stream_maps: not as singer-sdk documents it"
    ]


@pytest.mark.parametrize("name", ["username", "password"])
@pytest.mark.parametrize(
    "value",
    [[SECRET], {"x": SECRET}, {SECRET: 1}, f"{SECRET}:x" * 2, [[SECRET]], {"a": [SECRET]}],
    ids=repr,
)
def test_wrong_secret_is_never_quoted(name, value):
    assert SECRET not in "".join(wrong(**{name: value}))


@pytest.mark.parametrize("name", ["api_url", "site"])
def test_credentials_in_a_url_are_never_quoted(name):
    lines = wrong(**{name: f"https://user:{SECRET}@h.example.com/x"})
    assert lines
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize("batches", [None, {"encoding": {"format": "jsonl"}}], ids=str)
@pytest.mark.parametrize("wanted", [None, True, False])
def test_versions_are_told_by_default_unless_rows_go_to_files(batches, wanted):
    given = {"batch_config": batches, "emit_activate_version_messages": wanted}
    expected = batches is None if wanted is None else wanted
    assert settings({**ACCOUNT, **given}).versions == expected


def test_default_of_versions_is_declared_nowhere_for_others_to_fill_in():
    declared = config_jsonschema()["properties"]["emit_activate_version_messages"]
    assert "default" not in declared
    assert settings(ACCOUNT).versions


def test_credentials_are_not_in_the_representation():
    assert SECRET not in repr(settings(ACCOUNT))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(config=st.dictionaries(st.sampled_from([*BY_NAME, "more"]), JSON))
def test_any_configuration_is_either_refused_or_usable(config):
    if not problems(config, {}):
        assert settings(config).provider in ACCOUNTS


@given(text=st.text(max_size=12) | st.datetimes().map(str))
@pytest.mark.parametrize("name", ["start_date", "sandbox_now"])
def test_any_date_is_either_refused_or_usable(name, text):
    if not wrong(**{name: text}):
        assert settings({**ACCOUNT, name: text})


@given(text=st.text("aB.-/:@#? \\\n\th1", max_size=8))
def test_accepted_site_sends_the_keys_to_that_host_over_https(text):
    if wrong(site=text):
        return
    parts = urlsplit(site_url(text))
    assert (parts.scheme, parts.path) == ("https", "/api/v3")
    host = text.lower().removeprefix("https://").rstrip("/")
    assert parts.netloc.lower() in (host, f"{host}.chargeover.com")


@pytest.mark.parametrize(
    "site",
    [
        *("acme", "acme/", "acme.chargeover.com", "https://acme.chargeover.com"),
        *("https://acme.chargeover.com/api/v3", "https://acme.chargeover.com/api/v3/"),
        *("acme.chargeover.com/api/v3", "HTTPS://acme.chargeover.com"),
    ],
)
def test_every_way_to_name_an_account_is_the_same_url(site):
    assert settings({**ACCOUNT, "site": site}).api_url == "https://acme.chargeover.com/api/v3"


def test_api_url_wins_over_site():
    chosen = settings({**ACCOUNT, "api_url": "https://gateway.example.com"})
    assert chosen.api_url == "https://gateway.example.com"


@pytest.mark.parametrize(
    ("provider", "zone", "timeout", "url"),
    [
        ("chargeover", "America/Chicago", 300, "https://acme.chargeover.com/api/v3"),
        ("cheddar", "UTC", 1800, "https://getcheddar.com/xml"),
    ],
)
def test_defaults_are_the_providers(provider, zone, timeout, url):
    chosen = settings(ACCOUNTS[provider])
    assert (chosen.timezone, chosen.request_timeout, chosen.api_url) == (zone, timeout, url)
    assert (chosen.page_size, chosen.max_concurrency, chosen.lookback) == (500, 8, 300)
    assert (chosen.decimals, chosen.start, chosen.requests_per_second) == ("number", None, None)


@pytest.mark.parametrize(
    "name", [setting.name for setting in SETTINGS if setting.default is not None]
)
def test_null_is_the_default(name):
    assert settings({**ACCOUNT, name: None}) == settings(ACCOUNT)


def test_zero_lookback_is_no_lookback():
    assert settings({**ACCOUNT, "lookback": 0}).lookback == 0


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2024-01-01", datetime(2024, 1, 1, 6, tzinfo=UTC)),
        ("2024-07-01T00:00:00", datetime(2024, 7, 1, 5, tzinfo=UTC)),
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00+02:00", datetime(2023, 12, 31, 22, tzinfo=UTC)),
    ],
)
def test_start_date_without_offset_is_in_the_accounts_zone(text, when):
    assert settings({**ACCOUNT, "start_date": text}).start == when


def test_declared_schema_is_valid_and_tells_secrets():
    declared = config_jsonschema()
    Draft7Validator.check_schema(declared)
    assert declared["required"] == ["provider"]
    assert {k for k, v in declared["properties"].items() if v.get("secret")} == {
        "username",
        "password",
    }
    assert all(each["description"] for each in declared["properties"].values())


@pytest.mark.parametrize("config", ACCOUNTS.values(), ids=ACCOUNTS)
def test_declared_schema_accepts_what_is_accepted(config):
    assert Draft7Validator(config_jsonschema()).is_valid(config)


def test_declared_schema_is_new_each_time():
    config_jsonschema()["properties"].clear()
    assert config_jsonschema()["properties"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lookback", "10.5", 10.5),
        ("page_size", "100", 100),
        ("page_size", "abc", "abc"),
        ("sandbox", "Yes", True),
        ("sandbox", "0", False),
        ("sandbox", "maybe", "maybe"),
        ("filters", '{"customers": []}', {"customers": []}),
        ("filters", "{bad", "{bad"),
        ("site", "acme", "acme"),
    ],
)
def test_environment_variable_is_read_as_its_setting_or_left_to_be_refused(name, text, value):
    found = environment({f"TAP_BILLING_{name.upper()}": text}, "TAP_BILLING_")
    assert found == {name: value}
    assert type(found[name]) is type(value)
    if value == text and name != "site":
        assert any(
            line.startswith(f"{name}: {text!r}") for line in problems({**ACCOUNT, **found}, {})
        )


def test_empty_environment_variable_is_not_set():
    assert environment({"TAP_BILLING_PAGE_SIZE": ""}, "TAP_BILLING_") == {}
