"""Cheddar's XML API: whole documents, read as a stream of customers, plans or promotions.

Facts come from docs.getcheddar.com, its clients and the bodies in tests/samples/cheddar.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote
from xml.parsers import expat
from zoneinfo import ZoneInfo

import xmltodict

from tap_billing.bridge import pull
from tap_billing.errors import Garbled, Refused, for_status
from tap_billing.providers.cheddar_resources import (
    CONTAINERS,
    LOOKUPS,
    REPEATED,
    RESOURCES,
    SHAPES,
)
from tap_billing.spec import Document, Page, Reply, Request, Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SUCCESS = 400
# The vendor's clients saw "No customers found." with either status.
NONE = (400, 404)
CHUNK = 65536
# CheddarGetter began in 2009: nothing was created before, so a window from here is the first.
EPOCH = date(2009, 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which a request's customers were created, both included; None is open."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Cheddar:
    """The provider; `timezone` is the IANA name of the API user's zone."""

    product_code: str
    timezone: str
    resources: tuple[Resource, ...] = RESOURCES
    spooled: bool = True

    def plan(self, resource: Resource, scope: Scope) -> Sequence[Request]:
        """Return a request per pass; days are whole and inclusive in the API user's zone."""
        filters = dict(scope.filters or {})
        path = f"/{resource.path}/productCode/{quote(self.product_code, safe='')}"
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
            return [Request(resource, path, given)]
        start = self._day(scope.start) if scope.start else None
        before = filters.get("createdBeforeDate")
        window = Window(start, date.fromisoformat(before) if before else None)
        whole = Request(resource, path, given, window)
        if not (scope.since and resource.passes):
            return [whole]
        # One day earlier: the zone of the API user is a setting here and may be wrong.
        since = self._day(scope.since) - timedelta(days=1)
        return [_narrow(whole, each.since, since) for each in resource.passes]

    def _day(self, when: datetime) -> date:
        return when.astimezone(ZoneInfo(self.timezone)).date()

    def url(self, request: Request) -> str:
        """Return path and query, each part encoded once; a code is a part of the path."""
        params = dict.fromkeys(request.params)
        if request.position:
            for key, day in (
                ("createdAfterDate", request.position.first),
                ("createdBeforeDate", request.position.last),
            ):
                if day:
                    params[(key, day.isoformat())] = None
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
        root, encoding = _verify(request, body, reply.status)
        if root == "error":
            text, code = _error(xmltodict.parse(body, encoding)["error"], reply.status)
            if code in NONE and _none_found(request.resource).search(text):
                return Page((), reply.received, reply.server_time, body=body)
            raise for_status(code, f"{request}: {text or f'HTTP {code}'}")
        if reply.status >= SUCCESS:
            raise for_status(reply.status, f"{request}: HTTP {reply.status} with <{root}>")
        expected = _path(request.resource)[0]
        if root != expected:
            raise Garbled(f"{request}: <{root}> came in place of <{expected}>")
        documents = self._documents(request.resource, body, encoding)
        return Page(documents, reply.received, reply.server_time, body=body)

    def _documents(self, resource: Resource, body: BinaryIO, encoding: str) -> Iterator[Document]:
        path = _path(resource)
        shape = SHAPES.get(resource.name, dict)

        def push(emit: Callable[[Document], bool]) -> None:
            _parse(body, encoding, path, emit)

        for element in pull(push):
            try:
                document = shape(plain(element))
            except RecursionError:
                raise Garbled(f"{resource.path}: elements nested beyond reason") from None
            yield {**document, "product_code": self.product_code}

    def details(self, request: Request, documents: Sequence[Document]) -> Sequence[Request]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: a document is always complete."""
        return ()

    def simplify(self, request: Request) -> Request | None:  # noqa: ARG002 - as above
        """Return nothing: only documented parameters are sent."""
        return None

    def halve(self, request: Request) -> Sequence[Request]:
        """Return the request for the first and the second half of its creation dates."""
        window: Window | None = request.position
        if window is None or not request.resource.created:
            return ()
        first = window.first or EPOCH
        last = window.last or datetime.now(UTC).date() + timedelta(days=1)
        if last <= first:
            return ()
        middle = first + (last - first) // 2
        return [
            replace(request, position=Window(window.first, middle)),
            replace(request, position=Window(middle + timedelta(days=1), window.last)),
        ]


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


def _verify(request: Request, body: BinaryIO, status: int) -> tuple[str, str]:
    """Return the root element's name and the encoding; rewind the body to the start of its XML.

    Raises Refused for a DOCTYPE or entity declaration, Garbled for anything but well-formed XML.
    """
    root: list[str] = []
    encodings = ["utf-8"]
    parser = expat.ParserCreate()

    def begin(name: str, _attributes: dict[str, str]) -> None:
        root.append(name)
        parser.StartElementHandler = None

    def refuse(name: str, *_: Any) -> None:
        if status >= SUCCESS:
            raise for_status(status, f"{request}: HTTP {status} without an XML answer")
        if name.lower() == "html":
            raise Garbled(f"{request}: HTTP {status} with an HTML page")
        raise Refused(f"{request}: the document declares a DOCTYPE or an entity, which is not read")

    def declare(_version: str, encoding: str | None, _standalone: int) -> None:
        encodings.append(encoding or "utf-8")

    parser.StartElementHandler = begin
    parser.XmlDeclHandler = declare
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    body.seek(0)
    head = body.read(CHUNK)
    # A recorded body begins with a line break before its XML declaration, which expat refuses.
    start = len(head) - len(head.lstrip())
    body.seek(start)
    try:
        parser.ParseFile(body)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if status >= SUCCESS:
            raise for_status(status, f"{request}: HTTP {status} without an XML answer") from None
        raise Garbled(
            f"{request}: HTTP {status} with a body that is not well-formed XML ({error})"
        ) from None
    body.seek(start)
    return root[0], encodings[-1]


def _error(problem: Any, status: int) -> tuple[str, int]:
    if not isinstance(problem, dict):
        return str(problem or ""), status
    text = str(problem.get("#text") or "")
    auxiliary = problem.get("@auxCode")
    code = str(problem.get("@code") or "")
    if status < SUCCESS:
        status = int(code) if code.isdigit() and int(code) >= SUCCESS else SUCCESS
    return f"{text} (auxCode {auxiliary})" if auxiliary else text, status


def _parse(
    body: BinaryIO, encoding: str, path: tuple[str, ...], emit: Callable[[Document], bool]
) -> None:
    others: set[str] = set()
    found = False

    def item(where: list[tuple[str, Any]], element: Any) -> bool:
        nonlocal found
        if tuple(name for name, _ in where) != path:
            others.add(where[-1][0])
            return True
        found = True
        if isinstance(element, str):
            raise Garbled(f"<{path[-1]}> holds text only")
        return element is None or emit(element)

    xmltodict.parse(body, encoding, item_depth=len(path), item_callback=item, force_list=REPEATED)
    # <errors> stands beside the customers where a write call failed in part.
    if not found and others - {"errors"}:
        raise Garbled(f"<{path[-1]}> is not in the answer, but {', '.join(sorted(others))}")


def plain(element: Document) -> Document:
    """Return an element of xmltodict as a plain document: attributes as keys, containers as lists.

    An attribute gives way to a child element of the same name, which the vendor repeats. What a
    container holds beside its members is kept in `<container>_other`.
    """
    document: Document = {}
    for key, value in element.items():
        if key in CONTAINERS:
            members, other = _members(value, CONTAINERS[key])
            document[key] = members
            if other:
                document[f"{key}_other"] = other
        elif isinstance(value, dict):
            document[key] = plain(value)
        elif key.startswith("@"):
            document.setdefault(key[1:], value)
        elif value is not None or key not in document:
            document[key] = value
    return document


def _members(container: Any, child: str) -> tuple[list[Document], list[Any]]:
    members: list[Document] = []
    other: list[Any] = []
    for each in container if isinstance(container, list) else [container]:
        if not isinstance(each, dict):
            other += [] if each is None else [each]
            continue
        for member in each.get(child, []):
            if isinstance(member, dict):
                members.append(plain(member))
            elif member is not None:
                other.append(member)
        rest = {key: value for key, value in each.items() if key != child}
        other += [rest] if rest else []
    return members, other
