"""Runs that were killed: the next one goes on from the last STATE, and nothing is lost.

A target that was handed the first n messages of a run holds what a target of a run that was killed
after n messages holds, so one run tells of all places where it may be killed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys

import pytest

from tap_billing.errors import NoReader
from tap_billing.sandbox import changes, serve
from tap_billing.tap import TapBilling
from tests.proxies import proxying
from tests.states import Warehouse, aged, copied, last_state, versions
from tests.support import NOW, config_of, keyed, quickened, run, when, without_authorities

# Streams whose resource has no pass: no run knows what is new, so every run ends with all of it.
WHOLE = {
    "chargeover": {"contacts", "plans", "plan_tiersets", "promotions"},
    "cheddar": {"plans", "plan_items", "promotions", "promotion_incentives", "coupons"},
}


@pytest.fixture(autouse=True)
def frequent(monkeypatch):
    """Make checkpoints after a few rows, and talk plain HTTP only."""
    without_authorities(monkeypatch)
    monkeypatch.setattr("tap_billing.writing.CHUNK", 7)
    monkeypatch.setattr("tap_billing.writing.CHECKPOINT_ROWS", 60)


@pytest.fixture
def company(provider):
    with serve(provider, customers=30, now=NOW) as sandbox:
        yield sandbox


def config(company, **settings):
    return config_of(company, page_size=11, **settings)


def stops(messages):
    """Return after how many messages a run is killed in the worst case: just after each STATE."""
    return [
        number + 1
        for number, each in enumerate(messages)
        if each["type"] == "STATE" and number + 1 < len(messages)
    ]


def between(messages):
    """Return some of the other places: in the middle between two STATEs."""
    ends = [0, *stops(messages), len(messages)]
    return [(a + b) // 2 for a, b in itertools.pairwise(ends)]


def resumed(company, done, stop, *, state=None):
    """Return the run that follows one that was killed after so many messages."""
    return run(config(company), state=last_state(done.messages[:stop]) or state)


def loaded(*parts):
    warehouse = Warehouse()
    for messages in parts:
        warehouse.load(messages)
    return warehouse


def test_first_load_that_is_killed_anywhere_ends_as_one_that_is_not(company):
    whole = run(config(company))
    expected = loaded(whole.messages).tables
    places = [*stops(whole.messages), *between(whole.messages)]
    assert len(places) > 20
    for stop in places:
        done = resumed(company, whole, stop)
        assert done.error is None
        tables = loaded(whole.messages[:stop], done.messages).tables
        assert tables == expected, stop


def beyond(done, state, stream, row):
    """Whether a row is of a Cheddar customer that the state's position has not passed."""
    after = state["bookmarks"][stream].get("progress", {}).get("after", "9999")
    if not isinstance(after, str):
        return False
    made = {each["id"]: each["createdDatetime"] for each in done.records("customers")}
    return made[row.get("customer_id", row["id"])][:10] > after


def test_first_load_that_goes_on_does_not_repeat_what_a_checkpoint_holds(company, provider):
    whole = run(config(company))
    overlap = run(config(company), state=whole.state)
    spared = 0
    for stop in stops(whole.messages):
        state = last_state(whole.messages[:stop])
        done = run(config(company), state=state)
        before = loaded(whole.messages[:stop]).tables
        again, often = loaded(done.messages).tables, loaded(overlap.messages).tables
        for stream in before.keys() - WHOLE[provider]:
            rows = before[stream]
            repeated = (rows.keys() & again[stream].keys()) - often[stream].keys()
            left = [key for key in repeated if not beyond(whole, state, stream, rows[key])]
            assert left == [], (stop, stream)
            spared += len(rows.keys() - again[stream].keys())
    assert spared > 1000


