"""What a complete read deletes in a whole run, and what keeps it from deleting."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta

import pytest

from tap_billing.sandbox import changes, serve
from tests.proxies import proxying
from tests.states import Warehouse, aged, versions
from tests.support import (
    NOW,
    catalog_of,
    config_of,
    keyed,
    run,
    selecting,
    without_authorities,
)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def customers_go(sandbox, number):
    """Let the company lose so many customers, with all that is theirs."""
    with sandbox.world.lock:
        company = sandbox.world.company
        for customer in list(company.customers.values())[-number:]:
            changes.delete_customer(company, customer)


def loaded(*runs):
    warehouse = Warehouse()
    for each in runs:
        warehouse.load(each.messages)
    return warehouse


def test_what_was_deleted_is_gone_after_the_next_sweep_and_not_before(company):
    first = run(config_of(company))
    customers_go(company, 2)
    second = run(config_of(company), state=first.state)
    third = run(config_of(company), state=aged(second.state))
    truth = company.world.truth()
    assert (second.error, third.error) == (None, None)
    assert second.of("ACTIVATE_VERSION") == []
    assert loaded(first, second).differences(truth) != []
    assert loaded(first, second, third).differences(truth) == []
    assert len(keyed(first, "customers").keys() - keyed(third, "customers").keys()) == 2


def test_sweep_of_business_days_leaves_exactly_what_there_is(company):
    first = run(config_of(company))
    customers_go(company, 1)
    company.world.advance(9)
    second = run(config_of(company), state=aged(first.state))
    warehouse = loaded(first, second)
    assert warehouse.differences(company.world.truth()) == []
    whole = loaded(run(config_of(company)))
    assert warehouse.tables == whole.tables


def test_too_many_deletions_are_refused_loudly_and_nothing_is_touched(company, caplog):
    first = run(config_of(company))
    customers_go(company, 10)
    state = aged(first.state)
    caplog.clear()
    done = run(config_of(company), state=state)
    lines = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    (line,) = [each for each in lines if "customers" in each.partition(": ")[0].split(", ")]
    assert re.search(r" \d+ of the \d+ rows that \w+ had at [-\d]+ [:\d]+ UTC are gone, ", line)
    assert "more than max_deletions (20%) allows; nothing is deleted" in line
    assert "raise max_deletions" in line
    refused = set(str(done.error).removeprefix("incomplete: ").partition(";")[0].split(", "))
    assert {"customers", "subscriptions", "invoices", "transactions"} & refused
    assert versions(done).keys() == done.counts.keys() - refused
    assert "plans" in versions(done)
    for stream in refused:
        kept, told = state["bookmarks"][stream], done.state["bookmarks"][stream]
        assert told["sweep"] == kept["sweep"]
        assert told.get("replication_key_value") == kept.get("replication_key_value")
    assert done.counts["customers"] > 0


def test_refusal_holds_until_the_user_allows_the_deletions(company):
    first = run(config_of(company))
    customers_go(company, 10)
    second = run(config_of(company), state=aged(first.state))
    third = run(config_of(company), state=second.state)
    assert second.error is not None
    assert third.error is not None
    allowed = run(config_of(company, max_deletions=100), state=third.state)
    assert allowed.error is None
    warehouse = loaded(first, second, third, allowed)
    assert warehouse.differences(company.world.truth()) == []


def test_rows_that_come_back_after_a_refusal_are_kept(company, monkeypatch):
    """Rows that a server withheld for a while are not deleted by going on with that read."""
    monkeypatch.setattr("tap_billing.writing.CHUNK", 1)
    monkeypatch.setattr("tap_billing.writing.CHECKPOINT_ROWS", 1)
    catalog = selecting(catalog_of(config_of(company)), {"customers": None})
    first = run(config_of(company), catalog=catalog)
    books = company.world.company
    kept = dict(books.customers)
    with company.world.lock:
        books.customers = {number: kept[number] for number in list(kept)[12:]}
    second = run(config_of(company), state=aged(first.state), catalog=catalog)
    assert second.error is not None
    with company.world.lock:
        books.customers = kept
    third = run(config_of(company), state=second.state, catalog=catalog)
    assert third.error is None
    assert loaded(first, second, third).differences(company.world.truth()) == []
    assert versions(third).keys() == {"customers"}


@pytest.mark.parametrize(("most", "refused"), [(0, True), (100, False)])
def test_share_of_deletions_that_is_allowed_is_the_users(company, most, refused):
    first = run(config_of(company))
    customers_go(company, 1)
    done = run(config_of(company, max_deletions=most), state=aged(first.state))
    assert (done.error is not None) == refused
    assert ("customers" in versions(done)) != refused


def test_account_that_seems_empty_deletes_nothing(company):
    catalog = selecting(catalog_of(config_of(company)), {"customers": None})
    first = run(config_of(company), catalog=catalog)
    with company.world.lock:
        company.world.company.customers = {}
    done = run(config_of(company), state=aged(first.state), catalog=catalog)
    assert done.error is not None
    assert "customers" not in versions(done)
    assert done.bookmark("customers") == first.bookmark("customers")


def test_read_that_fails_on_its_way_activates_nothing(company):
    first = run(config_of(company))
    state = aged(first.state)
    with proxying(company, refusing={"chargeover": "/invoice?", "cheddar": "/customers/"}) as url:
        second = run(config_of(company, api_url=url), state=state)
    third = run(config_of(company), state=second.state)
    stream = "invoices"
    assert second.error is not None
    assert stream not in versions(second)
    assert "plans" in versions(second)
    assert second.state["bookmarks"][stream]["sweep"] == state["bookmarks"][stream]["sweep"]
    assert second.bookmark(stream) == first.bookmark(stream)
    assert third.error is None
    assert stream in versions(third)


def test_server_that_does_not_count_deletes_nothing_and_costs_no_row(caplog):
    with serve("chargeover", customers=40, now=NOW) as sandbox:
        with proxying(sandbox, refusing="/_count") as url:
            config = config_of(sandbox, api_url=url)
            first = run(config)
            told = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
            second = run(config, state=first.state)
        truth = sandbox.world.truth()
        third = run(config_of(sandbox), state=aged(second.state))
    assert (first.error, second.error, third.error) == (None, None, None)
    assert loaded(first).differences(truth) == []
    assert first.of("ACTIVATE_VERSION") == second.of("ACTIVATE_VERSION") == []
    assert len([each for each in told if "nothing is deleted" in each]) == len(
        {each.resource.name for each in first.tap.billing_streams if each.selected}
    )
    # It is no reason to read everything again tomorrow.
    assert second.counts["transactions"] < first.counts["transactions"]
    assert versions(third).keys() == third.counts.keys()


def test_count_that_differs_is_a_doubt_and_tried_again_the_next_day(caplog, monkeypatch):
    days = []
    start = datetime.now(UTC)
    monkeypatch.setattr("tap_billing.clock.now", lambda: start + timedelta(days=days[-1]))

    def on(day, config, state=None):
        days.append(day)
        return run(config, state=state)

    with serve("chargeover", customers=40, now=NOW) as sandbox:
        with proxying(sandbox, counting=3) as url:
            config = config_of(sandbox, api_url=url)
            first = on(0, config)
            told = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
            second = on(0.1, config, first.state)
        third = on(1.5, config_of(sandbox), second.state)
        fourth = on(9.5, config_of(sandbox), third.state)
        truth = sandbox.world.truth()
    assert [each.error for each in (first, second, third, fourth)] == [None] * 4
    assert any("rows came, the server counts" in each for each in told)
    assert first.of("ACTIVATE_VERSION") == second.of("ACTIVATE_VERSION") == []
    assert second.counts["transactions"] < first.counts["transactions"]
    assert third.counts == first.counts
    assert versions(third).keys() == third.counts.keys()
    assert versions(fourth).keys() == fourth.counts.keys()
    assert min(versions(third).values()) > max(
        each.get("version", 0) for each in first.of("RECORD")
    )
    assert min(versions(fourth).values()) > max(versions(third).values())
    assert loaded(first, second, third, fourth).differences(truth) == []


def test_business_that_goes_on_during_a_sweep_costs_no_row_of_the_warehouse():
    with serve("chargeover", customers=120, now=NOW, speed=4000, latency=0.002) as sandbox:
        config = config_of(sandbox, page_size=15, max_concurrency=4)
        first = run(config)
        before = sandbox.world.truth()
        second = run(config, state=aged(first.state))
        after = sandbox.world.truth()
    warehouse = loaded(first, second)
    assert second.error is None
    for stream in second.counts:
        known, last = (
            {tuple(map(str, e)) if isinstance(e, list) else (str(e),) for e in truth[stream]["ids"]}
            for truth in (before, after)
        )
        assert known & last <= warehouse.tables[stream].keys(), stream
