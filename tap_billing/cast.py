"""Turns raw values into what a stream's schema declares, compiled once per stream."""

from __future__ import annotations

from dataclasses import replace
from decimal import InvalidOperation
from functools import partial as bound
from typing import TYPE_CHECKING, Any, Protocol

from tap_billing import signatures
from tap_billing.instants import day, instant, moment, reader, render
from tap_billing.scalars import DECIMAL, JSON, OF_TEXT, public, scalar, written
from tap_billing.signatures import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from tap_billing.scalars import Convert
    from tap_billing.spec import Record

    class Cast(Protocol):
        """From a raw record, and what else is to be kept of it, to a conforming one."""

        def __call__(self, raw: Record, kept: Record | None = None) -> Record:
            """Return the conforming record."""


__all__ = ["DECIMAL", "JSON", "caster", "instant", "moment", "render", "secrets"]

EXTRA = "extra_fields"
DESELECTED = "x-selected"
OBJECTS = frozenset({dict})
FLOATS = frozenset({float})
# What is passed on as it came, and with floats that are numbers.
SCALARS = frozenset({str, int, bool})
# Whose values need no cast if they are of the right type.
AS_THEY_ARE: Mapping[str, Column] = {
    "string": Column(plain=frozenset({str})),
    "boolean": Column(plain=frozenset({bool}), by={str: OF_TEXT["boolean"]}),
    "integer": Column(numbers=frozenset({int}), by={str: OF_TEXT["integer"]}),
    "number": Column(numbers=frozenset({int, float}), by={str: OF_TEXT["number"]}),
}


def caster(
    schema: Mapping[str, Any],
    zone: str,
    *,
    partial: bool = False,
    leave: AbstractSet[str] = frozenset(),
    report: Callable[[str, str], None],
) -> Cast:
    """Return the function that makes a new, conforming record of a raw one.

    `zone` is the IANA name of the zone that naive datetimes are in; results are UTC. A key that the
    schema does not declare and a value that cannot be cast go into `extra_fields` as they came, but
    for secrets, and to `report(key, reason)`; a `partial` record's undeclared keys are left out
    instead. What is given to the function as `kept` goes into `extra_fields` as well. Nothing of
    the keys to `leave` goes anywhere.
    """
    careful = _careful(schema, zone, partial=partial, leave=leave, report=report)
    if _is_flat(schema):
        return careful
    hidden = secrets(schema)
    properties = schema["properties"]
    known = {k: _column(p, zone, hidden) for k, p in properties.items() if k != EXTRA}

    def column(key: str) -> Column:
        if key in leave or (key not in known and (partial or key in hidden)):
            return Column(dropped=True)
        return known.get(key) or Column(moved=True)

    def keep(record: Record, undeclared: Record) -> None:
        for key in undeclared:
            report(key, "is not declared in the schema")
        record[EXTRA] = public(undeclared, hidden)

    quick = signatures.caster(column, careful, keep)
    return lambda raw, kept=None: careful(raw, kept) if kept else quick(raw)


def _is_flat(schema: Mapping[str, Any]) -> bool:
    """Whether flattening leaves out what is not declared: it is kept apart then, and as text."""
    return bool(schema["properties"].get(EXTRA, {}).get(JSON))


def _careful(
    schema: Mapping[str, Any],
    zone: str,
    *,
    partial: bool,
    leave: AbstractSet[str],
    report: Callable[[str, str], None],
) -> Cast:
    """Return `caster` value by value, whatever the values are."""
    hidden = secrets(schema)
    properties = schema["properties"]
    converters = {k: _converter(p, zone, hidden) for k, p in properties.items() if k != EXTRA}
    is_flat = _is_flat(schema)
    nested = {k: p["properties"] for k, p in properties.items() if is_flat and p.get("properties")}

    def cast(raw: Record, kept: Record | None = None) -> Record:
        record: Record = {}
        extra: Record = public(kept, hidden) if kept else {}
        for key, value in raw.items():
            if key in leave:
                continue
            convert = converters.get(key)
            if convert is None:
                if not partial and key not in hidden:
                    extra[key] = public(value, hidden)
                    report(key, "is not declared in the schema")
            elif value is None:
                record[key] = None
            else:
                try:
                    record[key] = convert(value)
                except (ValueError, OverflowError, InvalidOperation):
                    record[key] = None
                    extra[key] = public(value, hidden)
                    report(key, f"is not {_expected(properties[key])}")
        for key, known in nested.items():
            _part(record, key, known, extra)
        if extra:
            record[EXTRA] = written(extra) if is_flat else extra
        return record

    return cast


