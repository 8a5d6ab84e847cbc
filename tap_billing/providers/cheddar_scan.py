"""Cheddar's XML read by its plain form alone, at several times the speed of any tree or events.

A body is known to be well-formed before. What is not as the vendor writes it is Odd, and read by
`cheddar_tree` instead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

from tap_billing.providers.cheddar_resources import CONTAINERS, REPEATED

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from tap_billing.spec import Document

    # What lies between two tags: one of the kinds, the element's name, and what it says.
    Told = tuple[int, str, Any]
    # An element that is open: its document; if it is a container, its members and their name; the
    # attributes of its document that no child element has taken the place of.
    Frame = tuple[Document, list[Document], str | None, Mapping[str, str]]

CHUNK = 65536
# Most tags and short texts have come before, in another element.
MOST_KNOWN, LONGEST_KNOWN = 8192, 128
# Deeper than anything recorded; what is beyond reason is not decided here.
DEEPEST = 64
LEAF, OPEN, CLOSE, WHOLE = range(4)
TAG = re.compile(r"([\w:.-]+)((?:\s+[\w:.-]+=\"\")*)\s*(/?)")
ATTRIBUTE = re.compile(r"([\w:.-]+)=")
HEAD = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:<\?xml\s[^<>]*\?>)?\s*"
    rb'<[\w:.-]+(?:\s+[\w:.-]+="[^"<>]*")*\s*>\s*<'
)
BETWEEN = re.compile(rb">\s+<")
REFERENCE = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|(\w+));")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
MEMBERS = frozenset(REPEATED)
NOT_LEAVES = MEMBERS | CONTAINERS.keys()
NOTHING: Mapping[str, str] = {}
NO_MEMBERS: list[Document] = []


class Odd(Exception):
    """The body is not, or not only, in the plain form."""


def scan(body: BinaryIO, item: str) -> Generator[Document, None, None]:  # noqa: C901, PLR0912 - calls would cost more
    """Yield each element of a name right below the root as a plain document, see `cheddar_tree`.

    The body is well-formed UTF-8. Raises Odd where it is not in the plain form, before anything of
    the item in question was yielded.
    """
    known: dict[bytes, Told] = {}
    stack: list[Frame] = []
    frame: Frame = ({}, [], item, NOTHING)
    document = frame[0]
    for pieces in _pieces(body):
        for piece in pieces:
            kind, name, value = known.get(piece) or _learn(known, piece)
            if kind == LEAF:
                if name in document:
                    frame = _without(frame, name)
                    if value is None:
                        continue
                document[name] = value
            elif kind == OPEN and len(stack) < DEEPEST:
                stack.append(frame)
                frame = _opened(frame, name, value)
                document = frame[0]
            elif kind == WHOLE and stack:
                _place(frame, name, value.copy())
            elif kind == CLOSE and stack:
                above = stack.pop()
                if (frame[2] is None) is not bool(document):
                    _emptied(frame, above, name)
                frame = above
                document = frame[0]
                if not stack:
                    if document:
                        raise Odd
                    yield frame[1].pop()
            elif kind != CLOSE:
                raise Odd
    # What stands beside the items is for others to tell.
    if document:
        raise Odd


def _pieces(body: BinaryIO) -> Iterator[list[bytes]]:
    """Yield what lies between `><`, the head left out: `name`, `name>text</name`, `name/`, `/name`.

    White space between tags is no text: wherever there is other text beside elements, it is odd.
    """
    text = body.read(CHUNK)
    head = HEAD.match(text)
    if head is None:
        raise Odd
    is_indented = BETWEEN.search(text, head.end()) is not None
    text = text[head.end() :]
    while True:
        if b"\r" in text:
            raise Odd
        pieces = (BETWEEN.sub(b"><", text) if is_indented else text).split(b"><")
        rest = pieces.pop()
        yield pieces
        chunk = body.read(CHUNK)
        if not chunk:
            break
        text = rest + chunk
    rest = rest.rstrip()
    if rest[-1:] != b">":
        raise Odd
    yield [rest[:-1]]


def _learn(known: dict[bytes, Told], piece: bytes) -> Told:
    """Return what a piece says, which is known from then on. Raises Odd."""
    tag, _, rest = piece.partition(b">")
    if rest:
        text, _, end = rest.partition(b"<")
        if b">" in end:
            raise Odd
        kind, name, written = known.get(end) or _learn(known, end)
        value = text.decode().strip() or None
        if b"&" in text:
            value = REFERENCE.sub(_referred, text.decode()).strip() or None
        if kind != CLOSE or name in NOT_LEAVES:
            raise Odd
        told: Told = (LEAF, name, value) if tag == written else _described(tag, name, value)
    elif tag[:1] == b"/":
        told = (CLOSE, _tag(tag[1:])[0], tag[1:])
    else:
        told = _element(tag)
    if len(piece) <= LONGEST_KNOWN:
        if len(known) == MOST_KNOWN:
            known.clear()
        known[piece] = told
    return told


def _described(tag: bytes, closing: str, text: str | None) -> Told:
    """Return what an element with attributes and text says."""
    name, attributes, is_empty = _tag(tag)
    if name != closing or is_empty or not attributes:
        raise Odd
    return WHOLE, name, attributes | {"#text": text} if text else attributes


def _element(tag: bytes) -> Told:
    name, attributes, is_empty = _tag(tag)
    if not is_empty:
        return OPEN, name, attributes
    if attributes and name not in CONTAINERS:
        return WHOLE, name, attributes
    if attributes or name in MEMBERS:
        raise Odd
    return (WHOLE, name, []) if name in CONTAINERS else (LEAF, name, None)


def _tag(tag: bytes) -> tuple[str, dict[str, str], bool]:
    """Return the name in a tag, its attributes, and whether it is that of an empty element."""
    parts = tag.decode().split('"')
    name, keys, is_empty = _form(*parts[::2])
    if not keys:
        return name, {}, is_empty
    # White space but spaces would become spaces.
    if b"\n" in tag or b"\t" in tag:
        raise Odd
    values = parts[1::2]
    if b"&" in tag:
        values = [REFERENCE.sub(_referred, each) for each in values]
    return name, dict(zip(keys, values, strict=True)), is_empty


@lru_cache(maxsize=1024)
def _form(*parts: str) -> tuple[str, tuple[str, ...], bool]:
    """Return a tag's name and keys, and whether it is empty, by what is outside of its quotes."""
    found = TAG.fullmatch('""'.join(parts))
    if found is None:
        raise Odd
    name, attributes, slash = found.groups()
    return name, tuple(ATTRIBUTE.findall(attributes)), bool(slash)


