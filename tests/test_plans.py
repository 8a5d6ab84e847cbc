"""What a run reads of each resource: decided from settings and state, before any request."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tap_billing.cast import render
from tap_billing.errors import SettingsError
from tap_billing.memory import Memory, Progress, Sweep, remember
from tap_billing.plans import LARGE, OLDEST, plans, policy_of
from tap_billing.tap import TapBilling
from tests.support import catalog_of, selecting

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
DAY, WINDOW, LOOKBACK = timedelta(days=1), timedelta(days=30), timedelta(seconds=300)
# When each resource was read last, and the latest cursor that was seen of it by then.
READ, MARK = NOW - DAY, NOW - 3 * DAY
CONFIGS = {
    "chargeover": {"provider": "chargeover", "site": "acme", "username": "u", "password": "p"},
    "cheddar": {"provider": "cheddar", "product_code": "A", "username": "u", "password": "p"},
}
KEYS = {"transactions": "transaction_datetime"}
SWEPT = Memory(Sweep(NOW - DAY, 9, 9, 17), scope="all", watermark=READ)
CUSTOMER, PACKAGE = ("customer_id",), ("package_id",)
APPLIED = ("applied_to", "invoice_id")
PARENT = ("parent_transaction_id",)
FILTER = {"invoices": [{"field": "total", "operator": "GT", "value": 5}]}


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    monkeypatch.setattr("tap_billing.clock.now", lambda: NOW)


@pytest.fixture(scope="module")
def catalogs():
    return {name: catalog_of(config) for name, config in CONFIGS.items()}


def remembered(memory=SWEPT, mark=MARK, key="mod_datetime"):
    """Return a stream's state."""
    state = {"replication_key": key, "replication_key_value": render(mark)} if mark else {}
    remember(memory, state)
    return state


@pytest.fixture
def planned(catalogs):
    """Return plans for streams with what is remembered of them (None: nothing)."""
    with contextlib.ExitStack() as stack:

        def plan(streams, provider="chargeover", **settings):
            tap = TapBilling(
                config={**CONFIGS[provider], **settings},
                parse_env_config=False,
                catalog=selecting(copy.deepcopy(catalogs[provider]), dict.fromkeys(streams)),
                state={"bookmarks": {k: v for k, v in streams.items() if v is not None}},
            )
            stack.callback(tap.close)
            chosen = [each for each in tap.billing_streams if each.selected]
            resources, filters = tap._selection
            return plans(tap.settings, filters, chosen, resources, policy_of(tap.settings))

        yield plan


def known(*names, **further):
    """Return the states of streams that were read before."""
    return {name: remembered(key=KEYS.get(name, "mod_datetime"), **further) for name in names}


def watched(found):
    return {name: set(plan.watched) for name, plan in found.items() if plan.watched}


def test_first_run_reads_everything_whole_and_nothing_for_others(planned):
    groups, further = planned(dict.fromkeys(("customers", "invoices", "transactions")))
    assert groups.keys() == {"customers", "invoices", "transactions"}
    assert further == {}
    for plan in groups.values():
        assert plan.reading.scope.since is None
        assert (plan.reading.sweep, plan.reading.scope.counted) == (True, True)


def test_first_run_watches_what_is_recent_for_the_memory_of_the_next_one(planned):
    groups, _ = planned(dict.fromkeys(("customers", "invoices", "transactions")))
    assert {name: plan.watched for name, plan in groups.items()} == {
        "customers": {},
        "invoices": {CUSTOMER: WINDOW},
        "transactions": dict.fromkeys((CUSTOMER, APPLIED, PARENT), WINDOW),
    }


def test_later_run_asks_from_the_bookmark_less_the_lookback_on(planned):
    groups, _ = planned(known("contacts", "invoices"), lookback=900)
    scope = groups["invoices"].reading.scope
    assert (scope.since, scope.whole) == (MARK - timedelta(seconds=900), False)
    assert scope.window == WINDOW
    assert groups["invoices"].streams[0].version == 17


