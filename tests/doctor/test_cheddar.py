from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from tap_billing.sandbox import serve
from tests.support import config_of, paths


@pytest.fixture(scope="module")
def company():
    with serve("cheddar", customers=60) as sandbox:
        yield sandbox


def test_customers_are_never_asked_for_without_a_window(diagnose):
    with serve("cheddar", customers=30) as sandbox:
        done = diagnose(config_of(sandbox))
        asked = [each for each in paths(sandbox) if "customers/get" in each]

    assert done.code == 0
    assert len(asked) >= 5
    assert all("createdAfterDate" in each and "createdBeforeDate" in each for each in asked)


def test_dropped_queries_are_noticed_before_all_customers_come(company, diagnose, meddling):
    seen = []

    def ask(path, query):
        seen.append(path)
        query.clear()

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 1
    assert done.wrong == {"query"}
    assert not any("customers" in path for path in seen)


@pytest.mark.parametrize("name", ["createdAfterDate", "canceledAfterDate", "transactedAfterDate"])
def test_filter_that_does_not_filter_fails(company, diagnose, meddling, name):
    first = (datetime.now(UTC) - timedelta(days=900)).date().isoformat()

    def ask(path, query):
        if "customers" in path and name in query:
            del query[name]
            # The company is small: let the window of the other filters hold somebody.
            if "createdAfterDate" in query:
                query["createdAfterDate"] = first

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 1
    assert done.wrong == {"filters customers"}
    assert name in done.of("filters customers")[0][1]


def test_order_that_is_not_honoured_is_a_warning(diagnose, meddling):
    def ask(_, query):
        query.pop("orderBy", None)

    with (
        serve("cheddar", customers=800) as sandbox,
        meddling(sandbox, ask=ask) as config,
    ):
        done = diagnose(config)

    assert done.code == 0
    assert done.wrong == {"order customers"}


def test_wrong_product_is_named(company, diagnose):
    done = diagnose(config_of(company, product_code="OTHER"))

    assert done.code == 1
    assert done.level("credentials") == "ok"
    assert done.level("access plans") == "failed"
    assert "product_code" in done.of("access plans")[0][2]


def refused(status, text):
    body = f'<error id="1" code="{status}" auxCode="">{text}</error>'
    return web.Response(status=status, body=body.encode(), content_type="text/xml")


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_product_that_is_refused_everywhere_is_to_be_checked(company, diagnose, meddling, status):
    def ask(*_):
        return refused(status, "No product selected. Need a productId or productCode.")

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.code == 1
    advice = {each["check"]: each["advice"] for each in done.findings if each["level"] != "ok"}
    assert {"access plans", "server"} & advice.keys()
    assert all("product_code" in told for check, told in advice.items() if "customers" not in check)
    assert not any("deselect" in told for told in advice.values())


def test_one_resource_that_is_refused_is_no_wrong_product(company, diagnose, meddling):
    def ask(path, _):
        return refused(400, "Not available") if "plans" in path else None

    with meddling(company, ask=ask) as config:
        done = diagnose(config)

    assert done.level("credentials") == done.level("access promotions") == "ok"
    assert done.of("access plans")[0][2] == "this account does not have it: deselect its streams"


def test_customer_that_is_not_there_is_no_wrong_server(company, diagnose):
    done = diagnose(config_of(company, filters={"customers": {"code": "NOBODY"}}))

    assert done.wrong == {"access customers", "filters.customers"}
    assert "code" in done.of("access customers")[0][2]
    assert len(done.of("credentials")) == len(done.of("clock")) == 1


def test_too_large_for_the_server_is_a_warning(diagnose):
    with serve("cheddar", customers=800, max_customers_per_document=1) as sandbox:
        done = diagnose(config_of(sandbox))

    assert done.code == 0
    assert done.wrong == {"customers"}


def test_estimate_is_of_the_right_order(diagnose):
    with serve("cheddar", customers=800) as sandbox:
        done = diagnose(config_of(sandbox))
        known = len([1 for one in sandbox.world.company.customers.values() if one.subscription_ids])
    words = done.of("first load")[0][1].replace(",", "").split()
    told = int(words[words.index("customers") - 1])

    assert known / 3 < told < known * 3


def test_short_timeout_and_start_date_hurt(company, diagnose):
    done = diagnose(config_of(company, request_timeout=60, start_date="2024-01-01"))

    assert done.code == 0
    assert done.wrong == {"request_timeout", "start_date"}


def test_single_customer_is_asked_for_as_it_is(company, diagnose):
    code = next(iter(company.world.company.customers.values())).code
    done = diagnose(config_of(company, filters={"customers": {"code": code}}))

    assert done.level("access customers") == "ok"
    assert done.code == 0


def test_custom_streams_are_not_asked_for(diagnose):
    custom = [
        {
            "name": "listed",
            "path": "customers/list",
            "primary_keys": ["id"],
            "records_path": "customers.customer",
        }
    ]
    with serve("cheddar", customers=5) as sandbox:
        done = diagnose(config_of(sandbox, custom_streams=custom))

        assert done.level("access listed") == "warning"
        assert not any("customers/list" in each for each in paths(sandbox))


def test_empty_account_is_ok(diagnose):
    with serve("cheddar", customers=0) as sandbox:
        done = diagnose(config_of(sandbox))

    assert done.code == 0
    assert done.wrong == set()
