"""The temporary directory, and what a user reads where it cannot take more."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from tap_billing.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator


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
