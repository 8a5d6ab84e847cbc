"""What a check found, as data and as a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_billing.errors import ADVICE

if TYPE_CHECKING:
    from datetime import timedelta

    from tap_billing.errors import BillingError

OK, WARNING, FAILED = "ok", "warning", "failed"
ANY_OTHER = "check the setting and the account; the provider's support knows what its text means"
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `advice` says what to do unless it is ok."""

    level: str
    check: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        """Return the line for people."""
        told = f"{self.level:<8} {self.check}: {self.found}"
        return " ".join((f"{told}; {self.advice}" if self.advice else told).splitlines())


def ok(check: str, found: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(OK, check, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Return a finding that a run copes with, at a price."""
    return Finding(WARNING, check, found, advice)


def failed(check: str, found: str, advice: str) -> Finding:
    """Return a finding that a run does not cope with."""
    return Finding(FAILED, check, found, advice)


def mishap(level: str, check: str, error: BillingError, advice: str = "") -> Finding:
    """Return what an error says, with this advice or what users are told about its kind."""
    known = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), ANY_OTHER)
    told = advice or known
    return Finding(level, check, str(error).removesuffix(f"; {told}"), told)


def about(seconds: float) -> str:
    """Return a duration in the unit that people would use."""
    for size, name in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {name}"
    return f"about {seconds:.0f} s" if seconds >= 1 else "less than a second"


def days(length: timedelta) -> str:
    """Return a duration in days."""
    return f"{length / type(length)(days=1):g} days"
