"""Rows that somebody deleted, changed or added in a real warehouse are named, and mended."""

from __future__ import annotations

import json
import subprocess

import duckdb
import psycopg
import pytest

from tap_billing.reconcile.cli import main
from tests.e2e.pipes import pipe, written
from tests.e2e.stores import DuckDb, Postgres

STREAM = "transactions"


class InDuckDb:
    def __init__(self, folder, _):
        self.store = DuckDb(folder)
        self.path = folder / "e2e.duckdb"
        self.schema = "billing"
        self.against = f"duckdb:{self.path}"

    def change(self, *statements):
        with duckdb.connect(str(self.path)) as base:
            for statement in statements:
                base.execute(statement)


class InPostgres:
    def __init__(self, folder, request):
        self.store = Postgres(folder, request.getfixturevalue("postgres"))
        self.schema = self.store.schema
        mark = "&" if "?" in self.store.server else "?"
        self.against = f"{self.store.server}{mark}schema={self.schema}"

    def change(self, *statements):
        with psycopg.connect(self.store.server, autocommit=True) as base:
            for statement in statements:
                base.execute(statement)


@pytest.fixture(params=[InDuckDb, InPostgres], ids=["duckdb", "postgres"])
def warehouse(request, tmp_path):
    return request.param(tmp_path, request)


def reconciled(warehouse, config, capsys, *options):
    code = main(["--config", config, "--against", warehouse.against, "--json", *options])
    told = json.loads(capsys.readouterr().out)
    assert told["equal"] == (code == 0)
    found = told["streams"]
    assert [name for name, each in found.items() if each["notes"] or each["doubts"]] == []
    return {
        (name, what): sorted(each["key"][0] if what == "stale" else each[0] for each in one[what])
        for name, one in found.items()
        for what in ("missing", "stale", "surplus")
        if one[what]
    }


def loaded(warehouse, path):
    with path.open("rb") as messages:
        subprocess.run(warehouse.store.command, stdin=messages, capture_output=True, check=True)


@pytest.mark.timeout(180)
def test_hand_made_differences_are_named_and_mended(company, warehouse, tmp_path, capsys):
    first = pipe(tmp_path, company.settings, warehouse.store.command)
    config = written(tmp_path, "reconcile.json", company.settings)

    assert reconciled(warehouse, config, capsys) == {}

    (key,) = first.keys[STREAM]
    rows = sorted(str(row[key]) for row in first.records(STREAM))
    gone, wrong = sorted(rows[3:10]), rows[20]
    table = f'"{warehouse.schema}"."{STREAM}"'
    added = "999999999"
    listed = ", ".join(f"'{each}'" for each in gone)
    warehouse.change(
        f"delete from {table} where cast({key} as varchar) in ({listed})",
        f"update {table} set amount = amount + 0.01 where cast({key} as varchar) = '{wrong}'",
        f"insert into {table} ({key}, amount) values ('{added}', 1)",
    )
    repair = tmp_path / "repair.singer"

    assert reconciled(warehouse, config, capsys, "--repair", str(repair)) == {
        (STREAM, "missing"): gone,
        (STREAM, "stale"): [wrong],
        (STREAM, "surplus"): [added],
    }

    loaded(warehouse, repair)

    assert reconciled(warehouse, config, capsys) == {(STREAM, "surplus"): [added]}


@pytest.mark.timeout(180)
def test_row_that_is_marked_as_deleted_is_missing_until_it_is_mended(
    company, tmp_path, request, capsys
):
    warehouse = InPostgres(tmp_path, request)
    first = pipe(tmp_path, company.settings, warehouse.store.command)
    config = written(tmp_path, "reconcile.json", company.settings)
    (key,) = first.keys[STREAM]
    marked = str(first.records(STREAM)[0][key])
    warehouse.change(
        f'update "{warehouse.schema}"."{STREAM}" set _sdc_deleted_at = now()'
        f" where cast({key} as varchar) = '{marked}'"
    )
    repair = tmp_path / "repair.singer"

    assert reconciled(warehouse, config, capsys, "--repair", str(repair)) == {
        (STREAM, "missing"): [marked]
    }

    loaded(warehouse, repair)

    assert reconciled(warehouse, config, capsys) == {}
