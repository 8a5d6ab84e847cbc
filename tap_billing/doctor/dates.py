"""Datetimes in answers: with offset or naive, and whether the zone in the settings fits them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tap_billing.doctor.finding import Finding, failed, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterable

# What is told as written just now may be from after the answer's Date by as much.
TOLERANCE = timedelta(minutes=5)
SUFFIXES = ("_datetime", "Datetime")


def told(row: Any) -> list[datetime]:
    """Return the past datetimes of a document, naive or aware as they are written."""
    found = []
    for key in row:
        if key in ("write_datetime", "mod_datetime", "transaction_datetime", "createdDatetime"):
            when = parsed(row[key])
            if when is not None:
                found.append(when)
    return found


def parsed(value: Any) -> datetime | None:
    """Return a value as a datetime, naive or aware as it is written, None if it is none."""
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None


def examine(values: Iterable[datetime], timezone: str, now: datetime | None) -> Finding:
    """Compare datetimes of the past with the setting `timezone`; `now` is the server's, aware."""
    found = list(values)
    naive = [each for each in found if each.tzinfo is None]
    if not found:
        return ok("datetimes", "no row tells one")
    if naive:
        return _naive(naive, len(found), timezone, now)
    zone = ZoneInfo(timezone)
    strange = [each for each in found if each.utcoffset() not in (_offset(each, zone), NONE)]
    if not strange:
        utc = all(each.utcoffset() == NONE for each in found)
        return ok("datetimes", f"with offset, {'in UTC' if utc else f'as in {timezone}'}")
    return warning(
        "datetimes",
        f"{strange[0]:%z} at {strange[0]:%Y-%m-%d}, where {timezone} has"
        f" {strange[0].astimezone(zone):%z}",
        "set timezone to the account's: days and datetimes without offset are read in it",
    )


NONE = timedelta(0)


def _offset(when: datetime, zone: ZoneInfo) -> timedelta | None:
    return when.astimezone(zone).utcoffset()


def _naive(values: list[datetime], number: int, timezone: str, now: datetime | None) -> Finding:
    kind = "without offset" if len(values) == number else "some with, some without offset"
    zone = ZoneInfo(timezone)
    latest = max(each.replace(tzinfo=zone) for each in values)
    if now is not None and latest > now + TOLERANCE:
        return failed(
            "datetimes",
            f"{kind}, and {latest:%Y-%m-%d %H:%M} in {timezone} is still to come",
            "set timezone to the account's: every time would be wrong by hours",
        )
    return ok("datetimes", f"{kind}, read as {timezone} (setting timezone)")
