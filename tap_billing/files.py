"""The formats of batch files: JSON lines and Parquet."""

from __future__ import annotations

import re
from gzip import GzipFile
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from tap_billing.codec import decode, encode
from tap_billing.errors import NoReader
from tap_billing.scalars import INTEGERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tap_billing.scalars import Convert

# zlib's lowest level costs a third of its default and makes files a fifth larger.
LEVEL = 1
# Rows of a Parquet file that are held in memory, and compressed, together.
GROUP = 2000
# What RECORD messages say beside the record, under the names that targets give to it.
STAMPS: Mapping[str, Any] = {
    "_sdc_extracted_at": {"type": ["string", "null"]},
    "_sdc_table_version": {"type": ["integer", "null"]},
}
NESTED = frozenset({"object", "array"})
NUMBERS = frozenset({int, float})
SURROGATES = re.compile("[\ud800-\udfff]")


def stamped(bodies: Sequence[bytes], received: datetime, version: int | None) -> list[bytes]:
    """Return records as JSON with what RECORD messages would say beside them: see STAMPS.

    Targets write it into columns: rows without a version are those that ACTIVATE_VERSION deletes.
    """
    stamp = b',"_sdc_extracted_at":%b' % encode(received)[:-1]
    stamp += b"}" if version is None else b',"_sdc_table_version":%d}' % version
    return [body[:-1] + (stamp if body != b"{}" else stamp[1:]) for body in bodies]


def textual(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream's schema with objects and arrays declared as the JSON text that Table has."""
    columns = dict(schema["properties"])
    for key, declared in columns.items():
        if _kind(declared) == "array":
            told = {"description": declared["description"]} if "description" in declared else {}
            columns[key] = {"type": ["string", "null"], **told}
    return {**schema, "properties": columns}


class Rows(Protocol):
    """A file that takes records as JSON."""

    def write(self, bodies: Sequence[bytes]) -> None:
        """Add records."""

    def close(self) -> None:
        """Write what is still missing; the file underneath stays open."""


class Lines:
    """JSON lines, compressed or not; must be closed."""

    def __init__(self, file: BinaryIO, compression: str | None) -> None:
        self._zip = GzipFile(fileobj=file, mode="wb", compresslevel=LEVEL) if compression else None
        self._file = self._zip or file

    def write(self, bodies: Sequence[bytes]) -> None:
        """Add records."""
        self._file.write(b"".join([body + b"\n" for body in bodies]))

    def close(self) -> None:
        """Write what is still missing; the file underneath stays open."""
        if self._zip is not None:
            self._zip.close()


class Table:
    """A Parquet file with a column for each of a schema's, as `textual` has them; must be closed.

    Numbers that are no integers are doubles; everything else but truth values is text, in which
    U+FFFD stands for what UTF-8 cannot say. Raises NoReader for what a column cannot hold.
    """

    def __init__(self, file: BinaryIO, compression: str | None, columns: Mapping[str, Any]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra, which takes long to import
        from pyarrow import parquet  # noqa: PLC0415

        types = {
            "integer": pa.int64(),
            "number": pa.float64(),
            "boolean": pa.bool_(),
        }
        kinds = {key: _kind(declared) for key, declared in columns.items()}
        self._columns: list[tuple[str, Convert]] = [
            (key, FITTING.get(kind, _text)) for key, kind in kinds.items()
        ]
        self._schema = pa.schema(
            [(key, types.get(kind, pa.string())) for key, kind in kinds.items()]
        )
        self._waiting: list[bytes] = []
        self._table = pa.Table.from_pylist
        self._writer = parquet.ParquetWriter(file, self._schema, compression=compression or "none")

    def write(self, bodies: Sequence[bytes]) -> None:
        """Add records."""
        self._waiting += bodies
        if len(self._waiting) >= GROUP:
            self._write()

    def close(self) -> None:
        """Write what is still missing; the file underneath stays open."""
        if self._waiting:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        bodies, self._waiting = self._waiting, []
        rows = [self._row(decode(body)) for body in bodies]
        try:
            table = self._table(rows, schema=self._schema)
        except UnicodeEncodeError:
            table = self._table([_writable(row) for row in rows], schema=self._schema)
        self._writer.write_table(table)

    def _row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for key, fit in self._columns:
            value = record.get(key)
            try:
                row[key] = None if value is None else fit(value)
            except (ValueError, OverflowError):
                raise NoReader(
                    f"batch_config: a value of {key} is not of the type that stream_maps leave to"
                    " it, and Parquet holds no other; allowed: a map to that type, or jsonl"
                ) from None
        return row


def _kind(declared: Mapping[str, Any]) -> str:
    """Return the one type of a column, "array" for any that may be nested, else text."""
    kinds = declared.get("type", "string")
    known = {kinds} if isinstance(kinds, str) else {each for each in kinds if each != "null"}
    if known & NESTED:
        return "array"
    return known.pop() if len(known) == 1 else "string"


def _nested(value: Any) -> str:
    return encode(value)[:-1].decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _nested(value)


def _integer(value: Any) -> int:
    number = int(value)
    if type(value) not in NUMBERS or number != value or number not in INTEGERS:
        raise ValueError(value)
    return number


def _number(value: Any) -> float:
    if type(value) not in NUMBERS:
        raise ValueError(value)
    return float(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(value)
    return value


def _writable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose text is Unicode."""
    return {k: SURROGATES.sub("\ufffd", v) if isinstance(v, str) else v for k, v in row.items()}


# How a column of a type takes its values; text takes all.
FITTING: Mapping[str, Convert] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _nested,
}
