from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest

from tap_billing.sandbox import serve
from tests.support import NOW, catalog_of, config_of, paths, run, selecting, without_authorities

PROVIDERS = ("chargeover", "cheddar")
FILTER = {
    "chargeover": re.compile(r"where="),
    "cheddar": re.compile(r"(created|transacted|canceled)(After|Before)Date"),
}
CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


@pytest.fixture(params=PROVIDERS)
def provider(request):
    return request.param


@pytest.fixture
def company(provider):
    with serve(provider, customers=40, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def standing():
    """Serve both companies to tests that change nothing and look at no requests."""
    with (
        serve("chargeover", customers=40, now=NOW) as one,
        serve("cheddar", customers=40, now=NOW) as two,
    ):
        yield {"chargeover": one, "cheddar": two}


@pytest.fixture(scope="module")
def full(standing):
    """Return a first run of each provider."""
    return {name: run(config_of(sandbox)) for name, sandbox in standing.items()}


def keyed(done, stream):
    """Return a stream's records by key."""
    keys = next(each for each in done.of("SCHEMA") if each["stream"] == stream)["key_properties"]
    return {tuple(row[key] for key in keys): row for row in done.records(stream)}


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


def when(text):
    return datetime.fromisoformat(text)


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


def test_second_run_without_business_brings_the_overlap_only(company):
    first = run(config_of(company))
    second = run(config_of(company), state=first.state)
    assert second.error is None
    for schema in second.of("SCHEMA"):
        stream = schema["stream"]
        if schema.get("bookmark_properties"):
            assert second.counts[stream] <= max(1, first.counts[stream] / 3)
        else:
            assert second.counts[stream] == first.counts[stream]
        assert second.bookmark(stream) == first.bookmark(stream)


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


def test_row_comes_once_in_a_run(company):
    first = run(config_of(company))
    company.world.advance(60)
    second = run(config_of(company), state=first.state)
    for done in (first, second):
        for stream, count in done.counts.items():
            assert len(keyed(done, stream)) == count, stream


def test_chargeover_is_asked_from_the_bookmark_less_lookback():
    with serve("chargeover", customers=40, now=NOW) as sandbox:
        first = run(config_of(sandbox))
        sandbox.world.requests.clear()
        run(config_of(sandbox, lookback=3600), state=first.state)
        asked = [unquote(path) for path in paths(sandbox)]
    for name, stream, fields in (
        ("customer", "customers", ("mod_datetime", "write_datetime")),
        ("package", "subscriptions", ("mod_datetime", "write_datetime", "cancel_datetime")),
        ("transaction", "transactions", ("transaction_datetime",)),
    ):
        since = when(first.bookmark(stream)) - timedelta(hours=1)
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


def test_forced_full_table_sends_no_filter_and_says_which_version(company, provider):
    first = run(config_of(company))
    catalog = catalog_of(config_of(company))
    selecting(catalog, dict.fromkeys(first.counts), method="FULL_TABLE")
    company.world.requests.clear()
    done = run(
        config_of(company, start_date="2025-01-01", emit_activate_version_messages=True),
        state=first.state,
        catalog=catalog,
    )
    dated = [path for path in paths(company) if FILTER[provider].search(path)]
    assert [path for path in dated if "_id%3AGT%3A" not in path] == []
    assert done.counts == first.counts
    for stream in done.counts:
        told = [each for each in done.messages if each.get("stream") == stream]
        assert [each["type"] for each in told if each["type"] != "RECORD"] == [
            "SCHEMA",
            "ACTIVATE_VERSION",
        ], stream
        assert told[-1]["type"] == "ACTIVATE_VERSION"
        assert {each["version"] for each in told[1:]} == {told[-1]["version"]}


def test_version_is_activated_only_when_asked_for(full, provider):
    assert full[provider].of("ACTIVATE_VERSION") == []


def test_version_is_not_activated_after_a_failed_read(provider):
    with serve(provider, customers=25, now=NOW) as sandbox:
        config = config_of(sandbox, emit_activate_version_messages=True)
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


def test_state_of_streams_that_are_not_selected_is_kept(company):
    first = run(config_of(company))
    catalog = selecting(catalog_of(config_of(company)), {"plans": None})
    done = run(config_of(company), state=first.state, catalog=catalog)
    assert done.bookmark("customers") == first.bookmark("customers") is not None


@pytest.mark.parametrize("value", ["yesterday", 5, "2026-13-01", ["2026-01-01"]])
def test_bookmark_that_is_no_datetime_is_one_clear_line(company, value, caplog):
    state = {"bookmarks": {"customers": {"replication_key_value": value}}}
    done = run(config_of(company), state=state)
    errors = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert done.error is not None
    assert any("customers" in line and "bookmark" in line for line in errors)
    assert all(len(line.splitlines()) == 1 for line in errors)