def _part(record: Record, key: str, known: Mapping[str, Any], extra: Record) -> None:
    """Move what an object does not declare from the record to what is kept apart."""
    value = record.get(key)
    undeclared = value.keys() - known.keys() if isinstance(value, dict) else None
    if value and undeclared:
        extra[key] = {name: value[name] for name in undeclared}
        record[key] = {name: item for name, item in value.items() if name in known}


def secrets(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the text properties, nested ones included, that are not selected."""
    found = set()
    for key, declared in schema.get("properties", {}).items():
        if declared.get(DESELECTED) is False and _kind(declared) == "string":
            found.add(key)
        for below in (declared, declared.get("items", {})):
            found |= secrets(below)
    return frozenset(found)


def _expected(declared: Mapping[str, Any]) -> str:
    return str(declared.get("format") or _kind(declared))


def _kind(declared: Mapping[str, Any]) -> str:
    kinds = declared["type"]
    return next(k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")


def _converter(declared: Mapping[str, Any], zone: str, hidden: frozenset[str]) -> Convert:
    kind = _kind(declared)
    if kind == "object":
        return _object(declared, zone, hidden)
    if kind == "array":
        return _array(declared, zone, hidden)
    if declared.get(JSON):
        return lambda value: written(public(value, hidden))
    return scalar(kind, declared.get("format"), zone)


def _object(declared: Mapping[str, Any], zone: str, hidden: frozenset[str]) -> Convert:
    known = declared.get("properties", {})
    converters = {key: _converter(each, zone, hidden) for key, each in known.items()}

    def convert(value: Any) -> Any:
        if value in ([], ""):  # PHP writes an empty object as []
            return None
        if not isinstance(value, dict):
            raise ValueError(type(value))  # noqa: TRY004 - one exception for all that is not cast
        return {
            key: converters[key](item)
            if key in converters and item is not None
            else public(item, hidden)
            for key, item in value.items()
            if key in converters or key not in hidden
        }

    return convert


def _array(declared: Mapping[str, Any], zone: str, hidden: frozenset[str]) -> Convert:
    items = declared["items"]
    convert_item = _converter(items, zone, hidden)
    deselected = _deselected(items)

    def convert(value: Any) -> Any:
        if value == "":
            return None
        if not isinstance(value, list):
            raise ValueError(type(value))  # noqa: TRY004 - as above
        converted = [None if item is None else convert_item(item) for item in value]
        for key in deselected:
            for item in converted:
                if item is not None:
                    item.pop(key, None)
        return converted

    return convert


def _deselected(items: Mapping[str, Any]) -> list[str]:
    """Return what to leave out below a list, where selection does not reach."""
    return [k for k, each in items.get("properties", {}).items() if each.get(DESELECTED) is False]


def _column(declared: Mapping[str, Any], zone: str, hidden: frozenset[str]) -> Column:
    """Return how a column's values are taken: as by `_converter`, at less cost for the usual."""
    convert = _converter(declared, zone, hidden)
    kind, shape = _kind(declared), declared.get("format")
    if kind == "object":
        return Column(convert, by={dict: _quick_object(declared, zone, hidden, convert)})
    if kind == "array":
        return Column(convert, by={list: _quick_array(declared["items"], zone, hidden, convert)})
    if declared.get(JSON) or shape == DECIMAL:
        return Column(convert)
    if kind == "string" and shape in {"date", "date-time"}:
        return Column(convert, by={str: day if shape == "date" else reader(zone)})
    return replace(AS_THEY_ARE[kind], convert=convert)


def _quick_object(
    declared: Mapping[str, Any], zone: str, hidden: frozenset[str], careful: Convert
) -> Convert:
    known = {k: _column(each, zone, hidden) for k, each in declared.get("properties", {}).items()}
    return signatures.caster(_nested(known, hidden), careful)


def _nested(known: Mapping[str, Column], hidden: frozenset[str]) -> Callable[[str], Column]:
    """Return the function to a key's column in an object: what is not declared passes."""
    passed = Column(bound(public, hidden=hidden), plain=SCALARS, numbers=FLOATS)

    def column(key: str) -> Column:
        return known.get(key) or (Column(dropped=True) if key in hidden else passed)

    return column


def _quick_array(
    items: Mapping[str, Any], zone: str, hidden: frozenset[str], careful: Convert
) -> Convert:
    if _kind(items) != "object":
        return careful
    known = {k: _column(each, zone, hidden) for k, each in items.get("properties", {}).items()}
    known |= {key: replace(known[key], dropped=True) for key in _deselected(items)}
    quick = signatures.lister(_nested(known, hidden), careful)

    def convert(value: list[Any]) -> Any:
        return quick(value) if OBJECTS.issuperset(map(type, value)) else careful(value)

    return convert
