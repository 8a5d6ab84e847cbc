"""Shows on a terminal how a run gets on: one line written anew, and one more for each stream."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 0.5
ERASE = "\r\x1b[K"

Counts = tuple[str, int, int, float]
"""The current stream, its rows, its resource's requests, and seconds to wait for a rate limit."""


def line(counts: Counts, seconds: float) -> str:
    """Return the line for a stream that has run for so many seconds."""
    stream, rows, requests, waiting = counts
    rate = f"{rows / seconds:,.0f} rows/s" if seconds >= INTERVAL else ""
    held = f"waiting {waiting:.0f} s for the rate limit" if waiting else ""
    asked = f"{requests:,} request{'' if requests == 1 else 's'}"
    told = (f"{stream}: {rows:,} rows", asked, rate, held)
    return ", ".join(part for part in told if part)


class Terminal:
    """Writes to a terminal until closed; `counts` tells where the run is, None before it began."""

    def __init__(self, terminal: TextIO, counts: Callable[[], Counts | None]) -> None:
        self._terminal = terminal
        self._counts = counts
        self._last: Counts | None = None
        self._began = time.monotonic()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(INTERVAL):
            self._show()

    def _show(self) -> None:
        counts = self._counts()
        if counts is None:
            return
        if self._last is not None and self._last[0] != counts[0]:
            self._began = time.monotonic()
        self._last = counts
        self._write(ERASE + line(counts, time.monotonic() - self._began))

    def ended(self, counts: Counts) -> None:
        """Leave a line for a stream that has ended."""
        began = (
            self._began if self._last is None or self._last[0] == counts[0] else time.monotonic()
        )
        self._write(f"{ERASE}{line(counts, time.monotonic() - began)}\n")
        self._last = counts

    def close(self) -> None:
        """Stop writing."""
        self._closed.set()
        self._thread.join()
        self._write(ERASE)

    def _write(self, text: str) -> None:
        # A terminal that is gone, as after a closed connection, must not end the run.
        with contextlib.suppress(OSError, ValueError):
            self._terminal.write(text)
            self._terminal.flush()
