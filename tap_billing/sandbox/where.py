"""ChargeOver's query language as the vendor reads it: where, order, limit, offset, expand."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Kind = Literal["number", "text", "instant", "day"]
Getter = Callable[[Any, Any], Any]  # (telling, row) -> value, or a list of values of nested fields
MAX_LIMIT: Final = 500  # the largest page all known clients ask for
DEFAULT_LIMIT: Final = 10  # what the vendor's own examples assume
INVALID: Final = "Missing or invalid parameter."
MALFORMED: Final = "Malformed WHERE clause."
OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "EQUALS": operator.eq,
    "NOTEQUALS": operator.ne,
    "GT": operator.gt,
    "LT": operator.lt,
    "GTE": operator.ge,
    "LTE": operator.le,
    "CONTAINS": lambda held, asked: asked in held,
}
SPLIT_CLAUSES: Final = re.compile(r"(?<!\\),")
SPLIT_PARTS: Final = re.compile(r"(?<!\\):")
UNESCAPE: Final = re.compile(r"\\([:,\\])")
# Date only, and a time of day down to the hour: what is left when a colon was not escaped.
NAIVE: Final = {
    10: "%Y-%m-%d",
    13: "%Y-%m-%dT%H",
    16: "%Y-%m-%dT%H:%M",
    19: "%Y-%m-%dT%H:%M:%S",
}  # by their length


class RefusedError(ValueError):
    """The vendor refuses a request with this text and HTTP status."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Field:
    """A filterable field: how its values compare and where they are."""

    kind: Kind
    get: Getter
    key: bool = False  # the id, in whose order rows are held


@dataclass(frozen=True)
class Clause:
    """One condition of a where, its value already of the field's kind; no value for NULL tests."""

    name: str
    field: Field
    command: str  # a key of OPERATORS, IS or ISNOT
    value: Any

    def holds(self, telling: object, row: object) -> bool:
        """Return whether the row meets it; as in SQL, NULL meets nothing but IS:NULL."""
        held = self.field.get(telling, row)
        if isinstance(held, list):
            return any(self._meets(each) for each in held)
        return self._meets(held)

    def _meets(self, held: object) -> bool:
        if self.command in ("IS", "ISNOT"):
            return (held is None) == (self.command == "IS")
        if held is None:
            return False
        if self.command == "CONTAINS":
            return str(self.value).casefold() in str(held).casefold()
        if self.field.kind == "text":
            held = str(held).casefold()
        return OPERATORS[self.command](held, self.value)


@dataclass(frozen=True)
class Query:
    """A list request, checked."""

    clauses: tuple[Clause, ...]
    order: tuple[tuple[Field, bool], ...]  # field, whether descending
    limit: int
    offset: int
    expand: frozenset[str]


def parse(
    params: Mapping[str, str],
    fields: Mapping[str, Field],
    expandable: frozenset[str],
    zone: ZoneInfo,
    key: str,
) -> Query:
    """Check the parameters of a list request; naive datetimes are read in `zone`.

    Every list can be ordered by its id, `key`, even where that cannot be filtered by.

    Raises RefusedError with the vendor's text for what it refuses. A colon that is not escaped
    ends a value: the vendor silently truncates there (amp-labs/connectors, handlers.go).
    """
    sortable = {**fields, key: Field("number", lambda _, row: row.id, key=True)}
    order = tuple(_order(part, sortable) for part in _parts(params.get("order", "")))
    expand = frozenset(_parts(params.get("expand", "")))
    if expand - expandable:
        raise RefusedError(INVALID)
    return Query(
        where(params.get("where", ""), fields, zone),
        order,
        _whole(params.get("limit", str(DEFAULT_LIMIT)), 1, MAX_LIMIT),
        _whole(params.get("offset", "0"), 0, None),
        expand,
    )


def where(text: str, fields: Mapping[str, Field], zone: ZoneInfo) -> tuple[Clause, ...]:
    """Return the conditions of a where, joined by AND; none when it is empty."""
    return tuple(_clause(part, fields, zone) for part in SPLIT_CLAUSES.split(text)) if text else ()


def _clause(text: str, fields: Mapping[str, Field], zone: ZoneInfo) -> Clause:
    name, command, value, *_ = (*SPLIT_PARTS.split(text), "", "", "")
    if not command:
        raise RefusedError(MALFORMED)
    if name not in fields:
        raise RefusedError(f"You cannot filter by: {name}.")
    field = fields[name]
    if command in ("IS", "ISNOT"):
        if value != "NULL":
            raise RefusedError(MALFORMED)
        return Clause(name, field, command, None)
    if command not in OPERATORS:
        raise RefusedError(MALFORMED)
    plain = UNESCAPE.sub(r"\1", value)
    if command == "CONTAINS":
        return Clause(name, field, command, plain)
    return Clause(name, field, command, _value(field.kind, plain, zone))


def _value(kind: Kind, text: str, zone: ZoneInfo) -> object:
    if kind == "text":
        return text.casefold()
    try:
        if kind == "number":
            return int(text) if text.lstrip("-").isdigit() else float(text)
        instant = _instant(text, zone)
    except ValueError as error:
        raise RefusedError(MALFORMED) from error
    return instant if kind == "instant" else instant.astimezone(zone).date()


def _instant(text: str, zone: ZoneInfo) -> datetime:
    text = text.replace(" ", "T")
    if len(text) in NAIVE:
        return datetime.strptime(text, NAIVE[len(text)]).replace(tzinfo=zone)
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return instant


def _order(text: str, fields: Mapping[str, Field]) -> tuple[Field, bool]:
    name, _, direction = text.partition(":")
    if direction not in ("", "ASC", "DESC"):
        raise RefusedError(INVALID)
    if name not in fields:
        raise RefusedError(f"You cannot order by: {name}.")
    return fields[name], direction == "DESC"


def _parts(text: str) -> list[str]:
    return text.split(",") if text else []


def _whole(text: str, least: int, most: int | None) -> int:
    if not text.isascii() or not text.isdigit():
        raise RefusedError(INVALID)
    number = int(text)
    if number < least or (most is not None and number > most):
        raise RefusedError(INVALID)
    return number


def sort_key(value: object) -> tuple[bool, Any]:
    """Return what values of one field sort by: NULL first, text without regard to case."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        value = value.casefold()
    if isinstance(value, date | datetime):
        value = value.isoformat()
    return (value is not None, value if value is not None else 0)
