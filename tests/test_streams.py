from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tap_billing.sandbox import serve
from tests.states import aged, versions
from tests.support import (
    NOW,
    catalog_of,
    config_of,
    keyed,
    paths,
    run,
    selecting,
    when,
    without_authorities,
)

PROVIDERS = ("chargeover", "cheddar")
FILTER = {
    "chargeover": re.compile(r"where="),
    "cheddar": re.compile(r"(created|transacted|canceled)(After|Before)Date"),
}
CHICAGO = ZoneInfo("America/Chicago")
TIME = "transaction_datetime"


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def findable(done, stream):
    """Return the keys of the rows that the provider's own filters can find in a later run.

    Cheddar finds customers by their transactions: plan changes, charges, new invoices and tracked
    items of a customer who has not paid since are seen later.
    """
    rows = keyed(done, stream)
    blind = {"charges", "invoices", "subscriptions", "subscription_items"}
    if not done.records("charges") or stream not in blind:
        return rows.keys()
    latest = {}
    for row in done.records("transactions"):
        told = row["transactedDatetime"]
        latest[row["customer_id"]] = max(told, latest.get(row["customer_id"], told))
    began = {row["id"]: row["createdDatetime"] for row in done.records("subscriptions")}

    def appeared(row):
        return max(row.get("createdDatetime") or "", began.get(row.get("subscription_id"), ""))

    return {key for key, row in rows.items() if appeared(row) <= latest.get(row["customer_id"], "")}


def test_first_run_brings_everything(provider, standing, full):
    truth = standing[provider].world.truth()
    for stream, count in full[provider].counts.items():
        assert (stream, count) == (stream, truth[stream]["count"])
        told = {tuple(key) if isinstance(key, list) else (key,) for key in truth[stream]["ids"]}
        assert keyed(full[provider], stream).keys() == told


def test_schema_comes_once_and_before_the_rows(provider, full):
    seen = []
    for message in full[provider].messages:
        if message["type"] == "SCHEMA":
            assert message["stream"] not in seen
            seen.append(message["stream"])
        if message["type"] == "RECORD":
            assert message["stream"] == seen[-1]


def test_last_message_is_state_with_every_incremental_bookmark(provider, full):
    done = full[provider]
    assert done.messages[-1]["type"] == "STATE"
    replicated = {each["stream"] for each in done.of("SCHEMA") if each.get("bookmark_properties")}
    assert replicated
    for stream in replicated:
        assert when(done.bookmark(stream)).tzinfo is not None
        assert done.bookmark(stream).endswith("Z")


def test_second_run_without_business_leaves_the_bookmarks_and_tells_nothing_else(company):
    first = run(config_of(company))
    second = run(config_of(company), state=first.state)
    assert second.error is None
    for stream in first.counts:
        assert second.bookmark(stream) == first.bookmark(stream)
        assert keyed(second, stream).items() <= keyed(first, stream).items()


def test_second_run_of_cheddar_without_business_brings_the_overlap_only():
    with serve("cheddar", customers=40, now=NOW) as sandbox:
        first = run(config_of(sandbox))
        second = run(config_of(sandbox), state=first.state)
    for schema in second.of("SCHEMA"):
        stream = schema["stream"]
        if schema.get("bookmark_properties"):
            assert second.counts[stream] <= max(1, first.counts[stream] / 3)
        else:
            assert second.counts[stream] == first.counts[stream]


@pytest.mark.parametrize("days", [0, 30])
def test_second_run_of_chargeover_without_business_brings_its_passes_and_no_more(days):
    with serve("chargeover", customers=40, now=NOW) as sandbox:
        config = config_of(sandbox, transaction_window=days)
        first = run(config)
        second = run(config, state=first.state)
    rows = {stream: first.records(stream) for stream in first.counts}

    def recent(stream, row, *fields, window=0):
        since = when(first.bookmark(stream)) - timedelta(seconds=300, days=window)
        return any(row[field] and when(row[field]) >= since for field in fields)

    late = [e for e in rows["transactions"] if recent("transactions", e, TIME, window=days)]
    # A payment comes with its refund.
    known = {e["transaction_id"] for e in late} | {e["parent_transaction_id"] for e in late}
    paid = [e for e in rows["transactions"] if e["transaction_id"] in known]
    settled = {
        each["invoice_id"]
        for each in rows["transaction_applications"]
        if each["transaction_id"] in known
    }
    edits = ("mod_datetime", "write_datetime")
    bills = [
        each
        for each in rows["invoices"]
        if recent("invoices", each, *edits)
        or each["invoice_status_state"] == "o"
        or each["invoice_id"] in settled
    ]
    billed = {each["package_id"] for each in bills}
    packages = [
        each
        for each in rows["subscriptions"]
        if recent("subscriptions", each, *edits, "cancel_datetime")
        or each["package_status_state"] in {"a", "s"}
        or each["package_id"] in billed
    ]
    moved = {each["customer_id"] for each in (*bills, *paid)}
    people = [
        each
        for each in rows["customers"]
        if recent("customers", each, *edits) or each["customer_id"] in moved
    ]
    expected = {
        "transactions": paid,
        "invoices": bills,
        "subscriptions": packages,
        "customers": people,
    }
    for stream, wanted in expected.items():
        key = "package_id" if stream == "subscriptions" else f"{stream[:-1]}_id"
        assert sorted(e[key] for e in second.records(stream)) == [e[key] for e in wanted], stream
        assert len(wanted) < len(rows[stream])
    assert second.counts["contacts"] == first.counts["contacts"]


