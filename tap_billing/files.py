"""The formats of batch files: JSON lines and Parquet."""

from __future__ import annotations

from gzip import GzipFile
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from tap_billing.codec import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

# zlib's lowest level costs a third of its default and makes files a fifth larger.
LEVEL = 1
# Rows of a Parquet file that are held in memory, and compressed, together.
GROUP = 2000
# What RECORD messages say beside the record, under the names that targets give to it.
STAMPS = {"_sdc_extracted_at": "string", "_sdc_table_version": "integer"}


def stamped(bodies: Sequence[bytes], received: datetime, version: int | None) -> list[bytes]:
    """Return records as JSON with what RECORD messages would say beside them.

    Targets write it into columns: rows without a version are those that ACTIVATE_VERSION deletes.
    """
    stamp = b',"_sdc_extracted_at":%b' % encode(received)[:-1]
    stamp += b"}" if version is None else b',"_sdc_table_version":%d}' % version
    return [body[:-1] + (stamp if body != b"{}" else stamp[1:]) for body in bodies]


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
    """A Parquet file with a column for each of a flat schema's; must be closed.

    Numbers that are no integers are doubles; everything else but truth values is text.
    """

    def __init__(self, file: BinaryIO, compression: str | None, columns: Mapping[str, Any]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra, which takes long to import
        from pyarrow import parquet  # noqa: PLC0415

        kinds = {
            "integer": pa.int64(),
            "number": pa.float64(),
            "boolean": pa.bool_(),
        }
        self._kinds = {key: _kind(declared) for key, declared in columns.items()} | STAMPS
        self._schema = pa.schema(
            [(key, kinds.get(kind, pa.string())) for key, kind in self._kinds.items()]
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
        rows = [
            {key: _told(row.get(key), kind) for key, kind in self._kinds.items()}
            for row in map(decode, self._waiting)
        ]
        self._writer.write_table(self._table(rows, schema=self._schema))
        self._waiting.clear()


def _kind(declared: Mapping[str, Any]) -> str:
    kinds = declared.get("type", "string")
    known = [kinds] if isinstance(kinds, str) else [each for each in kinds if each != "null"]
    return known[0] if len(known) == 1 else "string"


def _told(value: Any, kind: str) -> Any:
    if value is None or kind in {"integer", "boolean"}:
        return value
    if kind == "number":
        return float(value)
    return value if isinstance(value, str) else encode(value)[:-1].decode()
