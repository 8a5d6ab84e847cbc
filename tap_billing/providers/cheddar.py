"""Cheddar's XML API: whole documents, read as a stream of customers, plans or promotions.

Facts come from docs.getcheddar.com, its clients and the bodies in tests/samples/cheddar.
"""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote
from zoneinfo import ZoneInfo

from tap_billing import clock
from tap_billing.cast import moment
from tap_billing.errors import ERRORS_FROM, Garbled, for_status
from tap_billing.providers.cheddar_order import BY_CREATION, ordered, tells_later
from tap_billing.providers.cheddar_resources import CREATED, LOOKUPS, SHAPES
from tap_billing.providers.cheddar_xml import NONE, error, parse, verify
from tap_billing.spec import Document, Extent, Page, Reply, Request, Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# How a path names a product; that of a custom stream may do so itself.
PRODUCT = {"productcode", "productid"}
CREATED_BETWEEN = ("createdAfterDate", "createdBeforeDate")
# CheddarGetter began in 2009: nothing was created before, so a window from here is the first.
EPOCH = date(2009, 1, 1)
BEFORE = EPOCH - timedelta(days=1)
# A customer who was created so late, in any zone, is no answer to a request for days until then.
LATER = b"2009-01-03"


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which a request's customers were created, both included; None is open.

    What was asked for `until` a later day than the `last` is asked for next. An `ordered` request
    wants customers by creation, a `whole` read all of them. What is `undivided` yet can be divided
    by years, because the server has shown that it minds days; a `part` of it shares its last day
    with the first of the next one.
    """

    first: date | None = None
    last: date | None = None
    until: date | None = None
    ordered: bool = False
    whole: bool = False
    undivided: bool = False
    part: bool = False


@dataclass(frozen=True, slots=True)
class Cheddar:
    """The provider; `timezone` is the IANA name of the API user's zone.

    What is `parted` reads customers by the year of their creation.
    """

    product_code: str
    timezone: str
    parted: bool = False
    spooled: bool = True

    def plan(self, resource: Resource, scope: Scope) -> Sequence[Request]:
        """Return a request per pass; days are whole and inclusive in the API user's zone."""
        filters = dict(scope.filters or {})
        path = f"/{resource.path}"
        if not PRODUCT & set(resource.path.lower().split("/")):
            path = f"{path}/productCode/{quote(self.product_code, safe='')}"
        for key in () if resource.records_path else LOOKUPS:
            if key in filters:
                return [Request(resource, path, ((key, str(filters[key])),))]
        given = tuple(
            (f"{key}[]" if isinstance(value, list) else key, str(each))
            for key, value in filters.items()
            for each in (value if isinstance(value, list) else [value])
            if key != "createdBeforeDate" or not resource.created
        )
        if not resource.created:
            return [Request(resource, path, given, Window(whole=True))]
        start = self._day(scope.start) if scope.start else None
        before = filters.get("createdBeforeDate")
        end = date.fromisoformat(before) if before else None
        all_of_it = Request(resource, path, given, Window(start, end, end))
        found: list[Request] = []
        if scope.since:
            # One day earlier: the zone of the API user is a setting here and may be wrong.
            since = self._day(scope.since) - timedelta(days=1)
            known = all_of_it
            if scope.after is not None:
                upto = min(date.fromisoformat(scope.after), end or date.max)
                known = replace(all_of_it, position=Window(start, upto, upto))
            found = [_narrow(known, each.since, since) for each in resource.passes if each.since]
        if scope.whole:
            if scope.after is not None:
                next_day = date.fromisoformat(scope.after) + timedelta(days=1)
                start = max(start, next_day) if start else next_day
            ordered = "orderBy" not in filters
            window = Window(start, end, end, ordered, whole=True)
            trial = self.parted and scope.large
            found.append(replace(all_of_it, position=window, trial=trial))
        return found

    def among(self, resource: Resource, scope: Scope, ids: Iterable[Any]) -> Sequence[Request]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: no pass names customers by their identifier."""
        return ()

    def highest(self, resource: Resource, scope: Scope) -> Request | None:  # noqa: ARG002 - as above
        """Return nothing: identifiers have no order."""
        return None

    def count(self, resource: Resource, scope: Scope, highest: int | None) -> Request | None:  # noqa: ARG002 - as above
        """Return nothing: a document that ends with its closing tag is complete."""
        return None

    def _day(self, when: datetime) -> date:
        return when.astimezone(ZoneInfo(self.timezone)).date()

    def url(self, request: Request) -> str:
        """Return path and query, each part encoded once; a code is a part of the path."""
        params = dict.fromkeys(request.params)
        window: Window | None = request.position
        if window:
            days = (window.first, BEFORE if request.trial else window.last)
            for key, day in zip(CREATED_BETWEEN, days, strict=True):
                if day:
                    params[(key, day.isoformat())] = None
            if window.ordered:
                params |= dict.fromkeys(BY_CREATION)
        lookup = next(
            (
                (key, value)
                for key, value in params
                if key in LOOKUPS and _fits_path(value) and not request.resource.records_path
            ),
            None,
        )
        path = f"{request.path}/{lookup[0]}/{quote(lookup[1], safe='')}" if lookup else request.path
        query = "&".join(
            f"{quote(key, safe='')}={quote(value, safe='')}"
            for key, value in params
            if (key, value) != lookup
        )
        return f"{path}?{query}" if query else path

    def decode(self, request: Request, reply: Reply) -> Page:
        """Return the documents, after the whole body was found to be well-formed XML.

        "No customers found." is an answer without documents; every other 404 is Refused.
        """
        body = io.BytesIO(reply.body) if isinstance(reply.body, bytes) else reply.body
        root, encoding = verify(request, body, reply.status)
        if root == "error":
            text, code = error(body, reply.status)
            if code in NONE and _none_found(request.resource).search(text):
                return self._page(request, reply, (), body)
            raise for_status(code, f"{request}: {text or f'HTTP {code}'}")
        if reply.status >= ERRORS_FROM:
            raise for_status(reply.status, f"{request}: HTTP {reply.status} with <{root}>")
        expected = _path(request.resource)[0]
        if root != expected:
            raise Garbled(f"{request}: <{root}> came in place of <{expected}>")
        documents = self._documents(request.resource, body, encoding)
        return self._page(request, reply, documents, body)

    def _page(
        self, request: Request, reply: Reply, documents: Iterable[Document], body: BinaryIO
    ) -> Page:
        window: Window | None = request.position
        following = None
        if window and window.last and window.last != window.until:
            first = window.last + timedelta(days=1)
            following = replace(request, position=replace(window, first=first, last=window.until))
        if request.trial and window:
            later = tells_later(body, LATER) if documents else None
            if not later:
                # The server minds days, unless somebody is there for another reason.
                documents, window = (), replace(window, undivided=later is None)
                following = replace(request, position=window, trial=False)
        in_order = bool(window and window.ordered) and ordered(body)
        reached = _settled if in_order else _former(window)
        return Page(
            documents,
            reply.received,
            reply.server_time,
            following,
            body,
            whole=bool(window and window.whole),
            full=following is not None and following.position.undivided,
            overlapping=bool(window and window.part),
            reached=reached,
            place=_created if reached else None,
        )

    def _documents(self, resource: Resource, body: BinaryIO, encoding: str) -> Iterator[Document]:
        shape = SHAPES.get(resource.name)
        with contextlib.closing(parse(body, encoding, _path(resource))) as documents:
            try:
                for document in documents:
                    if shape is not None:
                        shape(document)
                    document["product_code"] = self.product_code
                    yield document
            except RecursionError:
                raise Garbled(f"{resource.path}: elements nested beyond reason") from None

    def details(self, request: Request, documents: Sequence[Document]) -> Sequence[Request]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: a document is always complete."""
        return ()

    def simplify(self, request: Request) -> Request | None:
        """Return the request for the whole document in the place of a trial."""
        return replace(request, trial=False) if request.trial else None

    def late(self, request: Request) -> bool:  # noqa: ARG002 - as above
        """Return whether decoding can wait: no, a body is verified as soon as it is there."""
        return False

    def parts(self, request: Request, extent: Extent | None) -> Iterable[Request]:  # noqa: ARG002 - as above
        """Return a request for each year in which customers were created."""
        window: Window = request.position
        if not window.undivided:
            return (request,)
        return [replace(request, position=each) for each in _years(window)]

    def halve(self, request: Request) -> Sequence[Request]:
        """Return the request for the first half of its creation dates; the rest follows it."""
        window: Window | None = request.position
        if window is None or not request.resource.created:
            return ()
        first = window.first or EPOCH
        last = window.last or clock.now().date() + timedelta(days=1)
        if last <= first:
            return ()
        half = replace(window, last=first + (last - first) // 2, undivided=False)
        return [replace(request, position=half, trial=False)]


def _years(window: Window) -> Iterator[Window]:
    """Yield the parts of a window, a year each and the first day of the next one.

    Days are inclusive (docs.getcheddar.com); where one end were not, the other part has that day.
    """
    window = replace(window, undivided=False, part=True)
    first, last = window.first or EPOCH, window.last or clock.now().date()
    for year in range(first.year, last.year):
        end = date(year + 1, 1, 1)
        yield replace(window, last=end, until=end)
        window = replace(window, first=end)
    yield window


def _former(window: Window | None) -> Callable[[Document], str] | None:
    """Return what says that all windows before this one have come, whatever its own order."""
    if window is None or not window.whole or window.first is None:
        return None
    day = (window.first - timedelta(days=1)).isoformat()
    return lambda _: day


def _created(customer: Document) -> str | None:
    try:
        return moment(str(customer.get(CREATED)), "UTC").date().isoformat()
    except (ValueError, OverflowError):
        return None


def _settled(customer: Document) -> str | None:
    """Return the day up to which all customers have come, if they come by creation.

    Three days less than this one's: offsets may differ, and the filters' days are those of another
    zone perhaps.
    """
    day = _created(customer)
    try:
        return (date.fromisoformat(day) - timedelta(days=3)).isoformat() if day else None
    except OverflowError:
        return None


def _path(resource: Resource) -> tuple[str, ...]:
    return resource.records_path or (resource.name, resource.name[:-1])


def _none_found(resource: Resource) -> re.Pattern[str]:
    return re.compile(rf"\bno {re.escape(_path(resource)[0])} found\b", re.IGNORECASE)


def _fits_path(value: str) -> bool:
    """Whether a value can travel in the path: no separator, and nothing that is normalised away."""
    return "/" not in value and value.strip(".") != ""


def _narrow(request: Request, since: str, day: date) -> Request:
    """Return the request for a pass; of two bounds on one date the later holds."""
    if since == "createdAfterDate":
        window: Window = request.position
        first = max(day, window.first) if window.first else day
        return replace(request, position=replace(window, first=first))
    params = dict(request.params)
    later = max(day.isoformat(), params.get(since, ""))
    kept = tuple((key, value) for key, value in request.params if key != since)
    return replace(request, params=(*kept, (since, later)))
