"""What tables must hold after a run: everything after a sweep, else what its filters can see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.e2e.ledger import Table, folded, unequal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Row = Mapping[str, Any]

Tables = dict[str, Table]
Keys = dict[str, set[tuple[str, ...]]]

WINDOW = timedelta(days=30)
# Cheddar's streams that every run reads whole.
WHOLE = {"plans", "plan_items", "promotions", "coupons", "promotion_incentives"}
# The times that Cheddar's filters see; a customer with a new one comes with all that is below it.
SEEN = {
    "customers": ("createdDatetime",),
    "subscriptions": ("canceledDatetime",),
    "transactions": ("transactedDatetime",),
}
DEFAULTS = {f"default_{each}" for each in ("paymethod", "creditcard_id", "ach_id", "tokenized_id")}
STATUS = {f"customer_status_{each}" for each in ("id", "name", "str", "state")}
PUT_OFF = {"holduntil_datetime", "next_invoice_datetime"}
VOIDED = {"applied", "unapplied", "void_datetime"} | {
    f"transaction_status_{each}" for each in ("name", "str", "state")
}


@dataclass(frozen=True)
class Books:
    """What a first run tells: the rows of each stream, and how its schema has them."""

    rows: Tables
    keys: dict[str, list[str]]
    columns: dict[str, dict[str, Any]]


def owed(provider: str, right: Books, since: datetime | None) -> Keys:
    """Return the rows that a run must have brought; `since` is the run before, None for a sweep."""
    if provider == "chargeover" or since is None:
        return {stream: set(rows) for stream, rows in right.rows.items()}
    reached = {
        _customer(stream, row)
        for stream, names in SEEN.items()
        for row in right.rows[stream].values()
        for name in names
        if row.get(folded(name)) and datetime.fromisoformat(row[folded(name)]) >= since
    }
    assert 0 < len(reached) < len(right.rows["customers"])
    return {
        stream: {
            key for key, row in rows.items() if stream in WHOLE or _customer(stream, row) in reached
        }
        for stream, rows in right.rows.items()
    }


def _customer(stream: str, row: Row) -> str:
    return row["id" if stream == "customers" else "customerid"]


def faults(
    tables: Tables, right: Books, since: datetime | None, provider: str, blank: str | None
) -> Iterator[str]:
    """Yield a line for whatever is missing or stale of what is owed."""
    wanted = owed(provider, right, since)
    for stream, rows in tables.items():
        yield from (f"{stream} {key}: missing" for key in wanted[stream] - rows.keys())
        records = right.rows[stream]
        chosen = {key: rows[key] for key in wanted[stream] & rows.keys()}
        for key, wrong in unequal(chosen, records, right.columns[stream], blank=blank).items():
            row, record = rows[key], records[key]
            late = lagging(stream, row, record, since) if provider == "chargeover" else set()
            yield from (
                f"{stream} {key}: {name} is {row[folded(name)]!r}, not {record.get(folded(name))!r}"
                for name in sorted(wrong - late)
            )


def lagging(stream: str, row: Row, record: Row, since: datetime | None) -> set[str]:
    """Return the columns that no pass of ChargeOver's brings, see `blind` of its resources."""
    if since is None:
        return set()
    if stream == "customers":
        inactive = "i" in (row["customerstatusstate"], record["customerstatusstate"])
        return DEFAULTS | (STATUS if inactive else set())
    if stream == "subscriptions":
        return PUT_OFF if record["canceldatetime"] else set()
    if stream == "transactions":
        old = datetime.fromisoformat(record["transactiondatetime"]) < since - WINDOW
        return VOIDED if old else set()
    return set()
