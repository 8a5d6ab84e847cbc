"""The rows that the benchmark server tells: real ones of the sandbox, numbered on without end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import orjson

from tap_billing.sandbox import World, books
from tap_billing.sandbox.telling import telling
from tap_billing.sandbox.where import (
    MALFORMED,
    MAX_LIMIT,
    Field,
    RefusedError,
    parse,
    where,
)
from tap_billing.sandbox.world import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_billing.sandbox.telling import Row
    from tap_billing.sandbox.where import Clause

ZONE: Final = ZoneInfo("America/Chicago")
# Row n was written n * STEP seconds after START and modified MODIFIED seconds later, in the same
# minute: all instants are distinct, and those of two million rows lie before the end of 2025.
START: Final = datetime(2024, 1, 1, tzinfo=UTC)
STEP: Final = 30
MODIFIED: Final = 17
# Pages that are held: at most 270 MB, which is 128,000 invoices.
PAGES_HELD: Final = 256
LINES: Final = 3
WORDS: Final = "a row of a small list, as an account has some twenty of them beside its large ones "
INVOICE_FIELDS: Final = (
    "invoice_id", "token", "refnumber", "bill_addr1", "bill_city", "bill_state", "bill_postcode",
    "bill_country", "write_datetime", "void_datetime", "currency_id", "currency_symbol",
    "currency_iso4217", "terms_id", "terms_name", "terms_days", "invoice_status_name",
    "invoice_status_str", "invoice_status_state", "subtotal", "taxes", "total", "credits",
    "payments", "is_paid", "balance", "is_void", "due_date", "days_overdue", "is_overdue", "date",
    "cycle_this_date", "bill_block", "url_permalink", "package_id", "customer_id", "external_key",
    "brand_id", "bill_email", "mod_datetime", "paid_date", "url_paylink", "url_pdflink",
)  # fmt: skip
LINE_FIELDS: Final = (
    "line_item_id", "invoice_id", "item_id", "item_name", "item_external_key", "descrip",
    "line_rate", "line_quantity", "line_usage", "is_base", "is_recurring", "tax_total",
    "tax_taxable", "tax_taxed", "item_token",
)  # fmt: skip
URLS: Final = ("url_permalink", "url_paylink", "url_pdflink")
# What stands in a template for what differs from row to row.
ID, LINE_ID, TOKEN = 7_100_000_001, 7_200_000_001, "7e57a71e57a7"
WRITTEN, CHANGED = "<write_datetime>", "<mod_datetime>"


@dataclass(frozen=True)
class Table:
    """Rows 1 to `rows`; row n is template n of `templates`, which repeat, with its own values."""

    key: str  # the name of the id, which is the row's number
    rows: int
    templates: tuple[bytes, ...]
    fields: Mapping[str, Field]
    common: Mapping[str, Any]  # values that all rows have


def invoices(rows: int) -> Table:
    """Return the table of so many paid invoices, three lines each, about 2.1 KB of JSON a row."""
    common = {"invoice_status_state": "c", "invoice_status_str": "closed-paid"}
    return Table("invoice_id", rows, _invoices(), _fields("invoice_id", common), common)


def small(number: int, pages: int) -> Table:
    """Return the small list of that number: rows of about 0.5 KB with the key `id`.

    The last of its pages of 500 rows holds 400: whoever ends at a short page asks `pages` times.
    """
    rows = pages * MAX_LIMIT - MAX_LIMIT // 5
    return Table("id", rows, (_small(number),), _fields("id", {}), {})


def select(table: Table, params: Mapping[str, str]) -> range:
    """Return the numbers of the rows that a list request asks for, in the order wanted.

    Raises RefusedError for what the vendor refuses, and for orders and filters not known here.
    """
    query = parse(params, table.fields, frozenset({"line_items"}), ZONE, table.key)
    first, last = _bounds(table, query.clauses)
    if any(descending for _, descending in query.order[:1]):
        start = last - query.offset
        return range(start, max(start - query.limit, first - 1), -1)
    start = first + query.offset
    return range(start, min(start + query.limit, last + 1))


def count(table: Table, params: Mapping[str, str]) -> int:
    """Return how many rows a where selects; raise RefusedError when it is refused."""
    first, last = _bounds(table, where(params.get("where", ""), table.fields, ZONE))
    return max(last - first + 1, 0)


def pages(table: Table) -> Callable[[range], bytes]:
    """Return the function that renders a page, and holds those rendered last."""
    return lru_cache(maxsize=PAGES_HELD)(lambda numbers: render(table, numbers))


def render(table: Table, numbers: range) -> bytes:
    """Return the rows of these numbers as a JSON array."""
    templates, many = table.templates, len(table.templates)
    return b"[%b]" % b",".join([templates[n % many] % _values(n) for n in numbers])


def _values(number: int) -> dict[bytes, int | bytes]:
    hour, seconds = divmod(number * STEP, 3_600)
    told, line = _hour(hour), number * LINES
    return {
        b"id": number,
        b"first": line - 2,
        b"second": line - 1,
        b"third": line,
        b"written": told % divmod(seconds, 60),
        b"changed": told % divmod(seconds + MODIFIED, 60),
    }


@cache
def _hour(number: int) -> bytes:
    """Return the text of an hour, which minutes and seconds are put into.

    Offsets of America/Chicago are whole hours.
    """
    told = (START + timedelta(hours=number)).astimezone(ZONE).isoformat(timespec="hours")
    return f"{told[:13]}:%02d:%02d{told[13:]}".encode()


def _fields(key: str, common: Mapping[str, Any]) -> dict[str, Field]:
    """Return what rows can be filtered and ordered by: numbers that grow, and common values."""

    def same(name: str) -> Field:
        return Field("text", lambda _, row: row[name])

    growing = {name: Field("instant", _number) for name in ("write_datetime", "mod_datetime")}
    return {key: Field("number", _number), **growing, **{name: same(name) for name in common}}


def _number(_: object, number: int) -> int:
    """Return what a row is known by where only its bounds are asked for."""
    return number


def _bounds(table: Table, clauses: tuple[Clause, ...]) -> tuple[int, int]:
    """Return the numbers of the first and the last row that meet all clauses."""
    first, last = 1, table.rows
    for clause in clauses:
        if clause.name in table.common:
            low, high = (1, table.rows) if clause.holds(None, table.common) else (1, 0)
        else:
            low, high = _between(clause, table.rows)
        first, last = max(first, low), min(last, high)
    return first, last


def _between(clause: Clause, rows: int) -> tuple[int, int]:
    """Return the numbers of the first and the last row that meet a clause on a growing value."""
    if clause.command in ("IS", "ISNOT"):
        return (1, 0) if clause.command == "IS" else (1, rows)
    if clause.command not in ("EQUALS", "GT", "GTE", "LT", "LTE"):
        raise RefusedError(MALFORMED)
    place = clause.value
    if clause.field.kind == "instant":
        shift = MODIFIED if clause.name == "mod_datetime" else 0
        place = ((place - START).total_seconds() - shift) / STEP
    floor, ceiling = math.floor(place), math.ceil(place)
    return {
        "EQUALS": (ceiling, floor),
        "GT": (floor + 1, rows),
        "GTE": (ceiling, rows),
        "LT": (1, ceiling - 1),
        "LTE": (1, floor),
    }[clause.command]


@cache
def _invoices() -> tuple[bytes, ...]:
    """Return a template of each paid invoice with three lines of a company of the sandbox."""
    world = World(Options("chargeover", now=datetime(2026, 2, 1, tzinfo=UTC)))
    told = telling(world.company, ZONE, world.era, world.company.now)
    found = []
    for each in world.company.invoices.values():
        row = books.invoice(told, each)
        lines = books.invoice_lines(told, each)
        if len(lines) == LINES and row["invoice_status_str"] == "closed-paid":
            found.append(_invoice(row, lines))
    return tuple(found)


def _invoice(row: Row, lines: list[Row]) -> bytes:
    told = {name: row[name] for name in INVOICE_FIELDS}
    told |= {
        "invoice_id": ID,
        "refnumber": str(ID),
        "token": TOKEN,
        "write_datetime": WRITTEN,
        "mod_datetime": CHANGED,
        **{name: row[name].replace(row["token"], TOKEN) for name in URLS},
    }
    told["line_items"] = [
        {name: line[name] for name in LINE_FIELDS}
        | {"invoice_id": ID, "line_item_id": LINE_ID + place}
        for place, line in enumerate(lines)
    ]
    return _template(told)


def _small(number: int) -> bytes:
    return _template(
        {
            "id": ID,
            "name": f"Entry {ID} of list {number}",
            "token": TOKEN,
            "is_active": True,
            "rate": 12.5,
            "external_key": None,
            "memo": WORDS * 3,
            "write_datetime": WRITTEN,
            "mod_datetime": CHANGED,
        }
    )


def _template(row: Row) -> bytes:
    values = {
        str(ID): b"%(id)d",
        TOKEN: b"%(id)012x",
        WRITTEN: b"%(written)b",
        CHANGED: b"%(changed)b",
        str(LINE_ID): b"%(first)d",
        str(LINE_ID + 1): b"%(second)d",
        str(LINE_ID + 2): b"%(third)d",
    }
    text = orjson.dumps(row).replace(b"%", b"%%")
    for mark, place in values.items():
        text = text.replace(mark.encode(), place)
    return text