def _referred(reference: re.Match[str]) -> str:
    hexadecimal, decimal, name = reference.groups()
    if name:
        return ENTITIES[name]
    return chr(int(hexadecimal, 16) if hexadecimal else int(decimal))


def _opened(frame: Frame, name: str, attributes: dict[str, str]) -> Frame:
    """Return the frame of an element that begins in another."""
    member = frame[2]
    if name == member:
        child: Document = attributes.copy()
        frame[1].append(child)
    elif name not in CONTAINERS:
        child = attributes.copy()
        _place(frame, name, child)
    elif attributes:
        raise Odd
    else:
        members: list[Document] = []
        _place(frame, name, members)
        return {}, members, CONTAINERS[name], NOTHING
    return child, NO_MEMBERS, None, attributes


def _place(frame: Frame, name: str, value: Any) -> None:
    document, members, member, _ = frame
    if member is None:
        if name in document or name in MEMBERS:
            raise Odd
        document[name] = value
    elif name == member:
        members.append(value)
    else:
        raise Odd


def _emptied(frame: Frame, above: Frame, name: str) -> None:
    """End an element with nothing in it, which is None. Raises Odd for what is beside members."""
    if frame[2] is not None or above[2] is not None:
        raise Odd
    above[0][name] = None


def _without(frame: Frame, name: str) -> Frame:
    """Return a frame in which a child element may take the place of an attribute, once."""
    document, members, member, attributes = frame
    if name not in attributes:
        raise Odd
    return document, members, member, {k: v for k, v in attributes.items() if k != name}
