"""Cheddar's XML: verified, streamed, and made plain."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.parsers import expat

import xmltodict

from tap_billing.errors import ERRORS_FROM, Garbled, Refused, for_status
from tap_billing.providers.cheddar_resources import CONTAINERS, REPEATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_billing.spec import Document, Request

logger = logging.getLogger(__name__)

CHUNK = 65536


def verify(request: Request, body: BinaryIO, status: int) -> tuple[str, str]:
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
        if status >= ERRORS_FROM:
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
        if status >= ERRORS_FROM:
            raise for_status(status, f"{request}: HTTP {status} without an XML answer") from None
        raise Garbled(
            f"{request}: HTTP {status} with a body that is not well-formed XML ({error})"
        ) from None
    body.seek(start)
    return root[0], encodings[-1]


def error(body: BinaryIO, encoding: str, status: int) -> tuple[str, int]:
    """Return the vendor's words in an error document, and the HTTP status that it means."""
    problem = xmltodict.parse(body, encoding)["error"]
    if not isinstance(problem, dict):
        return str(problem or ""), status
    text = str(problem.get("#text") or "")
    auxiliary = problem.get("@auxCode")
    code = str(problem.get("@code") or "")
    if status < ERRORS_FROM:
        status = int(code) if code.isdigit() and int(code) >= ERRORS_FROM else ERRORS_FROM
    return f"{text} (auxCode {auxiliary})" if auxiliary else text, status


def parse(
    body: BinaryIO, encoding: str, path: tuple[str, ...], emit: Callable[[Document], bool]
) -> None:
    """Give each element at a path to `emit`, which answers whether to go on.

    Raises Garbled if there is none, but something else in its place.
    """
    others: list[str] = []
    found = False

    def item(where: list[tuple[str, Any]], element: Any) -> bool:
        nonlocal found
        if tuple(name for name, _ in where) != path:
            others.append(f"<{where[-1][0]}> {_words(element)}".strip())
            return True
        found = True
        if isinstance(element, str):
            raise Garbled(f"<{path[-1]}> holds text only")
        # An empty element is a record without a key, which is noticed where records are cut.
        return emit(element or {})

    xmltodict.parse(body, encoding, item_depth=len(path), item_callback=item, force_list=REPEATED)
    if others and not found:
        raise Garbled(f"no <{path[-1]}> in the answer, but {', '.join(sorted(set(others)))}")
    if not found:
        body.seek(0)
        if _words(xmltodict.parse(body.read().strip(), encoding)):
            raise Garbled(f"no <{path[-1]}> in the answer, but text")
    for other in others:
        # <errors> stands beside the customers where a write call failed in part.
        logger.warning("beside <%s>: %s", path[-1], other)


def _words(element: Any) -> str:
    """Return the text in an element, however deep."""
    if isinstance(element, dict):
        return " ".join(_words(each) for key, each in element.items() if not key.startswith("@"))
    if isinstance(element, list):
        return " ".join(_words(each) for each in element)
    return str(element or "")


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
