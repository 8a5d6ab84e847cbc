"""The horizon: a bookmark is what was seen, and never past the server's clock at the start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.cast import render
from tap_billing.horizon import Horizon, Recent
from tap_billing.spec import Page

BEGAN = datetime(2026, 2, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIMES = st.datetimes(
    datetime(2025, 1, 1),  # noqa: DTZ001 - bounds
    datetime(2027, 1, 1),  # noqa: DTZ001 - bounds
    timezones=st.just(UTC),
)


def horizon(since=None, cursors=(("at",), ("lines", "at"))):
    return Horizon("America/Chicago", cursors, BEGAN, since)


def page(server_time, received=BEGAN):
    return Page([], received, server_time)


@given(times=st.lists(TIMES, min_size=1), offset=st.timedeltas(-HOUR, HOUR))
def test_bookmark_passes_neither_what_was_seen_nor_either_clock(times, offset):
    made = horizon()
    made.begin(page(BEGAN + offset))
    for each in times:
        made.note({"at": render(each)})
    assert made.bookmark == min(max(times), BEGAN, BEGAN + offset)


def test_first_answer_alone_tells_the_servers_clock():
    made = horizon()
    made.begin(page(BEGAN - HOUR))
    made.begin(page(BEGAN - 2 * HOUR))
    made.note({"at": "2030-01-01T00:00:00Z"})
    assert made.bookmark == BEGAN - HOUR


def test_slow_first_answer_lowers_the_watermark_to_when_it_was_asked_for():
    made = horizon()
    made.begin(page(BEGAN + HOUR, received=BEGAN + HOUR))
    made.note({"at": "2030-01-01T00:00:00Z"})
    assert made.bookmark == BEGAN


def test_clock_that_steps_back_while_the_first_answer_comes_does_not_raise_the_watermark():
    """It went an hour ahead at the start: of that hour nothing was seen."""
    made = horizon()
    made.begin(page(BEGAN - HOUR, received=BEGAN - HOUR))
    assert made.watermark == BEGAN - HOUR


def test_server_without_a_clock_leaves_the_local_one():
    made = horizon()
    made.begin(page(None))
    made.note({"at": "2030-01-01T00:00:00Z"})
    assert made.bookmark == BEGAN


def test_read_that_saw_nothing_has_no_bookmark():
    made = horizon()
    made.begin(page(BEGAN))
    assert made.bookmark is None


@pytest.mark.parametrize(
    "document",
    [
        {"at": "2026-01-01T00:00:00Z"},
        {"at": "2025-12-31 18:00:00"},
        {"at": " 2026-01-01T00:00:00+00:00 "},
        {"lines": [{"at": "2025-01-01"}, {"at": "2026-01-01T00:00:00Z"}]},
        {"at": "soon", "lines": {"at": "2026-01-01T00:00:00Z"}},
        {"at": "9999-12-31 23:59:59", "lines": [{"at": "2026-01-01T00:00:00Z"}, None, "x"]},
        {"at": {"x": 1}, "lines": [{"at": "2026-01-01T00:00:00Z"}, {"at": 7}]},
    ],
    ids=str,
)
def test_largest_cursor_of_a_document_counts_and_what_is_none_is_passed_over(document):
    made = horizon()
    made.note(document)
    assert made.bookmark == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("document", "new"),
    [
        ({"at": "2026-01-01T00:00:00Z"}, True),
        ({"at": "2025-12-31T23:59:59Z"}, False),
        ({"at": "2025-12-31T23:59:59Z", "lines": [{"at": "2026-01-02T00:00:00Z"}]}, True),
        ({}, True),
        ({"at": ""}, True),
        ({"at": "0000-00-00 00:00:00"}, True),
    ],
    ids=str,
)
def test_document_may_be_new_unless_its_cursors_say_otherwise(document, new):
    assert horizon(since=datetime(2026, 1, 1, tzinfo=UTC)).note(document) is new


@pytest.mark.parametrize(
    ("at", "since", "new"),
    [
        ("2026-01-01T00:00:00Z", BEGAN, False),
        ("2026-02-01T12:00:00Z", BEGAN, True),
        ("soon", BEGAN, True),
        ("2026-01-01T00:00:00Z", None, True),
    ],
)
def test_last_document_is_recent_by_any_instant(at, since, new):
    """Whatever the documents before it were."""
    made = horizon(since=BEGAN)
    made.note({"at": "2026-03-01T00:00:00Z"})
    made.note({"at": at})
    assert made.is_since(since) is new


def test_what_was_seen_before_a_read_was_stopped_stays_seen():
    made = horizon()
    made.seen = BEGAN - HOUR
    made.note({"at": "2026-01-01T00:00:00Z"})
    assert made.bookmark == BEGAN - HOUR


def test_full_read_takes_every_document_for_new():
    assert horizon().note({"at": "1999-01-01"})


def test_recent_names_are_those_of_the_time_before_the_latest():
    recent = Recent(timedelta(days=30), datetime(2026, 3, 1, tzinfo=UTC))
    for number in range(25_000):
        recent.note([f"old {number}"], "2024-01-01T00:00:00Z")
    recent.note(["a", "b"], "2026-01-01T00:00:00Z")
    recent.note(["c"], "2026-01-25T00:00:00Z")
    recent.note(["b"], "2026-02-10T00:00:00Z")
    assert recent.names == {"b", "c"}


def test_name_from_the_future_makes_no_other_one_old():
    recent = Recent(timedelta(days=30), datetime(2026, 3, 1, tzinfo=UTC))
    recent.note(["now"], "2026-02-20T00:00:00Z")
    recent.note(["later"], "2099-01-01T00:00:00Z")
    assert recent.names == {"now", "later"}
