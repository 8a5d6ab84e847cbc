"""Cheddar's XML read as elements, whatever their form, and each of them made a plain document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tap_billing.providers.cheddar_resources import CONTAINERS, REPEATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_billing.spec import Document

CHUNK = 65536


def elements(body: BinaryIO, depth: int) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Yield the elements at a depth, 1 being the root, with the names down to each.

    The body is well-formed. What was yielded does not stay in memory.
    """
    builder = TreeBuilder()
    root: list[Element] = []
    # No parser of ElementTree's own: it replaces the prefixes of names.
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = CHUNK

    def begin(name: str, attributes: dict[str, str]) -> None:
        root.append(builder.start(name, attributes))
        parser.StartElementHandler = builder.start

    parser.StartElementHandler = begin
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    while chunk := body.read(CHUNK):
        parser.Parse(chunk, False)  # noqa: FBT003 - its parameters have no names
        if root:
            yield from _complete(root[0], depth - 1, is_closed=False)
    parser.Parse(b"", True)  # noqa: FBT003 - as above
    yield from _complete(root[0], depth - 1, is_closed=True)


def _complete(
    parent: Element, depth: int, *, is_closed: bool
) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Yield and remove the elements so far below one that have ended, with their path."""
    if depth == 0:
        if is_closed:
            yield (parent.tag,), parent
        return
    # Only where another follows is it certain that an element has ended.
    ended = len(parent) - (not is_closed)
    for child in parent[: max(ended, 0)]:
        for names, element in _complete(child, depth - 1, is_closed=True):
            yield (parent.tag, *names), element
    del parent[: max(ended, 0)]
    if len(parent) and depth > 1:
        for names, element in _complete(parent[0], depth - 1, is_closed=False):
            yield (parent.tag, *names), element


def plain(element: Element) -> Document:
    """Return an element as a plain document: attributes as keys, containers as lists.

    An attribute gives way to a child element of the same name, which the vendor repeats; text is
    stripped, and beside children or attributes it is `#text`. Elements that are repeated, or only
    repeated elsewhere, are a list of what `raw` returns. What a container holds beside its members
    is kept in `<container>_other`. Raises RecursionError.
    """
    document: Document = dict(element.items())
    for child in element:
        name = child.tag
        if name in document or name in REPEATED:
            document = _grouped(element)
            break
        if name in CONTAINERS:
            _put_members(document, name, [child])
        elif len(child) or child.keys():
            document[name] = plain(child)
        else:
            document[name] = (child.text or "").strip() or None
    text = _text(element)
    if text:
        document["#text"] = text
    return document


def _grouped(element: Element) -> Document:
    document: Document = dict(element.items())
    for name, found in _children(element).items():
        if name in CONTAINERS:
            _put_members(document, name, found)
        elif len(found) > 1 or name in REPEATED:
            document[name] = [raw(each) for each in found]
        elif not _is_leaf(found[0]):
            document[name] = plain(found[0])
        elif (text := _text(found[0])) or name not in document:
            document[name] = text or None
    return document


def _put_members(document: Document, name: str, containers: list[Element]) -> None:
    document[name], other = _members(containers, CONTAINERS[name])
    if other:
        document[f"{name}_other"] = other


def raw(element: Element, without: str = "") -> Any:
    """Return what xmltodict makes of an element: attributes as `@name`, text as `#text`.

    Children can be left out by their name. Raises RecursionError.
    """
    text = _text(element)
    if _is_leaf(element):
        return text or None
    found: Document = {f"@{key}": value for key, value in element.items()}
    for name, children in _children(element).items():
        if name != without:
            told = [raw(each) for each in children]
            found[name] = told if len(told) > 1 or name in REPEATED else told[0]
    if text:
        found["#text"] = text
    return found


def _members(containers: list[Element], name: str) -> tuple[list[Document], list[Any]]:
    members: list[Document] = []
    other: list[Any] = []
    for container in containers:
        for each in container:
            if each.tag != name:
                continue
            if not _is_leaf(each):
                members.append(plain(each))
            elif text := _text(each):
                other.append(text)
        rest = raw(container, without=name)
        other += [rest] if rest else []
    return members, other


def _children(element: Element) -> dict[str, list[Element]]:
    found: dict[str, list[Element]] = {}
    for child in element:
        found.setdefault(child.tag, []).append(child)
    return found


def _is_leaf(element: Element) -> bool:
    return not len(element) and not element.keys()


def _text(element: Element) -> str:
    return "".join([element.text or "", *(child.tail or "" for child in element)]).strip()
