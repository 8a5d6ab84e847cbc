"""Casts objects by their keys and types, which repeat from row to row: a plan for each is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import hypot
from operator import itemgetter
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_billing.scalars import Convert

    Object = dict[str, Any]
    # The keys of an object, and the types of their values.
    Signature = tuple[object, ...]

# Rows differ in what is null and in whole amounts; when there are too many kinds, they are learned
# anew.
PLANS = 1024
# No number of an object whose hypotenuse is below is infinite, none at all, or beyond 64 bits.
USUAL = 2.0**62
NOTHING: Mapping[type, Convert] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Column:
    """What becomes of a column's values, by their exact type.

    Null and those of `plain` types stay, and so do those of the types of `numbers` if they are of
    usual size; all others go through the function of their type `by`, or through `convert`. The
    result is left out if it is `dropped`. What is `moved` is taken out as it came.
    """

    convert: Convert | None = None
    plain: frozenset[type] = frozenset()
    numbers: frozenset[type] = frozenset()
    by: Mapping[type, Convert] = field(default_factory=lambda: NOTHING)
    dropped: bool = False
    moved: bool = False


class Plan(NamedTuple):
    """What is to be done with objects of one signature, and nothing besides."""

    numbers: Callable[[Object], tuple[float, ...]] | None
    touched: Sequence[tuple[str, Convert]]
    left: tuple[Sequence[str], Sequence[str]] | None


def caster(
    column: Callable[[str], Column],
    careful: Callable[[Object], Object],
    keep: Callable[[Object, Object], None] | None = None,
) -> Callable[[Object], Object]:
    """Return a function that does the same as `careful`, by what `column` says of each key.

    Wherever a value is not as its type promises, `careful` is asked. `keep` is given the new object
    and what was moved out of it.
    """
    known, learn = _plans(column)

    def cast(raw: Object) -> Object:
        signature = (*raw, *map(type, raw.values()))
        numbers, touched, left = known(signature) or learn(signature, raw)
        made = {**raw}
        try:
            # Not `>=`: nothing is true of what is no number.
            if numbers is not None and not hypot(*numbers(raw)) < USUAL:
                return careful(raw)
            for key, convert in touched:
                made[key] = convert(raw[key])
        except (ValueError, ArithmeticError):
            return careful(raw)
        if left is not None:
            dropped, moved = left
            for key in dropped:
                del made[key]
            if moved and keep is not None:
                keep(made, {key: made.pop(key) for key in moved})
        return made

    return cast


def lister(
    column: Callable[[str], Column], careful: Callable[[list[Object]], Any]
) -> Callable[[list[Object]], Any]:
    """Return `caster` for lists of objects, of which nothing is moved.

    A call for each of them, and loops over nothing, would cost a fifth more.
    """
    known, learn = _plans(column)

    def cast(items: list[Object]) -> Any:
        made = []
        try:
            for raw in items:
                signature = (*raw, *map(type, raw.values()))
                numbers, touched, left = known(signature) or learn(signature, raw)
                if numbers is not None and not hypot(*numbers(raw)) < USUAL:
                    return careful(items)
                item = {**raw}
                if touched:
                    for key, convert in touched:
                        item[key] = convert(raw[key])
                if left is not None:
                    for key in left[0]:
                        del item[key]
                made.append(item)
        except (ValueError, ArithmeticError):
            return careful(items)
        return made

    return cast


def _plans(
    column: Callable[[str], Column],
) -> tuple[Callable[[Signature], Plan | None], Callable[[Signature, Object], Plan]]:
    """Return how to look up the plan of a signature, and how to learn it from an object."""
    plans: dict[Signature, Plan] = {}

    def learn(signature: Signature, raw: Object) -> Plan:
        if len(plans) >= PLANS:
            plans.clear()
        plan = plans[signature] = _plan(column, raw)
        return plan

    return plans.get, learn


def _plan(column: Callable[[str], Column], raw: Object) -> Plan:
    columns = [(key, type(value), column(key)) for key, value in raw.items()]
    numbers = [key for key, kind, each in columns if kind in each.numbers]
    touched = [
        (key, convert)
        for key, kind, each in columns
        if kind is not NoneType and kind not in each.plain and kind not in each.numbers
        for convert in [each.by.get(kind, each.convert)]
        if convert is not None
    ]
    dropped = [key for key, _, each in columns if each.dropped]
    moved = [key for key, _, each in columns if each.moved]
    # A getter of one key returns no tuple: it picks it twice.
    twice = numbers * 2 if len(numbers) == 1 else numbers
    picker = itemgetter(*twice) if numbers else None
    return Plan(picker, touched, (dropped, moved) if dropped or moved else None)
