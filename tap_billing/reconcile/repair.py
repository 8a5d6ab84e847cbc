"""Keeps the messages of rows that are to be mended, and writes those that are still to be."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tap_billing.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tap_billing.reconcile.layout import Key


@dataclass(slots=True)
class Drafts:
    """RECORD lines in a temporary file, by stream and key: where each is, and how long."""

    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    places: dict[tuple[str, Key], tuple[int, int]] = field(default_factory=dict)

    def put(self, stream: str, key: Key, line: bytes) -> None:
        """Keep a line, in the place of an earlier one."""
        place = self.file.seek(0, os.SEEK_END)
        self.file.write(line)
        self.places[stream, key] = place, len(line)

    def close(self) -> None:
        """Give the disk space back."""
        self.file.close()


def write(
    path: Path,
    drafts: Drafts,
    schemas: Mapping[str, Sequence[bytes]],
    wanted: Mapping[str, Collection[Key]],
) -> int:
    """Write SCHEMA and RECORD messages of the rows that are wanted; return the number of rows.

    No STATE: nothing that is mended may move a bookmark. The file appears when it is complete, for
    nobody but its owner to read. Raises LocalError.
    """
    rows = 0
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
            part = Path(out.name)
            try:
                for stream, keys in wanted.items():
                    if keys:
                        out.writelines(schemas[stream])
                    for key in keys:
                        place, size = drafts.places[stream, key]
                        drafts.file.seek(place)
                        out.write(drafts.file.read(size))
                        rows += 1
                out.flush()
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise LocalError(f"--repair: {path}: {error.strerror}") from error
    return rows
