"""A run: reads each resource once and writes its streams, with checkpoints on the way."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tap_billing.cast import render
from tap_billing.closing import Closing
from tap_billing.errors import (
    BillingError,
    Forbidden,
    NoReader,
    Refused,
    Unauthorized,
    advised,
)
from tap_billing.feed import Feed
from tap_billing.plans import plans, policy_of
from tap_billing.progress import Counts, Terminal
from tap_billing.sampling import sampled
from tap_billing.saving import checkpoint, complete
from tap_billing.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_billing.plans import Plan
    from tap_billing.session import Session
    from tap_billing.settings import Settings
    from tap_billing.spec import Record, Resource
    from tap_billing.streams import BillingStream

logger = logging.getLogger("tap-billing")


class Run:
    """One run over the selected streams; must be closed.

    `filters` are the user's per resource. `more` says that a limit has stopped the run.
    """

    def __init__(
        self,
        settings: Settings,
        filters: Mapping[str, Any],
        session: Session,
        streams: Sequence[BillingStream],
        resources: Iterable[Resource],
    ) -> None:
        self.failures: dict[str, BillingError] = {}
        self.more = False
        self._settings = settings
        self._session = session
        self._streams = [stream for stream in streams if stream.selected]
        self._began = time.monotonic()
        self._written = 0
        self._current: BillingStream | None = None
        self._policy = policy_of(settings)
        known = list(resources)
        self._places = {resource.name: place for place, resource in enumerate(known)}
        self._plans, self._further = plans(settings, filters, self._streams, known, self._policy)
        self._feeds: dict[int, Feed] = {}
        self._done: set[str] = set()
        self._stopped = ""
        self._later: list[Plan] = []
        self._samples: dict[str, dict[str, list[tuple[datetime, Record]]]] = {}
        terminal = sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
        self._terminal = Terminal(terminal, self._counts) if terminal else None

    def fail_before(self, resource: str, error: BillingError) -> None:
        """Let a resource's streams fail without a request."""
        if resource in self._plans:
            self._plans[resource].failure = error

    def read(self, stream: BillingStream) -> None:
        """Write all streams of a stream's resource, unless that was done before.

        Resources that name rows of this one come before it; what the last run could do before it
        was stopped comes at the end.
        """
        plan = self._plans[stream.resource.name]
        if plan.last:
            self._later.append(plan)
            return
        self._prepare()
        self._read(plan)

    def finish(self) -> bool:
        """Read what was put off, and note what the next run may put off.

        Return whether that has changed the state.
        """
        for plan in self._later:
            self._read(plan)
        self.more = self.more and not all(stream.complete for stream in self._streams)
        had = {
            stream: stream.complete or stream.memory.ended or stream.resource.name == self._stopped
            for stream in self._streams
        }
        if all(had.values()):
            # Everybody had their turn: now those have another that are not at their end.
            had = {stream: stream.memory.progress is None for stream in self._streams}
            self.more = self.more and not all(had.values())
        changed = [
            stream for stream in self._streams if (self.more and had[stream]) != stream.memory.ended
        ]
        for stream in changed:
            stream.remember(replace(stream.memory, ended=self.more and had[stream]))
        return bool(changed)

    def _prepare(self) -> None:
        """Begin to fetch every resource that has its turn now."""
        if self._feeds or self._is_over():
            return
        # In the catalogue those that name rows of others come last: others wait for them.
        found = [*self._further.values(), *self._plans.values()]
        for plan in sorted(found, key=lambda plan: self._places[plan.resource.name], reverse=True):
            if plan.failure is None and not plan.last:
                self._start(plan)

    def _start(self, plan: Plan) -> None:
        # What stood comes with a pass if it stands still.
        self._feed(plan).start(plan.standing - plan.stood)

    def _feed(self, plan: Plan) -> Feed:
        if id(plan) not in self._feeds:
            zone = self._settings.timezone
            feed = Feed(plan.resource, plan.reading, zone, self._session, plan.watched)
            self._feeds[id(plan)] = feed
        return self._feeds[id(plan)]

    def _is_over(self) -> bool:
        return self.more or any(isinstance(each, Unauthorized) for each in self.failures.values())

    def _read(self, plan: Plan) -> None:
        if plan.resource.name in self._done or self._is_over():
            return
        self._done.add(plan.resource.name)
        try:
            if plan.failure is not None:
                raise plan.failure
            self._start(plan)
            named = set(self._named(plan))
            if not self._is_over():
                self._current = plan.streams[0]
                self._write(plan, named)
        except NoReader:
            raise
        except BillingError as error:
            self._fail(plan, error)
        finally:
            if id(plan) in self._feeds:
                self._feeds[id(plan)].close()

    def _named(self, plan: Plan) -> Iterator[str]:
        """Yield the identifiers of rows that other resources name; those are read first."""
        for related in (each for one in plan.resource.passes for each in one.of):
            if related.resource == plan.resource.name:
                continue
            other = self._plans.get(related.resource)
            if plan.reading.scope.since is not None:
                other = self._further.get(related.resource, other)
            elif other is None or other.last:
                # A whole read needs no names but for the next run.
                continue
            if other is None:
                continue
            if other.streams:
                self._read(other)
            else:
                self._look(other)
            plan.marks.append(self._feed(other).watermark)
            yield from self._feed(other).named.get(related.path, ())

    def _look(self, plan: Plan) -> None:
        """Read a resource for what it names only."""
        feed = self._feed(plan)
        if feed.ended or isinstance(plan.failure, Refused):
            return
        if plan.failure is not None:
            raise plan.failure
        try:
            for page in feed.pages(set(self._named(plan)), plan.standing):
                for _ in feed.documents(page):
                    pass
        except BillingError as error:
            plan.failure = error
            if isinstance(error, Unauthorized) or not isinstance(error, Refused):
                raise
            logger.warning(
                "%s are not readable: what only they tell of others is seen by the next complete"
                " read (%s)",
                plan.resource.name, error,
            )  # fmt: skip

    def _write(self, plan: Plan, named: set[str]) -> None:
        feed = self._feed(plan)
        writing = Writing(plan, frozenset(named), self._settings.timezone)
        feed.idle = lambda: self._flush(plan, writing)
        try:
            for page in feed.pages(named, plan.standing):
                for document in feed.documents(page):
                    if writing.add(document, page):
                        self._written += writing.write()
                        if self._pause(plan, feed, writing):
                            return
                if self._pause(plan, feed, writing):
                    return
        except NoReader:
            raise
        except BillingError:
            self._written += writing.write()
            checkpoint(plan, feed, writing, self._policy)
            raise
        self._written += writing.write()
        complete(plan, feed, writing, self._policy)
        if self._terminal is not None:
            for stream in plan.streams:
                self._terminal.ended(self._counted(stream))
        self.more = self._is_enough()

    def _flush(self, plan: Plan, writing: Writing) -> None:
        """Write what is there while nothing comes, so that a slow API holds back no row."""
        self._written += writing.write()
        plan.streams[0].flush()

    def _pause(self, plan: Plan, feed: Feed, writing: Writing) -> bool:
        """Save how far a read is if it is time to; return whether the run stops there."""
        enough = self._is_enough()
        if enough or writing.is_due:
            self._written += writing.write()
            saved = checkpoint(plan, feed, writing, self._policy)
            self.more = saved and enough and writing.has_moved
            self._stopped = plan.resource.name if self.more else ""
        return self.more

    def _is_enough(self) -> bool:
        most, seconds = self._settings.max_records, self._settings.max_runtime
        return (most is not None and self._written >= most) or (
            seconds is not None and time.monotonic() - self._began >= seconds
        )

    def _fail(self, plan: Plan, error: BillingError) -> None:
        """Take note that a resource's streams are incomplete; the others go on."""
        names = [stream.name for stream in plan.streams]
        logger.error("%s: %s", ", ".join(names), advised(error))
        logger.debug("%s in full", plan.resource.name, exc_info=error)
        self.failures |= dict.fromkeys(names, error)

    def closings(self) -> list[Closing]:
        """Return how each selected stream stands."""
        return [self._closing(stream) for stream in self._streams]

    def _closing(self, stream: BillingStream) -> Closing:
        name = stream.resource.name
        before, after = self._plans[name].memories[stream.name].watermark, stream.memory.watermark
        error = self.failures.get(stream.name)
        earlier = self._plans[name].memories[stream.name].ended and error is None
        done = stream.complete or earlier
        outcome = "complete" if done else "more to do" if self.more else "incomplete"
        return Closing(
            stream.name,
            "forbidden" if isinstance(error, Forbidden) else outcome,
            stream.rows,
            self._session.traffic.requests[name],
            render(before) if before else None,
            render(after) if after else None,
            stream.stream_state.get("replication_key_value"),
            stream.activated,
            "by an earlier run" if earlier and not stream.complete else str(error or ""),
        )

    def sample(self, stream: BillingStream) -> Iterator[tuple[datetime, Record]]:
        """Yield a few records of a stream, all of a resource's streams out of one page or two."""
        name = stream.resource.name
        if name not in self._samples:
            zone = self._settings.timezone
            self._samples[name] = sampled(self._plans[name], self._session, zone)
        yield from self._samples[name].get(stream.name, ())

    def _counts(self) -> Counts | None:
        return self._counted(self._current) if self._current else None

    def _counted(self, stream: BillingStream) -> Counts:
        traffic = self._session.traffic
        return stream.name, stream.rows, traffic.requests[stream.resource.name], traffic.waiting

    def close(self) -> None:
        """Stop fetching, and leave the terminal alone."""
        for feed in self._feeds.values():
            feed.close()
        if self._terminal is not None:
            self._terminal.close()
