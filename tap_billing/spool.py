"""Records that wait for their stream's turn, in a compressed temporary file."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from datetime import datetime
from typing import TYPE_CHECKING

from tap_billing.codec import decode, encode
from tap_billing.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_billing.spec import Record


class Spool:
    """Takes records in, gives them back once, in order; must be closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._packed = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1)

    def append(self, received: datetime, records: list[Record]) -> None:
        """Add records of one response. Raises LocalError if the disk is full."""
        line = encode([received.isoformat(), records])
        try:
            self._packed.write(line)
        except OSError as error:
            raise _full(error) from None

    def replay(self) -> Iterator[tuple[datetime, Record]]:
        """Yield what was added, in order, then forget it. Raises LocalError if the disk is full."""
        try:
            self._packed.close()
            self._file.flush()
        except OSError as error:
            raise _full(error) from None
        self._file.seek(0)
        with gzip.GzipFile(fileobj=self._file, mode="rb") as lines:
            for line in lines:
                received, records = decode(line)
                when = datetime.fromisoformat(received)
                for record in records:
                    yield when, record
        self.close()

    def close(self) -> None:
        """Give the disk space back."""
        with contextlib.suppress(OSError):  # what is thrown away need not be written
            self._packed.close()
        self._file.close()


def _full(error: OSError) -> LocalError:
    return LocalError(
        f"the temporary directory {tempfile.gettempdir()} cannot take more ({error.strerror});"
        " make room, or set TMPDIR to another disk"
    )
