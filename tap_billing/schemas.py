"""Reads what `target_schemas` declares for a stream."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from tap_billing.cast import DECIMAL, DESELECTED, JSON

if TYPE_CHECKING:
    from collections.abc import Callable

MONEY = "x-money"


@cache
def _file(provider: str, stream: str) -> bytes:
    return (files("target_schemas") / provider / f"{stream}.json").read_bytes()


@dataclass(frozen=True, slots=True)
class Shape:
    """A stream's schema as targets see it, as casting needs it, and what is not selected."""

    schema: dict[str, Any]
    casting: dict[str, Any]
    deselected: frozenset[str]


def load(provider: str, stream: str, *, decimals: str, flat: bool = False) -> Shape:
    """Return what a stream's file declares; see `shape`.

    Raises FileNotFoundError for a stream without a file.
    """
    return shape(orjson.loads(_file(provider, stream)), decimals=decimals, flat=flat)


def shape(declared: dict[str, Any], *, decimals: str, flat: bool = False) -> Shape:
    """Return what a schema with our own keywords declares.

    With `decimals` "string" amounts of money are declared as `x-singer.decimal` strings. `flat`
    declares objects without columns as JSON text: flattening would leave them out.
    """
    casting = _money(declared) if decimals == "string" else declared
    casting = _closed(casting) if flat else casting
    deselected = {key for key, each in declared["properties"].items() if hidden(each)}
    return Shape(_public(casting), casting, frozenset(deselected))


def hidden(declared: dict[str, Any]) -> bool:
    """Whether a property is not selected by default: a secret, or told by a child stream."""
    return declared.get(DESELECTED) is False


def _money(declared: dict[str, Any]) -> dict[str, Any]:
    """Declare amounts of money as decimal strings, nested ones included."""
    declared = _nested(declared, _money)
    if declared.get(MONEY):
        declared |= {"type": ["string", "null"], "format": DECIMAL}
    return declared


def _closed(declared: dict[str, Any]) -> dict[str, Any]:
    """Declare objects without columns as JSON text, nested ones included."""
    closed = _nested(declared, _closed)
    if "object" in declared["type"] and not declared.get("properties"):
        kept = {key: declared[key] for key in ("description", DESELECTED) if key in declared}
        return {"type": ["string", "null"], JSON: True, **kept}
    return closed


def _public(declared: dict[str, Any]) -> dict[str, Any]:
    """Leave out our own keywords, and the secrets below a list, where selection cannot reach."""
    items = declared.get("items", {})
    if "properties" in items:
        kept = {key: each for key, each in items["properties"].items() if not hidden(each)}
        declared = {**declared, "items": {**items, "properties": kept}}
    declared = _nested(declared, _public)
    return {key: value for key, value in declared.items() if key not in (DESELECTED, JSON, MONEY)}


def _nested(
    declared: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    changed = dict(declared)
    if "properties" in declared:
        changed["properties"] = {key: change(each) for key, each in declared["properties"].items()}
    if "items" in declared:
        changed["items"] = change(declared["items"])
    return changed
