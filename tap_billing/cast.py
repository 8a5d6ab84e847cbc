"""Turns raw values into what a stream's schema declares, compiled once per stream."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_billing.spec import Record

    Convert = Callable[[Any], Any]

    class Cast(Protocol):
        """From a raw record, and what else is to be kept of it, to a conforming one."""

        def __call__(self, raw: Record, kept: Record | None = None) -> Record:
            """Return the conforming record."""


EXTRA = "extra_fields"
BOOLEANS = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True}
INTEGERS = range(-(2**63), 2**63)
MOST_DIGITS = 64
DECIMAL = "x-singer.decimal"
DESELECTED = "x-selected"
JSON = "x-json"


def caster(
    schema: Mapping[str, Any],
    zone: str,
    *,
    partial: bool = False,
    report: Callable[[str, str], None],
) -> Cast:
    """Return the function that makes a new, conforming record of a raw one.

    `zone` is the IANA name of the zone that naive datetimes are in; results are UTC. A key that the
    schema does not declare and a value that cannot be cast go into `extra_fields` as they came, but
    for secrets, and to `report(key, reason)`; a `partial` record's undeclared keys are left out
    instead. What is given to the function as `kept` goes into `extra_fields` as well.
    """
    hidden = secrets(schema)
    properties = schema["properties"]
    converters = {k: _converter(p, zone, hidden) for k, p in properties.items() if k != EXTRA}
    # Flattening leaves out what is not declared: it is kept apart, and as text.
    is_flat = bool(properties.get(EXTRA, {}).get(JSON))
    nested = {k: p["properties"] for k, p in properties.items() if is_flat and p.get("properties")}

    def cast(raw: Record, kept: Record | None = None) -> Record:
        record: Record = {}
        extra: Record = public(kept, hidden) if kept else {}
        for key, value in raw.items():
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
            record[EXTRA] = _json(extra) if is_flat else extra
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


def public(value: Any, hidden: frozenset[str]) -> Any:
    """Return a value that is passed on as it came, without what is secret in it.

    Numbers that JSON does not know become text.
    """
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [public(item, hidden) for item in value]
    if isinstance(value, dict):
        return {key: public(item, hidden) for key, item in value.items() if key not in hidden}
    return value


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
        return _json
    if kind == "string":
        shape = declared.get("format")
        if shape == "date-time":
            return lambda value: instant(_text(value), zone) if value != "" else None
        return {"date": _date, DECIMAL: _decimal}.get(shape or "", _text)
    return {"integer": _integer, "number": _number, "boolean": _boolean}[kind]


def _integer(value: Any) -> int | None:
    if isinstance(value, str):
        value = _digits(value)
        if not value:
            return None
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    if not isinstance(value, (int, float, str)):
        raise ValueError(type(value))  # noqa: TRY004 - one exception for all that cannot be cast
    number = int(value)
    if number not in INTEGERS:
        raise ValueError(number)
    return number


def _digits(text: str) -> str:
    """Return a number's text without blanks. Raises ValueError for what only Python reads."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text.strip()


def _number(value: Any) -> float | int | None:
    if type(value) is float or type(value) is int:
        number: float | int = value
    elif isinstance(value, str):
        text = _digits(value)
        if not text:
            return None
        number = float(text)
    else:
        raise ValueError(type(value))
    if not isfinite(number):
        raise ValueError(number)
    return number


def _decimal(value: Any) -> str | None:
    if isinstance(value, str) and not value.strip():
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(type(value))  # noqa: TRY004 - as above
    number = Decimal(_digits(str(value)))
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        raise ValueError(number)
    return format(number, "f")


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, str)):
        text = str(value).strip().lower()
        if not text:
            return None
        if text in BOOLEANS:
            return BOOLEANS[text]
    raise ValueError(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise ValueError(type(value))


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _date(value: Any) -> str | None:
    text = _text(value).strip()
    return datetime.fromisoformat(text).date().isoformat() if text else None


def _object(declared: Mapping[str, Any], zone: str, hidden: frozenset[str]) -> Convert:
    known = declared.get("properties", {})
    converters = {key: _converter(each, zone, hidden) for key, each in known.items()}

    def convert(value: Any) -> Any:
        if value in ([], ""):  # PHP writes an empty object as []
            return None
        if not isinstance(value, dict):
            raise ValueError(type(value))  # noqa: TRY004 - as above
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
    # Selection does not reach below a list, so secrets are left out here.
    deselected = [k for k, d in items.get("properties", {}).items() if d.get(DESELECTED) is False]

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


@lru_cache(maxsize=65536)
def instant(text: str, zone: str) -> str | None:
    """Return a datetime's RFC 3339 text in UTC with `Z`; a naive one is in `zone`.

    Accepts ISO 8601 with or without offset and ChargeOver's `YYYY-MM-DD HH:MM:SS`, and returns None
    for blank text. In the hour that a change from daylight saving time repeats, the first is meant.
    Raises ValueError for anything else.
    """
    text = text.strip()
    return render(moment(text, zone)) if text else None


def moment(text: str, zone: str, *, last: bool = False) -> datetime:
    """Return a datetime's instant in UTC; see `instant`. Raises ValueError.

    In a repeated hour the `last` instant can be asked for that it may mean.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZoneInfo(zone), fold=int(last))
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is beyond the calendar") from None


def render(when: datetime) -> str:
    """Return an aware datetime as RFC 3339 text in UTC with `Z`, in whole seconds if it is."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
