"""Both runs into each target: the first brings everything, the second what is new."""

from __future__ import annotations

import pytest

from tests.e2e.ledger import differences, identifiers, table
from tests.e2e.pipes import pipe
from tests.e2e.stores import DuckDb, Jsonl, Postgres


@pytest.fixture(params=["jsonl", "duckdb", "postgres"])
def store(request, tmp_path):
    if request.param == "postgres":
        return Postgres(tmp_path, request.getfixturevalue("postgres"))
    return {"jsonl": Jsonl, "duckdb": DuckDb}[request.param](tmp_path)


@pytest.mark.timeout(180)
def test_second_run_brings_what_is_new(company, store, tmp_path):
    settings = company.settings
    first = pipe(tmp_path, settings, store.command)
    known = company.world.truth()
    tables = {name: table(rows, first.keys[name]) for name, rows in store.read().items()}

    assert differences(tables, known) == []
    assert tables.keys() == first.keys.keys()

    company.world.advance(3)
    second = pipe(tmp_path, settings, store.command, first.state)
    loaded = {name: table(rows, first.keys[name]) for name, rows in store.read().items()}
    current = company.world.truth()
    print({k:(len(tables[k]),second.rows[k]) for k in tables})
    print(differences(loaded, current))

    for name, rows in loaded.items():
        new = identifiers(current[name]) - identifiers(known[name])

        assert new <= rows.keys(), name
    assert second.rows.total() < first.rows.total() / 4
