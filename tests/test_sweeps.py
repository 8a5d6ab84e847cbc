"""Which read a run makes of a resource, for all that a state may remember of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.memory import Memory, Progress, Sweep, Tried
from tap_billing.spec import Census, Scope
from tap_billing.sweeps import Outcome, Policy, Reading, decide, proven
from tests.bodies import resource_of

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
DAY, WEEK, HOUR = timedelta(days=1), timedelta(days=7), timedelta(hours=1)
SINCE = NOW - DAY
POLICY = Policy(NOW, WEEK, 0.2, versions=True)
NEW = int(NOW.timestamp())
INVOICES = resource_of("chargeover", "invoices")
PLANS = resource_of("chargeover", "plans")
FILTERED = Scope(filters=(("total", "GT", "5"),))
VERSION = 17


def swept(ago, version=VERSION, rows=100, **further):
    return Sweep(NOW - ago, rows, rows, version, **further)


def remembered(ago, **further):
    return Memory(sweep=swept(ago), **further)


RECENT, DUE = remembered(DAY), remembered(WEEK)
PROGRESS = Progress(700, NOW - HOUR, NOW - HOUR, sweep=True, version=VERSION + 1, rows=8)


def decided(*memories, since=SINCE, scope=None, policy=POLICY, resource=INVOICES):
    """Return the decision for streams that are remembered so."""
    named = {f"stream {number}": each for number, each in enumerate(memories)}
    return decide(resource, named, since, scope or Scope(), policy)


def is_whole(reading):
    return reading.scope.whole and reading.scope.since is None


def test_first_read_is_a_counted_sweep_with_a_version_of_its_own():
    reading = decided(Memory(), since=None)
    assert reading == Reading(Scope(counted=True), NEW, sweep=True)


def test_read_between_sweeps_asks_the_passes_and_carries_the_sweeps_version():
    reading = decided(RECENT)
    assert reading == Reading(
        Scope(since=SINCE, whole=False), VERSION, former={"stream 0": RECENT.sweep}
    )


def test_resource_without_passes_is_read_whole_between_sweeps():
    reading = decided(RECENT, resource=PLANS)
    assert (is_whole(reading), reading.sweep, reading.since) == (True, False, SINCE)
    assert (reading.version, reading.scope.counted) == (VERSION, False)


@pytest.mark.parametrize("resource", [INVOICES, PLANS], ids=lambda each: each.name)
@pytest.mark.parametrize("since", [None, SINCE])
def test_due_sweep_reads_everything_anew(resource, since):
    reading = decided(DUE, since=since, resource=resource)
    assert reading == Reading(Scope(counted=True), NEW, sweep=True, former={"stream 0": DUE.sweep})


@pytest.mark.parametrize(
    ("ago", "due"),
    [
        (timedelta(0), False),
        (6 * DAY, False),
        (WEEK - 4 * HOUR, False),
        (WEEK - 3 * HOUR, True),
        (WEEK, True),
        (30 * DAY, True),
        (-6 * DAY, False),
        (-8 * DAY, True),
    ],
)
def test_sweep_is_due_by_its_age_a_little_early_and_when_the_clock_went_back(ago, due):
    assert decided(remembered(ago)).sweep is due


def test_sweep_is_due_as_soon_as_one_stream_lacks_it():
    assert decided(RECENT, Memory()).sweep
    assert decided(RECENT, DUE).sweep
    assert not decided(RECENT, RECENT).sweep


def test_full_table_reads_everything_without_a_sweep_until_one_is_due():
    reading = decided(RECENT, since=None)
    assert reading == Reading(Scope(), VERSION, former={"stream 0": RECENT.sweep})
    assert decided(DUE, since=None).sweep


def test_never_is_never():
    never = replace(POLICY, every=timedelta(0))
    for memory in (RECENT, DUE, Memory()):
        assert not decided(memory, policy=never).sweep
    first = decided(Memory(), since=None, policy=never)
    assert first == Reading(Scope())


@pytest.mark.parametrize(
    ("scope", "policy", "resource"),
    [
        (FILTERED, POLICY, INVOICES),
        (Scope(start=SINCE), POLICY, INVOICES),
        (Scope(), replace(POLICY, versions=False), INVOICES),
        (Scope(), POLICY, replace(INVOICES, provable=False)),
    ],
    ids=["filters", "start_date", "no versions", "not provable"],
)
@pytest.mark.parametrize("memory", [Memory(), DUE])
def test_sweep_that_can_prove_nothing_is_neither_counted_nor_a_version(
    scope, policy, resource, memory
):
    reading = decided(memory, since=None, scope=scope, policy=policy, resource=resource)
    assert reading.sweep
    assert reading.scope == scope
    assert reading.version == (memory.sweep.version if memory.sweep else None)
    outcome = Outcome(5, 5, {"stream 0": 5}, census=Census(5, 5))
    assert proven(reading, outcome, policy) is None


VERSIONS = st.integers(1, 2 * NEW)
MEMORIES = st.builds(
    Memory,
    sweep=st.none() | st.builds(swept, st.timedeltas(-WEEK, 30 * DAY), st.none() | VERSIONS),
    tried=st.none()
    | st.builds(Tried, st.timedeltas(-WEEK, WEEK).map(lambda ago: NOW - ago), VERSIONS),
)


@given(memories=st.lists(MEMORIES, min_size=1, max_size=3), since=st.none() | st.just(SINCE))
def test_counted_read_has_a_version_that_no_row_carries_and_is_always_a_sweep(memories, since):
    reading = decided(*memories, since=since)
    used = [each.version for m in memories for each in (m.sweep, m.tried) if each and each.version]
    if reading.scope.counted:
        assert reading.sweep
        assert is_whole(reading)
        assert all(reading.version > each for each in used)
    else:
        versions = [each.sweep.version for each in memories if each.sweep and each.sweep.version]
        assert reading.version == max(versions, default=None)


@pytest.mark.parametrize("used", [NEW - 1, NEW, NEW + 500])
def test_version_is_new_also_within_a_second_and_when_the_clock_went_back(used):
    expected = max(NEW, used + 1)
    assert decided(Memory(sweep=swept(WEEK, used))).version == expected
    assert decided(Memory(tried=Tried(NOW - WEEK, used))).version == expected


@pytest.mark.parametrize(
    ("ago", "again"),
    [(HOUR, False), (23 * HOUR, False), (DAY, True), (-HOUR, False), (-2 * DAY, True)],
)
def test_sweep_that_could_not_be_shown_to_be_complete_waits_for_a_day(ago, again):
    tried = Tried(NOW - ago, VERSION + 5)
    for memory in (replace(DUE, tried=tried), Memory(tried=tried)):
        assert decided(memory).sweep is again


def test_sweep_that_is_wanted_more_often_than_daily_is_tried_as_often():
    memory = Memory(tried=Tried(NOW - HOUR, VERSION))
    assert decided(memory, policy=replace(POLICY, every=HOUR)).sweep
    assert not decided(memory, policy=replace(POLICY, every=2 * HOUR)).sweep


def test_stopped_read_goes_on_from_its_position_with_its_version():
    memory = Memory(progress=PROGRESS)
    reading = decided(memory, since=None)
    scope = Scope(since=PROGRESS.since, after=700, counted=True)
    assert (reading.scope, reading.version, reading.sweep) == (scope, VERSION + 1, True)
    assert reading.progress == replace(PROGRESS, rows=0)


def test_stopped_read_goes_on_whatever_the_bookmark_and_the_age_of_the_last_sweep():
    for memory, since in itertools.product((RECENT, DUE, Memory()), (None, SINCE)):
        reading = decided(replace(memory, progress=PROGRESS), since=since)
        assert reading.scope.after == 700
        assert reading.scope.counted


def test_stopped_read_with_the_version_of_the_last_sweep_stays_uncounted():
    progress = replace(PROGRESS, version=VERSION)
    reading = decided(replace(DUE, progress=progress))
    assert (reading.sweep, reading.scope.counted, reading.version) == (True, False, VERSION)


def test_read_that_goes_on_without_versions_may_not_end_with_one():
    progress = replace(PROGRESS, version=VERSION + 1)
    without = replace(POLICY, versions=False)
    reading = decided(replace(DUE, progress=progress), policy=without)
    assert (reading.scope.counted, reading.version) == (False, VERSION)


@pytest.mark.parametrize("change", [{"version": None}, {"sweep": False}])
def test_stopped_read_that_was_not_counted_stays_uncounted(change):
    reading = decided(Memory(progress=replace(PROGRESS, **change)), since=None)
    assert not reading.scope.counted


def test_stopped_read_is_not_counted_any_more_once_versions_are_not_wanted():
    reading = decided(Memory(progress=PROGRESS), policy=replace(POLICY, versions=False))
    assert (reading.scope.after, reading.scope.counted) == (700, False)


def test_streams_differ_in_their_rows_without_losing_their_progress():
    other = replace(PROGRESS, rows=99)
    assert decided(Memory(progress=PROGRESS), Memory(progress=other)).scope.after == 700


@pytest.mark.parametrize("change", [{"after": 600}, {"version": 5}, {"since": SINCE}])
def test_streams_that_stand_at_different_places_are_read_from_the_start(change):
    other = Memory(progress=replace(PROGRESS, **change))
    for further in (other, Memory()):
        assert is_whole(decided(Memory(progress=PROGRESS), further, since=None))
