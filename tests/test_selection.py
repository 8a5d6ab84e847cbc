from __future__ import annotations

import logging
import re
from collections import Counter
from urllib.parse import unquote

import pytest
from aiohttp import web

from tests.support import (
    ENVELOPE,
    catalog_of,
    config_of,
    paths,
    run,
    selecting,
    serving,
    without_authorities,
)

PROVIDERS = ("chargeover", "cheddar")
# What a counted read asks about rows without reading them.
ABOUT = re.compile(r"/_count(\?|$)|:DESC&limit=1$")
# A stream alone, and the one endpoint that it is cut from.
ENDPOINTS = {
    "chargeover": {
        "customers": "customer",
        "subscriptions": "package",
        "subscription_line_items": "package",
        "invoices": "invoice",
        "invoice_line_items": "invoice",
        "transactions": "transaction",
        "transaction_applications": "transaction",
        "contacts": "user",
        "plans": "item",
        "plan_tiersets": "item",
        "promotions": "coupon",
        "quotes": "quote",
        "notes": "note",
        "usage": "usage",
        "terms": "terms",
    },
    "cheddar": {
        "customers": "customers",
        "charges": "customers",
        "contacts": "customers",
        "plan_items": "plans",
        "plans": "plans",
        "coupons": "promotions",
    },
}
EXPANDED = {
    "subscriptions": ("line_items", False),
    "subscription_line_items": ("line_items", True),
    "invoices": ("line_items", False),
    "invoice_line_items": ("line_items", True),
    "transactions": ("applied_to", False),
    "transaction_applications": ("applied_to", True),
    "customers": ("line_items", False),
}


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def asked(sandbox, streams, **settings):
    """Run with these streams selected; return the run and the paths that were asked."""
    config = config_of(sandbox, **settings)
    catalog = selecting(catalog_of(config), streams)
    sandbox.world.requests.clear()
    return run(config, catalog=catalog), [unquote(path) for path in paths(sandbox)]


def rows_asked(requests):
    """Return the requests for rows, without those for their number."""
    return [path for path in requests if not ABOUT.search(path)]


@pytest.mark.parametrize(
    ("provider", "stream", "endpoint"),
    [(p, stream, path) for p in PROVIDERS for stream, path in ENDPOINTS[p].items()],
)
def test_only_the_selected_streams_resource_is_asked(companies, provider, stream, endpoint):
    done, requests = asked(companies[provider], {stream: None})
    assert done.error is None
    assert done.counts.keys() == {stream}
    assert requests
    base = {"chargeover": "/api/v3/", "cheddar": "/xml/"}[provider]
    assert all(re.split(r"[/?]", path.removeprefix(base))[0] == endpoint for path in requests)


def test_resource_is_asked_once_however_many_of_its_streams_are_selected(companies):
    _, requests = asked(companies["cheddar"], dict.fromkeys(ENDPOINTS["cheddar"]))
    assert max(Counter(requests).values()) == 1
    _, alone = asked(companies["cheddar"], {"customers": None})
    assert sorted(each for each in requests if "/customers/" in each) == sorted(alone)


@pytest.mark.parametrize("stream", EXPANDED)
def test_nested_list_is_asked_for_only_when_needed(companies, stream):
    name, needed = EXPANDED[stream]
    done, requests = asked(companies["chargeover"], {stream: None})
    assert rows_asked(requests)
    assert all((f"expand={name}" in path) is needed for path in rows_asked(requests))
    assert (done.counts[stream] > 0) is True


