"""What a run has written of a resource, stream by stream, and what is pending."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from tap_billing.plans import Plan
    from tap_billing.spec import Document, Page, Record

    Cut = Callable[[Document], Iterable[Record]]

# Rows that are written stream by stream, so that a parent's do not alternate with its children's.
CHUNK = 2000
# A run that is killed repeats no more than it has written since the last checkpoint.
CHECKPOINT_ROWS = 5000
CHECKPOINT_SECONDS = 15.0


class Writing:
    """What of a resource was written so far, and what is pending.

    `rows` are those of the whole read, by stream; `position` is where a later read could go on;
    `named` are the rows that others have named.
    """

    def __init__(self, plan: Plan, named: frozenset[str], zone: str) -> None:
        self.named = named
        self.rows = {
            name: memory.progress.rows if plan.reading.progress and memory.progress else 0
            for name, memory in plan.memories.items()
        }
        self.position: Any = None
        progress = plan.reading.progress
        self._start: Any = progress.after if progress else None
        self._beyond: dict[Any, Counter[str | None]] = {}
        self._streams = plan.streams
        self._cuts: dict[str, Cut] = {stream.name: stream.cut(zone) for stream in plan.streams}
        self._pending: dict[str, list[tuple[datetime, list[Record]]]] = {}
        self._size = 0
        self._unsaved = 0
        self._saved_at = time.monotonic()

    def add(self, document: Document, page: Page) -> bool:
        """Take a document; return whether it is time to write."""
        counts: Counter[str | None] = Counter({None: 1})
        for name, cut in self._cuts.items():
            records = list(cut(document))
            self._pending.setdefault(name, []).append((page.received, records))
            counts[name] += len(records)
            if page.whole:
                self.rows[name] += len(records)
        self._size += counts.total() - 1
        self.position = page.reached(document) if page.whole and page.reached else None
        if self._start is None:
            self._start = self.position
        if page.place is not None and self.position is not None:
            self._beyond.setdefault(page.place(document), Counter()).update(counts)
            self._beyond = {day: each for day, each in self._beyond.items() if day > self.position}
        return self._size >= CHUNK

    @property
    def again(self) -> Counter[str | None]:
        """What a read that goes on brings again: rows by stream, and documents (None)."""
        return sum(self._beyond.values(), Counter())

    def write(self) -> int:
        """Write what is pending, stream by stream; return how many rows that was."""
        for stream in self._streams:
            for received, records in self._pending.pop(stream.name, ()):
                stream.write(received, records)
        written, self._size = self._size, 0
        self._unsaved += written
        return written

    @property
    def has_moved(self) -> bool:
        """Whether a later read would go on further than where this one began."""
        return self.position is not None and self.position > self._start

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        waited = time.monotonic() - self._saved_at
        return waited >= CHECKPOINT_SECONDS or self._unsaved + self._size >= CHECKPOINT_ROWS

    def saved(self) -> None:
        """Take note of a checkpoint."""
        self._unsaved = 0
        self._saved_at = time.monotonic()
