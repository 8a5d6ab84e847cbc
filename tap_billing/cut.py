"""Cuts a nested document into the flat records of one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_billing.spec import Document, Record, StreamSpec


def cutter(spec: StreamSpec) -> Callable[[Document], Sequence[Record]]:
    """Return the function that returns a document's records, parents' columns lifted.

    The records are new dicts where something is lifted, the document's own otherwise.
    """
    path, lift = spec.path, tuple((k, level, key) for k, (level, key) in spec.lift.items())
    if not lift:
        return lambda document: [own for *_, own in _walk(document, path)] if path else (document,)
    if len(path) == 1 and not any(level for _, level, _ in lift):
        return _lifting(path[0], tuple((column, key) for column, _, key in lift))

    def records(document: Document) -> list[Record]:
        return [
            {**each[-1], **{column: each[level].get(key) for column, level, key in lift}}
            for each in _walk(document, path)
        ]

    return records


def _lifting(
    name: str, lift: tuple[tuple[str, str], ...]
) -> Callable[[Document], Sequence[Record]]:
    def records(document: Document) -> list[Record]:
        lifted = {column: document.get(key) for column, key in lift}
        return [{**own, **lifted} for own in _objects(document.get(name))]

    return records


def along(document: Document, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield the values that are not empty at the end of a path, lists on the way flattened."""
    for ancestors in _walk(document, path[:-1]):
        value = ancestors[-1].get(path[-1])
        if value:
            yield value


def _walk(document: Document, path: tuple[str, ...]) -> list[tuple[Document, ...]]:
    """Return what stands at the end of a path, each with all that it stands in."""
    found: list[tuple[Document, ...]] = [(document,)]
    for key in path:
        found = [(*above, own) for above in found for own in _objects(above[-1].get(key))]
    return found


def _objects(value: Any) -> list[Document]:
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict)]
    return [value] if isinstance(value, dict) else []
