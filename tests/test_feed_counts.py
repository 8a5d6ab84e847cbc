"""A whole read: how it goes on where it was stopped, and what it counts."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tap_billing.bridge import Loop
from tap_billing.memory import Progress, Sweep
from tap_billing.spec import Census, Scope
from tap_billing.sweeps import Reading
from tests.feeds import COUNTED, SINCE, census, document, page, told, whole


@pytest.fixture
def loop():
    with contextlib.closing(Loop()) as made:
        yield made


PROGRESS = Progress(
    500, SINCE, SINCE, sweep=True, version=17, seen=datetime(2026, 1, 20, tzinfo=UTC),
    rows=900, documents=450, kept=440,
)  # fmt: skip
SCOPE = Scope(since=SINCE, after=500, counted=True)
RESUMED = Reading(SCOPE, 17, sweep=True, progress=PROGRESS)


def test_resumed_read_asks_its_passes_then_what_is_named_then_the_rest(loop):
    passes = [page(document(3), document(8))]
    left = [page(document(70), document(71))]
    rest = [census(1), whole(document(501)), census(1, 1)]
    found = told(loop, passes, left, rest, reading=RESUMED, named=["8", "70"], standing=["501"])
    first = replace(SCOPE, whole=False, counted=False)
    (asked, _), (named, ids), (last, _) = found.asked
    assert asked == first
    assert (named.after, ids) == (None, {"70"})
    assert last == replace(SCOPE, since=None)
    assert found.rows == [3, 8, 70, 501]


def test_resumed_read_asks_for_no_row_after_its_position_by_name(loop):
    wanted = ["499", "500", "501", "x"]
    left = [page(document(499), document(500))]
    found = told(loop, [page()], left, [whole()], reading=RESUMED, named=wanted)
    assert found.asked[1][1] == {"499", "500"}


def test_resumed_read_counts_on_from_where_it_stood(loop):
    passes = [page(document(3, day=2))]
    rest = [census(2, highest=600), whole(document(501, day=3), document(600, day=4))]
    found = told(loop, passes, [*rest, census(2, 2, 600)], reading=RESUMED)
    outcome = found.feed.outcome({"invoices": 902})
    assert (outcome.documents, outcome.kept) == (452, 442)
    assert (outcome.numbered, outcome.highest) == (2, 600)
    assert outcome.census == Census(2, 2, 600)
    assert found.feed.seen == PROGRESS.seen


def test_resumed_read_without_a_rest_remembers_the_highest_row(loop):
    outcome = told(loop, [page()], [whole()], reading=RESUMED).feed.outcome({})
    assert (outcome.documents, outcome.kept, outcome.highest) == (450, 440, 500)


def test_rows_above_the_counted_ones_are_no_part_of_the_count(loop):
    """Inserted while it was read: they come, and the server was not asked to count them."""
    rows = [whole(document(1), document(3)), whole(document(4), document(9), document(10))]
    found = told(loop, [census(3, highest=4), *rows, census(3, 3, 4)], reading=COUNTED)
    outcome = found.feed.outcome({})
    assert (outcome.documents, outcome.numbered, outcome.highest) == (5, 3, 10)
    assert found.rows == [1, 3, 4, 9, 10]


def test_count_that_changes_meanwhile_is_told_with_both_ends(loop):
    given = [census(4, highest=4), whole(document(1), document(4)), census(4, 2, 4)]
    assert told(loop, given, reading=COUNTED).feed.outcome({}).census == Census(4, 2, 4)


def test_list_without_numbers_is_counted_as_a_whole(loop):
    rows = [{"invoice_id": f"x-{number}"} for number in range(3)]
    given = [census(3), whole(*rows), census(3, 3)]
    outcome = told(loop, given, reading=COUNTED).feed.outcome({})
    assert (outcome.documents, outcome.numbered, outcome.kept) == (3, 3, 3)
    assert outcome.highest is None


def test_only_rows_of_the_last_sweeps_time_are_kept_ones(loop):
    """New rows would otherwise hide that old ones are gone."""
    former = {name: Sweep(SINCE, 3, 3, 5, highest) for name, highest in (("a", 4), ("b", 9))}
    rows = [document(number) for number in (1, 4, 5, 12)]
    found = told(loop, [whole(*rows)], reading=replace(COUNTED, former=former))
    outcome = found.feed.outcome({"a": 4})
    assert (outcome.kept, outcome.documents, outcome.rows) == (2, 4, {"a": 4})


@pytest.mark.parametrize("order", [*itertools.permutations(("passes", "whole"))])
def test_pages_of_passes_are_no_part_of_what_a_whole_read_counts(loop, order):
    kinds = {"passes": page(document(1)), "whole": whole(document(2))}
    outcome = told(loop, [kinds[each] for each in order]).feed.outcome({})
    assert (outcome.documents, outcome.numbered, outcome.highest) == (1, 1, 2)
