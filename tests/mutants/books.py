"""An account in memory, the real tap's runs over it, and the warehouse that they fill."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tap_billing.tap import TapBilling
from tests.machine import account, chargeover, chargeover_changes, cheddar, cheddar_changes, harness
from tests.machine.account import Account
from tests.machine.clients import CODE, Clients
from tests.machine.clock import Clock
from tests.machine.harness import Streams
from tests.machine.network import Network
from tests.machine.warehouse import Warehouse
from tests.support import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.machine.harness import Done
    from tests.machine.network import Api

    Changes = Mapping[int, Callable[[], None]]

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86_400
# Days of the settings.
WINDOW, SWEEP = 2, 7
LOOKBACK = 300
# Requests of a run beyond which it has no end; the longest here needs half as many.
BUDGET = 120
# All columns that a server in memory tells.
COLUMNS = (
    "company customer_status_state customer_status_str total paid balance nickname paycycle"
    " package_status_state amount_invoiced amount_collected amount_due is_overdue days_overdue memo"
    " writeoffs due_date is_void payments invoice_status_state transaction_type amount applied"
    " unapplied transaction_status_state descrip line_item_id customer_id package_id invoice_id"
    " transaction_id extra_fields id code value plan_code is_current quantity number"
    " paidTransactionId eachAmount response parentId name subscription_id plan_id product_code"
    " customer_code transaction_detail parent_transaction_id"
)


@dataclass
class Books:
    """Runs of the tap over some resources of a server in memory.

    What is not delivered of a run is lost, as after a kill.
    """

    provider: str
    server: Any
    resources: Sequence[str]
    settings: dict[str, Any] = field(default_factory=dict)
    api: Api | None = None
    catalog: dict[str, Any] | None = None
    unselected: Sequence[str] = ()
    network: type[Network] = Network
    warehouse: Warehouse = field(default_factory=Warehouse)
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        """The settings of a run."""
        return {
            "provider": self.provider,
            "api_url": "https://billing.test/api",
            "username": USER,
            "password": PASSWORD,
            "lookback": LOOKBACK,
            "full_sweep_every": SWEEP,
            "max_concurrency": 1,
            **self.settings,
        }

    @property
    def honest(self) -> Api:
        """The server's API as it is documented."""
        if self.provider == "cheddar":
            return cheddar.Cheddar(self.server)
        return chargeover.ChargeOver(self.server)

    def change(self, name: str, a: int = 0, b: int = 0) -> None:
        """Let something happen."""
        changes = cheddar_changes if self.provider == "cheddar" else chargeover_changes
        changes.CHANGES[name](self.server, a, b)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.server.clock.advance(seconds)

    def run(self, changes: Changes | None = None, **weather: Any) -> Done:
        """Run the tap from the warehouse's state; nothing is delivered yet."""
        clock = self.server.clock
        network = self.network(
            self.api or self.honest,
            clock,
            clock.advance,
            BUDGET,
            changes=dict(changes or {}),
            **weather,
        )
        streams = Streams({name: name for name in self.resources}, frozenset(COLUMNS.split()))
        with pytest.MonkeyPatch.context() as patch:
            if self.catalog:
                patch.setattr(harness, "TapBilling", partial(TapBilling, catalog=self.catalog))
            done = harness.run(network, self.config, self.warehouse.state, streams)
        self.requests = network.urls
        return done

    def deliver(self, lines: Iterable[bytes]) -> None:
        """Apply lines to the warehouse."""
        self.messages = self.warehouse.load(lines)

    def sync(self, changes: Changes | None = None, **weather: Any) -> None:
        """Run the tap, which must end well, and deliver everything."""
        done = self.run(changes, **weather)
        assert done.error is None, f"ended: {done.error}"
        self.deliver(done.lines)
        assert self.messages, "ended: without a word"
        assert self.messages[-1]["type"] == "STATE", "ended: without a STATE"

    def again(self, seconds: int = HOUR) -> None:
        """Let time pass and sync."""
        self.wait(seconds)
        self.sync()

    def emitted(self, stream: str) -> Counter[Any]:
        """Return how often the last delivered messages tell each key of a stream."""
        keys = self.warehouse.tables[stream].keys
        return Counter(
            tuple(each["record"][key] for key in keys)
            for each in self.messages
            if each["type"] == "RECORD" and each["stream"] == stream
        )

    @property
    def bookmarks(self) -> dict[str, Any]:
        """Each stream's part of the warehouse's state, as it is now."""
        return copy.deepcopy((self.warehouse.state or {}).get("bookmarks", {}))

    def check(self, *, surplus: bool = False) -> None:
        """Compare the warehouse with all visible rows; with `surplus` it holds nothing else."""
        known = set()
        now = self.server.clock.now
        wanted = set(self.resources) - set(self.unselected)
        for document, told in self.server.documents().items():
            if document[0] not in wanted or not self.server.visible(document, now):
                continue
            for stream, rows in told.items():
                known |= {(stream, key) for key in rows}
                for key, row in rows.items():
                    self._compare(stream, key, row)
        for stream, table in self.warehouse.tables.items() if surplus else ():
            left = [key for key in table.live() if (stream, key) not in known]
            assert not left, f"surplus: {stream} {left}"

    def intact(self) -> None:
        """Look for rows that exist and are marked as deleted."""
        for told in self.server.documents().values():
            for stream, found in told.items():
                table = self.warehouse.tables.get(stream)
                gone = [key for key in found if table and key in table.rows.keys() - table.live()]
                assert not gone, f"deleted: {stream} {gone} exist"

    def _compare(self, stream: str, key: Any, row: Mapping[str, Any]) -> None:
        table = self.warehouse.tables.get(stream)
        held = table.rows.get(key) if table else None
        assert held is not None, f"missing: {stream} {key}"
        assert not held.deleted, f"deleted: {stream} {key} exists"
        wrong = {name: held.record.get(name) for name in row if held.record.get(name) != row[name]}
        assert not wrong, f"stale: {stream} {key} holds {wrong}"


