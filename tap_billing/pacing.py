"""Decides when the next request may start; computes only, the clock is given."""

from __future__ import annotations

from dataclasses import dataclass, field

# Seconds between requests after a first 429, and at most after many.
LEAST_INTERVAL = 0.1
MOST_INTERVAL = 30.0
# An interval shorter than this is no longer worth keeping.
NEGLIGIBLE = 0.02
# Each good answer shortens the interval to this part of it, and counts this much as usual.
RECOVERY = 0.8
SMOOTHING = 0.2
# Answers this many times slower than the usual ones, and by at least half a second, mean a server
# under strain; a strained server is asked at most as often as it answers.
STRAIN = 3.0
NOTICEABLE = 0.5


@dataclass(slots=True)
class Pacing:
    """Requests start at least `interval` seconds apart: more after a 429 or when answers slow down.

    `ceiling` is a number of requests a second that is never passed, None for no such limit. All
    times are seconds of one monotonic clock.
    """

    ceiling: float | None = None
    interval: float = 0.0
    paused_until: float = 0.0
    _next: float = 0.0
    _slowed: float = 0.0
    _usual: float | None = field(default=None)

    def reserve(self, now: float) -> float:
        """Take the next place in the line; return how long to wait for it."""
        spacing = max(self.interval, 1 / self.ceiling if self.ceiling else 0.0)
        begin = max(now, self._next, self.paused_until)
        self._next = begin + spacing
        return begin - now

    def waiting(self, now: float) -> float:
        """Return how long requests are held back for a rate limit."""
        return max(0.0, self.paused_until - now)

    def answered(self, latency: float) -> None:
        """Take note of a good answer."""
        usual = latency if self._usual is None else self._usual
        if latency > STRAIN * usual and latency - usual > NOTICEABLE:
            self.interval = min(max(self.interval, LEAST_INTERVAL) * 1.5, latency, MOST_INTERVAL)
        else:
            self.interval *= RECOVERY
            if self.interval < NEGLIGIBLE:
                self.interval = 0.0
        self._usual = usual + SMOOTHING * (latency - usual)

    def limited(self, now: float, began: float, retry_after: float | None) -> None:
        """Take note of a 429: twice as slow from now on, and nothing before `retry_after`.

        Requests that `began` before the last slowing down are of the same burst and count once.
        """
        if began >= self._slowed:
            self.interval = min(max(2 * self.interval, LEAST_INTERVAL), MOST_INTERVAL)
            self._slowed = now
        self.paused_until = max(self.paused_until, now + (retry_after or 0.0))
