from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest

from tap_billing.sandbox import serve
from tests.support import (
    NOW,
    catalog_of,
    config_of,
    paths,
    run,
    selecting,
    when,
    without_authorities,
)

PROVIDERS = ("chargeover", "cheddar")
CHICAGO = ZoneInfo("America/Chicago")
# In UTC this is in the year 10000.
BEYOND = "9999-12-31T23:59:59-12:00"


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def test_bookmark_never_passes_the_servers_clock(provider, full):
    for state in full[provider].of("STATE"):
        for told in state["value"].get("bookmarks", {}).values():
            if "replication_key_value" in told:
                assert when(told["replication_key_value"]) <= NOW


def test_bookmark_never_passes_our_own_clock(provider):
    future = datetime.now(UTC) + timedelta(days=100)
    with serve(provider, customers=40, founded=NOW, now=future) as sandbox:
        done = run(config_of(sandbox))
    marks = [done.bookmark(stream) for stream in done.counts if done.bookmark(stream)]
    assert marks
    assert all(when(mark) <= datetime.now(UTC) for mark in marks)


def test_bookmarks_move_forward_only(company):
    first = run(config_of(company))
    company.world.advance(10)
    second = run(config_of(company), state=first.state)
    marks = {stream: first.bookmark(stream) for stream in first.counts if first.bookmark(stream)}
    assert all(second.bookmark(stream) >= mark for stream, mark in marks.items())
    assert any(second.bookmark(stream) > mark for stream, mark in marks.items())


def test_bookmark_ahead_of_the_clock_is_neither_lowered_nor_an_excuse(company):
    state = json.loads(json.dumps(run(config_of(company)).state))
    for told in state["bookmarks"].values():
        if "replication_key_value" in told:
            told["replication_key_value"] = "2099-01-01T00:00:00Z"
    done = run(config_of(company), state=state)
    assert done.error is None
    assert done.bookmark("customers") == "2099-01-01T00:00:00Z"


def test_bookmark_of_another_replication_key_is_not_taken(company):
    first = run(config_of(company))
    state = json.loads(json.dumps(first.state))
    for told in state["bookmarks"].values():
        if "replication_key" in told:
            told["replication_key"] = "balance"
    assert run(config_of(company), state=state).counts == first.counts


def test_chargeover_is_asked_from_the_bookmark_less_lookback():
    with serve("chargeover", customers=40, now=NOW) as sandbox:
        first = run(config_of(sandbox))
        sandbox.world.requests.clear()
        config = config_of(sandbox, lookback=3600, transaction_window=5)
        run(config, state=first.state)
        asked = [unquote(path) for path in paths(sandbox)]
    for name, stream, fields in (
        ("customer", "customers", ("mod_datetime", "write_datetime")),
        ("package", "subscriptions", ("mod_datetime", "write_datetime", "cancel_datetime")),
        ("invoice", "invoices", ("mod_datetime", "write_datetime")),
        ("transaction", "transactions", ("transaction_datetime",)),
    ):
        days = 5 if stream == "transactions" else 0
        since = when(first.bookmark(stream)) - timedelta(hours=1, days=days)
        text = since.astimezone(CHICAGO).isoformat(timespec="seconds").replace(":", r"\:")
        for field in fields:
            clause = f"{field}:GTE:{text}"
            assert any(f"/{name}?" in path and clause in path for path in asked), clause


def test_cheddar_is_asked_from_the_day_before_the_bookmark():
    with serve("cheddar", customers=40, now=NOW) as sandbox:
        first = run(config_of(sandbox))
        sandbox.world.requests.clear()
        run(config_of(sandbox, lookback=0), state=first.state)
        asked = [path for path in paths(sandbox) if "/customers/" in path]
    since = min(when(first.bookmark(name)) for name in first.counts if first.bookmark(name))
    day = (since.date() - timedelta(days=1)).isoformat()
    base = "/xml/customers/get/productCode/SAMPLE?"
    names = ("createdAfterDate", "transactedAfterDate", "canceledAfterDate")
    assert sorted(asked) == sorted(f"{base}{name}={day}" for name in names)


def test_new_stream_beside_old_ones_is_read_from_the_beginning(company, provider):
    first = run(config_of(company))
    state = json.loads(json.dumps(first.state))
    stream = {"chargeover": "invoice_line_items", "cheddar": "charges"}[provider]
    del state["bookmarks"][stream]
    second = run(config_of(company), state=state)
    assert second.counts[stream] == first.counts[stream]


def test_state_of_streams_that_are_not_selected_is_kept(company):
    first = run(config_of(company))
    catalog = selecting(catalog_of(config_of(company)), {"plans": None})
    done = run(config_of(company), state=first.state, catalog=catalog)
    assert done.bookmark("customers") == first.bookmark("customers") is not None


@pytest.mark.parametrize("value", ["yesterday", 5, "2026-13-01", ["2026-01-01"], BEYOND])
def test_bookmark_that_is_no_datetime_is_one_clear_line(company, value, caplog):
    state = {"bookmarks": {"customers": {"replication_key_value": value}}}
    done = run(config_of(company), state=state)
    errors = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    (line,) = errors
    assert f"state: the bookmark {value!r} of customers is not allowed" in line
    assert len(line.splitlines()) == 1
    streams, *_ = line.partition(":")
    ours = set(streams.split(", "))
    assert "customers" in ours
    assert str(done.error).startswith(f"incomplete: {streams};")
    healthy = run(config_of(company)).counts
    assert done.counts == {name: 0 if name in ours else n for name, n in healthy.items()}
    assert sum(done.counts.values()) > 0
    assert done.bookmark("customers") == value


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_bookmark_at_the_edge_of_time_is_a_bookmark(company, value):
    first = run(config_of(company))
    state = json.loads(json.dumps(first.state))
    for told in state["bookmarks"].values():
        if "replication_key_value" in told:
            told["replication_key_value"] = value
    done = run(config_of(company), state=state)
    assert done.error is None
    assert done.messages[-1]["type"] == "STATE"
    for stream, count in first.counts.items():
        if value < "9" or not first.bookmark(stream):
            assert done.counts[stream] == count, stream
    if value > "9":
        # Nothing but what stands open or live, and whom that concerns.
        assert done.counts["transactions"] == 0
        bills, packages = done.records("invoices"), done.records("subscriptions")
        assert {each.get("invoice_status_state") for each in bills} <= {"o"}
        assert {each.get("package_status_state") for each in packages} <= {"a", "s"}
        people = {each.get("customer_id") for each in done.records("customers")}
        assert people == {each.get("customer_id") for each in bills}
