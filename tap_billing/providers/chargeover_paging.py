"""ChargeOver's paging: where a read stands, and which request follows a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from tap_billing.errors import Garbled, Stalled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_billing.spec import Document, Request

# The server may allow fewer rows a page than it was asked for; its smallest known page is its
# default of 10, so a shorter page is the last one, a longer one only if nothing follows.
SMALLEST_PAGE = 10
# A list that shrinks or grows so often while it is read is not read in any useful sense.
MOST_STEPS = 200
# How full a page of a range of identifiers is meant to be where some of them are missing.
FULL = 0.8

Clause = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a read stands: the last identifier seen, and the offset where one is needed.

    A `single` request is for one object, a `whole` read for every row.
    `first` is the list's first identifier, `size` the largest page that came, `steps` how often the
    offset was moved without a new row. A part of a whole read brings rows `upto` an identifier;
    `span` are the numbers that its last page has covered.
    """

    where: tuple[Clause, ...]
    expand: tuple[str, ...]
    expanding: bool = True
    ordering: bool = True
    last: Any = None
    offset: int = 0
    first: Any = None
    size: int = 0
    steps: int = 0
    single: bool = False
    whole: bool = False
    upto: int | None = None
    span: int = 0


def by_key(
    request: Request, rows: list[Document], limit: int
) -> tuple[list[Document], Request | None]:
    """Page by the immutable identifier: nothing that changes meanwhile can shift a row."""
    key, position = request.resource.id, request.position
    last = position.last
    fresh = []
    for row in rows:
        number = whole(row.get(key))
        if number is None:
            raise Garbled(f"{request}: a row without {key}")
        if (last is not None and number < last) or number == position.last:
            raise Stalled(
                f"{request}: row {number} came after row {last}, although"
                f" {key}:GT and order={key}:ASC were asked for"
            )
        # A filter on a row's lines may bring the row once for each of them.
        if number != last:
            fresh.append(row)
        last = number
    end = _end(key, position)
    if position.upto is not None:
        # Those beyond come with the next part, whatever the server makes of this one's end.
        fresh = [row for row in fresh if int(row[key]) <= position.upto]
    size = max(position.size, len(rows))
    # A server that has filled a page as it was asked to does not cut others short.
    is_short = len(rows) < min(limit, SMALLEST_PAGE) or (len(rows) < limit <= size)
    if is_short or (end is not None and last is not None and last >= end):
        return fresh, None
    span = last - position.last if position.last is not None else 0
    ahead = replace(position, last=last, size=size, span=span)
    return fresh, replace(request, position=ahead)


def _end(key: str, position: Position) -> int | None:
    """Return the last identifier that a request asks for, if it names one."""
    told = [whole(value) for field, sign, value in position.where if (field, sign) == (key, "LTE")]
    return min((each for each in (*told, position.upto) if each is not None), default=None)


def parted(request: Request, highest: int, rows: int) -> Iterator[Request]:
    """Yield requests for ranges of identifiers that bring about a page each, in order.

    They hold everything after the request's position; there are about so many `rows` up to the
    `highest`. What is beyond comes last, without an end.
    """
    position: Position = request.position
    low, ids = position.last, highest - position.last
    span = max(1, position.size)
    if rows < FULL * ids:
        # Gaps are not spread evenly: room for some more rows than usual spares a second request.
        span = max(span, int(FULL * span * ids / max(1, rows)))
    while low < highest:
        high = min(low + span, highest)
        yield replace(request, position=replace(position, last=low, upto=high))
        low = high
    if position.upto is None:
        yield replace(request, position=replace(position, last=low))


def by_offset(
    request: Request, rows: list[Document], limit: int
) -> tuple[list[Document], Request | None]:
    """Page by offset where the identifier is no filter, each page overlapping the one before.

    The last row seen must come again, or an earlier one if it was deleted meanwhile; otherwise rows
    moved up over the edge of the page, and the read steps back. Raises Stalled where the pages
    cannot be shown to be complete.
    """
    position: Position = request.position
    ids = [_identity(request, row) for row in rows]
    size = max(position.size, len(rows))
    start = _continues(ids, position.last)
    if start is None and position.offset > 0:
        return [], _step(request, max(0, position.offset - max(1, size // 2)), size)
    fresh = rows[start or 0 :]
    if fresh:
        is_first_and_last = position.last is None and len(rows) < min(limit, SMALLEST_PAGE)
        # As above: a server that has filled other pages.
        if is_first_and_last or len(rows) < limit <= size:
            return fresh, None
        ahead = replace(
            position,
            first=ids[0] if position.last is None else position.first,
            last=ids[-1],
            offset=position.offset + len(rows) - 1,
            size=size,
        )
        return fresh, replace(request, position=ahead)
    if position.offset > 0 and ids and ids[0] == position.first:
        # The server does not page here: fine if that was the whole list, whatever its length.
        if len(rows) == limit:
            raise Stalled(f"{request}: offset={position.offset} is not applied by the server")
        return [], None
    if len(rows) < size or len(rows) < SMALLEST_PAGE:
        return [], None
    # A full page of rows that are known, after a step back: the rest is ahead.
    return [], _step(request, position.offset + len(rows) - 1, size)


def _step(request: Request, offset: int, size: int) -> Request:
    """Return the request at an offset which brings nothing new by itself; too many are Stalled."""
    position: Position = request.position
    if position.steps >= MOST_STEPS:
        raise Stalled(f"{request}: the list changes its order while it is read")
    moved = replace(position, offset=offset, steps=position.steps + 1, size=size)
    return replace(request, position=moved)


def _continues(ids: list[Any], last: Any) -> int | None:
    """Return where the rows after `last` begin, or None if rows may be missing in between."""
    if last is None:
        return 0
    if last in ids:
        # The first: a row may repeat, and one that comes twice is better than one that is lost.
        return ids.index(last) + 1
    ordered = all(isinstance(each, int) for each in (*ids, last)) and ids == sorted(ids)
    return sum(each <= last for each in ids) or None if ordered else None


def _identity(request: Request, row: Document) -> Any:
    key = request.resource.id
    if not key:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    value = row.get(key)
    if value in (None, ""):
        raise Garbled(f"{request}: a row without {key}")
    number = whole(value)
    return value if number is None else number


def whole(value: Any) -> int | None:
    """Return an identifier as a number, None if it is none: the vendor writes some as text."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def ranges(ids: Iterable[Any], span: int) -> list[tuple[int, int]]:
    """Return the fewest ranges, ends included, of at most `span` numbers that hold all of these."""
    found: list[tuple[int, int]] = []
    for number in sorted({each for each in map(whole, ids) if each is not None}):
        if found and number - found[-1][0] < span:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
