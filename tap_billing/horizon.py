"""How far a read may claim to have seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_billing.cut import along
from tap_billing.instants import moment, reader, render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_billing.spec import Document, Page

# Since when something matters: an instant, always, or so long before the latest there is.
Since = datetime | timedelta | None

# Instants as text of this length, such as 2026-01-31T09:00:00Z, are in the order of their text.
WHOLE_SECONDS = 20
# Names that are kept before those are looked for that are too old.
KEPT = 10_000


class Horizon:
    """How far a read may claim to have seen: the largest cursor, never past the watermark.

    `cursors` are the paths of a document's datetimes, in `zone` where they are naive. `at` is the
    latest of the document that was noted last, as text in UTC, if it has one in whole seconds.
    """

    def __init__(
        self,
        zone: str,
        cursors: tuple[tuple[str, ...], ...],
        watermark: datetime,
        since: datetime | None = None,
    ) -> None:
        self.watermark = watermark
        self._zone = zone
        self._instant = reader(zone)
        self._keys = tuple(path[0] for path in cursors if len(path) == 1)
        self._paths = tuple(path for path in cursors if len(path) > 1)
        self.since = since
        self._is_dated = False
        self._texts: list[str] = []
        self._latest = ""
        self.at = ""
        self._seen: datetime | None = None

    def begin(self, page: Page) -> None:
        """Lower the watermark to what the server's clock was when the read began."""
        if not self._is_dated and page.server_time:
            # Not less than nothing: this machine's clock may have been put back.
            since_then = max(timedelta(), page.received - self.watermark)
            self.watermark = min(self.watermark, page.server_time - since_then)
            self._is_dated = True

    def note(self, document: Document) -> bool:
        """Take note of a document's cursors; return whether it may be new since `since`.

        What is no datetime is no cursor; a document without a cursor may always be new.
        """
        texts = self._texts = []
        for key in self._keys:
            value = document.get(key)
            if value is not None:
                texts.append(value if type(value) is str else str(value))
        for path in self._paths:
            texts += map(str, along(document, path))
        at = ""
        for text in texts:
            try:
                # An hour that is told twice: a bookmark may be too early.
                told = self._instant(text)
            except ValueError:
                continue
            if told is None:
                continue
            if len(told) != WHOLE_SECONDS:
                self.seen = moment(told, "UTC")
            elif told > at:
                at = told
        self.at = at
        if at > self._latest:  # noqa: PLR1730 - a call costs more
            self._latest = at
        return self.since is None or self.is_since(self.since)

    def is_since(self, instant: datetime | None) -> bool:
        """Whether the document that was noted last may be new since an instant."""
        if instant is None:
            return True
        dated = False
        for text in self._texts:
            try:
                # In an hour that is told twice it may be the later one.
                if moment(text.strip(), self._zone, last=True) >= instant:
                    return True
            except ValueError:
                continue
            dated = True
        return not dated

    @property
    def seen(self) -> datetime | None:
        """The latest cursor seen; one that is set counts if it is later."""
        if self._latest:
            self.seen, self._latest = moment(self._latest, "UTC"), ""
        return self._seen

    @seen.setter
    def seen(self, cursor: datetime | None) -> None:
        if cursor is not None:
            self._seen = max(cursor, self._seen or cursor)

    @property
    def bookmark(self) -> datetime | None:
        """The bookmark that a complete read ends with, None if it saw nothing."""
        return min(self.seen, self.watermark) if self.seen else None


class Recent:
    """Names with the latest instant of each, as text in UTC; those are kept that are recent.

    That is no more than a `window` before the latest of all, which is not later than `now`.
    """

    def __init__(self, window: timedelta, now: datetime) -> None:
        self._window = window
        self._now = render(now.replace(microsecond=0))
        self._found: dict[str, str] = {}
        self._latest = ""
        self._most = KEPT

    def note(self, names: Iterable[str], at: str) -> None:
        """Take note of names that are told at an instant."""
        for name in names:
            if self._found.get(name, "") < at:
                self._found[name] = at
        self._latest = max(self._latest, min(at, self._now))
        if len(self._found) > self._most:
            self._found = self._kept()
            self._most = 2 * len(self._found) + KEPT

    def _kept(self) -> dict[str, str]:
        if not self._found:
            return {}
        oldest = render(moment(self._latest, "UTC") - self._window)
        return {name: at for name, at in self._found.items() if at >= oldest}

    @property
    def names(self) -> set[str]:
        """The names that are recent."""
        return set(self._kept())
