"""What the tap owes: which changes the next run must bring, as the passes promise it.

Independent of the tap: a server says which rows its API can show to have changed (`seen`), and the
ledger which of the rows that did change have been among them since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tests.machine.clock import Clock
    from tests.machine.warehouse import Key

NONE: Mapping[str, datetime] = {}
Document = tuple[str, Any]
"""A resource's name and an identifier."""
Rows = dict[str, dict["Key", dict[str, Any]]]
"""Streams, keys and columns that a document ends as in a target."""


class Server(Protocol):
    """What the ledger asks a server in memory."""

    clock: Clock

    def documents(self) -> Mapping[Document, Rows]:
        """Return all documents as a target has to hold them, also those not visible yet."""

    def cursors(self) -> Mapping[Document, datetime]:
        """Return the latest of the times that the API searches a document by."""

    def seen(
        self,
        since: datetime | None,
        known: set[Document],
        marks: Mapping[str, datetime] = NONE,
    ) -> set[Document]:
        """Return the visible documents that an incremental read must bring.

        `since` is when the last run began, None for a whole read; `known` stood open then. The
        resources in `marks` have a `since` of their own.
        """

    def latest(self) -> Mapping[str, datetime]:
        """Return the latest time that each resource's visible documents tell, as a target has it.

        None is later than the clocks of the server and of the machine.
        """

    def budget(self, more: int) -> int:
        """Return how many requests a run may need without faults, if `more` rows come."""

    def standing(self) -> set[Document]:
        """Return the visible documents that every run reads because of their status."""

    def visible(self, document: Document, when: datetime) -> bool:
        """Whether lists showed a document at an instant."""


@dataclass
class Attempt:
    """A run: what stood when it began, and how many changes there had been."""

    at: datetime
    changes: int
    standing: set[Document]
    since: datetime | None


@dataclass
class Ledger:
    """Counts changes; `dirty` are the documents whose last change no complete run has brought."""

    server: Server
    changes: int = 0
    dirty: dict[Document, int] = field(default_factory=dict)
    gone: dict[tuple[str, Key], int] = field(default_factory=dict)
    runs: list[Attempt] = field(default_factory=list)
    loaded: bool = False
    _searchable: set[Document] = field(default_factory=set)
    _owed: dict[Document, datetime | None] = field(default_factory=dict)
    _known: set[Document] = field(default_factory=set)
    _left: set[Document] = field(default_factory=set)
    _ended: datetime | None = None
    _versions: dict[tuple[str, int], Attempt] = field(default_factory=dict)

    def record(self, change: Callable[[], None]) -> None:
        """Make a change and take note of everything that it moved."""
        server = self.server
        before, cursors, standing = server.documents(), server.cursors(), server.standing()
        change()
        self.changes += 1
        after, moved = server.documents(), server.cursors()
        for document, rows in after.items():
            if before.get(document) == rows:
                continue
            self.dirty[document] = self.changes
            self._owed.pop(document, None)
            self._searchable.discard(document)
            if document not in cursors or moved[document] > cursors[document]:
                self._searchable.add(document)
        self._bury(before, after)
        self._left |= standing - server.standing()

    def _bury(self, before: Mapping[Document, Rows], after: Mapping[Document, Rows]) -> None:
        now = _keys(after)
        for key in _keys(before) - now:
            self.gone[key] = self.changes
        for key in now:
            self.gone.pop(key, None)
        for document in before.keys() - after.keys():
            self.dirty.pop(document, None)
            self._owed.pop(document, None)

    def begin(self) -> Attempt:
        """Take note that a run begins: what it owes stays owed until a complete run has ended."""
        server = self.server
        since = self.runs[-1].at if self.runs else None
        exact = server.seen(since, self._known)
        # What only happens to lie behind a cursor may be a little older than the tap's bookmark.
        sure = server.seen(self._ended or since, self._known)
        for document in self.dirty.keys() - self._owed.keys():
            if document in (exact if document in self._searchable else sure):
                self._owed[document] = since
        attempt = Attempt(server.clock.now, self.changes, server.standing(), since)
        self.runs.append(attempt)
        self._left = set()
        return attempt

    def end(self, *, complete: bool) -> None:
        """Take note that a run ended, and whether all of it was delivered without an error."""
        attempt = self.runs[-1]
        self._ended = self.server.clock.now
        stood = attempt.standing - self._left
        if not complete:
            self._known &= stood
            return
        if not self.loaded:
            self._clear(self.runs[0], None)
            self.loaded = True
        ends = {since: self.server.seen(since, self._known) for since in set(self._owed.values())}
        for document, since in self._owed.items():
            if self.dirty.get(document, 0) <= attempt.changes and document in ends[since]:
                self.dirty.pop(document, None)
        self._owed.clear()
        self._known = stood

    def versions(self, found: set[tuple[str, int]]) -> None:
        """Take note of resources and versions that the last run's messages carried."""
        for each in found:
            self._versions.setdefault(each, self.runs[-1])

    def activated(self, resource: str, stream: str, version: int) -> set[Key]:
        """Return the stream's rows that have to be gone when a whole read of this has ended."""
        attempt = self._versions.get((resource, version), self.runs[-1])
        return {
            key
            for (name, key), change in self.gone.items()
            if name == stream and change <= attempt.changes
        }

    def swept(self, resource: str, version: int) -> None:
        """Take note that a whole read of all of a resource's streams has ended."""
        self._clear(self._versions.get((resource, version), self.runs[-1]), resource)

    def _clear(self, attempt: Attempt, resource: str | None) -> None:
        for document, change in list(self.dirty.items()):
            if (
                resource in (None, document[0])
                and change <= attempt.changes
                and self.server.visible(document, attempt.at)
            ):
                del self.dirty[document]


def _keys(documents: Mapping[Document, Rows]) -> set[tuple[str, Key]]:
    return {
        (stream, key)
        for rows in documents.values()
        for stream, found in rows.items()
        for key in found
    }