def test_nested_list_is_asked_for_as_a_column(companies):
    done, requests = asked(companies["chargeover"], {"invoices": {"line_items", "total"}})
    assert rows_asked(requests)
    assert all("expand=line_items" in path for path in rows_asked(requests))
    rows = done.records("invoices")
    assert any(row["line_items"] for row in rows)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_columns_that_are_not_selected_are_in_neither_schema_nor_rows(companies, provider):
    column = {"chargeover": "company", "cheddar": "email"}[provider]
    done, _ = asked(companies[provider], {"customers": {column}})
    key = {"chargeover": "mod_datetime", "cheddar": "createdDatetime"}[provider]
    names = {"chargeover": "customer_id", "cheddar": "id"}[provider]
    assert done.of("SCHEMA")[0]["schema"]["properties"].keys() == {column, key, names}
    for row in done.records("customers"):
        assert row.keys() <= {column, key, names}
        assert row[column] is not None or row.keys() == {column, key, names}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_parent_and_children_of_a_response_share_their_time(companies, provider):
    done = run(config_of(companies[provider], page_size=40))
    parent, child, key = {
        "chargeover": ("invoices", "invoice_line_items", "invoice_id"),
        "cheddar": ("customers", "transactions", "customer_id"),
    }[provider]
    own = key if provider == "chargeover" else "id"
    told = {
        message["record"][own]: message["time_extracted"]
        for message in done.of("RECORD")
        if message["stream"] == parent
    }
    children = [each for each in done.of("RECORD") if each["stream"] == child]
    assert children
    for message in children:
        assert message["time_extracted"] == told[message["record"][key]]
    years = {row.get("createdDatetime", "")[:4] for row in done.records(parent)}
    # Customers are read by the year of their creation.
    answers = len(years) if provider == "cheddar" else -(-len(told) // 40)
    assert len(set(told.values())) == answers


@pytest.mark.parametrize("provider", PROVIDERS)
def test_stream_maps_and_flattening_keep_working(companies, provider):
    column = {"chargeover": "company", "cheddar": "email"}[provider]
    done, _ = asked(
        companies[provider],
        {"customers": None},
        stream_maps={"customers": {column: None, "shout": "'x'", "__alias__": "people"}},
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    assert done.error is None
    assert {each["stream"] for each in done.of("SCHEMA")} == {"people"}
    assert done.counts["people"] > 5
    assert all(row["shout"] == "x" and column not in row for row in done.records("people"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_decimals_as_strings_are_exact(companies, provider):
    sandbox = companies[provider]
    column = "amount"
    numbers = run(config_of(sandbox)).records("transactions")
    done = run(config_of(sandbox, decimals="string"))
    texts = done.records("transactions")
    schema = next(each for each in done.of("SCHEMA") if each["stream"] == "transactions")
    assert schema["schema"]["properties"][column]["format"] == "x-singer.decimal"
    assert [float(row[column]) for row in texts] == [row[column] for row in numbers]
    assert all(isinstance(row[column], str) for row in texts)


def test_user_filters_are_pushed_to_the_server(companies):
    wanted = [{"field": "company", "operator": "CONTAINS", "value": "a:b, c\\d & é"}]
    done, requests = asked(
        companies["chargeover"], {"customers": None}, filters={"customers": wanted}
    )
    assert done.error is None
    assert requests[0].split("where=")[1].split("&order")[0] == r"company:CONTAINS:a\:b\, c\d & é"
    assert done.counts == {"customers": 0}


def test_cheddars_filters_are_pushed_to_the_server(companies):
    sandbox = companies["cheddar"]
    wanted = {"subscriptionStatus": "activeOnly", "planCode": ["PRO", "A&B c/d"]}
    _, requests = asked(sandbox, {"customers": None}, filters={"customers": wanted})
    wanted = "subscriptionStatus=activeOnly&planCode[]=PRO&planCode[]=A&B c/d"
    for each in requests:
        query = re.sub(r"&created(After|Before)Date=[-\d]+", "", each.split("?")[1])
        assert query == f"{wanted}&orderBy=createdDatetime&orderByDirection=asc"
    assert "A%26B%20c%2Fd" in paths(sandbox)[0]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_filters_narrow_the_rows(companies, provider):
    sandbox = companies[provider]
    filters = {
        "chargeover": {
            "customers": [
                {"field": "customer_status_str", "operator": "EQUALS", "value": "active-current"}
            ]
        },
        "cheddar": {"customers": {"subscriptionStatus": "canceledOnly"}},
    }[provider]
    whole, _ = asked(sandbox, {"customers": None})
    done, _ = asked(sandbox, {"customers": None}, filters=filters)
    assert 0 < done.counts["customers"] < whole.counts["customers"]


def answering(answers):
    """Return a handler that answers by the first part of the path, 200 and no rows otherwise."""

    async def handler(request):
        given = answers.get(request.path.rsplit("/", 1)[-1], (200, []))
        if isinstance(given, web.Response):
            return web.Response(
                status=given.status, body=given.body, content_type=given.content_type
            )
        status, rows = given
        return web.json_response({**ENVELOPE, "code": status, "response": rows}, status=status)

    return handler


REFUSALS = {
    "forbidden": web.json_response(
        {"code": 403, "status": "Error", "message": "No permission"}, status=403
    ),
    "error with 200": web.json_response(
        {"code": 400, "status": "Error", "message": "You cannot filter by: x."}
    ),
    "unsupported": web.json_response(
        {"code": 400, "status": "Error", "message": "The command is not supported"}, status=400
    ),
    "not found": web.Response(status=404, text="<html>Not found</html>", content_type="text/html"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_resource_leaves_the_others_and_is_no_empty_table(name, caplog):
    caplog.set_level(logging.ERROR)
    answers = {
        "customer": (200, [{"customer_id": 7, "mod_datetime": "2026-01-05T10:00:00-06:00"}]),
        "user": REFUSALS[name],
    }
    with serving(answering(answers)) as url:
        config = {"provider": "chargeover", "api_url": url, "username": "u", "password": "p"}
        state = {"bookmarks": {"contacts": {"partitions": []}}}
        done = run(config, state=state)
    assert str(done.error).startswith("incomplete: contacts;")
    assert done.counts["customers"] == 1
    assert done.bookmark("customers") == "2026-01-05T16:00:00Z"
    assert done.messages[-1]["type"] == "STATE"
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith("contacts: GET /user: ")
    assert {"forbidden": "No permission", "error with 200": "You cannot filter by: x."}.get(
        name, ""
    ) in line


def test_answer_to_another_question_is_told(caplog):
    answers = {"invoice": (200, [{"invoice_id": 1, "customer_id": 5, "mod_datetime": None}])}
    wanted = [{"field": "customer_id", "operator": "EQUALS", "value": "6"}]
    with serving(answering(answers)) as url:
        config = {"provider": "chargeover", "api_url": url, "username": "u", "password": "p"}
        done = run({**config, "filters": {"invoices": wanted}})
    assert done.counts["invoices"] == 1
    assert "do not match where=customer_id:EQUALS" in caplog.text


def test_server_that_ignores_paging_is_an_error_and_no_endless_run(caplog):
    rows = [{"customer_id": n} for n in range(1, 11)]
    with serving(answering({"customer": (200, rows), "coupon": (200, [])})) as url:
        config = {"provider": "chargeover", "api_url": url, "username": "u", "password": "p"}
        done = run({**config, "page_size": 10})
    assert "customers" in str(done.error)
    assert "row 1 came after row 10" in caplog.text


@pytest.mark.parametrize("size", [10, 25])
def test_server_that_ignores_the_offset_is_an_error_and_no_endless_run(size):
    rows = [{"coupon_id": n} for n in range(1, size + 1)]
    with serving(answering({"coupon": (200, rows)})) as url:
        config = {"provider": "chargeover", "api_url": url, "username": "u", "password": "p"}
        done = run({**config, "page_size": size})
    assert "promotions" in str(done.error)


def test_undeclared_and_uncastable_values_reach_the_target(caplog):
    row = {
        "customer_id": "7",
        "company": None,
        "mod_datetime": "not a date",
        "brand_new": {"a": [1, "2"]},
    }
    with serving(answering({"customer": (200, [row])})) as url:
        config = {"provider": "chargeover", "api_url": url, "username": "u", "password": "p"}
        done = run(config)
    assert done.error is None
    (got,) = done.records("customers")
    assert got["customer_id"] == 7
    assert got["mod_datetime"] is None
    assert got["extra_fields"] == {"mod_datetime": "not a date", "brand_new": {"a": [1, "2"]}}
    assert len([each for each in caplog.records if "brand_new" in each.getMessage()]) == 1
