"""ChargeOver's JSON REST API, version 3: the search language, paging and the envelope.

Facts come from developer.chargeover.com and from recorded bodies in tests/samples/chargeover.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from tap_billing.cast import moment
from tap_billing.codec import decode
from tap_billing.errors import ERRORS_FROM, Garbled, Refused, for_status
from tap_billing.providers.chargeover_paging import (
    Clause,
    Position,
    by_key,
    by_offset,
    parted,
    ranges,
    whole,
)
from tap_billing.spec import Document, Extent, Page, Pass, Reply, Request, Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

logger = logging.getLogger(__name__)

# Pages that a part is expected to have left when it has more rows than one.
MOST_PARTS = 8
# The escape of a NUL character, unless its backslash is escaped itself.
NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True, slots=True)
class ChargeOver:
    """The provider; `timezone` is the IANA name of the account's zone."""

    page_size: int
    timezone: str
    spooled: bool = False

    def plan(self, resource: Resource, scope: Scope) -> Sequence[Request]:
        """Return the first request of each pass, and of a whole read after them.

        Where no pass shows what changed, the rows that an earlier read had come last.
        """
        found = []
        for each in resource.passes if scope.since else ():
            bounds = {resource.created: scope.start} if scope.start and resource.created else {}
            if each.since and scope.since:
                since = scope.since - (scope.window if each.windowed else timedelta())
                # The later of two lower bounds says it all.
                bounds[each.since] = max(since, bounds.get(each.since, since))
            elif not each.where:
                continue
            found.append((*self._clauses(resource, scope, bounds), *_fixed(each)))
        upto = () if scope.after is None else ((resource.id, "LTE", str(scope.after)),)
        requests = [self._listing(resource, (*each, *upto), scope.expand) for each in found]
        if scope.whole:
            all_of_it = self._listing(resource, self._clauses(resource, scope), scope.expand)
            position = replace(all_of_it.position, last=scope.after, whole=True)
            requests.append(replace(all_of_it, position=position))
        if scope.whole and upto and not resource.passes:
            # No pass shows what has changed meanwhile of what was read before.
            where = (*self._clauses(resource, scope), *upto)
            requests.append(self._listing(resource, where, scope.expand))
        return requests

    def among(self, resource: Resource, scope: Scope, ids: Iterable[Any]) -> Sequence[Request]:
        """Return a request for each range of identifiers that fits one page."""
        clauses = self._clauses(resource, scope)
        return [
            self._listing(
                resource,
                (*clauses, (resource.id, "GTE", str(low)), (resource.id, "LTE", str(high))),
                scope.expand,
            )
            for low, high in ranges(ids, self.page_size)
        ]

    def highest(self, resource: Resource, scope: Scope) -> Request | None:
        """Return the request for the row with the highest identifier."""
        if not resource.keyset:
            return None
        where = self._where(self._clauses(resource, scope))
        order = ("order", f"{resource.id}:DESC")
        return _only(resource, f"/{resource.path}", (*where, order, ("limit", "1")))

    def count(self, resource: Resource, scope: Scope, highest: int | None) -> Request | None:
        """Return the request for `_count` (source: the vendor's PHP library, `count`)."""
        clauses = self._clauses(resource, scope)
        if scope.after is not None:
            clauses += ((resource.id, "GT", str(scope.after)),)
        if highest is not None:
            clauses += ((resource.id, "LTE", str(highest)),)
        return _only(resource, f"/{resource.path}/_count", self._where(clauses))

    def _listing(
        self, resource: Resource, clauses: tuple[Clause, ...], expand: tuple[str, ...]
    ) -> Request:
        return Request(resource, f"/{resource.path}", position=Position(clauses, expand))

    def _clauses(
        self, resource: Resource, scope: Scope, bounds: Mapping[str, datetime] | None = None
    ) -> tuple[Clause, ...]:
        """Return what every request of a scope asks for, with lower bounds of times."""
        if bounds is None:
            bounds = {resource.created: scope.start} if scope.start and resource.created else {}
        times = tuple((name, "GTE", self._local(when)) for name, when in bounds.items())
        return (*(scope.filters or ()), *times)

    def url(self, request: Request) -> str:
        """Return path and query; every parameter is escaped for ChargeOver, then encoded once."""
        position: Position = request.position
        params = request.params if position.single else self._query(request.resource, position)
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in params)
        return f"{request.path}?{query}" if query else request.path

    def _query(self, resource: Resource, position: Position) -> Sequence[tuple[str, str]]:
        where = position.where
        if resource.keyset and position.last is not None:
            where += ((resource.id, "GT", str(position.last)),)
        if position.upto is not None:
            where += ((resource.id, "LTE", str(position.upto)),)
        offset = () if resource.keyset else (("offset", str(position.offset)),)
        return [
            *self._where(where),
            *([("order", f"{resource.id}:ASC")] if resource.id and position.ordering else []),
            *(
                [("expand", ",".join(position.expand))]
                if position.expanding and position.expand
                else []
            ),
            ("limit", str(self._limit(resource))),
            *offset,
        ]

    def _where(self, clauses: Sequence[Clause]) -> tuple[tuple[str, str], ...]:
        told = ",".join(f"{field}:{operator}:{escape(value)}" for field, operator, value in clauses)
        return (("where", told),) if told else ()

    def decode(self, request: Request, reply: Reply) -> Page:
        """Return the rows that follow the request's position, and the request after it."""
        rows = rows_of(request, reply)
        position: Position = request.position
        if position.single:
            return Page(rows, reply.received, reply.server_time)
        self._check_filter(request, rows)
        proceed = by_key if request.resource.keyset else by_offset
        fresh, following = proceed(request, rows, self._limit(request.resource))
        number = request.resource.id
        return Page(
            fresh,
            reply.received,
            reply.server_time,
            following,
            whole=position.whole,
            full=position.whole and request.resource.keyset and len(rows) >= self.page_size,
            # Their order was checked, by a number that never changes.
            reached=(lambda row: whole(row[number])) if request.resource.keyset else None,
        )

    def details(self, request: Request, documents: Sequence[Document]) -> Sequence[Request]:
        """Return a request for each row, if a list left out what it was asked to expand."""
        position: Position = request.position
        if not position.expand or any(key in row for row in documents for key in position.expand):
            return ()
        return [
            replace(
                request,
                path=f"{request.path}/{row[request.resource.id]}",
                position=replace(position, single=True),
            )
            for row in documents
        ]

    def simplify(self, request: Request) -> Request | None:
        """Return the request without `expand`, or without an order that paging can do without.

        `expand` is documented for packages and invoices only: what it leaves out is read row by
        row. Some objects' identifiers are inferred: a list overlaps its pages without an order too.
        """
        position: Position = request.position
        if position.expand and position.expanding:
            return replace(request, position=replace(position, expanding=False))
        if position.ordering and request.resource.id and not request.resource.keyset:
            return replace(request, position=replace(position, ordering=False))
        return None

    def late(self, request: Request) -> bool:
        """Whether a request is for a range of identifiers: the next one is known already."""
        return request.position.upto is not None

    def parts(self, request: Request, extent: Extent | None) -> Iterable[Request]:
        """Return ranges of identifiers for the rest of a whole read, or of a part of it."""
        position: Position = request.position
        if not request.resource.keyset or position.last is None:
            return (request,)
        if extent is not None:
            return parted(request, extent.highest, extent.rows - position.size)
        if position.upto is None:
            return (request,)
        # More rows than the part was meant to have. Those that came say little of what is far away:
        # a few parts, which are divided again if need be.
        alike = position.size * (position.upto - position.last) // max(1, position.span)
        rows = min(alike, MOST_PARTS * position.size)
        return parted(request, position.upto, rows)

    def halve(self, request: Request) -> Sequence[Request]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: a page is small already."""
        return ()

    def _limit(self, resource: Resource) -> int:
        # Overlapping pages need two rows to advance.
        return self.page_size if resource.keyset else max(2, self.page_size)

    def _local(self, when: datetime) -> str:
        # With its offset, and in the account's own zone, so that a server that drops the offset
        # still reads the right instant, or an earlier one in the hour that is told twice.
        local = when.astimezone(ZoneInfo(self.timezone))
        if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
            local = (when - timedelta(hours=1)).astimezone(local.tzinfo)
        return local.isoformat(timespec="seconds")

    def _check_filter(self, request: Request, rows: Sequence[Document]) -> None:
        position: Position = request.position
        for field, operator, value in position.where:
            wrong = [row for row in rows if _misses(row, field, operator, value, self.timezone)]
            if wrong:
                logger.warning(
                    "%s: %d of %d rows do not match where=%s:%s: the server did not apply it; they"
                    " are passed on",
                    request, len(wrong), len(rows), field, operator,
                )  # fmt: skip


def _fixed(each: Pass) -> tuple[Clause, ...]:
    return ((each.where[0], "EQUALS", each.where[1]),) if each.where else ()


def _only(resource: Resource, path: str, params: tuple[tuple[str, str], ...]) -> Request:
    return Request(resource, path, params, Position((), (), single=True))


def escape(value: str) -> str:
    r"""Return a value as the search language wants it, `:` and `,` behind a backslash.

    Source: developer.chargeover.com/docs/api-information/escape-syntax.
    """
    return value.replace(":", r"\:").replace(",", r"\,")


def rows_of(request: Request, reply: Reply) -> list[Document]:
    """Return a response's rows (a single object is one row).

    Raises Garbled for anything but the documented envelope, and by the status it reports.
    """
    envelope = _envelope(request, reply)
    code = reply.status
    if code < ERRORS_FROM and envelope.get("status") != "OK":
        code = whole(envelope.get("code")) or 0
        if code < ERRORS_FROM:
            raise Refused(f"{request}: {envelope.get('message') or envelope.get('status')}")
    if code >= ERRORS_FROM:
        raise for_status(code, f"{request}: {envelope.get('message') or f'HTTP {code}'}")
    found: Any = envelope
    for key in request.resource.records_path or ("response",):
        found = found.get(key) if isinstance(found, dict) else None
    rows = [found] if isinstance(found, dict) else found
    if request.path.endswith("/_count"):
        number = whole(found)
        rows = None if number is None else [{"count": number}]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Garbled(f"{request}: the answer holds no list of rows")
    return rows


def _envelope(request: Request, reply: Reply) -> dict[str, Any]:
    body = reply.body if isinstance(reply.body, bytes) else reply.body.read()
    if b"\\u0000" in body:
        body, count = NUL.subn(rb"\1", body)
        if count:
            logger.warning("%s: %d NUL characters left out: no database takes them", request, count)
    try:
        envelope = decode(body)
    except (ValueError, RecursionError):
        envelope = None
    if isinstance(envelope, dict) and "status" in envelope:
        return envelope
    if reply.status >= ERRORS_FROM:
        raise for_status(reply.status, f"{request}: HTTP {reply.status} without a JSON answer")
    kind = reply.headers.get("Content-Type", "of no type")
    raise Garbled(
        f"{request}: HTTP {reply.status} with {len(body)} bytes ({kind}) that are no ChargeOver"
        " answer"
    )


def _misses(row: Document, field: str, operator: str, value: str, zone: str) -> bool:
    """Whether a row shows that a clause was not applied; what cannot be told is no proof."""
    found = row.get(field)
    if found is None or found == "":
        return False
    if operator == "EQUALS":
        return str(found).strip().casefold() != value.strip().casefold() and not isinstance(
            found, (bool, float)
        )
    if operator == "GTE" and field.endswith("_datetime"):
        try:
            return moment(str(found), zone) < moment(value, zone).replace(microsecond=0)
        except ValueError:
            return False
    return False