@pytest.mark.parametrize(("stream", "key"), [("contacts", "user_id"), ("plans", "item_id")])
def test_list_without_passes_goes_on_with_its_rest_and_ends_with_its_beginning(
    monkeypatch, stream, key
):
    monkeypatch.setattr("tap_billing.writing.CHUNK", 3)
    monkeypatch.setattr("tap_billing.writing.CHECKPOINT_ROWS", 6)
    places = set()
    with serve("chargeover", customers=30, now=NOW) as sandbox:
        whole = run(config(sandbox))
        numbers = [row[key] for row in whole.records(stream)]
        for stop in stops(whole.messages):
            state = last_state(whole.messages[:stop])
            after = state["bookmarks"].get(stream, {}).get("progress", {}).get("after")
            if after is None or after in places:
                continue
            places.add(after)
            done = run(config(sandbox), state=state)
            rest = [number for number in numbers if number > after]
            beginning = [number for number in numbers if number <= after]
            assert [row[key] for row in done.records(stream)] == [*rest, *beginning], after
            assert stream in versions(done)
            tables = loaded(whole.messages[:stop], done.messages).tables
            assert tables == loaded(whole.messages).tables, after
    assert len(places) >= 3
    assert numbers == sorted(numbers)


def test_incremental_run_that_is_killed_anywhere_ends_as_one_that_is_not(company):
    first = run(config(company))
    company.world.advance(40)
    second = run(config(company), state=first.state)
    expected = loaded(first.messages, second.messages).tables
    for stop in [*stops(second.messages), *between(second.messages)]:
        done = resumed(company, second, stop, state=first.state)
        tables = loaded(first.messages, second.messages[:stop], done.messages).tables
        assert tables == expected, stop


def test_sweep_that_is_killed_anywhere_deletes_what_is_gone_and_nothing_else(company):
    first = run(config(company))
    with company.world.lock:
        books = company.world.company
        for customer in list(books.customers.values())[5:7]:
            changes.delete_customer(books, customer)
    company.world.advance(10)
    old = aged(first.state)
    second = run(config(company), state=old)
    truth = company.world.truth()
    expected = loaded(first.messages, second.messages)
    assert expected.differences(truth) == []
    for stop in [*stops(second.messages), *between(second.messages)]:
        done = resumed(company, second, stop, state=old)
        warehouse = loaded(first.messages, second.messages[:stop], done.messages)
        assert warehouse.tables == expected.tables, stop


def test_first_load_that_is_killed_again_and_again_while_business_goes_on(company):
    """After some quiet run the tables are the server's, with what only a sweep sees."""
    state, warehouse = None, Warehouse()
    for part in (0.1, 0.5, 0.3, 0.7, 0.2, 0.9):
        done = run(config(company), state=state)
        stop = int(len(done.messages) * part)
        warehouse.load(done.messages[:stop])
        state = last_state(done.messages[:stop]) or state
        company.world.advance(2.5)
    quiet = run(config(company), state=state)
    sweep = run(config(company), state=aged(quiet.state))
    assert (quiet.error, sweep.error) == (None, None)
    warehouse.load(quiet.messages)
    warehouse.load(sweep.messages)
    assert warehouse.differences(company.world.truth()) == []
    assert warehouse.tables == loaded(run(config(company)).messages).tables


def claims(done):
    """Yield each STATE's streams with what it claims of them, and the messages before it."""
    for number, message in enumerate(done.messages):
        if message["type"] == "STATE":
            for stream, told in message["value"].get("bookmarks", {}).items():
                if stream in done.counts:
                    yield stream, told, done.messages[:number]


def test_no_state_claims_more_than_was_written_before_it(company, provider):
    done = run(config(company))
    places = 0
    # What a position is of: a row's number, or the day on which a customer was created.
    read, of = {
        "chargeover": ("transactions", lambda row: row["transaction_id"]),
        "cheddar": ("customers", lambda row: row["createdDatetime"][:10]),
    }[provider]
    for stream, told, before in claims(done):
        written = loaded(before).tables.get(stream, {})
        if told.keys() & {"replication_key_value", "sweep", "watermark"}:
            assert len(written) == done.counts[stream], stream
        elif "progress" in told and stream == read:
            after = told["progress"]["after"]
            upto = [row for row in done.records(stream) if of(row) <= after]
            assert [row for row in written.values() if of(row) <= after] == upto
            places += bool(upto)
    assert places > 2


