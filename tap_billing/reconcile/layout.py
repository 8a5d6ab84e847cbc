"""What is compared of a stream, and how a row of either side is read into it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from tap_billing.reconcile.values import folded, normal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_billing.reconcile.values import Normal

    Key = tuple[str, ...]
    Reader = Callable[[Sequence[Any]], tuple[Key, "Row"] | None]

NO_MONTH = "-"
# How the names of columns end that tell when a row, or its parent, was created; the first wins.
CREATED = ("writedatetime", "createddatetime", "transactiondatetime", "notedatetime")
# Stream -> the columns whose product is summed up, and the one with the currency.
SUMS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "invoices": (("total",), "currency_iso4217"),
    "transactions": (("amount",), "currency_iso4217"),
    "charges": (("eachAmount", "quantity"), None),
}
DELETED, VERSION = "sdcdeletedat", "sdctableversion"
MARK = 4
SECONDS = len("2026-01-31T09:00:00")


class Row(NamedTuple):
    """What is kept of a row: when it was created, a mark for each column, and its amount."""

    month: str
    marks: bytes
    currency: str
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Layout:
    """A stream's columns: those that are compared with how, its key, and what is summed up."""

    stream: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    normals: Mapping[str, Normal]
    created: str | None = None
    amounts: tuple[str, ...] = ()
    currency: str | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of all columns that a row is read from."""
        return tuple(dict.fromkeys((*self.keys, *self.columns)))


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that a warehouse holds of a stream; `absent` are the columns that it lacks.

    `version` is the highest that its rows carry. A table that was not `found` has no rows.
    """

    rows: dict[Key, Row]
    absent: tuple[str, ...] = ()
    version: int | None = None
    found: bool = True


def layout(stream: str, schema: Mapping[str, Any], keys: Sequence[str]) -> Layout:
    """Return what is compared of a stream with a SCHEMA message's schema and key."""
    properties = schema["properties"]
    known = {name: normal(name, declared) for name, declared in properties.items()}
    normals = {name: each for name, each in known.items() if each is not None}
    times = {folded(n): n for n, d in properties.items() if d.get("format") == "date-time"}
    created = next(
        (name for end in CREATED for short, name in times.items() if short.endswith(end)), None
    )
    amounts, currency = SUMS.get(stream, ((), None))
    summed = bool(amounts) and all(name in normals for name in amounts)
    return Layout(
        stream,
        tuple(keys),
        tuple(normals),
        normals,
        created,
        amounts if summed else (),
        currency if summed and currency in normals else None,
    )


def reader(what: Layout, names: Sequence[str], absent: Sequence[str], start: str = "") -> Reader:
    """Return the function from values, in the order of `names`, to a key and its row.

    Columns that are `absent` on the other side get no mark. Rows created before `start`, an instant
    in UTC, are None.
    """
    places = {name: number for number, name in enumerate(names)}
    compared = [
        (places[name], what.normals[name])
        for name in what.columns
        if name in places and name not in absent
    ]
    keyed = [(places[name], what.normals.get(name, str)) for name in what.keys]
    created = places.get(what.created or "")
    since = start[:SECONDS]
    amount = _amount(what, places)
    currency = places.get(what.currency or "")

    def read(values: Sequence[Any]) -> tuple[Key, Row] | None:
        told = ""
        if created is not None and what.created:
            told = what.normals[what.created](values[created])
            if told and told[:SECONDS] < since:
                return None
        marks = b"".join(
            crc32(normalise(values[place]).encode("utf-8", "replace")).to_bytes(MARK)
            for place, normalise in compared
        )
        money = str(values[currency] or "") if currency is not None else ""
        row = Row(told[:7] or NO_MONTH, marks, money, amount(values))
        return tuple(normalise(values[place]) for place, normalise in keyed), row

    return read


def _amount(what: Layout, places: Mapping[str, int]) -> Callable[[Sequence[Any]], Decimal | None]:
    factors = [(places[name], what.normals[name]) for name in what.amounts if name in places]
    if not factors or len(factors) < len(what.amounts):
        return lambda _: None

    def amount(values: Sequence[Any]) -> Decimal | None:
        product = Decimal(1)
        for place, normalise in factors:
            try:
                product *= Decimal(normalise(values[place]) or 0)
            except ArithmeticError:
                return Decimal(0)
        return product

    return amount


def differing(what: Layout, absent: Sequence[str], one: Row, other: Row) -> tuple[str, ...]:
    """Return the names of the columns in which two rows differ."""
    if one.marks == other.marks:
        return ()
    compared = [name for name in what.columns if name not in absent]
    return tuple(
        name
        for number, name in enumerate(compared)
        if one.marks[number * MARK : (number + 1) * MARK]
        != other.marks[number * MARK : (number + 1) * MARK]
    )
