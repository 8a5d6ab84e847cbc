"""Batch files end in the same tables as messages, row for row, and nothing is deleted by them."""

from __future__ import annotations

import pytest

from tests.e2e.ledger import differences, existing, folded, plain, table
from tests.e2e.pipes import pipe
from tests.e2e.stores import Postgres

# When it was loaded, which no two runs have in common.
LOADED = {
    "sdcbatchedat", "sdcextractedat", "sdcreceivedat", "sdcsequence", "sdcsyncstartedat",
    "sdctableversion",
}  # fmt: skip
GONE = "sdcdeletedat"
# Format, compression, and whether versions are asked for.
WAYS = [("jsonl", "gzip", None), ("jsonl", "none", True), ("parquet", "gzip", None)]


def batched(settings, folder, kind, compression):
    encoding = {"format": kind, "compression": compression}
    storage = {"root": (folder / "files").as_uri(), "prefix": "part/"}
    return {**settings, "batch_config": {"encoding": encoding, "storage": storage}}


def tables_of(store, told):
    """Return the tables by key, without what tells how they were loaded and when rows went.

    Values are equal if they are so as the SCHEMAs of messages, which `told` has, declare them.
    """
    schemas = {each["stream"]: each for each in told}
    tables = {}
    for name, rows in store.read().items():
        columns = schemas[name]["schema"]["properties"].items()
        declared = {folded(key): each for key, each in columns}
        tables[name] = table(rows, schemas[name]["key_properties"])
        for row in tables[name].values():
            for column in LOADED:
                row.pop(column, None)
            row[GONE] = row[GONE] is not None
            row |= {key: plain(row[key], each) for key, each in declared.items()}
    return tables


def unmarked(tables):
    """Return tables without what says which rows are gone."""
    return {
        name: {key: {k: v for k, v in row.items() if k != GONE} for key, row in rows.items()}
        for name, rows in tables.items()
    }


def marked(tables):
    return [key for rows in tables.values() for key, row in rows.items() if row[GONE]]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way)))
def test_tables_are_those_of_messages_and_a_second_run_brings_what_changed(
    company, tmp_path, postgres, way
):
    kind, compression, versions = way
    ways = []
    for name in ("batches", "messages"):
        stem = f"{company.settings['provider']}_{kind}_{versions}_{name}"
        (folder := tmp_path / stem).mkdir()
        settings = company.settings
        if name == "batches":
            settings = batched(settings, folder, kind, compression)
            settings["emit_activate_version_messages"] = versions
        ways.append((settings, folder, Postgres(folder, postgres)))
    firsts = [pipe(folder, settings, store.command) for settings, folder, store in ways]
    told = firsts[1].told("SCHEMA")
    files, messages = (tables_of(store, told) for _, _, store in ways)

    assert files == messages
    assert differences(files, company.world.truth()) == []
    assert firsts[0].told("RECORD") == []
    assert {each["encoding"]["format"] for each in firsts[0].told("BATCH")} == {kind}
    activated = {each["stream"] for each in firsts[0].told("ACTIVATE_VERSION")}
    assert activated == (firsts[0].keys.keys() if versions else set())

    company.world.advance(3)
    for (settings, folder, store), first in zip(ways, firsts, strict=True):
        pipe(folder, settings, store.command, first.state)
        # A complete read again: what is there stays, whether files tell its version or not.
        pipe(folder, settings, store.command)
    files, messages = (tables_of(store, told) for _, _, store in ways)
    after = company.world.truth()

    assert marked(messages) or company.settings["provider"] == "cheddar"
    assert unmarked(files) == unmarked(messages)
    assert marked(files) == (marked(messages) if versions else [])
    assert differences(existing(files, after), after) == []
