from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest

from tap_billing.sandbox import serve
from tests.commands import errors, tap
from tests.states import Warehouse, copied
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


def moved(state, value, *, watermarks=True):
    """Return a state with another bookmark everywhere, with or without the watermarks."""
    state = copied(state)
    for told in state["bookmarks"].values():
        if "replication_key_value" in told:
            told["replication_key_value"] = value
        if not watermarks:
            told.pop("watermark", None)
    return state


def loaded(*runs):
    warehouse = Warehouse()
    for each in runs:
        warehouse.load(each.messages)
    return warehouse


@pytest.mark.parametrize("watermarks", [True, False])
def test_bookmark_ahead_of_the_clock_comes_back_and_loses_nothing(company, watermarks, caplog):
    """States of taps that keep no watermark may hold one, and a clock may have been wrong once."""
    first = run(config_of(company))
    marked = {stream for stream in first.counts if first.bookmark(stream)}
    state = moved(first.state, "2099-01-01T00:00:00Z", watermarks=watermarks)
    company.world.advance(2)
    caplog.clear()
    second = run(config_of(company), state=state)
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    ahead = {each for each in told if "the bookmark lies in the future; reading every" in each}
    resources = {e.resource.name for e in first.tap.billing_streams if e.name in marked}
    assert {each.partition(":")[0] for each in ahead} == (set() if watermarks else resources)
    if not watermarks:
        assert second.counts == run(config_of(company)).counts
    assert marked
    assert all(when(second.bookmark(stream)) <= company.world.now() for stream in marked)
    plain = run(config_of(company), state=first.state if watermarks else None)
    company.world.advance(2)
    third = run(config_of(company), state=second.state)
    expected = loaded(first, plain, run(config_of(company), state=plain.state))
    assert (second.error, third.error) == (None, None)
    held = loaded(first, second, third).tables
    for stream, rows in expected.tables.items():
        # What is gone stays until the next sweep.
        assert {key: held[stream].get(key) for key in rows} == rows, stream


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


NONE = "state: it has no bookmarks; allowed: a STATE of this tap, or {}"
NO_OBJECT = "state: that of customers is no object; allowed: a STATE of this tap"


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ({"bookmarks": {"customers": None}}, NO_OBJECT),
        ({"bookmarks": {"plans": {}, "customers": [1]}}, NO_OBJECT),
        ({"bookmarks": {"customers": "2026-01-01"}}, NO_OBJECT),
        ({"type": "STATE", "value": {"bookmarks": {"customers": None}}}, NO_OBJECT),
        ({"bookmarks": None}, NONE),
        ({"bookmarks": []}, NONE),
        ({"value": {"bookmarks": {}}}, NONE),
        ({"customers": {"replication_key_value": "2026-01-01"}}, NONE),
        ({"type": "STATE", "value": {"customers": {}}}, NONE),
        ({"type": "RECORD", "stream": "customers", "record": {}}, NONE),
    ],
    ids=str,
)
def test_what_is_no_state_is_one_clear_line_before_any_request(company, file, state, line):
    done = tap("--config", file(config_of(company)), "--state", file(state, "state.json"))
    assert done.returncode == 1
    assert errors(done) == [line]
    assert done.stdout == ""
    assert paths(company) == []


def test_state_may_come_in_its_whole_message(company):
    first = run(config_of(company))
    message = {"type": "STATE", "value": first.state}
    expected = run(config_of(company), state=first.state)
    done = run(config_of(company), state=message)
    assert done.error is None
    assert done.counts == expected.counts
    assert done.state["bookmarks"].keys() == expected.state["bookmarks"].keys()
    assert done.counts["transactions"] < first.counts["transactions"]


@pytest.mark.parametrize("state", [{}, {"bookmarks": {}}, {"type": "STATE", "value": {}}], ids=str)
def test_empty_state_is_that_of_a_first_run(company, state):
    assert run(config_of(company), state=state).counts == run(config_of(company)).counts


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


def test_bookmark_at_the_beginning_of_time_is_a_bookmark(company):
    first = run(config_of(company))
    done = run(config_of(company), state=moved(first.state, "0001-01-01T00:00:00Z"))
    assert done.error is None
    assert done.counts == first.counts


def test_bookmark_at_the_end_of_time_is_read_from_the_watermark_on(company):
    first = run(config_of(company))
    state = moved(first.state, "9999-12-31T23:59:59Z")
    done = run(config_of(company), state=state)
    for told in state["bookmarks"].values():
        if "replication_key_value" in told:
            told["replication_key_value"] = told["watermark"]
    expected = run(config_of(company), state=state)
    assert done.error is None
    assert 0 < done.counts["transactions"] < first.counts["transactions"]
    assert done.counts == expected.counts
    for stream in done.counts:
        assert done.records(stream) == expected.records(stream), stream
