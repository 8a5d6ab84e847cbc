"""What permits a run to delete: nothing but a complete read that is proven, and believable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.errors import TooManyDeletions
from tap_billing.memory import Progress, Sweep
from tap_billing.spec import Census, Scope
from tap_billing.sweeps import Doubt, Outcome, Policy, Reading, Swept, proven

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
SINCE = NOW - timedelta(days=1)
POLICY = Policy(NOW, WEEK, 0.2, versions=True)
NEW, VERSION = int(NOW.timestamp()), 17


def swept(rows=100):
    return Sweep(NOW - WEEK, rows, rows, VERSION)


def test_nothing_but_the_proof_gives_the_permission_to_delete():
    seal = object()
    with pytest.raises(TypeError, match="proven"):
        Swept(VERSION, seal)
    given_one = proven(*judged(10, census=Census(10, 10)))
    assert isinstance(given_one, Swept)
    with pytest.raises(TypeError, match="proven"):
        Swept(VERSION, replace)
    with pytest.raises(AttributeError):
        given_one.version = 5


def judged(documents, *, rows=None, kept=None, census=None, former=None, numbered=None):
    """Return a counted sweep, what it brought, and a policy."""
    reading = Reading(Scope(counted=True), NEW, sweep=True, former=former or {})
    rows = {"stream 0": documents} if rows is None else rows
    kept = documents if kept is None else kept
    numbered = documents if numbered is None else numbered
    return reading, Outcome(documents, kept, rows, None, numbered, census), POLICY


@pytest.mark.parametrize(
    ("numbered", "before", "after", "good"),
    [
        (10, 10, 10, True),
        (9, 10, 10, False),
        (11, 10, 10, False),
        (9, 10, 8, True),
        (8, 10, 8, True),
        (7, 10, 8, False),
        (11, 10, 12, True),
        (13, 10, 12, False),
        (0, 0, 0, True),
        (0, 1, 1, False),
    ],
)
def test_count_before_and_after_bounds_what_a_complete_read_brings(numbered, before, after, good):
    found = proven(*judged(20, numbered=numbered, census=Census(before, after, 99)))
    if good:
        assert isinstance(found, Swept)
        assert found.version == NEW
    else:
        low, high = sorted((before, after))
        told = f"{numbered} rows came, the server counts {low} to {high}"
        assert found == Doubt(told, again=True)


@pytest.mark.parametrize(("earlier", "good"), [(44, True), (45, True), (46, False)])
def test_part_that_an_earlier_run_read_is_counted_too(earlier, good):
    """Rows may be gone since, but more than came were out of sight then."""
    reading, outcome, policy = judged(60, numbered=15, census=Census(15, 15, 60, earlier=earlier))
    progress = Progress(45, SINCE, SINCE, sweep=True, version=NEW, documents=45)
    found = proven(replace(reading, progress=progress), outcome, policy)
    if good:
        assert isinstance(found, Swept)
    else:
        assert found == Doubt("45 rows came before, the server counts 46", again=True)


@pytest.mark.parametrize(("loaded", "good"), [([], True), (["stream 1"], False)])
def test_stream_that_was_read_and_never_counted_permits_nothing(loaded, good):
    reading, outcome, policy = judged(0, rows={"stream 0": 0, "stream 1": 0})
    found = proven(replace(reading, loaded=frozenset(loaded)), outcome, policy)
    if good:
        assert isinstance(found, Swept)
    else:
        assert found == Doubt("how many rows stream 1 had before was never counted", again=False)


def test_server_that_does_not_count_permits_nothing_and_is_not_asked_again():
    found = proven(*judged(10, census=Census(10, 10, unknown="GET /x/_count: HTTP 400")))
    assert isinstance(found, Doubt)
    assert not found.again
    assert "HTTP 400" in found.why


def test_provider_whose_documents_prove_themselves_needs_no_count():
    assert isinstance(proven(*judged(10)), Swept)


@pytest.mark.parametrize(
    "change",
    [
        {"sweep": False},
        {"version": None},
        {"scope": Scope()},
        {"scope": Scope(counted=False, since=SINCE, whole=False)},
    ],
)
def test_read_that_is_no_counted_sweep_permits_nothing(change):
    reading, outcome, policy = judged(10, census=Census(10, 10))
    assert proven(replace(reading, **change), outcome, policy) is None


def allowed(**given_ones):
    """Whether a sweep may delete, after one of a hundred rows and documents."""
    try:
        return isinstance(proven(*judged(**given_ones)), Swept)
    except TooManyDeletions:
        return False


BEFORE = {"stream 0": swept()}


@pytest.mark.parametrize(
    ("rows", "kept", "good"),
    [
        (100, 100, True),
        (80, 80, True),
        (79, 100, False),
        (500, 79, False),
        (500, 80, True),
        (0, 0, False),
        (80, 79, False),
    ],
)
def test_more_than_max_deletions_is_not_believed_by_rows_nor_by_documents(rows, kept, good):
    assert allowed(documents=500, rows={"stream 0": rows}, kept=kept, former=BEFORE) is good


def test_each_stream_is_judged_by_itself():
    former = {"stream 0": swept(), "stream 1": swept()}
    rows = {"stream 0": 100, "stream 1": 79}
    with pytest.raises(
        TooManyDeletions, match="21 of the 100 rows that stream 1 had at 2026-01-25 12:00"
    ):
        proven(*judged(100, rows=rows, former=former))
    assert allowed(documents=100, rows=rows, former=BEFORE)


def test_refusal_names_the_setting_and_says_that_nothing_is_deleted():
    with pytest.raises(
        TooManyDeletions, match=r"more than max_deletions \(20%\) allows; nothing is deleted"
    ):
        proven(*judged(0, former=BEFORE))


@pytest.mark.parametrize(("most", "good"), [(0.0, False), (1.0, True)])
def test_max_deletions_of_nothing_and_of_everything(most, good):
    reading, outcome, policy = judged(99 if not good else 0, former=BEFORE)
    policy = replace(policy, most=most)
    if good:
        assert isinstance(proven(reading, outcome, policy), Swept)
    else:
        with pytest.raises(TooManyDeletions):
            proven(reading, outcome, policy)


def test_nothing_is_missed_where_there_was_nothing():
    former = {"stream 0": Sweep(NOW - WEEK, 0, 0, VERSION)}
    assert allowed(documents=0, former=former)
    assert allowed(documents=0)


COUNTS = st.integers(0, 1000)


@given(counts=st.tuples(*[COUNTS] * 6), most=st.floats(0, 1))
def test_permission_is_given_only_within_the_count_and_within_max_deletions(counts, most):
    before, after, numbered, rows, kept, total = counts
    former = {"stream 0": swept(total)}
    reading, outcome, policy = judged(
        kept,
        rows={"stream 0": rows},
        numbered=numbered,
        census=Census(before, after),
        former=former,
    )
    try:
        found = proven(reading, outcome, replace(policy, most=most))
    except TooManyDeletions:
        assert max(total - rows, total - kept) > most * total
        return
    counted = min(before, after) <= numbered <= max(before, after)
    assert isinstance(found, Swept if counted else Doubt)
    if counted:
        assert max(total - rows, total - kept) <= most * total


def test_rows_that_were_there_when_the_first_page_was_asked_for_may_be_gone_when_they_are_counted():
    assert isinstance(proven(*judged(100, census=Census(97, 97, most=100))), Swept)
    # More than there ever were came, and fewer than there are: neither is complete.
    assert isinstance(proven(*judged(101, census=Census(97, 97, most=100))), Doubt)
    assert isinstance(proven(*judged(96, census=Census(97, 97, most=100))), Doubt)
