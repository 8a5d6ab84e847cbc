"""Both sides of a stream: what the API tells, checked row by row against what is held."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_billing.reconcile.layout import differing, reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tap_billing.reconcile.layout import Key, Layout, Reader, Row, Table


class Told(NamedTuple):
    """What is kept of a row that the API tells; `origin` is the month of its document."""

    month: str
    currency: str
    amount: Decimal | None
    origin: str


@dataclass(slots=True)
class Account:
    """A stream's two sides, while the API is read."""

    layout: Layout
    theirs: Table
    names: tuple[str, ...]
    read: Reader
    ours: dict[Key, Told] = field(default_factory=dict)
    stale: dict[Key, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Total:
    """The rows of both sides in a month, and the sums of one currency ("" if none is told)."""

    api: int = 0
    held: int = 0
    sums: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proof:
    """What keeps a read of the API from being proven complete, and what is to be known of it."""

    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stream's comparison has shown.

    `doubts` are what keeps the API's side from being proven, `notes` what was left out; with a
    `failure` there is nothing else.
    """

    stream: str
    months: Mapping[str, Total] = field(default_factory=dict)
    missing: tuple[Key, ...] = ()
    stale: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    surplus: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    failure: str = ""

    @property
    def equal(self) -> bool:
        """Whether both sides are the same, as far as that is proven."""
        return not (self.missing or self.stale or self.surplus or self.doubts or self.failure)


def account(layout: Layout, theirs: Table, start: str) -> Account:
    """Return the account of a stream before anything is told."""
    names = layout.wanted
    return Account(layout, theirs, names, reader(layout, names, theirs.absent, start))


def enter(entered: Account, record: Mapping[str, Any], origin: str) -> Key | None:
    """Enter a row that the API tells; return its key if it is missing or stale.

    A row that was entered before is replaced.
    """
    entry = entered.read([record.get(name) for name in entered.names])
    if entry is None:
        return None
    key, row = entry
    entered.ours[key] = Told(row.month, row.currency, row.amount, origin)
    entered.stale.pop(key, None)
    held = entered.theirs.rows.get(key)
    if held is None:
        return key
    columns = differing(entered.layout, entered.theirs.absent, row, held)
    if columns:
        entered.stale[key] = columns
    return key if columns else None


def forget(entered: Account, months: Collection[str]) -> None:
    """Forget the rows of the documents of these months, which are read again."""
    for key in [key for key, told in entered.ours.items() if told.origin in months]:
        del entered.ours[key]
        entered.stale.pop(key, None)


def outcome(entered: Account, proof: Proof) -> Outcome:
    """Return what the account shows after the API has told all."""
    ours, theirs = entered.ours, entered.theirs.rows
    notes = [*proof.notes]
    if not entered.theirs.found:
        notes.append("there is no table, or no SCHEMA, of it")
    elif entered.theirs.absent:
        notes.append(f"not compared, because not held: {', '.join(entered.theirs.absent)}")
    return Outcome(
        entered.layout.stream,
        _months(ours, theirs),
        tuple(sorted(ours.keys() - theirs.keys(), key=_order)),
        dict(sorted(entered.stale.items(), key=lambda each: _order(each[0]))),
        tuple(sorted(theirs.keys() - ours.keys(), key=_order)),
        tuple(notes),
        proof.doubts,
    )


def _order(key: Key) -> tuple[tuple[int, str], ...]:
    """Order identifiers that are numbers as numbers."""
    return tuple((len(part) if part.isdecimal() else 0, part) for part in key)


def _months(ours: Mapping[Key, Told], theirs: Mapping[Key, Row]) -> dict[str, Total]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    sums: dict[str, dict[str, list[Decimal]]] = defaultdict(dict)
    sides: tuple[Iterable[Told | Row], ...] = (ours.values(), theirs.values())
    for side, rows in enumerate(sides):
        for row in rows:
            counts[row.month][side] += 1
            if row.amount is not None:
                both = sums[row.month].setdefault(row.currency, [Decimal(0), Decimal(0)])
                both[side] += row.amount
    return {
        month: Total(
            api,
            held,
            {currency: (one, two) for currency, (one, two) in sorted(sums[month].items())},
        )
        for month, (api, held) in sorted(counts.items())
    }