def test_who_needs_whom(planned):
    groups, further = planned(known("customers", "subscriptions", "invoices", "transactions"))
    assert further == {}
    assert watched(groups) == {
        "invoices": {CUSTOMER, PACKAGE},
        "transactions": {CUSTOMER, APPLIED},
    }
    since = READ - LOOKBACK
    assert set(groups["invoices"].watched.values()) == {since - WINDOW}
    assert set(groups["transactions"].watched.values()) == {since - WINDOW}


def test_lists_that_name_rows_are_asked_for_although_no_stream_needs_them(planned):
    groups, _ = planned(known("invoices", "transactions"))
    assert groups["transactions"].reading.scope.expand == ("applied_to",)
    assert groups["invoices"].reading.scope.expand == ()
    groups, _ = planned(known("transactions"))
    assert groups["transactions"].reading.scope.expand == ()


@pytest.mark.parametrize(
    ("selected", "found"),
    [
        ("customers", {"invoices": {CUSTOMER}, "transactions": {CUSTOMER, APPLIED}}),
        ("invoices", {"transactions": {APPLIED}}),
        ("subscriptions", {"invoices": {PACKAGE}, "transactions": {APPLIED}}),
        ("transactions", {}),
        ("contacts", {}),
    ],
)
def test_what_names_rows_is_read_for_that_alone_if_it_is_not_selected(planned, selected, found):
    groups, further = planned(known(selected))
    assert groups.keys() == {selected}
    assert watched(further) == found
    for plan in further.values():
        assert plan.streams == []
        assert (plan.reading.scope.whole, plan.reading.sweep) == (False, False)
        assert plan.reading.scope.since == READ - LOOKBACK


def test_cheddar_reads_nothing_for_others(planned):
    created = remembered(key="createdDatetime")
    groups, further = planned({"customers": created, "plans": remembered()}, "cheddar")
    assert (groups.keys(), further) == ({"customers", "plans"}, {})
    assert groups["customers"].reading.scope.since == MARK - LOOKBACK


def test_filtered_resource_is_read_again_without_filters_for_what_it_names(planned):
    states = known("invoices", "customers")
    # What the filters are is told by their fingerprint.
    groups, _ = planned(states, filters=FILTER)
    states["invoices"]["scope"] = groups["invoices"].scope
    groups, further = planned(states, filters=FILTER)
    assert groups["invoices"].reading.scope.filters
    assert groups["invoices"].watched == {}
    assert further["invoices"].reading.scope.filters is None
    assert set(further["invoices"].watched) == {CUSTOMER}
    assert APPLIED in further["transactions"].watched


def test_old_bookmark_makes_nobody_read_months_of_what_it_needs(planned):
    """The last customer was edited a year ago; they are read daily all the same."""
    states = known("customers", mark=NOW - timedelta(days=365))
    groups, further = planned(states)
    assert groups["customers"].reading.scope.since == NOW - timedelta(days=365) - LOOKBACK
    for plan in further.values():
        assert plan.reading.scope.since == READ - LOOKBACK


def test_state_without_a_watermark_goes_by_the_bookmark(planned):
    states = known("customers", memory=replace(SWEPT, watermark=None))
    _, further = planned(states)
    assert further["invoices"].reading.scope.since == MARK - LOOKBACK


def test_earliest_of_those_who_need_it_counts(planned):
    states = known("customers", "invoices", "transactions")
    early = NOW - 5 * DAY
    states["customers"] = remembered(replace(SWEPT, watermark=early), mark=early)
    groups, _ = planned(states)
    assert groups["invoices"].watched == {CUSTOMER: early - LOOKBACK - WINDOW}
    # Invoices name customers from then on, and so payments name invoices.
    assert groups["transactions"].watched == {
        CUSTOMER: early - LOOKBACK - WINDOW,
        APPLIED: early - LOOKBACK - WINDOW,
    }
    assert groups["invoices"].reading.scope.since == early - LOOKBACK
    assert groups["transactions"].reading.scope.since == early - LOOKBACK


