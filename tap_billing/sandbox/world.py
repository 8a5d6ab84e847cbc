"""The world of a sample company: its clock, its rules, what is wrong in it."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import available_timezones

from tap_billing.sandbox.company import Company
from tap_billing.sandbox.faults import Faults, faults

if TYPE_CHECKING:
    from collections.abc import Mapping

FOUNDED: Final = datetime(2023, 11, 1, tzinfo=UTC)
SECONDS_A_DAY: Final = 86_400
REQUESTS_KEPT: Final = 100_000


@dataclass(frozen=True)
class Teller:
    """How a provider is reached: the module that tells it, its base path, its time zone."""

    module: str
    path: str
    timezone: str


TELLERS: Final = {
    "chargeover": Teller("tap_billing.sandbox.chargeover", "/api/v3", "America/Chicago"),
    "cheddar": Teller("tap_billing.sandbox.cheddar", "/xml", "UTC"),
}


@dataclass(frozen=True)
class Options:
    """What a sandbox can be told; durations in seconds, `speed` in days per minute."""

    provider: str
    port: int = 0
    customers: int = 400
    seed: int = 1
    founded: datetime = FOUNDED
    now: datetime | None = None
    speed: float = 0
    latency: float = 0
    faults: Mapping[str, float | str] | None = None
    pause: float = 0.2
    username: str = "sandbox"
    password: str = field(default="sandbox", repr=False)
    product_code: str = "SAMPLE"
    timezone: str | None = None
    era: str = "2026"
    max_customers_per_document: int | None = None
    gzip: bool = False


class World:
    """A company, the clock it lives by and the rules under which it is told.

    The clock runs at real-time rate, or `speed` days a minute, or stands still when `now` is given
    without a speed. Touch the company under `lock` only.
    """

    def __init__(self, options: Options) -> None:
        """Found the company and let it live until now; raise ValueError for a wrong option."""
        _check(options)
        self.options = options
        self.username = options.username
        self.password = options.password
        self.product_code = options.product_code
        self.timezone = options.timezone or TELLERS[options.provider].timezone
        self.era = options.era
        self.max_customers_per_document = options.max_customers_per_document
        self.lock = threading.RLock()
        self.requests: deque[dict[str, object]] = deque(maxlen=REQUESTS_KEPT)
        self.faults = Faults(faults(options.faults or {}), seed=options.seed)
        self._pace = options.speed * SECONDS_A_DAY / 60 or (1.0 if options.now is None else 0.0)
        self._base = (options.now or datetime.now(UTC)).astimezone(UTC)
        self._since = time.monotonic()
        self.company = Company(options.seed, options.customers, options.founded)
        self.live()

    def now(self) -> datetime:
        """Return the sandbox's time in UTC, in whole seconds, as the Date header tells it."""
        passed = timedelta(seconds=(time.monotonic() - self._since) * self._pace)
        return (self._base + passed).replace(microsecond=0)

    def advance(self, days: float) -> None:
        """Let so many days of business pass at once."""
        with self.lock:
            self._base += timedelta(days=days)
            self.live()

    def live(self) -> datetime:
        """Let the company do all business up to now, and return that time."""
        with self.lock:
            now = self.now()
            self.company.advance(now)
            return now

    def truth(self) -> dict[str, Any]:
        """Return count, sums and ids per stream of this provider, straight from the company."""
        with self.lock:
            self.live()
            return self.company.truth(self.options.provider)


def _check(options: Options) -> None:
    """Raise ValueError, in one line that names the option, unless a world can be made of them."""
    wrong = ""
    if options.provider not in TELLERS:
        wrong = f"provider: {options.provider!r} is not one of {', '.join(TELLERS)}"
    elif options.now is not None and options.now.tzinfo is None:
        wrong = "now: the sandbox's time needs a zone, as in 2026-02-01T00:00:00Z"
    elif options.timezone is not None and options.timezone not in available_timezones():
        wrong = f"timezone: {options.timezone!r} is not an IANA name, such as America/Chicago"
    for name in ("customers", "speed", "latency", "pause"):
        if getattr(options, name) < 0:
            wrong = f"{name}: {getattr(options, name)} is negative"
    if wrong:
        raise ValueError(wrong)
