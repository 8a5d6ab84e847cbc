"""What a run has written of a resource, stream by stream, and what is pending."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_billing.plans import Plan
    from tap_billing.spec import Document, Page, Record

    Maker = Callable[[Document], list[bytes] | list[Record]]

# Rows that are written stream by stream, so that a parent's do not alternate with its children's.
CHUNK = 2000
# A run that is killed repeats no more than it has written since the last checkpoint.
CHECKPOINT_ROWS = 5000
CHECKPOINT_SECONDS = 15.0


class Writing:
    """What of a resource was written so far, and what is pending.

    `rows` are those of the whole read, by stream; `named` are the rows that others have named.
    """

    def __init__(self, plan: Plan, named: frozenset[str], zone: str) -> None:
        self.named = named
        self.rows = {
            name: memory.progress.rows if plan.reading.progress and memory.progress else 0
            for name, memory in plan.memories.items()
        }
        progress = plan.reading.progress
        self._start: Any = progress.after if progress else None
        self._last: tuple[Document, Page] | None = None
        self._beyond: dict[Any, Counter[str | None]] = {}
        self._streams = plan.streams
        self._makers: dict[str, Maker] = {each.name: each.ready(zone) for each in plan.streams}
        self._pending: dict[str, list[tuple[datetime, list[Any]]]] = {
            each.name: [] for each in plan.streams
        }
        self._size = 0
        self._unsaved = 0
        self._saved_at = time.monotonic()

    def add(self, document: Document, page: Page) -> bool:
        """Take a document; return whether it is time to write."""
        counts = {}
        for name, make in self._makers.items():
            rows = make(document)
            counts[name] = len(rows)
            self._size += len(rows)
            if page.whole:
                self.rows[name] += len(rows)
            pending = self._pending[name]
            if pending and pending[-1][0] is page.received:
                pending[-1][1].extend(rows)
            else:
                pending.append((page.received, rows))
        self._last = document, page
        if self._start is None:
            self._start = self.position
        if page.place is not None and self.position is not None:
            self._note_beyond(page.place(document), counts)
        return self._size >= CHUNK

    @property
    def position(self) -> Any:
        """Where a later read could go on, None where there is no such place."""
        if self._last is None:
            return None
        document, page = self._last
        return page.reached(document) if page.whole and page.reached else None

    def _note_beyond(self, place: Any, counts: dict[str, int]) -> None:
        beyond = self._beyond.setdefault(place, Counter())
        beyond.update(counts)
        beyond[None] += 1
        position = self.position
        self._beyond = {day: each for day, each in self._beyond.items() if day > position}

    @property
    def again(self) -> Counter[str | None]:
        """What a read that goes on brings again: rows by stream, and documents (None)."""
        return sum(self._beyond.values(), Counter())

    def write(self) -> int:
        """Write what is pending, stream by stream; return how many rows that was."""
        for stream in self._streams:
            pending, self._pending[stream.name] = self._pending[stream.name], []
            for received, rows in pending:
                stream.write(received, rows)
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