def test_sweep_that_others_need_stays_whole(planned):
    due = replace(SWEPT, sweep=replace(SWEPT.sweep, at=NOW - 30 * DAY))
    groups, further = planned({**known("customers"), **known("invoices", memory=due)})
    assert further.keys() == {"transactions"}
    assert groups["invoices"].reading.scope.since is None
    assert groups["invoices"].watched == {CUSTOMER: READ - LOOKBACK - WINDOW}


def test_whole_read_needs_nothing_of_others(planned):
    due = replace(SWEPT, sweep=replace(SWEPT.sweep, at=NOW - 30 * DAY))
    assert planned(known("customers", memory=due))[1] == {}


def test_resource_that_comes_last_is_read_for_others_before(planned):
    states = known("customers", "invoices")
    standing = frozenset({"5", "6"})
    memory = replace(SWEPT, ended=True, standing=standing)
    states["invoices"] = remembered(memory)
    groups, further = planned(states)
    assert groups["invoices"].last
    assert not groups["customers"].last
    assert further["invoices"].streams == []
    assert further["invoices"].standing == standing


def test_what_stood_open_is_remembered_by_one_stream_for_all(planned):
    states = known("invoices", "invoice_line_items")
    states["invoice_line_items"]["replication_key"] = "invoice_mod_datetime"
    states["invoices"]["standing"] = "5-6"
    groups, _ = planned(states)
    assert groups["invoices"].standing == {"5", "6"}
    assert [each.name for each in groups["invoices"].streams] == ["invoice_line_items", "invoices"]
    assert groups["invoices"].reading.scope.expand == ("line_items",)


def test_earliest_bookmark_of_a_resources_streams_counts(planned):
    states = known("invoices", "invoice_line_items")
    states["invoice_line_items"] |= {
        "replication_key": "invoice_mod_datetime",
        "replication_key_value": render(NOW - 9 * DAY),
    }
    groups, _ = planned(states)
    assert groups["invoices"].reading.scope.since == NOW - 9 * DAY - LOOKBACK
    del states["invoice_line_items"]["replication_key_value"]
    groups, _ = planned(states)
    assert groups["invoices"].reading.scope.since is None


@pytest.mark.parametrize("change", [{"filters": FILTER}, {"start_date": "2020-01-01"}])
def test_changed_filters_read_everything_once(planned, change):
    progress = Progress(700, MARK, MARK, sweep=True, version=18)
    for memory in (SWEPT, replace(SWEPT, progress=progress)):
        states = known("invoices", memory=memory)
        groups, _ = planned(states, **change)
        plan = groups["invoices"]
        assert plan.scope != "all"
        assert (plan.reading.scope.since, plan.reading.progress) == (None, None)
        assert plan.reading.version == 17
        states["invoices"]["scope"] = plan.scope
        again, _ = planned(states, **change)
        assert again["invoices"].reading.scope.since is not None


def test_fingerprint_tells_filters_apart_and_not_what_they_are(planned):
    def scope(**settings):
        return planned(known("invoices"), **settings)[0]["invoices"].scope

    other = {"invoices": [{"field": "total", "operator": "GT", "value": 6}]}
    found = [scope(), scope(filters=FILTER), scope(filters=other), scope(start_date="2020-01-01")]
    assert len(set(found)) == 4
    assert found[0] == "all"
    assert scope(filters=FILTER) == found[1]
    assert not any("total" in each or "2020" in each for each in found)


@pytest.mark.parametrize(
    ("mark", "watermark", "since"),
    [
        (NOW + 400 * DAY, READ, READ - LOOKBACK),
        (NOW + 400 * DAY, NOW + 9 * DAY, NOW - LOOKBACK),
        (READ + LOOKBACK, READ, READ - LOOKBACK),
        (datetime(1, 1, 2, tzinfo=UTC), READ, OLDEST - LOOKBACK),
    ],
)
def test_bookmark_beyond_reason_is_brought_back(planned, mark, watermark, since):
    memory = replace(SWEPT, watermark=watermark)
    groups, _ = planned(known("invoices", memory=memory, mark=mark))
    assert groups["invoices"].reading.scope.since == since


