"""Cheddar: what can be searched by is there after a run, everything else after a sweep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.machine.cheddar import Cheddar
from tests.machine.cheddar_changes import CHANGES
from tests.machine.clients import CODE, Clients
from tests.machine.clock import Clock
from tests.machine.harness import Streams
from tests.machine.rules import (
    PROFILE,
    SKEWS,
    SWEEP,
    TIMEOUT,
    WEATHER,
    Machine,
    events,
    others,
    weathers,
)
from tests.machine.world import Event, Weather, World

OWNERS = {
    **dict.fromkeys(("customers", "contacts", "customer_metadata", "subscriptions"), "customers"),
    **dict.fromkeys(("subscription_items", "invoices", "charges", "transactions"), "customers"),
    **dict.fromkeys(("plans", "plan_items"), "plans"),
}
COLUMNS = (
    "id code company value plan_code is_current quantity number paidTransactionId eachAmount amount"
    " response parentId name customer_id subscription_id invoice_id plan_id product_code"
    " customer_code extra_fields"
)
STREAMS = Streams(OWNERS, frozenset(COLUMNS.split()))
FILTERS = tuple(
    {"customers": {"createdBeforeDate": day}} for day in ("2026-01-17", "2026-03-10", "2026-11-02")
)
ZONES = st.sampled_from(["UTC", "Pacific/Auckland", "America/Los_Angeles"])
STARTS = ("2026-01-15T23:50:00+00:00", "2026-03-08T09:30:00+00:00", "2026-10-31T23:40:00+00:00")
# Whole days, one day more, and two zones that may be far apart.
SLACK = timedelta(hours=24 + 24 + 27)


@dataclass(frozen=True)
class Options:
    """A product as it may be, and settings; `supposed` is the zone that the tap is told."""

    start: str
    skew: int
    lookback: int
    zone: str
    supposed: str
    in_flight: int


OPTIONS = st.builds(
    Options,
    start=st.sampled_from(STARTS),
    skew=SKEWS,
    lookback=st.sampled_from([300, 60, 0]),
    zone=ZONES,
    supposed=ZONES,
    in_flight=st.sampled_from([1, 3, 8]),
)


class CheddarMachine(Machine):
    """A product, and the tap that reads it again and again."""

    events = events(CHANGES)
    weathers = weathers(CHANGES)
    paths: ClassVar = {"customers": "/customers/", "plans": "/plans/"}
    others = others(OWNERS, FILTERS)
    news = st.sampled_from(["new_customer"])

    @initialize(options=OPTIONS, first=st.lists(events, max_size=12))
    def open_product(self, options: Options, first: list[Event]) -> None:
        """Begin with a product in which something has happened already."""
        clock = Clock(datetime.fromisoformat(options.start), timedelta(seconds=options.skew))
        clients = Clients(clock, timedelta(seconds=options.lookback), ZoneInfo(options.zone))
        config = {
            "provider": "cheddar",
            "api_url": "https://billing.test/xml",
            "username": "user",
            "password": "password",
            "product_code": CODE,
            "timezone": options.supposed,
            "lookback": options.lookback,
            "full_sweep_every": SWEEP,
            "max_deletions": 100,
            "max_concurrency": options.in_flight,
        }
        self.world = World(Cheddar(clients), clients, CHANGES, config, STREAMS, SLACK)
        for event in first:
            self.world.advance(40_000)
            self.world.happen(event)

    @rule(weather=WEATHER, most=st.integers(500, 8000))
    def sync_strained(self, weather: Weather, most: int) -> None:
        """Large answers never come: the tap has to ask for fewer customers at a time."""
        self.world.sync(replace(weather, most=most))


TestCheddar = pytest.mark.timeout(TIMEOUT)(CheddarMachine.TestCase)
TestCheddar.settings = PROFILE
