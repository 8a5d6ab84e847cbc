from __future__ import annotations

import json

import pytest
from aiohttp import web

from tap_billing.sandbox import serve
from tests.support import config_of

UNEXPANDED = {
    "expand subscriptions",
    "expand invoices",
    "expand transactions",
    "first load",
}


@pytest.fixture(scope="module")
def company():
    with serve("chargeover", customers=40) as sandbox:
        yield sandbox


def dropping(*names):
    def ask(_, query):
        for name in names:
            query.pop(name, None)

    return ask


def test_server_that_ignores_where_fails(company, diagnose, meddling):
    with meddling(company, ask=dropping("where")) as config:
        done = diagnose(config)

    assert done.code == 1
    assert {each for each in done.wrong if each.startswith("filters")} == {
        f"filters {name}"
        for name in ("customers", "subscriptions", "invoices", "transactions", "contacts", "plans")
    }
    assert "do not match" in done.of("filters invoices")[0][1]


@pytest.mark.parametrize("field", ["mod_datetime", "write_datetime"])
def test_server_that_ignores_one_field_fails(company, diagnose, meddling, field):
    def ask(_, query):
        if query.get("where", "").startswith(field):
            del query["where"]

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 1
    assert all(field in found for level, found, _ in done.of("filters invoices") if level != "ok")
    assert done.wrong == {"filters customers", "filters subscriptions", "filters invoices"}


@pytest.mark.parametrize("name", ["subscriptions", "invoices"])
@pytest.mark.parametrize("becomes", ["", "EQUALS:none"])
def test_state_that_is_ignored_or_brings_nothing_fails(company, diagnose, meddling, name, becomes):
    field = {"subscriptions": "package", "invoices": "invoice"}[name] + "_status_state"

    def ask(_, query):
        clauses = query.pop("where", "").split(",")
        told = [each if not each.startswith(field) else becomes for each in clauses]
        told = [each.replace("EQUALS:none", f"{field}:EQUALS:none") for each in told if each]
        if told:
            query["where"] = ",".join(told)

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 1
    assert done.wrong == {f"filters {name}"}
    assert all(field in found for _, found, _ in done.of(f"filters {name}"))


@pytest.mark.parametrize("value", ["a", "o", "s"])
def test_every_state_is_asked_for_by_itself(company, diagnose, meddling, refusal, value):
    def ask(_, query):
        return refusal(400) if query.get("where", "").endswith(f"_state:EQUALS:{value}") else None

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    name = "invoices" if value == "o" else "subscriptions"
    assert done.wrong == {f"filters {name}"}
    assert "incremental runs need" in done.of(f"filters {name}")[0][2]


def test_state_that_no_row_has_is_ok(company, diagnose):
    closed = [{"field": "invoice_status_state", "operator": "EQUALS", "value": "c"}]
    done = diagnose(config_of(company, filters={"invoices": closed}))

    assert done.level("filters invoices") == "ok"
    assert "invoice_status_state" in done.of("filters invoices")[0][1]


def test_server_that_refuses_everything_is_no_matter_of_one_object(
    company, diagnose, meddling, refusal
):
    with meddling(company, ask=lambda *_: refusal(400)) as config:
        done = diagnose(config)

    assert done.wrong == {"access customers", "server"}
    assert not any("deselect" in each["advice"] for each in done.findings)


@pytest.mark.parametrize("operator", ["GT", "GTE", "LTE", "EQUALS"])
def test_operator_that_brings_nothing_at_all_fails(company, diagnose, meddling, operator):
    def ask(_, query):
        if f":{operator}:" in query.get("where", ""):
            query["where"] = query["where"].split(":")[0] + ":EQUALS:0"

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.level("filters invoices") == "failed"
    assert done.of("filters invoices")[0][1].endswith("brought nothing")


def test_server_that_ignores_order_fails(company, diagnose, meddling):
    with meddling(company, ask=dropping("order")) as config:
        done = diagnose(config)

    assert done.code == 1
    assert done.level("rows invoices") == "failed"
    assert "order=invoice_id:ASC" in done.of("rows invoices")[0][1]


def test_server_that_ignores_limit_fails(company, diagnose, meddling):
    with meddling(company, ask=dropping("limit")) as config:
        done = diagnose(config)

    assert done.code == 1
    assert "limit=2" in done.of("rows invoices")[0][1]


def test_lists_without_lines_are_a_warning(company, diagnose, meddling):
    with meddling(company, ask=dropping("expand")) as config:
        done = diagnose(config)

    assert done.code == 0
    assert done.wrong == UNEXPANDED
    assert "a request for each" in done.of("first load")[0][1]


def test_refused_expansion_is_a_warning(company, diagnose, meddling, refusal):
    def ask(_, query):
        return refusal(400) if "expand" in query else None

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 0
    assert done.wrong == UNEXPANDED
    assert done.level("rows invoices") == "ok"


def test_missing_count_is_a_warning_about_deletions(company, diagnose, meddling, refusal):
    def ask(path, _):
        return refusal(400) if path.endswith("/_count") else None

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 0
    assert done.level("count invoices") == "warning"
    assert "deletions" in done.of("count invoices")[0][2]


def test_count_that_contradicts_the_rows_is_a_warning(company, diagnose, meddling):
    def tell(path, body):
        if not path.endswith("/_count"):
            return body
        return json.dumps({**json.loads(body), "response": 0}).encode()

    with meddling(company, tell=tell) as config:
        done = diagnose(config)

    assert done.level("count customers") == "warning"


@pytest.fixture
def refusing(company, meddling, refusal):
    """Give the settings for an account that refuses one object with a status."""

    def over(path, status):
        def ask(asked, _):
            return refusal(status) if asked.split("/")[3] == path else None

        return meddling(company, ask=ask)

    return over


@pytest.mark.parametrize(
    ("what", "level"),
    [(("invoice", "invoices"), "failed"), (("customer", "customers"), "failed"),
     (("quote", "quotes"), "warning"), (("admin", "admins"), "warning")],
)  # fmt: skip
@pytest.mark.parametrize("status", [403, 400])
def test_what_may_not_be_read_is_named(diagnose, refusing, what, level, status):
    path, name = what
    with refusing(path, status) as config:
        done = diagnose(config)

    assert done.level("credentials") == "ok"
    assert done.level(f"access {name}") == level
    assert done.wrong == {f"access {name}"}
    assert done.code == (1 if level == "failed" else 0)
    assert done.of(f"access {name}")[0][2]


def test_wrong_path_is_no_missing_permission(company, diagnose):
    done = diagnose(config_of(company, api_url=f"{company.origin}/api/v4"))

    assert done.code == 1
    assert done.wrong == {"server"}


def test_rate_limit_of_an_hour_ends_it(company, diagnose, meddling):
    def ask(*_):
        return web.Response(status=429, headers={"Retry-After": "3600"})

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.wrong == {"server"}
    assert "requests_per_second" in done.of("server")[0][2]


def test_server_that_breaks_down_later_ends_it(company, diagnose, meddling):
    asked = []

    def ask(path, _):
        asked.append(path)
        return web.Response(status=503) if len(asked) > 10 else None

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 1
    assert [each["level"] for each in done.findings if each["level"] != "ok"] == ["failed"] * 3
    assert done.findings[-1]["check"] == "server"
    assert len(asked) == 10 + 2 * 8


def test_one_object_that_breaks_down_is_told_and_the_rest_goes_on(company, diagnose, meddling):
    def ask(path, _):
        return web.Response(status=500) if path.endswith("/invoice") else None

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 1
    assert done.wrong == {"access invoices"}
    assert done.level("access terms") == "ok"
