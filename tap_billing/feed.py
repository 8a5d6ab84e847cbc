"""A resource read once a run: its pages in order, and what was seen of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tap_billing import clock
from tap_billing.cut import along
from tap_billing.horizon import Horizon
from tap_billing.sweeps import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from tap_billing.bridge import Ahead
    from tap_billing.spec import Census, Document, Page, Resource, Scope
    from tap_billing.sweeps import Reading


class Connection(Protocol):
    """Where pages come from."""

    def read(
        self, resource: Resource, scope: Scope, ids: Iterable[str] | None = None
    ) -> Ahead[Page]:
        """Begin to read a resource: of `ids`, the documents with these identifiers only."""


class Feed:
    """One read of a resource; must be closed.

    `watched` are the paths along which its documents name those of other resources; of a whole read
    those do that stand, stood, or are as late as the instant beside the path (None: all).
    """

    def __init__(
        self,
        resource: Resource,
        reading: Reading,
        zone: str,
        connection: Connection,
        watched: Mapping[tuple[str, ...], datetime | None],
    ) -> None:
        self.resource = resource
        self.reading = reading
        own: dict[tuple[str, ...], datetime | None] = {
            related.path: reading.scope.since
            for each in resource.passes
            for related in each.of
            if related.resource == resource.name
        }
        self._own = own.keys()
        self._watched = {**own, **watched} if reading.scope.since else watched
        self.named: dict[tuple[str, ...], set[str]] = {path: set() for path in self._watched}
        self.standing: set[str] = set()
        self.ended = False
        self._connection = connection
        self._ahead: Ahead[Page] | None = None
        self._horizon = Horizon(zone, resource.cursors, clock.now(), reading.since)
        progress = reading.progress
        if progress is not None:
            self._horizon.seen = progress.seen
        self._seen: set[str] = set()
        self._stood: set[str] = set()
        self._documents = progress.documents if progress else 0
        self._kept = progress.kept if progress else 0
        self._numbered = 0
        after = progress.after if progress else None
        self._highest: int | None = after if isinstance(after, int) else None
        self._census: Census | None = None
        former = [each.highest for each in reading.former.values() if each.highest is not None]
        self._former_highest = min(former, default=None)

    def start(self) -> None:
        """Begin to fetch, a few pages ahead of the consumer."""
        if self._ahead is None:
            self._horizon.watermark = clock.now()
            scope = self.reading.scope
            passes = scope.since is not None
            self._ahead = self._connection.read(
                self.resource, replace(scope, whole=False, counted=False) if passes else scope
            )

    def pages(self, named: Iterable[str], standing: Iterable[str]) -> Iterator[Page]:
        """Yield the pages of all passes, of the rows that others have `named`, and of a whole read.

        Of the rows that were `standing` at the last run, those that did not come are asked for. A
        whole read comes last: a checkpoint in it says that everything before it was seen.
        """
        self._stood = set(standing)
        self.start()
        yield from self._read(self._ahead or ())
        scope = self.reading.scope
        if scope.since is not None:
            own = {each for path in self._own for each in self.named[path]}
            yield from self._left({*named, *self._stood, *own})
        if scope.since is not None and scope.whole:
            self._ahead = self._connection.read(self.resource, replace(scope, since=None))
            yield from self._read(self._ahead)
        self.ended = True

    def _left(self, wanted: set[str]) -> Iterator[Page]:
        """Yield pages of those wanted rows that did not come yet."""
        scope = self.reading.scope
        left = wanted - self._seen
        if scope.after is not None:
            # Rows above it will come with the whole read.
            left = {each for each in left if each.isdecimal() and int(each) <= int(scope.after)}
        if left:
            self._ahead = self._connection.read(self.resource, replace(scope, after=None), left)
            for page in self._read(self._ahead):
                found = [each for each in page.documents if self._identity(each) in left]
                yield replace(page, documents=found)

    def _read(self, ahead: Iterable[Page]) -> Iterator[Page]:
        for page in ahead:
            self._horizon.begin(page)
            if page.census is not None:
                self._census = page.census
            with contextlib.closing(page):
                yield page

    def documents(self, page: Page) -> Iterator[Document]:
        """Yield the documents of a page that are new to this run, taking note of them."""
        for document in page.documents:
            identity = self._identity(document)
            if self.resource.id and not page.whole:
                if identity in self._seen:
                    # Not written twice, but it may stand now, or name others.
                    self._watch(document, page)
                    continue
                self._seen.add(identity)
            fresh = self._horizon.note(document)
            self._watch(document, page)
            if page.whole:
                self._count(identity)
            if self.reading.since is None or fresh:
                yield document

    def _identity(self, document: Document) -> str:
        return str(document.get(self.resource.id))

    def _watch(self, document: Document, page: Page) -> None:
        identity = self._identity(document)
        wheres = (each.where for each in self.resource.passes if each.where)
        stands = any(str(document.get(key)) == value for key, value in wheres)
        if stands:
            self.standing.add(identity)
        # Of a whole read only what a run of the passes might have brought, too.
        always = not page.whole or stands or identity in self._stood
        for path, recent in self._watched.items():
            if always or self._horizon.is_since(recent):
                self.named[path].update(map(str, along(document, path)))

    def _count(self, identity: str) -> None:
        self._documents += 1
        number = int(identity) if identity.isdecimal() else None
        if number is not None and (self._highest is None or number > self._highest):
            self._highest = number
        counted = self._census.highest if self._census else None
        self._numbered += counted is None or (number is not None and number <= counted)
        if self._former_highest is None or number is None or number <= self._former_highest:
            self._kept += 1

    @property
    def watermark(self) -> datetime:
        """The instant up to which it may claim to have seen everything."""
        return self._horizon.watermark

    @property
    def bookmark(self) -> datetime | None:
        """The latest cursor seen, never past the watermark; None if there was none."""
        return self._horizon.bookmark

    @property
    def seen(self) -> datetime | None:
        """The latest cursor seen."""
        return self._horizon.seen

    def outcome(self, rows: Mapping[str, int]) -> Outcome:
        """Return what a whole read has brought, with so many rows of each stream."""
        return Outcome(
            self._documents, self._kept, rows, self._highest, self._numbered, self._census
        )

    def close(self) -> None:
        """Stop fetching."""
        if self._ahead is not None:
            for page in self._ahead.cancel():
                page.close()
            self._ahead = None
