r"""ChargeOver's search language: `field:OPERATOR:value`, joined by `,`, escaped by `\`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQUALS": lambda found, wanted: found == wanted,
    "GT": lambda found, wanted: found > wanted,
    "GTE": lambda found, wanted: found >= wanted,
    "LT": lambda found, wanted: found < wanted,
    "LTE": lambda found, wanted: found <= wanted,
}
Clause = tuple[str, str, str]


class Malformed(Exception):
    """The request is not one that the documentation allows."""


def clauses(where: str, fields: Collection[str]) -> list[Clause]:
    """Return the clauses of a where parameter. Raises Malformed for what is not documented."""
    found = []
    for clause in re.split(r"(?<!\\),", where) if where else ():
        parts = [re.sub(r"\\([:,])", r"\1", each) for each in re.split(r"(?<!\\):", clause)]
        if len(parts) != 3 or parts[1] not in OPERATORS:
            raise Malformed(f"Malformed WHERE clause: {clause}")
        if parts[0] not in fields:
            raise Malformed(f"You cannot filter by: {parts[0]}.")
        found.append((parts[0], parts[1], parts[2]))
    return found


def matches(row: Mapping[str, Any], wanted: Sequence[Clause]) -> bool:
    """Whether a row satisfies all clauses; null satisfies none.

    Times of a row are aware in UTC, or naive in the account's zone, which is its `zone` then.
    """
    return all(_holds(row, *each) for each in wanted)


def _holds(row: Mapping[str, Any], field: str, operator: str, value: str) -> bool:
    found = row[field]
    if found is None:
        return False
    if isinstance(found, datetime):
        return OPERATORS[operator](found, _instant(value, row["zone"]))
    return OPERATORS[operator](found, int(value) if isinstance(found, int) else value)


def _instant(value: str, zone: Any) -> datetime:
    when = datetime.fromisoformat(value)
    if when.tzinfo is None:
        raise Malformed(f"a time without an offset: {value}")
    return when.astimezone(zone).replace(tzinfo=None) if zone else when.astimezone(UTC)
