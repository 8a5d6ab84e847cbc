"""Records that wait for their stream's turn, in a compressed temporary file."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
from datetime import datetime
from typing import TYPE_CHECKING

from tap_billing.codec import decode, encode
from tap_billing.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_billing.spec import Record


class Spool:
    """Takes records in, gives them back once, in order; must be closed.

    Raises LocalError wherever the temporary directory cannot take more.
    """

    def __init__(self) -> None:
        with on_disk():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            self._packed = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1)

    def append(self, received: datetime, records: list[Record]) -> None:
        """Add records of one response."""
        line = encode([received.isoformat(), records])
        with on_disk():
            self._packed.write(line)

    def replay(self) -> Iterator[tuple[datetime, Record]]:
        """Yield what was added, in order, then forget it."""
        try:
            with on_disk():
                self._packed.close()
            self._file.seek(0)
            with gzip.GzipFile(fileobj=self._file, mode="rb") as lines:
                for line in lines:
                    received, records = decode(line)
                    when = datetime.fromisoformat(received)
                    for record in records:
                        yield when, record
        finally:
            self.close()

    def close(self) -> None:
        """Give the disk space back."""
        for file in (self._packed, self._file):
            with contextlib.suppress(OSError):  # what is thrown away need not be written
                file.close()


@contextlib.contextmanager
def on_disk() -> Iterator[None]:
    """Turn a temporary directory that is full, missing or read-only into LocalError."""
    try:
        yield
    except OSError as error:
        where = tempfile.tempdir or os.environ.get("TMPDIR", "")
        raise LocalError(
            f"the temporary directory {where} cannot take more ({error.strerror}); make room, or"
            " set TMPDIR to another disk"
        ) from None
