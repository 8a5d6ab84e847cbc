"""The one retry: around a request, its whole body and its decoding."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any, TypeVar

import backoff

from tap_billing.errors import RateLimited, Retry, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

logger = logging.getLogger(__name__)

# With full jitter and pauses up to a minute, about one minute of patience on average.
TRIES = 8
# A request that can be divided is: waiting for the same large answer again seldom helps.
TRIES_DIVISIBLE = 2
LONGEST_WAIT = 60.0

Attempt = TypeVar("Attempt", bound="Callable[..., Any]")


def persistent(attempt: Attempt, first_wait: float, patience: float, *, divisible: bool) -> Attempt:
    """Return an attempt that is made again after Retry, while that may help.

    It ends at once where the server asks for a pause longer than `patience` seconds, and soon where
    the request is `divisible` and may have failed for its size.
    """
    heavy: list[Exception] = []

    def hopeless(error: Exception) -> bool:
        wish = getattr(error, "retry_after", None)
        if wish is not None and wish > patience:
            return True
        if not (divisible and isinstance(error, Retry) and error.heavy):
            return False
        heavy.append(error)
        return isinstance(error, TimedOut) or len(heavy) >= TRIES_DIVISIBLE

    again = backoff.on_exception(
        _waits,
        Retry,
        first=first_wait,
        max_tries=TRIES,
        jitter=None,
        giveup=hopeless,
        on_backoff=_announce,
        logger=None,
    )
    return again(attempt)


def _waits(first: float) -> Generator[float, Exception | None, None]:
    """Yield the pause before each further attempt: the server's wish, or full jitter."""
    error = yield 0.0
    longest = first
    while True:
        wish = getattr(error, "retry_after", None)
        pause = random.uniform(0, longest)  # noqa: S311 - no secret
        # A wish for no pause at all would use up every attempt in a moment.
        error = yield wish if wish and wish >= first else max(pause, wish or 0.0)
        longest = min(2 * longest, LONGEST_WAIT)


def _announce(details: Mapping[str, Any]) -> None:
    level = logging.INFO if isinstance(details["exception"], RateLimited) else logging.WARNING
    logger.log(level, "%s; next attempt in %.1f s", details["exception"], details["wait"])
