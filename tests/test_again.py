from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from tap_billing.bridge import Loop
from tap_billing.feed import Feed
from tap_billing.providers.chargeover_resources import INVOICES
from tap_billing.spec import Page, Scope

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def test_stream_that_is_read_twice_gets_its_records_twice():
    async def source():
        yield Page([{"invoice_id": 1, "mod_datetime": "2026-01-01T00:00:00Z"}], NOW, NOW)

    with contextlib.closing(Loop()) as loop:
        feed = Feed(
            INVOICES,
            Scope(),
            "UTC",
            lambda _resource, _scope: loop.start(source, 2),
            {"invoices": lambda document: [document], "lines": lambda document: [document]},
        )
        with contextlib.closing(feed):
            counts = [len(list(feed.records(name))) for name in ("invoices", "lines", "invoices")]
    assert counts == [1, 1, 1]
