"""Whether a document tells its customers by their creation, as it was asked to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

# Source: docs.getcheddar.com, "Get all customers".
BY_CREATION = (("orderBy", "createdDatetime"), ("orderByDirection", "asc"))
CUSTOMER, OPENING, CLOSING = b"<customer ", b"<createdDatetime>", b"</createdDatetime>"
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*")
# What would show the time of something below the customer in the place of its own.
BELOW = (b"<subscriptions", b"<metaData", CUSTOMER)
# Text in which a tag may be no tag, and customers that would be overlooked.
RAW = re.compile(rb"<!|<customer[>\n\r\t]")
CHUNK = 1024 * 1024


def ordered(body: BinaryIO) -> bool:
    """Whether every customer was created at or after the one before; leave the body as it is.

    Only what can be seen without parsing counts, which costs a fraction of it: no text that could
    hold tags. Times are compared as they are written, whatever their offset.
    """
    place = body.tell()
    latest = b""
    try:
        for told in _creations(body):
            if told < latest or not told:
                return False
            latest = told
    finally:
        body.seek(place)
    return latest != b""


def tells_later(body: BinaryIO, time: bytes) -> bool | None:
    """Whether a customer was created later than a time; None if there is none; leave the body."""
    place, found = body.tell(), None
    try:
        for told in _creations(body):
            found = told > time
            if found:
                break
    finally:
        body.seek(place)
    return found


def _creations(body: BinaryIO) -> Iterator[bytes]:
    """Yield each customer's own time of creation as it is written, empty where it is not clear."""
    text = b""
    while chunk := body.read(CHUNK):
        text += chunk
        if RAW.search(text) or len(text) > 2 * CHUNK:
            yield b""
            return
        start = text.find(CUSTOMER)
        while start >= 0:
            end = text.find(CLOSING, start)
            if end < 0:
                break
            yield _own(text, start, end)
            start = text.find(CUSTOMER, end)
        # What is not complete yet, or may be the beginning of a tag.
        text = text[start if start >= 0 else -len(CUSTOMER) :]
    if CUSTOMER in text:
        yield b""


def _own(text: bytes, start: int, end: int) -> bytes:
    begin = text.find(OPENING, start, end)
    if begin < 0 or any(text.find(each, start + 1, begin) >= 0 for each in BELOW):
        return b""
    told = text[begin + len(OPENING) : end]
    return told if TIME.fullmatch(told) else b""
