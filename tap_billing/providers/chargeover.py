"""ChargeOver's JSON REST API, version 3: the search language, paging and the envelope.

Facts come from developer.chargeover.com and from recorded bodies in tests/samples/chargeover.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson

from tap_billing.cast import moment
from tap_billing.codec import decode
from tap_billing.errors import Garbled, Refused, Stalled, for_status, one_line
from tap_billing.providers.chargeover_resources import RESOURCES
from tap_billing.spec import Document, Page, Reply, Request, Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

logger = logging.getLogger(__name__)

# The server may allow fewer rows a page than it was asked for; its smallest known page is its
# default of 10, so a shorter page is the last one, a longer one only if nothing follows.
SMALLEST_PAGE = 10
MOST_STEPS_BACK = 100
SUCCESS = 400

Clause = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a read stands: the last identifier seen, and the offset where one is needed."""

    where: tuple[Clause, ...]
    expand: tuple[str, ...]
    expanding: bool = True
    last: Any = None
    offset: int = 0
    backs: int = 0
    single: bool = False


@dataclass(frozen=True, slots=True)
class ChargeOver:
    """The provider; `timezone` is the IANA name of the account's zone."""

    page_size: int
    timezone: str
    resources: tuple[Resource, ...] = RESOURCES
    spooled: bool = False

    def plan(self, resource: Resource, scope: Scope) -> Sequence[Request]:
        """Return a request per pass, or one for everything if there is no bookmark or no pass."""
        where: tuple[Clause, ...] = tuple(scope.filters or ())
        if scope.start and resource.created:
            where += ((resource.created, "GTE", self._local(scope.start)),)
        since = scope.since
        narrowed = (
            [(*where, (each.since, "GTE", self._local(since))) for each in resource.passes]
            if since and resource.passes
            else [where]
        )
        return [
            Request(resource, f"/{resource.path}", position=Position(each, scope.expand))
            for each in narrowed
        ]

    def url(self, request: Request) -> str:
        """Return path and query; every parameter is escaped for ChargeOver, then encoded once."""
        position: Position = request.position
        params = [] if position.single else list(self._query(request.resource, position))
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in params)
        return f"{request.path}?{query}" if query else request.path

    def _query(self, resource: Resource, position: Position) -> Sequence[tuple[str, str]]:
        where = position.where
        if resource.keyset and position.last is not None:
            where += ((resource.id, "GT", str(position.last)),)
        clauses = ",".join(
            f"{field}:{operator}:{escape(value)}" for field, operator, value in where
        )
        offset = () if resource.keyset else (("offset", str(position.offset)),)
        return [
            *([("where", clauses)] if clauses else []),
            *([("order", f"{resource.id}:ASC")] if resource.id else []),
            *(
                [("expand", ",".join(position.expand))]
                if position.expanding and position.expand
                else []
            ),
            # Overlapping pages need two rows to advance.
            ("limit", str(self.page_size if resource.keyset else max(2, self.page_size))),
            *offset,
        ]

    def decode(self, request: Request, reply: Reply) -> Page:
        """Return the rows that follow the request's position, and the request after it."""
        rows = rows_of(request, reply)
        position: Position = request.position
        if position.single:
            return Page(rows, reply.received, reply.server_time)
        self._check_filter(request, rows)
        proceed = _by_key if request.resource.keyset else _by_offset
        fresh, following = proceed(request, rows, self.page_size)
        return Page(fresh, reply.received, reply.server_time, following)

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
        """Return the request without `expand`, which is documented for packages and invoices only.

        What it leaves out is then read row by row; None if nothing was to be expanded.
        """
        position: Position = request.position
        if not (position.expand and position.expanding):
            return None
        return replace(request, position=replace(position, expanding=False))

    def halve(self, request: Request) -> Sequence[Request]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: a page is small already."""
        return ()

    def _local(self, when: datetime) -> str:
        # With its offset, and in the account's own zone, so that a server that drops the offset
        # still reads the right instant.
        return when.astimezone(ZoneInfo(self.timezone)).isoformat(timespec="seconds")

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
    if code < SUCCESS and envelope.get("status") != "OK":
        code = _whole(envelope.get("code")) or 0
        if code < SUCCESS:
            raise Refused(
                one_line(f"{request}: {envelope.get('message') or envelope.get('status')}")
            )
    if code >= SUCCESS:
        raise for_status(code, f"{request}: {envelope.get('message') or f'HTTP {code}'}")
    found: Any = envelope
    for key in request.resource.records_path or ("response",):
        found = found.get(key) if isinstance(found, dict) else None
    rows = [found] if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Garbled(f"{request}: the answer holds no list of rows")
    return rows


def _envelope(request: Request, reply: Reply) -> dict[str, Any]:
    body = reply.body if isinstance(reply.body, bytes) else reply.body.read()
    try:
        envelope = decode(body)
    except (ValueError, RecursionError):
        envelope = None
    if isinstance(envelope, dict) and "status" in envelope:
        return envelope
    if reply.status >= SUCCESS:
        raise for_status(reply.status, f"{request}: HTTP {reply.status} without a JSON answer")
    kind = reply.headers.get("Content-Type", "of no type")
    raise Garbled(
        f"{request}: HTTP {reply.status} with {len(body)} bytes ({kind}) that are no ChargeOver"
        " answer"
    )


def _by_key(
    request: Request, rows: list[Document], limit: int
) -> tuple[list[Document], Request | None]:
    """Page by the immutable identifier: nothing that changes meanwhile can shift a row."""
    resource, position = request.resource, request.position
    last = position.last
    fresh = []
    for row in rows:
        number = _whole(row.get(resource.id))
        if number is None:
            raise Garbled(f"{request}: a row without {resource.id}")
        if (last is not None and number < last) or number == position.last:
            raise Stalled(
                f"{request}: row {number} came after row {last}, although"
                f" {resource.id}:GT and order={resource.id}:ASC were asked for"
            )
        # A filter on a row's lines may bring the row once for each of them.
        if number != last:
            fresh.append(row)
        last = number
    if len(rows) < min(limit, SMALLEST_PAGE):
        return fresh, None
    return fresh, replace(request, position=replace(position, last=last))


def _by_offset(
    request: Request, rows: list[Document], limit: int
) -> tuple[list[Document], Request | None]:
    """Page by offset where the identifier is no filter, each page overlapping the one before.

    The last row seen must come again, or an earlier one if it was deleted meanwhile; otherwise rows
    moved up over the edge of the page, and the read steps back.
    """
    position: Position = request.position
    ids = [_identity(row, request.resource) for row in rows]
    start = _continues(ids, position.last)
    if start is None and position.offset > 0:
        if position.backs >= MOST_STEPS_BACK:
            raise Stalled(f"{request}: the list changes its order while it is read")
        back = max(0, position.offset - max(1, limit // 2))
        return [], replace(
            request, position=replace(position, offset=back, backs=position.backs + 1)
        )
    fresh = rows[start or 0 :]
    if position.offset and not fresh and len(rows) == limit and ids[0] != position.last:
        raise Stalled(f"{request}: offset={position.offset} is not applied by the server")
    if not fresh or (position.last is None and len(rows) < min(limit, SMALLEST_PAGE)):
        return fresh, None
    ahead = replace(position, last=ids[-1], offset=position.offset + len(rows) - 1)
    return fresh, replace(request, position=ahead)


def _continues(ids: list[Any], last: Any) -> int | None:
    """Return where the rows after `last` begin, or None if rows may be missing in between."""
    if last is None:
        return 0
    if last in ids:
        return len(ids) - ids[::-1].index(last)
    ordered = all(isinstance(each, int) for each in (*ids, last)) and ids == sorted(ids)
    return sum(each <= last for each in ids) or None if ordered else None


def _identity(row: Document, resource: Resource) -> Any:
    if not resource.id:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    value = row.get(resource.id)
    number = _whole(value)
    return value if number is None else number


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


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
