"""What Singer messages in a file, or target-jsonl's files in a folder, leave in a warehouse."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_billing.codec import decode
from tap_billing.errors import LocalError, SettingsError
from tap_billing.reconcile.layout import DELETED, Table, reader
from tap_billing.reconcile.values import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tap_billing.reconcile.layout import Key, Layout, Reader, Row

logger = logging.getLogger(__name__)

# Every known writer puts the type first; a stream's name may come before it.
HEAD = 200
# target-jsonl 0.1.4: `invoices.jsonl`, or `invoices-20260131T090000.jsonl`.
STAMP = r"(-\d{8}T\d{6})?\.jsonl"


@dataclass(slots=True)
class Pile:
    """A stream's rows so far; those with a version, in `versions`, can be left behind."""

    read: Reader
    names: tuple[str, ...]
    absent: tuple[str, ...]
    deleted: str | None = None
    rows: dict[Key, Row] = field(default_factory=dict)
    versions: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Messages:
    """A file of Singer messages, as `tap-billing | tee FILE` writes it."""

    path: Path

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return str(self.path)

    def tables(self, layouts: Sequence[Layout], start: str) -> Mapping[str, Table]:
        """Return what the messages leave, by stream; later records replace earlier ones.

        ACTIVATE_VERSION removes the rows of older versions and those without one. A stream without
        SCHEMA is not found. Raises SettingsError for what is no file of messages.
        """
        told: dict[str, dict[str, Any]] = {}
        for message in self._read(schemas=True):
            told[message["stream"]] = message["schema"].get("properties", {})
        piles = {
            each.stream: pile(each, tuple(told[each.stream]), start)
            for each in layouts
            if each.stream in told
        }
        for message in self._read():
            found = piles.get(message.get("stream", ""))
            if found is None:
                continue
            if message["type"] == "RECORD":
                put(found, message["record"], message.get("version"))
            elif message["type"] == "ACTIVATE_VERSION":
                _activate(found, message["version"])
        return {each.stream: _table(piles.get(each.stream)) for each in layouts}

    def _read(self, *, schemas: bool = False) -> Iterator[dict[str, Any]]:
        for number, line in lines(self.path):
            if schemas and b"SCHEMA" not in line[:HEAD]:
                continue
            message = parsed(line, self.path, number)
            if message is None:
                return
            if not isinstance(message, dict) or "type" not in message:
                raise SettingsError(f"{self.path}: line {number} is no Singer message")
            if not schemas or message["type"] == "SCHEMA":
                yield message

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The files that target-jsonl writes: a stream's records, those of later runs last."""

    path: Path

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return str(self.path)

    def tables(self, layouts: Sequence[Layout], start: str) -> Mapping[str, Table]:
        """Return the records by stream, later ones in the place of earlier ones.

        A stream without a file is not found. Raises SettingsError for what is no JSON lines.
        """
        return {each.stream: self._table(each, start) for each in layouts}

    def _table(self, what: Layout, start: str) -> Table:
        stamped = re.compile(re.escape(what.stream) + STAMP)
        paths = sorted(each for each in self.path.iterdir() if stamped.fullmatch(each.name))
        found = pile(what, what.wanted, start) if paths else None
        for path in paths:
            for number, line in lines(path):
                record = parsed(line, path, number)
                if found is not None and isinstance(record, dict):
                    put(found, record, None)
        return _table(found)

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that are not blank, numbered from 1. Raises LocalError."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise LocalError(f"{path}: {error.strerror}") from error


def parsed(line: bytes, path: Path, number: int) -> Any:
    """Return a line's JSON, None for a last one that is cut. Raises SettingsError for no JSON."""
    try:
        return decode(line)
    except ValueError:
        if line.endswith(b"\n"):
            raise SettingsError(f"{path}: line {number} is not JSON") from None
        logger.warning("%s: the last line is cut, and left out", path)
        return None


def pile(what: Layout, names: Sequence[str], start: str) -> Pile:
    """Return an empty pile for records with columns of these names."""
    absent = tuple(name for name in what.wanted if name not in names)
    deleted = next((name for name in names if folded(name) == DELETED), "_sdc_deleted_at")
    known = tuple(name for name in what.wanted if name in names)
    return Pile(reader(what, known, absent, start), known, absent, deleted)


def put(found: Pile, record: Mapping[str, Any], version: int | None) -> None:
    """Put a record in the place of the one with the same key."""
    entry = found.read([record.get(name) for name in found.names])
    if entry is None:
        return
    key, row = entry
    found.rows.pop(key, None)
    found.versions.pop(key, None)
    if found.deleted and record.get(found.deleted):
        return
    found.rows[key] = row
    if version is not None:
        found.versions[key] = version


def _activate(found: Pile, version: int) -> None:
    for key in [key for key in found.rows if found.versions.get(key, -1) < version]:
        del found.rows[key]
        found.versions.pop(key, None)


def _table(found: Pile | None) -> Table:
    if found is None:
        return Table({}, found=False)
    return Table(found.rows, found.absent, max(found.versions.values(), default=None))
