"""What tables hold against what the sandbox knows: rows by key, money to the cent, columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
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


def existing(tables: Mapping[str, Table], truth: Mapping[str, Any]) -> dict[str, Table]:
    """Return tables without the rows that were deleted or replaced: not every target drops them."""
    return {
        stream: {key: rows[key] for key in rows.keys() & identifiers(truth[stream])}
        for stream, rows in tables.items()
    }


def unequal(
    rows: Table, records: Table, columns: Mapping[str, Any], *, blank: str | None = ""
) -> dict[tuple[str, ...], set[str]]:
    """Return the columns in which rows are not what the tap tells, by key.

    `columns` are the properties of the stream's schema; rows on one side only have no difference.
    What a record does not tell is null; `blank` is what the table has for empty text.
    """
    found = {}
    for key in rows.keys() & records.keys():
        row, record = rows[key], records[key]
        wrong = set()
        for name, declared in columns.items():
            told = plain(record.get(folded(name)), declared)
            if plain(row[folded(name)], declared) != (blank if told == "" else told):
                wrong.add(name)
        if wrong:
            found[key] = wrong
    return found


def plain(value: Any, declared: Mapping[str, Any]) -> Any:
    """Return a column's value as all databases and the tap's records agree on it."""
    kinds = set(declared["type"]) if isinstance(declared["type"], list) else {declared["type"]}
    if value is None:
        return None
    if kinds & {"object", "array"}:
        text = value if isinstance(value, str) else json.dumps(value)
        return json.loads(text, parse_float=str)
    if kinds & {"number", "integer"}:
        return Decimal(str(value))
    if declared.get("format") == "date-time":
        when = datetime.fromisoformat(value)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    return value


def _few(keys: set[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return sorted(keys)[:5]