@pytest.mark.parametrize(("ahead", "whole"), [(timedelta(seconds=1), True), (timedelta(), False)])
def test_bookmark_of_the_future_is_none_if_no_watermark_bounds_it(planned, caplog, ahead, whole):
    memory = replace(SWEPT, watermark=None)
    groups, _ = planned(known("invoices", memory=memory, mark=NOW + ahead))
    assert (groups["invoices"].reading.scope.since is None) is whole
    assert ("invoices: the bookmark lies in the future" in caplog.text) is whole


PROGRESS = Progress(700, READ, READ, sweep=False)


@pytest.mark.parametrize("other", [None, replace(PROGRESS, after=500)])
def test_whole_read_that_one_stream_ended_alone_is_made_again(planned, other):
    """What it was for is not done for the others, whose bookmark is that of the former filters."""
    states = known("invoices", memory=replace(SWEPT, progress=other))
    states["invoice_line_items"] = remembered(
        replace(SWEPT, progress=PROGRESS), key="invoice_mod_datetime"
    )
    scope = planned(states)[0]["invoices"].reading.scope
    assert (scope.since, scope.after, scope.whole) == (None, None, True)
    states["invoices"] = remembered(replace(SWEPT, progress=PROGRESS))
    assert planned(states)[0]["invoices"].reading.scope.after == 700


def test_wrong_bookmark_fails_its_resource_alone(planned):
    states = known("customers", "invoices")
    states["invoices"]["replication_key_value"] = "soon"
    groups, further = planned(states)
    assert isinstance(groups["invoices"].failure, SettingsError)
    assert groups["customers"].failure is None
    assert set(further["invoices"].watched) == {CUSTOMER}


def test_stopped_read_asks_from_when_it_began_less_the_lookback_on(planned):
    memory = Memory(progress=Progress(700, READ, READ, sweep=True, version=18), scope="all")
    groups, further = planned({"invoices": remembered(memory, mark=None)})
    scope = groups["invoices"].reading.scope
    assert (scope.since, scope.after, scope.whole) == (READ - LOOKBACK, 700, True)
    assert scope.counted
    assert further["transactions"].watched == {APPLIED: READ - LOOKBACK - WINDOW}


@pytest.mark.parametrize("after", ["2026-01-01", "abc", {"x": 1}, None, True, 1.5])
def test_position_that_is_none_of_the_provider_is_forgotten(planned, after):
    memory = Memory(progress=Progress(700, READ, READ, sweep=True, version=18), scope="all")
    state = remembered(memory, mark=None)
    state["progress"]["after"] = after
    groups, _ = planned({"invoices": state})
    assert groups["invoices"].reading.scope.after is None
    assert groups["invoices"].reading.sweep


@pytest.mark.parametrize("after", [700, "abc", "9999-12-31", "2026-02-30", {"x": 1}, None])
def test_position_that_is_no_day_is_forgotten(planned, after):
    memory = Memory(progress=Progress("2026-01-01", READ, READ, sweep=True), scope="all")
    state = remembered(memory, mark=None)
    assert planned({"customers": state}, "cheddar")[0]["customers"].reading.scope.after
    state["progress"]["after"] = after
    groups, _ = planned({"customers": state}, "cheddar")
    assert groups["customers"].reading.scope.after is None


@pytest.mark.parametrize(
    ("memory", "large"),
    [(None, True), (remembered(), False), (remembered(Memory(Sweep(READ, 9, LARGE, 17))), True)],
)
def test_what_was_small_is_not_worth_dividing(planned, memory, large):
    groups, _ = planned({"customers": memory}, provider="cheddar")
    assert groups["customers"].reading.scope.large is large
