"""Cheddar's XML: verified as a whole, then read as a stream of plain documents."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.parsers import expat

import xmltodict

from tap_billing.errors import ERRORS_FROM, Garbled, Refused, for_status
from tap_billing.providers.cheddar_scan import Odd, scan
from tap_billing.providers.cheddar_tree import elements, plain, raw

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from xml.etree.ElementTree import Element

    from tap_billing.spec import Document, Request

logger = logging.getLogger(__name__)

# The vendor's clients saw "No customers found." with either status.
NONE = (400, 404)
CHUNK = 65536
# The plain form is that of a root and the documents in it.
PLAIN_DEPTH = 2


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
        # An error of the vendor's that was cut may say that there is nobody.
        may_be_none = status in NONE and head.lstrip().startswith((b"<?xml", b"<error"))
        if status >= ERRORS_FROM and not may_be_none:
            raise for_status(status, f"{request}: HTTP {status} without an XML answer") from None
        raise Garbled(
            f"{request}: HTTP {status} with a body that is not well-formed XML ({error})"
        ) from None
    body.seek(start)
    return root[0], encodings[-1]


def error(body: BinaryIO, status: int) -> tuple[str, int]:
    """Return the vendor's words in an error document, and the HTTP status that it means."""
    problem = xmltodict.parse(body)["error"]
    if not isinstance(problem, dict):
        return str(problem or ""), status
    text = str(problem.get("#text") or "")
    auxiliary = problem.get("@auxCode")
    code = str(problem.get("@code") or "")
    if status < ERRORS_FROM:
        status = int(code) if code.isdigit() and int(code) >= ERRORS_FROM else ERRORS_FROM
    return f"{text} (auxCode {auxiliary})" if auxiliary else text, status


def parse(body: BinaryIO, encoding: str, path: tuple[str, ...]) -> Generator[Document, None, None]:
    """Yield each element at a path as a plain document, see `cheddar_tree.plain`.

    The body is verified, and read as it is asked for. Raises Garbled if there is no such element
    but something else in its place, or where one cannot be a document; RecursionError.
    """
    start = body.tell()
    count = 0
    if len(path) == PLAIN_DEPTH and encoding.lower() == "utf-8":
        try:
            for document in scan(body, path[-1]):
                count += 1
                yield document
        except Odd:
            body.seek(start)
        else:
            return
    yield from islice(_parse(body, path), count, None)


def _parse(body: BinaryIO, path: tuple[str, ...]) -> Iterator[Document]:
    start = body.tell()
    others: list[str] = []
    found = False
    for names, element in elements(body, len(path)):
        if names != path:
            others.append(f"<{names[-1]}> {_words(raw(element))}".strip())
            continue
        found = True
        yield _document(element)
    if not found:
        if not others:
            body.seek(start)
            others = ["text"] if _words(xmltodict.parse(body)).strip() else []
        if others:
            raise Garbled(f"no <{path[-1]}> in the answer, but {', '.join(sorted(set(others)))}")
    for other in others:
        # <errors> stands beside the customers where a write call failed in part.
        logger.warning("beside <%s>: %s", path[-1], other)


def _document(element: Element) -> Document:
    """Return an element at a path as a document; text beside what it holds has no name there."""
    if element.text and not len(element) and not element.keys():
        raise Garbled(f"<{element.tag}> holds text only")
    # An empty element is a record without a key, which is noticed where records are cut.
    document = plain(element)
    document.pop("#text", None)
    return document


def _words(element: Any) -> str:
    """Return the text in an element, however deep."""
    if isinstance(element, dict):
        return " ".join(_words(each) for key, each in element.items() if not key.startswith("@"))
    if isinstance(element, list):
        return " ".join(_words(each) for each in element)
    return str(element or "")
