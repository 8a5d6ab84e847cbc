"""Makes a stream's records of a document: cut, cast, and each with its key."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tap_billing.cut import cutter
from tap_billing.errors import Garbled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_billing.cast import Cast
    from tap_billing.spec import Document, Record, Resource, StreamSpec

    Keyless = Callable[[Record], Record | None]

EMPTY = (None, "")
EMPTIES = frozenset(EMPTY)


def rows(
    spec: StreamSpec, resource: Resource, cast: Cast, warn: Callable[[str, str], None]
) -> Callable[[Document], list[Record]]:
    """Return the function from a document to a stream's records, cast.

    It raises Garbled for a document without its key. A child without one stays with its parent; it
    and a key that a document gives twice are told to `warn(key, reason)`.
    """
    records, keys = cutter(spec), spec.keys
    keyless = _keyless(each for each in resource.streams if each.path[:-1] == spec.path)

    def whole(document: Document) -> list[Record]:
        (raw,) = records(document)
        record = cast(raw, keyless(raw))
        for key in keys:
            if record.get(key) in EMPTY:
                raise Garbled(f"{resource.path}: a row without its key")
        return [record]

    def parts(document: Document) -> list[Record]:
        made: list[Record] = []
        known: list[tuple[Any, ...]] = []
        for raw in records(document):
            record = cast(raw, keyless(raw))
            identity = tuple(map(record.get, keys))
            if None in identity or "" in identity:
                empty = next(key for key in keys if record.get(key) in EMPTY)
                warn(empty, "is empty in a row, which stays in its parent's extra_fields")
            else:
                known.append(identity)
                made.append(record)
        if len(set(known)) < len(known):
            for identity in [each for each, count in Counter(known).items() if count > 1]:
                warn(str(identity), "is the key of two rows of one document")
        return made

    return parts if spec.path else whole


def _keyless(children: Iterable[StreamSpec]) -> Keyless:
    """Return the function to a row's children without a key: they cannot be rows of their own."""
    named = [(e.path[-1], [k for k in e.keys if k not in e.lift]) for e in children if e.path]
    lists = [(name, own, list(map(itemgetter, own))) for name, own in named if own]

    def keyless(raw: Record) -> Record | None:
        found = None
        for name, own, getters in lists:
            items = raw.get(name)
            if not isinstance(items, list) or _are_keyed(items, getters):
                continue
            left = [
                item
                for item in items
                if isinstance(item, dict) and any(item.get(key) in EMPTY for key in own)
            ]
            if left:
                found = {**(found or {}), name: left}
        return found

    return keyless


def _are_keyed(items: list[Any], getters: Iterable[Callable[[Any], Any]]) -> bool:
    """Whether these are all objects with keys, at the least cost where they are."""
    try:
        for getter in getters:
            if not EMPTIES.isdisjoint(map(getter, items)):
                return False
    except (KeyError, TypeError):
        return False
    return True
