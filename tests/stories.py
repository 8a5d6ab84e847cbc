"""A story of an account that is told line by line, and what the warehouse holds after each run."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tap_billing.errors import BillingError
from tap_billing.tap import TapBilling
from tests.machine import harness
from tests.machine.account import Account, Row
from tests.machine.chargeover import ChargeOver
from tests.machine.chargeover_changes import CHANGES
from tests.machine.clock import Clock
from tests.machine.network import Network
from tests.machine.test_chargeover import STREAMS
from tests.machine.warehouse import Warehouse
from tests.support import selecting

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_REQUESTS = 2000


@dataclass
class Told:
    """What one run did: its messages and requests, and the error or exit code that ended it."""

    messages: list[dict[str, Any]]
    urls: list[str]
    error: BillingError | None = None
    code: Any = None

    def activated(self) -> set[str]:
        """Return the streams whose missing rows the target was told to delete."""
        return {each["stream"] for each in self.messages if each["type"] == "ACTIVATE_VERSION"}


@dataclass
class Story:
    """An account of ChargeOver, the `streams` that are read of it, and the warehouse they fill."""

    streams: set[str]
    window: int = 30
    account: Account = field(init=False)
    warehouse: Warehouse = field(default_factory=Warehouse)

    def __post_init__(self) -> None:
        start = datetime.fromisoformat("2026-01-15T12:00:00+00:00")
        zone, lookback = ZoneInfo("America/Chicago"), timedelta(seconds=300)
        window = timedelta(days=self.window)
        self.account = Account(Clock(start), lookback, window, zone, page_size=4, forgetful=True)

    def happen(self, name: str, first: int = 0, second: int = 0) -> None:
        """Let a change happen."""
        CHANGES[name](self.account, first, second)

    def wait(self, **time: float) -> None:
        """Let time pass, as of timedelta."""
        self.account.clock.advance(int(timedelta(**time).total_seconds()))

    def many(self, number: int, name: str, *, every: int = 600, among: int = 1) -> None:
        """Let a change happen so many times, to one of the first `among` rows each."""
        for each in range(number):
            self.happen(name, each % among)
            self.wait(seconds=every)

    def rows(self, path: str) -> list[Row]:
        """Return the rows of a kind, in the order of their numbers."""
        return list(self.account.tables[path].values())

    def write_off(self, *bills: Row) -> None:
        """Close invoices without a trace in their times."""
        for each in bills:
            each.facts["writeoffs"] = each.facts["total"]

    @property
    def state(self) -> dict[str, Any]:
        """What the last STATE says of each stream."""
        return (self.warehouse.state or {"bookmarks": {}})["bookmarks"]

    def run(
        self,
        streams: set[str] | None = None,
        *,
        full: Collection[str] = (),
        dead: str = "",
        tick: int = 0,
        **settings: Any,
    ) -> Told:
        """Run the tap and load what it wrote, up to its last whole line.

        `full` are the streams with FULL_TABLE forced on them; see Network for `dead` and `tick`.
        """
        network = Network(
            ChargeOver(self.account), self.account.clock, self.account.clock.advance,
            MOST_REQUESTS, tick=tick, dead=dead,
        )  # fmt: skip
        config = {
            "provider": "chargeover", "api_url": "https://billing.test/api/v3",
            "username": "user", "password": "password", "page_size": self.account.page_size,
            "lookback": 300, "transaction_window": self.window, "max_concurrency": 1, **settings,
        }  # fmt: skip
        pipe = harness.Pipe(None)
        out = io.TextIOWrapper(pipe, encoding="utf-8")
        told = Told([], network.urls)
        with (
            harness._replaced(network, "chargeover", STREAMS),
            contextlib.redirect_stdout(out),
        ):
            self._go(told, config, streams or self.streams, full)
        written = pipe.getvalue()
        out.detach()
        told.messages = self.warehouse.load(written[: written.rfind(b"\n") + 1].splitlines())
        return told

    def _go(
        self, told: Told, config: dict[str, Any], streams: set[str], full: Collection[str]
    ) -> None:
        with contextlib.closing(TapBilling(config=config, parse_env_config=False)) as tap:
            catalog = selecting(json.loads(tap.catalog_json_text), dict.fromkeys(streams))
        for entry in catalog["streams"]:
            if entry["stream"] in full:
                entry["replication_method"] = "FULL_TABLE"
        state = json.loads(json.dumps(self.warehouse.state or {}))
        tap = TapBilling(config=config, catalog=catalog, state=state, parse_env_config=False)
        with contextlib.closing(tap):
            transport = tap.session._transport
            transport._limits = replace(transport._limits, first_wait=0.0001)
            try:
                tap.sync_all()
            except BillingError as error:
                told.error = error
            except SystemExit as end:
                told.code = end.code

    def differences(self) -> list[str]:
        """Return what the warehouse holds otherwise than the server, of the streams that are read.

        Rows that are gone at the server and not yet in the warehouse are no difference.
        """
        found = []
        for rows in self.account.documents().values():
            for stream, each in rows.items():
                if stream in self.streams:
                    found += [
                        line for key, row in each.items() for line in self._of(stream, key, row)
                    ]
        return found

    def _of(self, stream: str, key: tuple[Any, ...], row: dict[str, Any]) -> list[str]:
        table = self.warehouse.tables.get(stream)
        held = table.rows.get(key) if table else None
        if held is None or held.deleted:
            return [f"{stream} {key}: {'missing' if held is None else 'deleted'}"]
        return [
            f"{stream} {key}: {column} is {held.record[column]!r}, at the server {value!r}"
            for column, value in row.items()
            if column in held.record and held.record[column] != value
        ]
