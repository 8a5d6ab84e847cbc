"""What a run says at its end: a line for each stream, and the same as JSON."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from tap_billing.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Of its own, so that a terminal shows it although the log is quiet there.
logger = logging.getLogger("tap-billing.closing")


@dataclass(frozen=True, slots=True)
class Closing:
    """How a stream ended.

    `outcome` is complete, incomplete, forbidden or "more to do"; `requests` are those of its
    resource. The watermarks, before and after, are the instants up to which everything was seen,
    RFC 3339 in UTC; `deleted` tells whether the target was told which rows are gone.
    """

    stream: str
    outcome: str
    rows: int
    requests: int
    watermark_before: str | None
    watermark_after: str | None
    bookmark: str | None
    deleted: bool
    why: str = ""

    def __str__(self) -> str:
        """Return the line for people."""
        marks = f"watermark {self.watermark_before or 'none'} -> {self.watermark_after or 'none'}"
        swept = ", deletions told" if self.deleted else ""
        why = f" ({self.why})" if self.why else ""
        return (
            f"{self.stream}: {self.outcome}{why}, {self.rows:,} rows, {self.requests:,} requests,"
            f" {marks}{swept}"
        )


def tell(closings: Sequence[Closing]) -> None:
    """Log a line for each stream."""
    logger.setLevel(logging.INFO)
    for each in closings:
        logger.log(logging.INFO if each.outcome == "complete" else logging.WARNING, "%s", each)


def write(path: Path, closings: Sequence[Closing], **further: Any) -> None:
    """Write a run's manifest: its streams, and what else is said of the run.

    Raises LocalError if the file cannot be written.
    """
    manifest = {**further, "streams": [asdict(each) for each in closings]}
    told = orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n"
    try:
        if not path.is_file():
            path.write_bytes(told)
            return
        # Whoever waits for the file reads all of it or nothing.
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(told)
        part.replace(path)
    except OSError as error:
        raise LocalError(f"the manifest {path} cannot be written ({error.strerror})") from None
