"""Cuts a nested document into the flat records of one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_billing.spec import Document, Record, StreamSpec


def cutter(spec: StreamSpec) -> Callable[[Document], Iterator[Record]]:
    """Return the function that yields the stream's records of a document, parents' columns lifted.

    The records are new dicts where something is lifted, the document's own otherwise.
    """

    def records(document: Document) -> Iterator[Record]:
        for ancestors in _walk((document,), spec.path):
            own = ancestors[-1]
            yield {**own, **_lifted(ancestors)} if spec.lift else own

    def _lifted(ancestors: tuple[Document, ...]) -> Record:
        return {column: ancestors[level].get(key) for column, (level, key) in spec.lift.items()}

    return records


def along(document: Document, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield the values that are not empty at the end of a path, lists on the way flattened."""
    for ancestors in _walk((document,), path[:-1]):
        value = ancestors[-1].get(path[-1])
        if value:
            yield value


def _walk(ancestors: tuple[Document, ...], path: tuple[str, ...]) -> Iterator[tuple[Document, ...]]:
    if not path:
        yield ancestors
        return
    found = ancestors[-1].get(path[0])
    for child in found if isinstance(found, list) else [found]:
        if isinstance(child, dict):
            yield from _walk((*ancestors, child), path[1:])
