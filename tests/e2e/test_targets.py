"""Real targets end with the server's rows, to the cent, and a second run brings what changed."""

from __future__ import annotations

import sys

import pytest

from tests.e2e.ledger import differences, existing, folded, identifiers, table
from tests.e2e.pipes import TAP, installed, pipe, run, written
from tests.e2e.stores import Csv, DuckDb, Jsonl, Postgres

# What no filter of Cheddar's finds: a plan change that costs nothing at once makes new ones of
# these, and charges and metadata come without a time that could be asked for.
UNSEEN = {
    "chargeover": set(),
    "cheddar": {
        "subscriptions", "subscription_items", "invoices", "charges", "customer_metadata"
    },
}  # fmt: skip


@pytest.fixture(params=["jsonl", "duckdb", "postgres"])
def store(request, tmp_path):
    if request.param == "postgres":
        return Postgres(tmp_path, request.getfixturevalue("postgres"))
    return {"jsonl": Jsonl, "duckdb": DuckDb}[request.param](tmp_path)


def tables_of(store, keys):
    return {name: table(rows, keys[name]) for name, rows in store.read().items()}


@pytest.mark.timeout(180)
def test_tables_equal_the_server_and_the_second_run_brings_what_changed(company, store, tmp_path):
    provider, settings = company.settings["provider"], company.settings
    first = pipe(tmp_path, settings, store.command)
    before = company.world.truth()
    tables = tables_of(store, first.keys)

    assert tables.keys() == first.keys.keys()
    assert differences(tables, before) == []

    company.world.advance(3)
    second = pipe(tmp_path, settings, store.command, first.state)
    after = company.world.truth()
    tables = tables_of(store, first.keys)
    new = {name: identifiers(after[name]) - identifiers(before[name]) for name in tables}

    seen = {name: rows for name, rows in tables.items() if name not in UNSEEN[provider]}

    assert new["transactions"]
    assert differences(existing(seen, after), after) == []
    assert second.told("ACTIVATE_VERSION") == []
    assert 0 < second.rows.total() < first.rows.total() / 4

    third = pipe(tmp_path, settings, store.command)
    tables = tables_of(store, first.keys)

    assert differences(existing(tables, after), after) == []
    assert {each["stream"] for each in third.told("ACTIVATE_VERSION")} == first.keys.keys()


def test_second_run_brings_all_that_is_at_or_above_the_bookmark(company, tmp_path):
    provider, settings = company.settings["provider"], company.settings
    store = Jsonl(tmp_path)
    first = pipe(tmp_path, settings, store.command)
    company.world.advance(3)
    second = pipe(tmp_path, settings, store.command, first.state)
    whole = pipe(tmp_path, settings, store.command)

    for name, keys in first.keys.items():
        mark = first.state["bookmarks"][name]
        told = table(second.records(name), keys)
        for key, row in table(whole.records(name), keys).items():
            field = folded(mark.get("replication_key", ""))
            if name not in UNSEEN[provider] and (
                not field or row[field] >= mark["replication_key_value"]
            ):
                assert told.get(key) == row, name


def test_csv_holds_every_row(company, tmp_path):
    done = pipe(tmp_path, company.settings, (store := Csv(tmp_path)).command)
    tables = tables_of(store, done.keys)

    assert differences(tables, company.world.truth()) == []


def test_messages_pass_the_check_of_singer_tools(company, tmp_path):
    checker = installed("singer-tools", "singer-check-tap")
    done = pipe(tmp_path, company.settings, (checker,))

    assert "The output is valid." in done.log("target")
    assert f"{done.rows.total()} record messages" in " ".join(done.log("target").split())


def test_tap_fails_when_its_target_does(company, tmp_path):
    dying = (sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(3)")
    tap = (*TAP, "--config", written(tmp_path, "tap.json", company.settings))
    logs = [tmp_path / "tap.log", tmp_path / "target.log"]
    codes, _ = run([tap, dying], logs, tmp_path)

    assert codes[0] not in (0, None)
    assert codes[1] == 3
    assert "Traceback" not in logs[0].read_text(encoding="utf-8")
