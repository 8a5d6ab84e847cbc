"""BATCH: records in files instead of messages, told of when they are whole."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import uuid4

from jsonschema import Draft7Validator
from singer_sdk.helpers._batch import BatchConfig, SDKBatchMessage
from upath import UPath

from tap_billing.errors import NoReader, SettingsError
from tap_billing.files import Lines, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from singer_sdk.helpers._batch import StorageTarget

    from tap_billing.files import Rows
    from tap_billing.writer import OrjsonWriter

# In the name of a file; a stream's may come from a stream map.
UNFIT = re.compile(r"[^\w.-]")
LOCAL = ("", "file", "local")
TEXT = {"type": "string", "minLength": 1}
CONFIG: Mapping[str, Any] = {
    "type": "object",
    "required": ["encoding", "storage"],
    "additionalProperties": False,
    "properties": {
        "encoding": {
            "type": "object",
            "required": ["format"],
            "additionalProperties": False,
            "properties": {
                "format": {"enum": ["jsonl", "parquet"]},
                "compression": {"enum": ["gzip", "none", None]},
            },
        },
        "storage": {
            "type": "object",
            "required": ["root"],
            "additionalProperties": False,
            "properties": {
                "root": TEXT,
                "prefix": {"type": ["string", "null"]},
                "params": {"type": "object"},
            },
        },
        "batch_size": {"type": ["integer", "null"], "minimum": 1},
    },
}
EXAMPLE = (
    '{"encoding": {"format": "jsonl", "compression": "gzip"},'
    ' "storage": {"root": "file:///data"}, "batch_size": 10000}'
)


def checked(config: Mapping[str, Any]) -> BatchConfig | None:
    """Return the settings' `batch_config`, None without one. Raises SettingsError."""
    told = config.get("batch_config")
    if told is None:
        return None
    # Without the validator's own message: it quotes values, and parameters may be secrets.
    for wrong in Draft7Validator(CONFIG).iter_errors(told):
        where = "batch_config" + wrong.json_path.removeprefix("$")
        raise SettingsError(f"{where}: not allowed so; allowed: an object such as {EXAMPLE}")
    if told["encoding"]["format"] == "parquet" and find_spec("pyarrow") is None:
        raise SettingsError(
            "batch_config.encoding.format: parquet needs pyarrow; allowed: parquet after"
            " `pip install 'tap-billing[parquet]'`, or jsonl"
        )
    return BatchConfig.from_dict(told)


@dataclass
class Batch:
    """A file on its way, its records, and where it will stand."""

    place: UPath
    file: BinaryIO
    rows: Rows
    part: Path | None
    version: int | None
    count: int = 0


@dataclass
class Batches:
    """The files of a run; must be closed.

    Nothing may disturb it while it writes: all of that is left to the `writer` of its messages.
    """

    config: BatchConfig
    tap: str
    writer: OrjsonWriter
    _open: dict[str, Batch] = field(default_factory=dict)
    _number: int = 0
    _run: str = field(default_factory=lambda: str(uuid4()))

    @property
    def textual(self) -> bool:
        """Whether the files hold objects and arrays as JSON text."""
        return bool(self.config.encoding.format == "parquet")

    def prepare(self) -> None:
        """Make the folder. Raises SettingsError, which says nothing of a URL's credentials."""
        try:
            _root(self.config.storage).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"batch_config.storage.root: {error.strerror or type(error).__name__}; allowed: a"
                " place that can be written, such as file:///data"
            ) from error

    def write(
        self, stream: str, columns: Mapping[str, Any], bodies: Sequence[bytes], version: int | None
    ) -> None:
        """Add records of a stream, as JSON; files that have `batch_size` rows are announced.

        `columns` are those of the stream's schema. Raises NoReader where nothing can be written.
        """
        self.writer.ended_with_state &= not bodies
        with self.writer.undisturbed(), _telling():
            while bodies:
                if stream not in self._open:
                    self._open[stream] = self._begin(stream, columns, version)
                batch = self._open[stream]
                part = bodies[: self.config.batch_size - batch.count]
                batch.rows.write(part)
                batch.count += len(part)
                bodies = bodies[len(part) :]
                if batch.count >= self.config.batch_size:
                    self._end(stream)

    def finish(self) -> None:
        """Announce all files, in the order in which they were begun. Raises NoReader."""
        with self.writer.undisturbed(), _telling():
            for stream in list(self._open):
                self._end(stream)

    def close(self) -> None:
        """Throw away what was not announced."""
        while self._open:
            _, batch = self._open.popitem()
            # What cannot be written is not wanted any more.
            with suppress(OSError):
                batch.rows.close()
            with suppress(OSError):
                batch.file.close()
            if batch.part is not None:
                batch.part.unlink(missing_ok=True)

    def _begin(self, stream: str, columns: Mapping[str, Any], version: int | None) -> Batch:
        encoding, storage = self.config.encoding, self.config.storage
        compression = None if encoding.compression == "none" else encoding.compression
        self._number += 1
        is_parquet = encoding.format == "parquet"
        suffix = ".parquet" if is_parquet else ".jsonl.gz" if compression else ".jsonl"
        named = UNFIT.sub("_", f"{self.tap}--{stream}-{self._run}-{self._number}")
        place = _root(storage) / f"{storage.prefix or ''}{named}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own is for what is whole.
        part = Path(f"{place.path}.part") if place.protocol in LOCAL else None
        file: Any = part.open("wb") if part else tempfile.TemporaryFile()  # noqa: SIM115 - see close
        rows: Rows = Table(file, compression, columns) if is_parquet else Lines(file, compression)
        return Batch(place, file, rows, part, version)

    def _end(self, stream: str) -> None:
        """Put a file where it belongs, and announce it."""
        batch = self._open[stream]
        batch.rows.close()
        if batch.part is not None:
            batch.file.close()
            batch.part.rename(batch.part.with_suffix(""))
        else:
            batch.file.seek(0)
            with batch.place.open("wb") as there:
                shutil.copyfileobj(batch.file, there)
            batch.file.close()
        del self._open[stream]
        where = [batch.place.as_uri()]
        message = SDKBatchMessage(stream, self.config.encoding, where, batch.version)
        self.writer.write_message(message)


def _root(storage: StorageTarget) -> UPath:
    # Not the storage's own `open`: it hands some file systems a path that is no text.
    root: UPath = UPath(storage.root, **storage.params).resolve()
    return root


@contextmanager
def _telling() -> Iterator[None]:
    """Tell what a file cannot take as what it is: the messages' end."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise NoReader(f"the files of batch_config cannot be written ({why})") from error
