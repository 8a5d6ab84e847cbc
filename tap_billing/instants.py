"""Reads date-times into instants, and writes them as RFC 3339 text in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

# Minutes and seconds, as every usual date-time has them.
TAILS = frozenset(f":{minute:02}:{second:02}" for minute in range(60) for second in range(60))
# The longest text of these: 2026-03-10T01:01:49-05:00.
LONGEST = 25
# Hours that are remembered, each with its offset: most of a year.
HOURS = 8192
# What an hour's text in UTC goes on with, and the hours known of the same offset.
Tail = tuple[str, dict[str, str]]
HOUR = timedelta(minutes=59, seconds=59)


def instant(text: str, zone: str) -> str | None:
    """Return a datetime's RFC 3339 text in UTC with `Z`; a naive one is in `zone`.

    Accepts ISO 8601 with or without offset and ChargeOver's `YYYY-MM-DD HH:MM:SS`, and returns None
    for blank text. In the hour that a change from daylight saving time repeats, the first is meant.
    Raises ValueError for anything else.
    """
    return reader(zone)(text)


@cache
def reader(zone: str) -> Callable[[str], str | None]:
    """Return `instant` for one zone, which parses an hour once and not every date-time in it."""
    learn, tails = _learner(zone)

    def read(text: str) -> str | None:
        try:
            tail, hours = tails[text[13:]]
            return hours[text[:13]] + tail
        except KeyError:
            return learn(text)

    return read


def _learner(zone: str) -> tuple[Callable[[str], str | None], dict[str, Tail]]:
    """Return `instant` for one zone, and what it has learned to be looked up first."""
    hours: dict[str, str] = {}
    tails: dict[str, Tail] = {}
    starts: dict[str, dict[str, str]] = {}

    def learn(text: str) -> str | None:
        tail, offset = text[13:19], text[19:]
        if tail in TAILS and len(text) <= LONGEST:
            key = text[:13] + offset
            hour = hours.get(key)
            if hour is None:
                if len(hours) >= HOURS:
                    for each in (hours, tails, starts):
                        each.clear()
                hour = hours[key] = _hour(text[:13], offset, zone)
            if hour:
                if len(tails) >= HOURS:
                    tails.clear()
                same = starts.setdefault(offset, {})
                same[text[:13]], tails[text[13:]] = hour, (f"{tail}Z", same)
                return f"{hour}{tail}Z"
        return _instant(text, zone)

    return learn, tails


def _hour(start: str, offset: str, zone: str) -> str:
    """Return the hour in UTC of a date-time's first 13 characters; "" unless it is one whole hour.

    No zone changes its offset twice in an hour: with both ends an hour's all minutes are known.
    """
    try:
        first, last = (moment(f"{start}{tail}{offset}", zone) for tail in (":00:00", ":59:59"))
    except ValueError:
        return ""
    whole = last - first == HOUR and not (first.minute or first.second or first.microsecond)
    return render(first)[:13] if whole else ""


@lru_cache(maxsize=HOURS)
def _instant(text: str, zone: str) -> str | None:
    text = text.strip()
    return render(moment(text, zone)) if text else None


def moment(text: str, zone: str, *, last: bool = False) -> datetime:
    """Return a datetime's instant in UTC; see `instant`. Raises ValueError.

    In a repeated hour the `last` instant can be asked for that it may mean.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZoneInfo(zone), fold=int(last))
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is beyond the calendar") from None


def render(when: datetime) -> str:
    """Return an aware datetime as RFC 3339 text in UTC with `Z`, in whole seconds if it is."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


@lru_cache(maxsize=HOURS)
def day(text: str) -> str | None:
    """Return a date's text, also of a datetime; None for blank text. Raises ValueError."""
    text = text.strip()
    return datetime.fromisoformat(text).date().isoformat() if text else None
