"""What tables hold against what the sandbox knows: rows by key, and money to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Table = dict[tuple[str, ...], dict[str, Any]]


def folded(name: str) -> str:
    """Return a column's name as all databases agree on it: letters and digits in lower case."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def table(rows: list[dict[str, Any]], keys: list[str]) -> Table:
    """Return rows by primary key; a later row replaces an earlier one."""
    named = [{folded(name): value for name, value in row.items()} for row in rows]
    return {tuple(str(row[folded(key)]) for key in keys): row for row in named}


def identifiers(truth: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """Return the primary keys of a stream that the sandbox knows."""
    return {
        tuple(map(str, each)) if isinstance(each, list) else (str(each),) for each in truth["ids"]
    }


def money(value: Any) -> Decimal:
    """Return a column's value as money; a column without a value holds none."""
    return Decimal(0) if value is None else Decimal(str(value))


def total(rows: Table, field: str) -> Decimal:
    """Return the sum of a field, or of a product of fields (`a*b`), over rows."""
    names = [folded(name) for name in field.split("*")]
    result = Decimal(0)
    for row in rows.values():
        product = Decimal(1)
        for name in names:
            product *= money(row[name])
        result += product
    return result.quantize(Decimal("0.01"))


def differences(tables: Mapping[str, Table], truth: Mapping[str, Any]) -> list[str]:
    """Return a line for every table that is not exactly what the sandbox knows."""
    found = []
    for stream, rows in tables.items():
        known = identifiers(truth[stream])
        if rows.keys() != known:
            found.append(
                f"{stream}: {len(rows)} rows, not {len(known)}; missing {_few(known - rows.keys())}"
                f", too many {_few(rows.keys() - known)}"
            )
        found += [
            f"{stream}.{field}: {total(rows, field)}, not {told}"
            for field, told in truth[stream].get("sums", {}).items()
            if total(rows, field) != Decimal(told)
        ]
    return found


def _few(keys: set[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return sorted(keys)[:5]
