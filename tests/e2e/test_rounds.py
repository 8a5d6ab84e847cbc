"""Rounds of business days, after each of which real tables equal the company, row by row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_billing.sandbox import serve
from tests import support
from tests.e2e.business import change
from tests.e2e.conftest import NOW
from tests.e2e.ledger import differences, table
from tests.e2e.owed import Books, Tables, faults
from tests.e2e.pipes import TAP, Run, run, written
from tests.e2e.stores import DuckDb, Postgres, Store

if TYPE_CHECKING:
    from pathlib import Path

# About 60 customers of the last half year: what takes long is the loading of rows.
FOUNDED, CUSTOMERS = datetime(2025, 8, 1, tzinfo=UTC), 360
# Days of business before a run, and whether the run is due to read everything.
ROUNDS = ((0, True), (2, False), (7, True), (1, False), (9, False), (4, True))
# In days: the machine's clock decides when a sweep is due, and it does not move with the company's.
AT_ONCE, LATER = 1e-6, 36_525
# What must have happened to somebody in every round; the rest needs luck.
ALWAYS = {
    "cancel", "suspend", "hold", "switch_cycle", "switch_paymethod", "upgrade", "change_seats",
    "pay", "refund", "void_payment", "void_invoice", "credit", "sell_once", "edit_customer",
    "edit_subscription", "edit_invoice", "edit_contact", "edit_metadata", "charge_custom",
    "delete_contact", "_delete", "uncancel", "hold_cancelled",
}  # fmt: skip


class Warehouse:
    """Databases that keep all rows, mark the deleted ones, or delete them.

    The one that deletes is loaded after each sweep only, with all that was told since the last one.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], server: str) -> None:
        self.folder = folder
        self.settings = settings
        self.stores: dict[str, Store] = {
            "marking": Postgres(folder, server),
            "keeping": DuckDb(folder),
            "deleting": Postgres(folder, server, deleting=True),
        }
        self.state: dict[str, Any] | None = None
        self.runs = 0
        self.untold: list[str] = []

    def load(self, *, sweep: bool) -> Run:
        """Run `tap | target` with the last state, then the other targets with what it told."""
        self.runs += 1
        messages = self.folder / f"{self.runs}.singer"
        settings = {**self.settings, "full_sweep_every": AT_ONCE if sweep else LATER}
        options = ["--config", written(self.folder, "tap.json", settings)]
        if self.state is not None:
            options += ["--state", written(self.folder, "state.json", self.state)]
        tap = [(*TAP, *options), ("tee", str(messages))]
        done = Run(messages, self._through("marking", tap))
        self.untold.append(str(messages))
        others = {"keeping": [("cat", str(messages))]}
        if sweep:
            others["deleting"] = [("cat", *self.untold)]
            self.untold = []
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._through, others, others.values()))
        self.state = done.state
        assert self.state == done.told("STATE")[-1]["value"]
        return done

    def _through(self, name: str, source: list[tuple[str, ...]]) -> str:
        chain = [*source, self.stores[name].command]
        logs = [self.folder / f"{self.runs}.{name}.{place}.log" for place in range(len(chain))]
        codes, printed = run(chain, logs, self.folder)
        ends = "\n".join(log.read_text(encoding="utf-8", errors="replace")[-3000:] for log in logs)
        assert set(codes) == {0}, f"{name}: exit codes {codes}\n{ends}"
        return printed

    def read(self, keys: dict[str, list[str]]) -> dict[str, Tables]:
        """Return the tables of each database that was told of the last run."""
        several = [name for name in self.stores if name != "deleting" or not self.untold]
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda name: self.stores[name].read(), several)
            return {
                name: {stream: table(rows[stream], keys[stream]) for stream in keys}
                for name, rows in zip(several, found, strict=True)
            }


def business(world, number, days):
    """Let days pass, with changes at the second of the last run and at that of the next one."""
    if not days:
        return set()
    with world.lock:
        made = change(world.company, number, cancelled=False)
    world.advance(days)
    with world.lock:
        return made | change(world.company, number, cancelled=True)


def books(sandbox):
    fresh = support.run(sandbox.settings)
    assert fresh.error is None
    told = {each["stream"]: each for each in fresh.of("SCHEMA")}
    keys = {name: each["key_properties"] for name, each in told.items()}
    columns = {name: each["schema"]["properties"] for name, each in told.items()}
    rows = {name: table(fresh.records(name), keys[name]) for name in told}
    assert differences(rows, sandbox.world.truth()) == []
    return Books(rows, keys, columns)


def marked(tables):
    """Return the rows that a database marks as deleted."""
    return {
        stream: {key for key, row in rows.items() if row["sdcdeletedat"] is not None}
        for stream, rows in tables.items()
    }


def beyond(tables, keys):
    """Return the rows that tables have beyond some."""
    return {stream: rows.keys() - keys[stream] for stream, rows in tables.items()}


def check_rows(tables, ever, former):
    """Nothing is there that the company never had, and nothing is lost that was there."""
    for name, found in tables.items():
        assert not any(beyond(found, ever).values()), name
        if former is not None and name != "deleting":
            assert not any(beyond(former[name], found).values()), name


def check_deletions(tables, now, former, *, sweeps):
    """A sweep marks, or deletes, exactly what vanished; any other run nothing."""
    if sweeps:
        assert marked(tables["marking"]) == beyond(tables["marking"], now)
        assert not any(beyond(tables["deleting"], now).values())
    else:
        assert marked(tables["marking"]) == marked(former["marking"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("provider", ["chargeover", "cheddar"])
def test_tables_equal_the_company_after_every_round(provider, tmp_path, postgres):
    with serve(provider, now=NOW, founded=FOUNDED, customers=CUSTOMERS) as sandbox:
        warehouse = Warehouse(tmp_path, sandbox.settings, postgres)
        ever, former = {}, None
        for number, (days, sweeps) in enumerate(ROUNDS):
            since = None if sweeps else sandbox.world.now()
            made = business(sandbox.world, number, days)
            assert not days or made >= ALWAYS, ALWAYS - made

            done = warehouse.load(sweep=sweeps)
            right = books(sandbox)
            tables = warehouse.read(right.keys)
            now = {stream: set(rows) for stream, rows in right.rows.items()}
            ever = {stream: keys | ever.get(stream, set()) for stream, keys in now.items()}
            told = {
                name: list(faults(found, right, since, provider, warehouse.stores[name].blank))
                for name, found in tables.items()
            }

            assert not any(told.values()), f"round {number}: {told}"
            assert {each["stream"] for each in done.told("ACTIVATE_VERSION")} == (
                now.keys() if sweeps else set()
            )
            assert sweeps == (done.rows.total() == sum(map(len, now.values())))
            check_rows(tables, ever, former)
            check_deletions(tables, now, former, sweeps=sweeps)
            former = tables
        assert any(marked(former["marking"]).values())
