"""A target in memory, with the meaning that meltanolabs-target-postgres gives to the messages.

An upsert by key takes the message's version and takes the mark of deletion away; ACTIVATE_VERSION
marks the rows of a lower version and of none (target_postgres/sinks.py, `activate_version`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = tuple[Any, ...]


@dataclass
class Row:
    """What a target holds of a record."""

    record: dict[str, Any]
    version: int | None
    deleted: bool = False


@dataclass
class Table:
    """A stream's rows by key."""

    keys: tuple[str, ...]
    rows: dict[Key, Row] = field(default_factory=dict)

    def live(self) -> dict[Key, dict[str, Any]]:
        """Return the records that are not marked as deleted."""
        return {key: row.record for key, row in self.rows.items() if not row.deleted}


@dataclass
class Warehouse:
    """Tables, and the last STATE before which everything was applied."""

    tables: dict[str, Table] = field(default_factory=dict)
    state: dict[str, Any] | None = None

    def load(self, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """Apply messages in order; return them decoded. A process begins with every load."""
        known: set[str] = set()
        messages = [json.loads(line) for line in lines]
        for message in messages:
            self._apply(message, known)
        return messages

    def _apply(self, message: dict[str, Any], known: set[str]) -> None:
        kind = message["type"]
        if kind == "STATE":
            self.state = json.loads(json.dumps(message["value"]))
            return
        stream = message["stream"]
        if kind == "SCHEMA":
            assert stream not in known, f"a second SCHEMA of {stream}"
            known.add(stream)
            self.tables.setdefault(stream, Table(tuple(message["key_properties"])))
            return
        assert stream in known, f"{kind} of {stream} before its SCHEMA"
        table = self.tables[stream]
        if kind == "RECORD":
            record = message["record"]
            key = tuple(record[each] for each in table.keys)
            assert None not in key, f"{stream}: a row without a key"
            table.rows[key] = Row(record, message.get("version"))
        elif kind == "ACTIVATE_VERSION":
            for row in table.rows.values():
                if row.version is None or row.version < message["version"]:
                    row.deleted = True
        else:
            raise AssertionError(f"a message of type {kind}")
