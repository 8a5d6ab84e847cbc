"""ChargeOver: however the account changes and the run is killed, the warehouse ends up equal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.machine.account import RESOURCES, Account
from tests.machine.chargeover import ChargeOver
from tests.machine.chargeover_changes import CHANGES
from tests.machine.clock import Clock
from tests.machine.harness import Streams
from tests.machine.rules import PROFILE, SKEWS, SWEEP, TIMEOUT, Machine, events, others, weathers
from tests.machine.world import Event, World

OWNERS = {
    "customers": "customers",
    "subscriptions": "subscriptions",
    "subscription_line_items": "subscriptions",
    "invoices": "invoices",
    "invoice_line_items": "invoices",
    "transactions": "transactions",
    "transaction_applications": "transactions",
}
COLUMNS = (
    "company customer_status_state customer_status_str total paid balance nickname paycycle"
    " package_status_state amount_invoiced amount_collected amount_due is_overdue days_overdue memo"
    " writeoffs due_date is_void payments invoice_status_state transaction_type amount applied"
    " unapplied transaction_status_state descrip line_item_id customer_id package_id invoice_id"
    " transaction_id extra_fields"
)
STREAMS = Streams(OWNERS, frozenset(COLUMNS.split()))
# An ordinary day, and the hours around both changes of the clock in Chicago.
STARTS = ("2026-01-15T12:00:00+00:00", "2026-03-08T07:30:00+00:00", "2026-11-01T05:40:00+00:00")
# Most rows are not open or live: what is comes with every run.
FOUNDING: tuple[Event, ...] = (
    *((name, n, 0) for n in range(3) for name in ("new_customer", "new_package", "new_invoice")),
    *(("new_customer", number, 0) for number in range(3)),
    *((name, number, 0) for number in (0, 1) for name in ("write_off", "expire")),
    ("new_package", 2, 0),
    ("suspend", 3, 1),
    ("pay", 2, 1),
    ("pay", 1, 0),
)
FILTERS = tuple(
    {name: [{"field": f"{path}_id", "operator": "GTE", "value": first}]}
    for name, path in RESOURCES.items()
    for first in (8, 20)
)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Options:
    """An account as it may be, and settings; skew and lookback in seconds, window in days."""

    start: str
    skew: int
    lookback: int
    window: int
    page_size: int
    naive: bool
    dateless: bool
    forgetful: bool
    in_flight: int


OPTIONS = st.builds(
    Options,
    start=st.sampled_from(STARTS),
    skew=SKEWS,
    lookback=st.sampled_from([300, 60, 0]),
    window=st.sampled_from([2, 0]),
    page_size=st.integers(1, 4),
    naive=st.booleans(),
    dateless=st.booleans(),
    forgetful=st.booleans(),
    in_flight=st.sampled_from([1, 3, 8]),
)


class ChargeOverMachine(Machine):
    """An account, and the tap that reads it again and again."""

    events = events(CHANGES)
    weathers = weathers(CHANGES)
    paths: ClassVar = {name: f"/{path}" for name, path in RESOURCES.items()}
    others = others(OWNERS, FILTERS)
    news = st.sampled_from(["new_customer", "new_package", "new_invoice", "pay"])

    @initialize(options=OPTIONS, first=st.lists(events, max_size=12))
    def open_account(self, options: Options, first: list[Event]) -> None:
        """Begin with an account in which something has happened already."""
        account = Account(
            Clock(datetime.fromisoformat(options.start), timedelta(seconds=options.skew)),
            timedelta(seconds=options.lookback),
            timedelta(days=options.window),
            ZoneInfo("America/Chicago"),
            options.page_size,
            options.naive,
            options.dateless,
            options.forgetful,
        )
        config = {
            "provider": "chargeover",
            "api_url": "https://billing.test/api/v3",
            "username": "user",
            "password": "password",
            "page_size": options.page_size,
            "lookback": options.lookback,
            "transaction_window": options.window,
            "full_sweep_every": SWEEP,
            "max_deletions": 100,
            "max_concurrency": options.in_flight,
        }
        self.world = World(ChargeOver(account), account, CHANGES, config, STREAMS, HOUR)
        for pause, event in (*((60, each) for each in FOUNDING), *((700, each) for each in first)):
            self.world.advance(pause)
            self.world.happen(event)


TestChargeOver = pytest.mark.timeout(TIMEOUT)(ChargeOverMachine.TestCase)
TestChargeOver.settings = PROFILE