def test_second_run_brings_what_is_new(company):
    first = run(config_of(company))
    company.world.advance(25)
    second = run(config_of(company), state=first.state)
    whole = run(config_of(company))
    assert second.error is None
    for stream in whole.counts:
        merged = {**keyed(first, stream), **keyed(second, stream)}
        assert findable(whole, stream) <= merged.keys(), stream
    assert second.counts["transactions"] > 0
    assert sum(second.counts.values()) < sum(whole.counts.values()) * 2 / 3


def test_second_run_tells_new_rows_as_a_full_run_does(company):
    first = run(config_of(company))
    company.world.advance(25)
    second = run(config_of(company), state=first.state)
    whole = run(config_of(company))
    volatile = {"plans", "plan_items"}
    for stream in second.counts.keys() - volatile:
        expected = keyed(whole, stream)
        for key, row in keyed(second, stream).items():
            assert row == expected[key]


def test_many_small_runs_bring_what_one_brings(company):
    state = None
    merged = {}
    for days in (0, 2.7, 2.7, 0.01, 11, 2.7):
        company.world.advance(days)
        done = run(config_of(company), state=state)
        state = done.state
        for stream in done.counts:
            merged.setdefault(stream, {}).update(keyed(done, stream))
    whole = run(config_of(company))
    for stream in whole.counts:
        assert findable(whole, stream) <= merged[stream].keys(), stream


def test_row_comes_once_in_a_run(company):
    first = run(config_of(company))
    company.world.advance(60)
    second = run(config_of(company), state=first.state)
    for done in (first, second):
        for stream, count in done.counts.items():
            assert len(keyed(done, stream)) == count, stream


def test_start_date_leaves_out_what_is_older_and_nothing_else(provider, standing, full):
    start = datetime(2025, 6, 15, 18, tzinfo=UTC)
    done = run(config_of(standing[provider], start_date=start.isoformat()))
    created = {"chargeover": "write_datetime", "cheddar": "createdDatetime"}[provider]
    everything = keyed(full[provider], "customers")
    expected = {key for key, row in everything.items() if when(row[created]) >= start}
    got = keyed(done, "customers")
    assert expected <= got.keys() < everything.keys()
    assert all(when(row[created]) > start - timedelta(days=1) for row in got.values())


def test_start_date_without_a_zone_is_in_the_accounts(standing):
    done = run(config_of(standing["chargeover"], start_date="2025-06-15"))
    first = datetime(2025, 6, 15, tzinfo=CHICAGO)
    assert all(when(row["write_datetime"]) >= first for row in done.records("customers"))


@pytest.mark.parametrize("due", [False, True])
def test_forced_full_table_sends_no_filter_and_says_which_version(company, provider, due):
    first = run(config_of(company))
    catalog = catalog_of(config_of(company))
    selecting(catalog, dict.fromkeys(first.counts), method="FULL_TABLE")
    company.world.requests.clear()
    state = aged(first.state) if due else first.state
    done = run(config_of(company, start_date="2025-01-01"), state=state, catalog=catalog)
    dated = [path for path in paths(company) if FILTER[provider].search(path)]
    # What is counted has an end, by its number.
    assert [path for path in dated if not re.search(r"_id%3A(GT|LTE)%3A", path)] == []
    assert done.counts == first.counts
    known = versions(first)
    for stream in done.counts:
        told = [each for each in done.messages if each.get("stream") == stream]
        assert [each["type"] for each in told if each["type"] != "RECORD"] == [
            "SCHEMA",
            *(["ACTIVATE_VERSION"] if due else []),
        ], stream
        (version,) = {each["version"] for each in told[1:]} or {known[stream]}
        assert not due or told[-1]["type"] == "ACTIVATE_VERSION"
        assert (version > known[stream]) == due


def test_version_is_not_activated_after_a_failed_read(provider):
    with serve(provider, customers=25, now=NOW) as sandbox:
        config = config_of(sandbox)
        catalog = selecting(catalog_of(config), {"customers": None}, method="FULL_TABLE")
        sandbox.world.password = "another"
        done = run(config, catalog=catalog)
    assert done.error is not None
    assert done.of("ACTIVATE_VERSION") == []


def test_wrong_password_is_told_once_and_asked_little(provider, caplog):
    with serve(provider, customers=25, now=NOW) as sandbox:
        done = run(config_of(sandbox, password="wrong-secret"))
        asked = paths(sandbox)
    errors = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert len(errors) == 1
    assert "check username and password" in errors[0]
    assert "wrong-secret" not in caplog.text
    assert done.of("RECORD") == []
    assert done.error is not None
    assert done.messages[-1]["type"] == "STATE"
    assert len(asked) == len(set(asked))


def test_empty_account_has_schemas_and_no_rows(provider):
    with serve(provider, customers=0, now=NOW) as sandbox:
        done = run(config_of(sandbox))
        again = run(config_of(sandbox), state=done.state)
    assert (done.error, again.error) == (None, None)
    assert done.counts["customers"] == done.counts["transactions"] == 0
    assert done.messages[-1]["type"] == "STATE"
    assert again.counts == done.counts


def test_business_that_goes_on_while_it_is_read_costs_no_row():
    with serve("chargeover", customers=150, now=NOW, speed=4000, latency=0.002) as sandbox:
        config = config_of(sandbox, page_size=15, max_concurrency=4)
        names = [each["stream"] for each in catalog_of(config)["streams"]]
        catalog = selecting(catalog_of(config), dict.fromkeys(names))
        before = sandbox.world.truth()
        done = run(config, catalog=catalog)
        after = sandbox.world.truth()
    assert done.error is None
    assert after["transactions"]["count"] > before["transactions"]["count"]
    for stream in done.counts:
        first, last = (
            {tuple(key) if isinstance(key, list) else (key,) for key in truth[stream]["ids"]}
            for truth in (before, after)
        )
        assert first & last <= keyed(done, stream).keys(), stream