def opened(*further: str, customers: int = 6, page_size: int = 2, **settings: Any) -> Books:
    """Return the books of a ChargeOver account, days old, of which no run was made yet.

    It has customers, and for each of them one of every `further` thing: package, invoice.
    """
    lookback, window = timedelta(seconds=LOOKBACK), timedelta(days=WINDOW)
    zone = ZoneInfo("America/Chicago")
    server = Account(Clock(START), lookback, window, zone, page_size)
    settings = {"page_size": page_size, "transaction_window": WINDOW, **settings}
    books = Books("chargeover", server, tuple(account.RESOURCES), settings)
    for number in range(customers):
        # Numbers that give every package a modified time, and every invoice a package.
        a = 3 * number + 1 if number % 4 != 1 else 3 * number + 2
        books.change("new_customer", number)
        if "package" in further:
            books.change("new_package", a)
        if "invoice" in further:
            books.change("new_invoice", number)
        books.wait(HOUR)
    books.wait(2 * DAY)
    return books


def loaded(*further: str, **options: Any) -> Books:
    """Return the books of an account whose warehouse holds everything, after an idle run too."""
    books = opened(*further, **options)
    books.sync()
    books.again()
    books.check()
    return books


def enrolled(customers: int = 6, days: int = 1, **settings: Any) -> Books:
    """Return the books of a Cheddar product with a customer every few days; nothing is read yet."""
    server = Clients(Clock(START), timedelta(seconds=LOOKBACK), ZoneInfo("UTC"))
    settings = {"product_code": CODE, "timezone": "UTC", **settings}
    books = Books("cheddar", server, ("customers",), settings)
    for number in range(customers):
        books.change("new_customer", number)
        books.change("pay", number, 1)
        books.wait(days * DAY)
    return books


def rows(books: Books, resource: str) -> list[account.Row]:
    """Return the rows of a ChargeOver account's resource."""
    found: list[account.Row] = list(books.server.tables[account.RESOURCES[resource]].values())
    return found
