"""A run: which feed brings a stream's records, what has failed, and how far it is."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_billing.errors import BillingError, SettingsError, Unauthorized, advised
from tap_billing.feed import Feed
from tap_billing.progress import Counts, Progress
from tap_billing.spec import Scope
from tap_billing.streams import FULL_TABLE, BillingStream, effective_since

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_billing.session import Session
    from tap_billing.settings import Settings
    from tap_billing.spec import Resource

logger = logging.getLogger("tap-billing")

# Neither provider is older; a bookmark that is would leave the calendar below.
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)


class Run:
    """One run over the selected streams; must be closed.

    `filters` are the user's per resource; `unsampled` are the resources that failed before the run
    began, and why.
    """

    def __init__(
        self,
        settings: Settings,
        filters: Mapping[str, Any],
        session: Session,
        streams: Sequence[BillingStream],
        unsampled: Mapping[str, BillingError],
    ) -> None:
        self.failures: dict[str, BillingError] = {}
        self._settings = settings
        self._filters = filters
        self._session = session
        self._streams = [stream for stream in streams if stream.selected]
        self._current: BillingStream | None = None
        groups: dict[str, list[BillingStream]] = {}
        for stream in self._streams:
            groups.setdefault(stream.resource.name, []).append(stream)
        self._feeds = {
            name: self._feed(group[0].resource, group, unsampled.get(name))
            for name, group in groups.items()
        }
        terminal = sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
        self._progress = Progress(terminal, self._counts) if terminal else None

    def _feed(
        self, resource: Resource, streams: Sequence[BillingStream], failure: BillingError | None
    ) -> Feed:
        zone = self._settings.timezone
        scope = Scope()
        try:
            scope = self._scope(resource, streams)
        except SettingsError as error:
            failure = error
        cuts = {stream.name: stream.cut(zone) for stream in streams}
        feed = Feed(resource, scope, zone, self._session.read, cuts)
        if failure is not None:
            feed.fail(failure)
        return feed

    def _scope(self, resource: Resource, streams: Sequence[BillingStream]) -> Scope:
        full = any(stream.replication_method == FULL_TABLE for stream in streams)
        since = None if full else effective_since(streams)
        if since is not None:
            since = max(OLDEST, min(since, datetime.now(UTC)))
            since -= timedelta(seconds=self._settings.lookback)
        return Scope(
            since=since,
            start=None if full else self._settings.start,
            filters=self._filters.get(resource.name),
            expand=tuple(k for k in resource.expand if any(each.needs(k) for each in streams)),
            sampling=any(stream.ABORT_AT_RECORD_COUNT is not None for stream in streams),
        )

    def feed(self, stream: BillingStream, *, alone: bool) -> Feed | None:
        """Return the read that brings a stream's records, None if the run cannot go on.

        Every resource with a selected stream begins to be fetched at the first call, unless the
        stream is read `alone`, as connection tests do.
        """
        if any(isinstance(error, Unauthorized) for error in self.failures.values()):
            return None
        self._current = stream
        if not alone:
            for feed in self._feeds.values():
                feed.start()
        return self._feeds[stream.resource.name]

    def complete(self, stream: BillingStream) -> None:
        """Take note that a stream has ended well."""
        counts = self._counts(stream)
        if self._progress is not None and counts is not None:
            self._progress.ended(counts)

    def fail(self, stream: BillingStream, error: BillingError) -> None:
        """Take note that a stream is incomplete; the others go on.

        Streams of one resource fail together, with one line for all of them.
        """
        if error not in self.failures.values():
            names = [each.name for each in self._streams if each.resource is stream.resource]
            logger.error("%s: %s", ", ".join(names), advised(error))
            logger.debug("%s in full", stream.name, exc_info=error)
        self.failures[stream.name] = error

    def _counts(self, stream: BillingStream | None = None) -> Counts | None:
        stream = stream or self._current
        if stream is None:
            return None
        traffic = self._session.traffic
        return stream.name, stream.rows, traffic.requests[stream.resource.name], traffic.waiting

    def close(self) -> None:
        """Stop fetching, and leave the terminal alone."""
        for feed in self._feeds.values():
            feed.close()
        if self._progress is not None:
            self._progress.close()
