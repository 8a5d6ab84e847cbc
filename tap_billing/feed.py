"""A resource fetched once a run and shared among its selected streams."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tap_billing.errors import BillingError, Forbidden, NotFound, Overload, Refused, Unauthorized
from tap_billing.horizon import Horizon
from tap_billing.spool import Spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from tap_billing.bridge import Ahead
    from tap_billing.spec import Document, Page, Provider, Record, Request, Resource, Scope
    from tap_billing.transport import Transport

    Cut = Callable[[Document], Iterable[Record]]

logger = logging.getLogger(__name__)

# Documents that a connection test looks at for streams other than the one that it reads first.
SAMPLE = 1000
# So many divisions in a row without one answer are not about size any more.
MOST_FAILURES = 16


async def pages(
    transport: Transport, provider: Provider, resource: Resource, scope: Scope
) -> AsyncIterator[Page]:
    """Yield the pages of every pass that the scope needs, in order.

    A request that is too large for the server is divided until it passes. Raises what
    `Transport.get` raises; Overload where nothing is left to divide.
    """
    failures = 0
    for first in provider.plan(resource, scope):
        waiting = [first]
        while waiting:
            request = waiting.pop()
            try:
                page = await transport.get(request)
            except Overload as error:
                failures += 1
                if failures > MOST_FAILURES:
                    raise
                parts = provider.halve(request)
                logger.warning("%s; asking for %d parts instead", error, len(parts))
                waiting.extend(reversed(parts))
                continue
            except (Forbidden, NotFound, Unauthorized):
                raise
            except Refused as error:
                simpler = provider.simplify(request)
                if simpler is None:
                    raise
                logger.warning("%s; asking without what may not be known", error)
                waiting.append(simpler)
                continue
            failures = 0
            if page.following:
                waiting.append(page.following)
            yield await _complete(transport, provider, request, page)


async def _complete(transport: Transport, provider: Provider, request: Request, page: Page) -> Page:
    if not isinstance(page.documents, list):
        return page
    missing = provider.details(request, page.documents)
    if not missing:
        return page
    singles = await asyncio.gather(
        *(_single(transport, *each) for each in zip(missing, page.documents, strict=True))
    )
    return replace(page, documents=singles)


async def _single(transport: Transport, request: Request, row: Document) -> Document:
    """Return the complete document of a list's row, or the row if it was deleted meanwhile."""
    try:
        page = await transport.get(request)
    except NotFound:
        return row
    return next(iter(page.documents), row)


class Feed:
    """One read of a resource. The first stream to ask drives it; the others' records are spooled.

    `cuts` are the selected streams' functions from document to cast records. A feed whose scope is
    a sample may be left early by each stream, and serves the others from the page it had reached.
    """

    def __init__(
        self,
        resource: Resource,
        scope: Scope,
        zone: str,
        read: Callable[[Resource, Scope], Ahead[Page]],
        cuts: dict[str, Cut],
    ) -> None:
        self.bookmark: datetime | None = None
        self._zone = zone
        self._read = read
        self._resource = resource
        self._scope = scope
        self._cuts = cuts
        self._sampled = False
        self._ahead: Ahead[Page] | None = None
        self._spools: dict[str, Spool] | None = None
        self._failure: BillingError | None = None
        self._began = datetime.now(UTC)

    def start(self) -> None:
        """Begin to fetch, a few pages ahead of the consumer."""
        if self._ahead is None and self._spools is None and self._failure is None:
            self._began = datetime.now(UTC)
            self._ahead = self._read(self._resource, self._scope)

    def fail(self, error: BillingError) -> None:
        """Let every stream that asks fail, without a request."""
        self._failure = error

    def records(self, stream: str) -> Iterator[tuple[datetime, Record]]:
        """Yield the stream's records with the instant at which their response was received.

        Raises what stopped the read; the resource's bookmark is set only after a complete one.
        """
        if self._failure is not None:
            raise self._failure
        if self._spools is not None and stream in self._spools:
            yield from self._spools.pop(stream).replay()
            return
        if self._spools is not None:
            # Asked for once more: what was spooled for it is gone, so everything is read again.
            self.close()
            self._spools = None
        complete = False
        spools = {name: Spool() for name in self._cuts if name != stream}
        try:
            yield from self._drive(stream, spools)
            complete = True
        except BillingError as error:
            self._failure = error
            raise
        finally:
            self.close()
            if complete or self._sampled:
                self._spools = spools
            else:
                for spool in spools.values():
                    spool.close()

    def _drive(self, stream: str, spools: dict[str, Spool]) -> Iterator[tuple[datetime, Record]]:
        self.start()
        horizon = Horizon(self._zone, self._resource.cursors, self._began, self._scope.since)
        own = self._cuts[stream]
        others = [(self._cuts[name], spool) for name, spool in spools.items()]
        seen = _Once(self._resource.id if self._passes() else None)
        for page in self._ahead or ():
            horizon.begin(page)
            with contextlib.closing(page):
                documents = iter(page.documents)
                try:
                    for document in documents:
                        fresh = horizon.note(document)
                        if seen(document) or (self._is_local() and not fresh):
                            continue
                        _spool(document, page.received, others)
                        for record in own(document):
                            yield page.received, record
                except GeneratorExit:
                    # A connection test wants a record of each stream, not a request for each.
                    if self._scope.sampling:
                        for document in itertools.islice(documents, SAMPLE):
                            _spool(document, page.received, others)
                        self._sampled = True
                    raise
        self.bookmark = horizon.bookmark
        logger.info("%s: complete, bookmark %s", self._resource.name, self.bookmark or "none")

    def _passes(self) -> bool:
        return self._scope.since is not None and len(self._resource.passes) > 1

    def _is_local(self) -> bool:
        """Whether rows before the bookmark are left out here, the API having no filter for it."""
        return self._scope.since is not None and not self._resource.passes

    def close(self) -> None:
        """Stop fetching and give the disk space back."""
        if self._ahead is not None:
            for page in self._ahead.cancel():
                page.close()
            self._ahead = None
        for spool in (self._spools or {}).values():
            spool.close()


def _spool(document: Document, received: datetime, others: Iterable[tuple[Cut, Spool]]) -> None:
    for cut, spool in others:
        records = list(cut(document))
        if records:
            spool.append(received, records)


class _Once:
    """Tells documents that another pass of this read brought already."""

    def __init__(self, key: str | None) -> None:
        self._key = key
        self._seen: set[Any] = set()

    def __call__(self, document: Document) -> bool:
        if self._key is None:
            return False
        identity = document.get(self._key)
        known = identity in self._seen
        self._seen.add(identity)
        return known
