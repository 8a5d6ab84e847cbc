"""What the tests of feeds share: pages as they may come, and what a feed makes of them."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tap_billing.feed import Feed
from tap_billing.spec import Census, Page, Scope
from tap_billing.sweeps import Reading
from tests.bodies import resource_of

if TYPE_CHECKING:
    from tap_billing.bridge import Loop

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
INVOICES = resource_of("chargeover", "invoices")
TRANSACTIONS = resource_of("chargeover", "transactions")
CUSTOMER = ("customer_id",)
PASSES = Reading(Scope(since=SINCE, whole=False))
WHOLE = Reading(Scope())
COUNTED = Reading(Scope(counted=True), 17, sweep=True)


def document(number, day=1, **further):
    return {
        "invoice_id": number,
        "mod_datetime": f"2026-01-{day:02d}T00:00:00Z",
        "write_datetime": None,
        **further,
    }


def page(*documents, server_time=None, received=NOON, **further):
    return Page(list(documents), received, server_time, **further)


def whole(*documents):
    return page(*documents, whole=True)


def census(before, after=0, highest=None):
    return Page((), NOON, None, census=Census(before, after, highest))


@dataclass
class Source:
    """Where a feed reads: for each read the pages that come, or exceptions at their place."""

    loop: Loop
    reads: list[list[Any]]
    asked: list[tuple[Scope, set[str] | None]] = field(default_factory=list)
    taken: Counter = field(default_factory=Counter)

    def read(self, _, scope, ids=None):
        self.asked.append((scope, None if ids is None else set(ids)))
        given = self.reads[len(self.asked) - 1]

        async def source():
            for each in given:
                self.taken["pages"] += 1
                if isinstance(each, BaseException):
                    raise each
                yield each

        return self.loop.start(source, 2)


@dataclass
class Told:
    """What a feed told: rows, those of them in a whole read, and the feed at its end."""

    rows: list[Any]
    feed: Feed
    asked: list[tuple[Scope, set[str] | None]]


def feed_of(loop, *reads, reading=WHOLE, resource=INVOICES, watched=None):
    """Return a feed that reads these pages, and its source."""
    source = Source(loop, [*map(list, reads)])
    return Feed(resource, reading, "UTC", source, watched or {}), source


def told(loop, *reads, named=(), standing=(), **options):
    """Return what a feed of these reads tells."""
    feed, source = feed_of(loop, *reads, **options)
    with contextlib.closing(feed):
        rows = [
            row[feed.resource.id]
            for each in feed.pages(named, standing)
            for row in feed.documents(each)
        ]
    return Told(rows, feed, source.asked)
