"""A resource read once a run: its pages in order, and what was seen of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from tap_billing import clock
from tap_billing.cut import along
from tap_billing.horizon import Horizon, Recent
from tap_billing.sweeps import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from tap_billing.horizon import Since
    from tap_billing.spec import Census, Document, Page, Resource, Scope
    from tap_billing.sweeps import Reading


class Pages(Protocol):
    """Pages that are read ahead of their consumer, who is `idle` when none came for a while."""

    idle: Callable[[], None] | None

    def __iter__(self) -> Iterator[Page]:
        """Yield them in order."""

    def cancel(self) -> list[Page]:
        """Stop reading; return what was read and not consumed."""


class Connection(Protocol):
    """Where pages come from."""

    def read(self, resource: Resource, scope: Scope, ids: Iterable[str] | None = None) -> Pages:
        """Begin to read a resource: of `ids`, the documents with these identifiers only."""


class Feed:
    """One read of a resource; must be closed. `idle` is called while no page comes.

    `watched` are the paths along which its documents name those of other resources; of a whole read
    those do that stand, stood, or are as late as the instant beside the path (None: all; a time:
    that much before the latest of them).
    """

    def __init__(
        self,
        resource: Resource,
        reading: Reading,
        zone: str,
        connection: Connection,
        watched: Mapping[tuple[str, ...], Since],
    ) -> None:
        self.resource = resource
        self.reading = reading
        own: dict[tuple[str, ...], Since] = {
            related.path: reading.scope.since
            for each in resource.passes
            for related in each.of
            if related.resource == resource.name
        }
        self._own = own.keys()
        self._watched = {**own, **watched} if reading.scope.since else watched
        self.named: dict[tuple[str, ...], set[str]] = {path: set() for path in self._watched}
        self._recent = {
            path: Recent(each, clock.now())
            for path, each in self._watched.items()
            if isinstance(each, timedelta)
        }
        self.standing: set[str] = set()
        self.ended = False
        self.idle: Callable[[], None] | None = None
        self._connection = connection
        self._ahead: Pages | None = None
        self._early: Pages | None = None
        self._asked: set[str] = set()
        self._horizon = Horizon(zone, resource.cursors, clock.now(), reading.since)
        progress = reading.progress
        if progress is not None:
            self._horizon.seen = progress.seen
        self._wheres = tuple(each.where for each in resource.passes if each.where)
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

    def start(self, early: Iterable[str] = ()) -> None:
        """Begin to fetch, a few pages ahead of the consumer.

        Rows that are wanted in any case can be asked for `early`, by their identifier.
        """
        if self._ahead is not None:
            return
        self._horizon.watermark = clock.now()
        scope = self.reading.scope
        if scope.since is None:
            self._ahead = self._connection.read(self.resource, scope)
            return
        passes = replace(scope, whole=False, counted=False)
        self._ahead = self._connection.read(self.resource, passes)
        self._asked = set(early) if scope.after is None else set()
        if self._asked:
            self._early = self._connection.read(self.resource, scope, self._asked)

    def pages(self, named: Iterable[str], standing: Iterable[str]) -> Iterator[Page]:
        """Yield the pages of all passes, of the rows that others have `named`, and of a whole read.

        Of the rows that were `standing` at the last run, those that did not come are asked for. A
        whole read comes last: a checkpoint in it says that everything before it was seen.
        """
        self._stood = set(standing)
        self.start()
        yield from self._read()
        if self._early is not None:
            self._ahead, self._early = self._early, None
            yield from self._found(self._asked)
        scope = self.reading.scope
        if scope.since is not None:
            yield from self._left({*named, *self._stood, *self.own})
        if scope.since is not None and scope.whole:
            self._ahead = self._connection.read(self.resource, replace(scope, since=None))
            yield from self._read()
        for path, recent in self._recent.items():
            self.named[path] |= recent.names
        self.ended = True

    def _left(self, wanted: set[str]) -> Iterator[Page]:
        """Yield pages of those wanted rows that did not come yet."""
        scope = self.reading.scope
        left = wanted - self._seen - self._asked
        if scope.after is not None:
            # Rows above it will come with the whole read.
            left = {each for each in left if each.isdecimal() and int(each) <= int(scope.after)}
        if left:
            self._ahead = self._connection.read(self.resource, replace(scope, after=None), left)
            yield from self._found(left)

    def _found(self, wanted: set[str]) -> Iterator[Page]:
        """Yield pages with those of their rows that are wanted."""
        for page in self._read():
            found = [each for each in page.documents if self._identity(each) in wanted]
            yield replace(page, documents=found)

    def _read(self) -> Iterator[Page]:
        if self._ahead is None:
            return
        self._ahead.idle = self.idle
        for page in self._ahead:
            self._horizon.begin(page)
            if page.census is not None:
                self._census = page.census
            with contextlib.closing(page):
                yield page

    def documents(self, page: Page) -> Iterator[Document]:
        """Yield the documents of a page that are new to this run, taking note of them."""
        note, every = self._horizon.note, self.reading.since is None
        is_watched = bool(self._wheres or self._watched)
        for document in page.documents:
            if self.resource.id and (not page.whole or page.overlapping):
                identity = self._identity(document)
                if identity in self._seen:
                    # Not written twice, but it may stand now, or name others.
                    self._watch(document, page)
                    continue
                self._seen.add(identity)
            fresh = note(document)
            if is_watched:
                self._watch(document, page)
            if page.whole:
                self._count(document)
            if every or fresh:
                yield document

    def _identity(self, document: Document) -> str:
        return str(document.get(self.resource.id))

    def _watch(self, document: Document, page: Page) -> None:
        stands = any(str(document.get(key)) == value for key, value in self._wheres)
        if stands:
            self.standing.add(self._identity(document))
        if not self._watched:
            return
        # Of a whole read only what a run of the passes might have brought, too.
        always = not page.whole or stands or self._identity(document) in self._stood
        for path, since in self._watched.items():
            if isinstance(since, timedelta) and not always and self._horizon.at:
                self._recent[path].note(map(str, along(document, path)), self._horizon.at)
            elif always or isinstance(since, timedelta) or self._horizon.is_since(since):
                self.named[path].update(map(str, along(document, path)))

    def _count(self, document: Document) -> None:
        self._documents += 1
        number = document.get(self.resource.id)
        if type(number) is not int:
            told = str(number)
            number = int(told) if told.isdecimal() else None
        if number is not None and (self._highest is None or number > self._highest):
            self._highest = number
        counted = self._census.highest if self._census else None
        self._numbered += counted is None or (number is not None and number <= counted)
        if self._former_highest is None or number is None or number <= self._former_highest:
            self._kept += 1

    @property
    def own(self) -> frozenset[str]:
        """The rows that the resource's own documents name."""
        return frozenset().union(*(self.named.get(path, ()) for path in self._own))

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
        for ahead in (self._ahead, self._early):
            for page in ahead.cancel() if ahead is not None else ():
                page.close()
        self._ahead = self._early = None
