"""Instants: every date-time is read as if it was parsed, and sorts as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing import instants
from tap_billing.instants import instant, moment, render
from tests.bodies import CHICAGO

ZONES = st.sampled_from(
    [CHICAGO, "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "UTC"]
)
NAIVE = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(  # noqa: DTZ001 - naive on purpose
    lambda when: when.replace(microsecond=0, fold=0)
)


@given(wall=NAIVE, zone=ZONES)
def test_naive_datetime_is_the_wall_time_of_its_zone(wall, zone):
    when = moment(wall.isoformat(" "), zone)
    local = when.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    skipped = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
    assert local == (wall if skipped.replace(tzinfo=None) == wall else skipped.replace(tzinfo=None))
    assert abs(local - wall) <= timedelta(hours=1)


@given(wall=NAIVE, zone=ZONES, minutes=st.integers(-720, 840))
def test_offset_wins_over_the_zone(wall, zone, minutes):
    offset = timedelta(minutes=minutes)
    sign, size = ("-" if minutes < 0 else "+"), abs(minutes)
    text = f"{wall.isoformat()}{sign}{size // 60:02}:{size % 60:02}"
    assert moment(text, zone) == wall.replace(tzinfo=UTC) - offset


@given(first=NAIVE, second=NAIVE)
def test_instants_sort_as_text(first, second):
    told = [instant(f"{each.isoformat()}+00:00", "UTC") for each in (first, second)]
    assert (told[0] < told[1]) == (first < second)


@given(when=st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))  # noqa: DTZ001 - bound
def test_instant_survives_being_written_and_read(when):
    assert moment(render(when), CHICAGO) == when


def test_repeated_hour_means_its_first_half():
    assert instant("2026-11-01 01:30:00", CHICAGO) == "2026-11-01T06:30:00Z"


@pytest.mark.parametrize("text", ["9999-12-31 23:59:59", "0001-01-01T00:00:00+01:00", "x"])
def test_datetime_beyond_the_calendar_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+"):
        moment(text, CHICAGO)


ODD_TEXTS = [
    "2026-03-10 24:00:00",
    "2026-W11-2T01:01:49",
    "20260310T010149Z",
    "2026-03-10x01:01:49",
    "2026-03-10 01:01:49.12345",
    "2026-03-10 01:01:49.00000",
    "2026-03-10T01:01:49+05:30",
    "2026-03-10T01:01:49-00:00",
    "2026-03-10T01:01:49+25:00",
    "2026-03-10 01:01:49 ",
    " 2026-03-10 01:01:49",
    "2026-03-10 01:60:49",
    "2026-02-30 01:01:49",
    "0001-01-01 00:00:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31 23:59:59",
    "\u0662\u0660\u0662\u0666-03-10 01:01:49",
    ":01:49:01:49:01:49:01:49",
    "2026-03-10 01:01:49:01:49",
]


def told_of(text, zone, read):
    try:
        return read(text, zone)
    except ValueError:
        return "refused"


def parsed(text, zone):
    return render(moment(text.strip(), zone)) if text.strip() else None


@pytest.mark.parametrize("zone", [CHICAGO, "Asia/Kolkata", "Africa/Monrovia", "UTC"])
@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_odd_datetime_is_read_as_if_each_was_parsed(text, zone):
    for _ in range(2):
        assert told_of(text, zone, instant) == told_of(text, zone, parsed)


@given(
    wall=st.datetimes(datetime(1850, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - naive on purpose
    zone=st.sampled_from(sorted(available_timezones())),
    separator=st.sampled_from(" T"),
    offset=st.sampled_from(["", "", "Z", "+00:00", "-06:00", "+05:30", "+00:00:30"]),
)
def test_every_datetime_of_an_hour_is_read_as_if_each_was_parsed(wall, zone, separator, offset):
    start = wall.replace(minute=0, second=0, microsecond=0)
    for minute, second in ((0, 0), (wall.minute, wall.second), (30, 0), (59, 59)):
        text = start.replace(minute=minute, second=second).isoformat(separator) + offset
        assert told_of(text, zone, instant) == told_of(text, zone, parsed)


@pytest.mark.parametrize(
    ("zone", "year"),
    # Gaza's clocks changed a minute past the hour, Lord Howe's change by half an hour.
    [
        (CHICAGO, 2026),
        ("Australia/Lord_Howe", 2026),
        ("America/St_Johns", 2008),
        ("Asia/Gaza", 2011),
    ],
)
def test_year_is_read_as_if_each_datetime_was_parsed(zone, year):
    start = datetime(year, 1, 1)  # noqa: DTZ001 - naive on purpose
    for number in range(0, 366 * 24 * 60, 7):
        text = (start + timedelta(minutes=number)).isoformat(" ")
        assert instant(text, zone) == parsed(text, zone)


def held(function, name):
    """Return what a function holds under a name."""
    return function.__closure__[function.__code__.co_freevars.index(name)].cell_contents


def test_hours_that_never_end_are_forgotten(monkeypatch):
    monkeypatch.setattr(instants, "HOURS", 5)
    read = instants.reader.__wrapped__("UTC")
    learn = held(read, "learn")
    for hour in range(24):
        for _ in range(2):
            tail = f"{hour:02}:{hour:02}:20"
            assert read(f"2026-03-10 {tail}") == f"2026-03-10T{tail}Z"
            assert read(f"2026-03-10 {tail}+00:00") == f"2026-03-10T{tail}Z"
        starts = held(learn, "starts")
        assert max(len(held(learn, "hours")), len(held(learn, "tails"))) <= 5
        assert sum(map(len, starts.values())) <= 5
