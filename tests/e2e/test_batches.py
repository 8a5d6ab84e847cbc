"""Batch files end in the same tables as messages, row for row, and nothing is deleted by them."""

from __future__ import annotations

import pytest

from tests.e2e.ledger import differences, existing, table
from tests.e2e.pipes import pipe
from tests.e2e.stores import Postgres

# When it was loaded, which no two runs have in common.
LOADED = {
    "sdcbatchedat", "sdcextractedat", "sdcreceivedat", "sdcsequence", "sdcsyncstartedat",
    "sdctableversion",
}  # fmt: skip


def batched(settings, folder, compression):
    encoding = {"format": "jsonl", "compression": compression}
    storage = {"root": (folder / "files").as_uri(), "prefix": "part/"}
    return {**settings, "batch_config": {"encoding": encoding, "storage": storage}}


def tables_of(store, keys):
    """Return the tables by key, without what tells how they were loaded and when rows went."""
    tables = {name: table(rows, keys[name]) for name, rows in store.read().items()}
    for row in (row for rows in tables.values() for row in rows.values()):
        row["sdcdeletedat"] = row["sdcdeletedat"] is not None
        for column in LOADED:
            row.pop(column, None)
    return tables


@pytest.mark.timeout(180)
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_tables_are_those_of_messages_and_a_second_run_brings_what_changed(
    company, tmp_path, postgres, compression
):
    ways = []
    for name in ("batches", "messages"):
        (folder := tmp_path / f"{company.settings['provider']}_{compression}_{name}").mkdir()
        settings = company.settings
        if name == "batches":
            settings = batched(settings, folder, compression)
        ways.append((settings, folder, Postgres(folder, postgres)))
    firsts = [pipe(folder, settings, store.command) for settings, folder, store in ways]
    keys = firsts[0].keys
    files, messages = (tables_of(store, keys) for _, _, store in ways)

    assert files == messages
    assert differences(files, company.world.truth()) == []
    assert firsts[0].told("RECORD") == []
    assert {each["stream"] for each in firsts[0].told("ACTIVATE_VERSION")} == keys.keys()

    company.world.advance(3)
    for (settings, folder, store), first in zip(ways, firsts, strict=True):
        pipe(folder, settings, store.command, first.state)
        # A complete read again: what is there stays, because files tell its version.
        pipe(folder, settings, store.command)
    files, messages = (tables_of(store, keys) for _, _, store in ways)
    after = company.world.truth()

    assert files == messages
    assert differences(existing(files, after), after) == []
