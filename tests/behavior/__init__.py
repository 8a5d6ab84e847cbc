"""For every change that the README's tables name, how it is made in the sample company."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Made:
    """A change that was made: the row that tells it, and the columns in which.

    Without columns the row is new, or `gone`.
    """

    stream: str
    key: tuple[Any, ...]
    columns: tuple[str, ...] = ()
    gone: bool = False


def dice() -> Random:
    """Return dice for what the sample company would throw them for."""
    return Random(7)


def one(found: Iterable[Any]) -> Any:
    """Return the first of what was found; there must be one."""
    chosen = next(iter(found), None)
    assert chosen is not None, "the sample company has none"
    return chosen
