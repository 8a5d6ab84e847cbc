"""Virtual time: the server's, and that of a machine whose clock is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class Clock:
    """The server's time, aware, in UTC, in whole seconds; the machine's is off by `skew`."""

    now: datetime
    skew: timedelta = timedelta()

    def machine(self) -> datetime:
        """Return the time that the machine believes it is, in UTC."""
        return self.now + self.skew

    def advance(self, seconds: float) -> None:
        """Let time pass on both."""
        self.now += timedelta(seconds=seconds)


def text(when: datetime | None) -> str | None:
    """Return a date-time as a target holds it: RFC 3339 in UTC."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
