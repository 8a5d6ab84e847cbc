"""The work that every rival does: which lists it reads, in which order, with which columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_billing.providers.chargeover_resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = Path(__file__).resolve().parents[2] / "target_schemas" / "chargeover"
PAGE_SIZE = 500
BIG = "invoices"
EXTRA = "extra_fields"
LIST_COLUMNS = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["string", "null"]},
        "token": {"type": ["string", "null"]},
        "list_number": {"type": ["integer", "null"]},
        "is_active": {"type": ["boolean", "null"]},
        "rate": {"type": ["number", "null"]},
        "external_key": {"type": ["string", "null"]},
        "memo": {"type": ["string", "null"]},
        "write_datetime": {"type": ["string", "null"], "format": "date-time"},
        "mod_datetime": {"type": ["string", "null"], "format": "date-time"},
    },
}


@dataclass(frozen=True, slots=True)
class Table:
    """A list of the API: its stream, path and identifier, and what an incremental read asks by."""

    name: str
    path: str
    key: str
    cursor: str | None = None
    expand: tuple[str, ...] = ()

    def params(self) -> dict[str, str]:
        """Return the query that every page of it is asked with, besides limit and offset."""
        # Pages by offset need an order that stays.
        wanted = {"order": f"{self.key}:ASC"}
        return wanted | ({"expand": ",".join(self.expand)} if self.expand else {})


CATALOGUE = tuple(
    Table(
        resource.name,
        resource.path,
        resource.id,
        resource.streams[0].replication_key,
        resource.expand,
    )
    for resource in RESOURCES
    if any(stream.selected for stream in resource.streams)
)


def tables(settings: dict[str, Any]) -> tuple[Table, ...]:
    """Return what the settings want read: `lists` small ones, `streams` "all", or the invoices.

    Raises ValueError for other `streams`.
    """
    if count := settings.get("lists"):
        names = [f"list{number:02}" for number in range(1, count + 1)]
        return tuple(Table(name, name, "id") for name in names)
    streams = settings.get("streams", BIG)
    if streams not in (BIG, "all"):
        raise ValueError(f"streams: {streams!r}; allowed: {BIG}, all")
    return tuple(table for table in CATALOGUE if streams == "all" or table.name == BIG)


def columns(table: Table) -> dict[str, Any]:
    """Return the JSON schema of a table's rows: nested lists included, secrets left out."""
    path = SCHEMAS / f"{table.name}.json"
    if not path.exists():
        return LIST_COLUMNS
    declared = json.loads(path.read_text(encoding="utf-8"))
    return {"type": "object", "properties": dict(_public(declared))}


def _public(declared: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, each in declared.get("properties", {}).items():
        # Not selected are the secrets, and the lists that have a stream of their own here.
        if name == EXTRA or (each.get("x-selected") is False and "array" not in each["type"]):
            continue
        kept = {key: value for key, value in each.items() if not key.startswith("x-")}
        if "properties" in each:
            kept["properties"] = dict(_public(each))
        if "properties" in each.get("items", {}):
            kept["items"] = {**each["items"], "properties": dict(_public(each["items"]))}
        yield name, kept


def since(cursor: str, value: str) -> str:
    """Return the `where` for rows whose cursor is at or after a value as the API writes it."""
    # A colon that is not escaped ends the value.
    escaped = value.replace(":", r"\:")
    return f"{cursor}:GTE:{escaped}"


def ranges(highest: int, parts: int) -> list[tuple[int, int]]:
    """Return disjoint ranges of identifiers from 1, ends included, equally wide but for the last.

    There are at most `parts` of them, fewer where a range would be less than a page.
    """
    width = max(PAGE_SIZE, -(-highest // parts))
    return [(first, min(first + width - 1, highest)) for first in range(1, highest + 1, width)]
