"""How far a read may claim to have seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_billing.cast import moment
from tap_billing.cut import along

if TYPE_CHECKING:
    from datetime import datetime

    from tap_billing.spec import Document, Page


@dataclass(slots=True)
class Horizon:
    """How far a read may claim to have seen: the largest cursor, never past the watermark."""

    zone: str
    cursors: tuple[tuple[str, ...], ...]
    watermark: datetime
    since: datetime | None = None
    seen: datetime | None = None
    latest: datetime | None = None
    _dated: bool = False

    def begin(self, page: Page) -> None:
        """Lower the watermark to what the server's clock was when the read began."""
        if not self._dated and page.server_time:
            # Not less than nothing: this machine's clock may have been put back.
            since_then = max(timedelta(), page.received - self.watermark)
            self.watermark = min(self.watermark, page.server_time - since_then)
            self._dated = True

    def note(self, document: Document) -> bool:
        """Take note of a document's cursors; return whether it may be new since `since`.

        What is no datetime is no cursor; a document without a cursor may always be new.
        """
        self.latest = None
        for path in self.cursors:
            for value in along(document, path):
                text = str(value).strip()
                try:
                    # An hour that is told twice: a bookmark may be too early, a row may be new.
                    first, last = (moment(text, self.zone, last=each) for each in (False, True))
                except ValueError:
                    continue
                self.seen = max(self.seen or first, first)
                self.latest = max(self.latest or last, last)
        return self.is_since(self.since)

    def is_since(self, instant: datetime | None) -> bool:
        """Whether the document that was noted last may be new since an instant."""
        return self.latest is None or instant is None or self.latest >= instant

    @property
    def bookmark(self) -> datetime | None:
        """The bookmark that a complete read ends with, None if it saw nothing."""
        return min(self.seen, self.watermark) if self.seen else None
