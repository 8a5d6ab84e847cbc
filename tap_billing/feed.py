"""A resource fetched once a run and shared among its selected streams."""

from __future__ import annotations

import asyncio
import gzip
import logging
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from tap_billing.cast import moment
from tap_billing.cut import along
from tap_billing.errors import BillingError, LocalError, Overload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from tap_billing.bridge import Ahead, Loop
    from tap_billing.spec import Document, Page, Provider, Record, Request, Resource, Scope
    from tap_billing.transport import Transport

    Cut = Callable[[Document], Iterable[Record]]

logger = logging.getLogger(__name__)

# Pages that wait for the consumer: with the one in flight enough to keep both sides busy.
AHEAD = 2


async def pages(
    transport: Transport, provider: Provider, resource: Resource, scope: Scope
) -> AsyncIterator[Page]:
    """Yield the pages of every pass that the scope needs, in order.

    A request that is too large for the server is divided until it passes. Raises what
    `Transport.get` raises; Overload where nothing is left to divide.
    """
    for first in provider.plan(resource, scope):
        waiting = [first]
        while waiting:
            request = waiting.pop()
            try:
                page = await transport.get(request)
            except Overload as error:
                parts = provider.halve(request)
                logger.warning("%s; asking for %d parts instead", error, len(parts))
                waiting.extend(reversed(parts))
                continue
            if page.following:
                waiting.append(page.following)
            yield await _complete(transport, provider, request, page)


async def _complete(transport: Transport, provider: Provider, request: Request, page: Page) -> Page:
    if not isinstance(page.documents, list):
        return page
    missing = provider.details(request, page.documents)
    if not missing:
        return page
    singles = await asyncio.gather(*(transport.get(each) for each in missing))
    return replace(page, documents=[row for single in singles for row in single.documents])


@dataclass(slots=True)
class Horizon:
    """How far a read may claim to have seen: the largest cursor, never past the watermark."""

    zone: str
    cursors: tuple[tuple[str, ...], ...]
    watermark: datetime
    seen: datetime | None = None
    _dated: bool = False

    def begin(self, page: Page) -> None:
        """Lower the watermark to the server's clock at the first answer."""
        if not self._dated and page.server_time:
            self.watermark = min(self.watermark, page.server_time)
        self._dated = True

    def note(self, document: Document) -> None:
        """Take note of a document's cursors; what is no datetime is none."""
        for path in self.cursors:
            for value in along(document, path):
                try:
                    when = moment(str(value).strip(), self.zone)
                except ValueError:
                    continue
                if self.seen is None or when > self.seen:
                    self.seen = when

    @property
    def bookmark(self) -> datetime | None:
        """The bookmark that a complete read ends with, None if it saw nothing."""
        return min(self.seen, self.watermark) if self.seen else None


class Spool:
    """Records that wait for their stream's turn, in a compressed temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._packed = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1)

    def append(self, received: datetime, records: list[Record]) -> None:
        """Add records of one response. Raises LocalError if the disk is full."""
        try:
            line = orjson.dumps([received.isoformat(), records], option=orjson.OPT_APPEND_NEWLINE)
            self._packed.write(line)
        except OSError as error:
            raise LocalError(
                f"the temporary directory {tempfile.gettempdir()} is full ({error.strerror});"
                " make room, or set TMPDIR to another disk"
            ) from None

    def replay(self) -> Iterator[tuple[datetime, Record]]:
        """Yield what was added, in order, then forget it."""
        self._packed.close()
        self._file.seek(0)
        with gzip.GzipFile(fileobj=self._file, mode="rb") as lines:
            for line in lines:
                received, records = orjson.loads(line)
                when = datetime.fromisoformat(received)
                for record in records:
                    yield when, record
        self.close()

    def close(self) -> None:
        """Give the disk space back."""
        self._packed.close()
        self._file.close()


class Feed:
    """One read of a resource. The first stream to ask drives it; the others' records are spooled.

    `cuts` are the selected streams' functions from document to cast records.
    """

    def __init__(
        self,
        loop: Loop,
        transport: Transport,
        resource: Resource,
        scope: Scope,
        cuts: dict[str, Cut],
    ) -> None:
        self.bookmark: datetime | None = None
        self._loop = loop
        self._transport = transport
        self._resource = resource
        self._scope = scope
        self._cuts = cuts
        self._ahead: Ahead[Page] | None = None
        self._spools: dict[str, Spool] | None = None
        self._failure: BillingError | None = None
        self._began = datetime.now(UTC)

    def start(self) -> None:
        """Begin to fetch, a few pages ahead of the consumer."""
        if self._ahead is None and self._spools is None:
            provider = self._transport.provider
            self._began = datetime.now(UTC)
            self._ahead = self._loop.start(
                lambda: pages(self._transport, provider, self._resource, self._scope), AHEAD
            )

    def records(self, stream: str) -> Iterator[tuple[datetime, Record]]:
        """Yield the stream's records with the instant at which their response was received.

        Raises what stopped the read; the resource's bookmark is set only after a complete one.
        """
        if self._failure is not None:
            raise self._failure
        if self._spools is not None and stream in self._spools:
            yield from self._spools.pop(stream).replay()
            return
        complete = False
        spools = {name: Spool() for name in self._cuts if name != stream}
        try:
            yield from self._drive(stream, spools)
            complete = True
        except BillingError as error:
            self._failure = error
            raise
        finally:
            if self._ahead is not None:
                self._ahead.cancel()
                self._ahead = None
            if complete:
                self._spools = spools
            else:
                for spool in spools.values():
                    spool.close()

    def _drive(self, stream: str, spools: dict[str, Spool]) -> Iterator[tuple[datetime, Record]]:
        self.start()
        zone: str = self._transport.provider.timezone
        horizon = Horizon(zone, self._resource.cursors, self._began)
        own = self._cuts[stream]
        others = [(self._cuts[name], spool) for name, spool in spools.items()]
        seen = _Once(self._resource.id if self._passes() else None)
        for page in self._ahead or ():
            horizon.begin(page)
            for document in page.documents:
                horizon.note(document)
                if seen(document):
                    continue
                for cut, spool in others:
                    cut_out = list(cut(document))
                    if cut_out:
                        spool.append(page.received, cut_out)
                for record in own(document):
                    yield page.received, record
        self.bookmark = horizon.bookmark

    def _passes(self) -> bool:
        return self._scope.since is not None and len(self._resource.passes) > 1

    def close(self) -> None:
        """Stop fetching and give the disk space back."""
        if self._ahead is not None:
            self._ahead.cancel()
        for spool in (self._spools or {}).values():
            spool.close()


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
