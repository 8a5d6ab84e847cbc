"""Calendar arithmetic of billing: UTC instants, the account's local days, cycles of months."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ACCOUNT_ZONE = ZoneInfo("America/Chicago")
CYCLES = {"mon": 1, "qtr": 3, "yrl": 12}  # paycycle -> months
RUN_HOUR = 8  # UTC; two or three o'clock at night in the account's zone


def local_date(instant: datetime) -> date:
    """Return the account's local day of an instant."""
    return instant.astimezone(ACCOUNT_ZONE).date()


def add_months(day: date, months: int) -> date:
    """Return the same day `months` later, or that month's last day when it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def run_at(day: date, number: int) -> datetime:
    """Return when the nightly billing run of that day reaches subscription `number`.

    Twenty subscriptions apart share one second, as rows of a batch do.
    """
    return datetime.combine(day, time(RUN_HOUR, 0, number % 20), UTC)


def whole(instant: datetime) -> datetime:
    """Return the instant in UTC without its fraction of a second."""
    return instant.astimezone(UTC).replace(microsecond=0)


def seconds(count: float) -> timedelta:
    """Return a whole number of seconds."""
    return timedelta(seconds=int(count))