def test_bookmark_of_a_killed_first_load_is_not_there_yet(company):
    whole = run(config(company))
    begun = [
        told["bookmarks"]["transactions"]
        for told in (each["value"] for each in whole.of("STATE"))
        if "progress" in told["bookmarks"].get("transactions", {})
    ]
    assert begun
    assert all("replication_key_value" not in each for each in begun)
    assert when(whole.bookmark("transactions")) <= NOW


def test_checkpoint_of_other_filters_is_not_gone_on_with(company, provider):
    some = {
        "chargeover": {"transactions": [{"field": "amount", "operator": "GT", "value": "50"}]},
        "cheddar": {"customers": {"subscriptionStatus": "activeOnly"}},
    }[provider]
    filtered = run(config(company, filters=some))
    whole = run(config(company))
    for stop in stops(filtered.messages)[::3]:
        done = run(config(company), state=last_state(filtered.messages[:stop]))
        assert done.error is None
        tables = loaded(filtered.messages[:stop], done.messages).tables
        assert tables == loaded(whole.messages).tables, stop


def test_stream_that_is_new_beside_a_checkpoint_gets_all_its_rows(company, provider):
    child = {"chargeover": "transaction_applications", "cheddar": "charges"}[provider]
    whole = run(config(company))
    for stop in stops(whole.messages)[::4]:
        state = last_state(whole.messages[:stop])
        state["bookmarks"].pop(child, None)
        done = run(config(company), state=state)
        assert keyed(done, child) == keyed(whole, child), stop


@pytest.mark.parametrize("after", [[], {}, "x", -5, 10**40, True, None])
def test_progress_that_makes_no_sense_costs_no_row(company, after):
    whole = run(config(company))
    stop = stops(whole.messages)[len(stops(whole.messages)) // 2]
    state = copied(last_state(whole.messages[:stop]))
    for told in state["bookmarks"].values():
        if "progress" in told:
            told["progress"]["after"] = after
    done = run(config(company), state=state)
    known = loaded(whole.messages[:stop], done.messages).tables
    # A position beyond every row is a position: only then may it leave rows out.
    if after != 10**40:
        assert done.error is None
        assert known == loaded(whole.messages).tables


def test_read_that_is_refused_on_its_way_goes_on_from_there(company, provider):
    part = {"chargeover": "/transaction?", "cheddar": "/customers/"}[provider]
    with proxying(company, refusing=part, after=8 if provider == "chargeover" else 0) as url:
        first = run(config(company, api_url=url))
    second = run(config(company), state=first.state)
    assert first.error is not None
    assert second.error is None
    assert loaded(first.messages, second.messages).differences(company.world.truth()) == []
    if provider == "chargeover":
        assert 0 < first.counts["transactions"] < second.counts["transactions"] * 10
        total = company.world.truth()["transactions"]["count"]
        assert second.counts["transactions"] < total


class Reader:
    """A stdout whose reader goes away after so many bytes."""

    def __init__(self, most=sys.maxsize):
        self.taken, self.most, self.buffer = bytearray(), most, self

    def write(self, data):
        self.taken += bytes(data)[: self.most - len(self.taken)]
        if len(self.taken) >= self.most:
            raise BrokenPipeError
        return len(data)

    def flush(self):
        pass


def told_to(reader, company, monkeypatch):
    """Let a run write to a reader. Raises what ends it."""
    tap = quickened(TapBilling(config=config(company), parse_env_config=False))
    with monkeypatch.context() as patched, contextlib.closing(tap):
        patched.setattr(sys, "stdout", reader)
        tap.sync_all()


@pytest.mark.parametrize("part", [0.001, 0.2, 0.41, 0.63, 0.87, 0.999])
def test_reader_that_goes_away_at_any_byte_loses_nothing(company, monkeypatch, part):
    everything = Reader()
    told_to(everything, company, monkeypatch)
    reader = Reader(int(len(everything.taken) * part))
    with pytest.raises(NoReader):
        told_to(reader, company, monkeypatch)
    taken, whole = (
        [
            json.loads(line)
            for line in bytes(each.taken).splitlines(keepends=True)
            if line.endswith(b"\n")
        ]
        for each in (reader, everything)
    )
    assert len(taken) < len(whole)
    done = run(config(company), state=last_state(taken))
    assert loaded(taken, done.messages).tables == loaded(whole).tables
