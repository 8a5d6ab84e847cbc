from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, FormatChecker
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_billing.sandbox import serve
from tap_billing.tap import TapBilling
from tests.support import NOW, catalog_of, config_of, paths, quickened, run, selecting

PROVIDERS = ("chargeover", "cheddar")
SNAPSHOTS = Path(__file__).parent / "snapshots"
# Run the tests once with this set to write the snapshots anew, then read the difference.
REWRITE = "TEST_SNAPSHOTS"


def suite(provider):
    """Return the SDK's tests, with every stream selected, of the built-in sample company."""
    config = {"provider": provider, "sandbox": True, "sandbox_now": "2026-02-01T00:00:00Z"}
    catalog = catalog_of(config)
    names = {entry["stream"]: None for entry in catalog["streams"]}
    tests = get_tap_test_class(
        TapBilling,
        config=config,
        catalog=selecting(catalog, names),
        suite_config=SuiteConfig(max_records_limit=20),
    )
    # The suite warns of every optional column that has no value among the rows it looks at.
    for words in ("Fields in transformed catalog but not in records", "No records were available"):
        tests = pytest.mark.filterwarnings(f"ignore:{words}:UserWarning")(tests)
    return tests


TestChargeOver = suite("chargeover")
TestCheddar = suite("cheddar")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_discovery_equals_its_snapshot(provider):
    path = SNAPSHOTS / f"{provider}.json"
    told = json.dumps(catalog_of({"provider": provider}), indent=1, sort_keys=True) + "\n"
    if os.environ.get(REWRITE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(told, encoding="utf-8")
    assert told == path.read_text(encoding="utf-8"), f"{REWRITE}=1 writes it anew"


@pytest.mark.parametrize("provider", [*PROVIDERS, None])
def test_discovery_needs_no_credentials(provider):
    catalog = catalog_of({"provider": provider} if provider else {})
    names = [entry["stream"] for entry in catalog["streams"]]
    assert len(names) == len(set(names)) > 10
    for entry in catalog["streams"]:
        Draft7Validator.check_schema(entry["schema"])
        assert set(entry["key_properties"]) <= entry["schema"]["properties"].keys()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_catalog_of_discovery_selects_what_a_run_without_catalog_does(provider):
    with serve(provider, customers=12, now=NOW) as sandbox:
        config = config_of(sandbox)
        plain = run(config)
        chosen = run(config, catalog=catalog_of(config))
    assert chosen.counts == plain.counts
    assert chosen.records("customers") == plain.records("customers")
    assert chosen.of("SCHEMA") == plain.of("SCHEMA")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_record_is_valid_by_its_emitted_schema(provider):
    with serve(provider, customers=40, now=NOW) as sandbox:
        config = config_of(sandbox)
        names = {each["stream"]: None for each in catalog_of(config)["streams"]}
        done = run(config, catalog=selecting(catalog_of(config), names))
    validators = {
        each["stream"]: Draft7Validator(each["schema"], format_checker=FormatChecker())
        for each in done.of("SCHEMA")
    }
    assert done.error is None
    assert len(validators) == len(names)
    for message in done.of("RECORD"):
        validators[message["stream"]].validate(message["record"])
        assert message["record"].get("extra_fields") is None, message["stream"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_catalog_of_an_older_version_is_read_without_the_new_columns(provider):
    with serve(provider, customers=12, now=NOW) as sandbox:
        config = config_of(sandbox)
        catalog = selecting(catalog_of(config), {"customers": None})
        (entry,) = [each for each in catalog["streams"] if each["stream"] == "customers"]
        gone = {"chargeover": "company", "cheddar": "email"}[provider]
        del entry["schema"]["properties"][gone]
        entry["metadata"] = [
            each for each in entry["metadata"] if each["breadcrumb"][-1:] != [gone]
        ]
        done = run(config, catalog=catalog)
    assert done.error is None
    assert done.counts["customers"] > 0
    assert gone not in done.of("SCHEMA")[0]["schema"]["properties"]
    assert all(gone not in row for row in done.records("customers"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_connection_test_asks_little(provider):
    with serve(provider, customers=40, now=NOW) as sandbox:
        tap = quickened(TapBilling(config=config_of(sandbox), parse_env_config=False))
        try:
            assert tap.run_connection_test() is True
        finally:
            tap.close()
        asked = paths(sandbox)
    resources = {each.resource.name for each in tap.billing_streams if each.selected}
    assert len(asked) <= 3 * len(resources)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_connection_test_fails_with_wrong_credentials(provider):
    with serve(provider, customers=12, now=NOW) as sandbox:
        tap = TapBilling(config=config_of(sandbox, password="wrong"), parse_env_config=False)
        try:
            with pytest.raises(Exception, match=r"uthori[sz]ation|Authentication"):
                assert quickened(tap).run_connection_test() is not True
        finally:
            tap.close()


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_sandbox_is_never_asked_through_a_proxy(monkeypatch, proxy):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    done = run({"provider": "cheddar", "sandbox": True, "sandbox_now": "2024-03-01"})
    assert done.error is None
    assert done.counts["customers"] > 0


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TAP_BILLING_PROVIDER", "cheddar")
    monkeypatch.setenv("TAP_BILLING_SANDBOX", "true")
    monkeypatch.setenv("TAP_BILLING_PAGE_SIZE", "20")
    monkeypatch.setenv("TAP_BILLING_FILTERS", '{"customers": {"subscriptionStatus": "activeOnly"}}')
    tap = TapBilling(config={}, parse_env_config=True)
    assert (tap.settings.provider, tap.settings.sandbox, tap.settings.page_size) == (
        "cheddar",
        True,
        20,
    )


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"provider": "stripe"},
        {"provider": "chargeover"},
        {"provider": "chargeover", "username": "u", "password": "p"},
        {"provider": "cheddar", "username": "u", "password": "p"},
        {"provider": "cheddar", "sandbox": True, "page_size": 501},
        {"provider": "cheddar", "sandbox": True, "unknown": 1},
    ],
)
def test_wrong_settings_are_refused_before_anything_is_opened(config):
    with pytest.raises(ConfigValidationError) as refused:
        TapBilling(config=config, parse_env_config=False)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("path", ["plans/get", "plans/get/productCode/SAMPLE"])
def test_custom_stream_is_read_with_columns_from_its_first_page(path):
    wanted = {
        "name": "tariffs",
        "path": path,
        "records_path": "plans.plan",
        "primary_keys": ["id"],
    }
    with serve("cheddar", customers=12, now=NOW) as sandbox:
        done = run(config_of(sandbox, custom_streams=[wanted]))
        truth = sandbox.world.truth()["plans"]
    assert done.error is None
    assert {row["id"] for row in done.records("tariffs")} == set(truth["ids"])
    (schema,) = [each for each in done.of("SCHEMA") if each["stream"] == "tariffs"]
    assert {"id", "code", "name"} <= schema["schema"]["properties"].keys()


def test_custom_stream_with_columns_is_discovered_without_a_request():
    wanted = {
        "name": "customer_names",
        "path": "customer",
        "primary_keys": ["customer_id"],
        "replication_key": "mod_datetime",
        "schema": {
            "type": "object",
            "properties": {
                "customer_id": {"type": "integer"},
                "company": {"type": ["string", "null"]},
                "mod_datetime": {"type": ["string", "null"], "format": "date-time"},
            },
        },
    }
    with serve("chargeover", customers=30, now=NOW) as sandbox:
        config = config_of(sandbox, custom_streams=[wanted])
        catalog = selecting(catalog_of(config), {"customer_names": None})
        assert paths(sandbox) == []
        done = run(config, catalog=catalog)
        again = run(config, catalog=catalog, state=done.state)
        truth = sandbox.world.truth()["customers"]
    assert {row["customer_id"] for row in done.records("customer_names")} == set(truth["ids"])
    assert again.counts["customer_names"] < done.counts["customer_names"]
