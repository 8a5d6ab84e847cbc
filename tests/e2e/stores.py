"""The targets under test: how each is told where to load, and how its tables are read back."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tests.e2e.ledger import folded
from tests.e2e.pipes import installed, written

if TYPE_CHECKING:
    from pathlib import Path

DUCKDB = """
import duckdb, sys
cursor = duckdb.connect(sys.argv[1], read_only=True).cursor()
"""
POSTGRES = """
import psycopg, sys
cursor = psycopg.connect(sys.argv[1]).cursor()
"""
READ = """
import json
schema = sys.argv[2]
where = "where table_schema = '%s'" % schema
cursor.execute("select table_name from information_schema.tables " + where)
tables = {}
for (name,) in cursor.fetchall():
    cursor.execute('select * from "%s"."%s"' % (schema, name))
    columns = [column[0] for column in cursor.description]
    tables[name] = [dict(zip(columns, row)) for row in cursor.fetchall()]
print(json.dumps(tables, default=str))
"""


class Store(ABC):
    """A target, told to load into a folder of its own or a schema of a server.

    `blank` is what its tables have for empty text.
    """

    blank: str | None = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    @abstractmethod
    def command(self) -> tuple[str, ...]:
        """The target's command."""

    @abstractmethod
    def read(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of every table, in the order in which they were loaded if known."""


class Jsonl(Store):
    """target-jsonl: a file per stream, to which each run adds."""

    @property
    def command(self):
        settings = {"destination_path": str(self.folder), "do_timestamp_file": False}
        return installed("target-jsonl"), "--config", written(self.folder, "jsonl.json", settings)

    def read(self):
        return {
            path.stem: [json.loads(line) for line in path.read_bytes().splitlines()]
            for path in self.folder.glob("*.jsonl")
        }


class Csv(Store):
    """meltanolabs-target-csv: a file per stream and run."""

    @property
    def command(self):
        settings = {"output_path": str(self.folder), "overwrite_behavior": "append_records"}
        return installed("target-csv"), "--config", written(self.folder, "csv.json", settings)

    def read(self):
        tables = {}
        for path in self.folder.glob("*.csv"):
            with path.open(encoding="utf-8", newline="") as lines:
                rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(lines)]
            tables[path.stem] = rows
        return tables


class DuckDb(Store):
    """target-duckdb: a database file; it loads CSV, in which empty text is null."""

    blank = None

    @property
    def command(self):
        settings = {"filepath": str(self.folder / "e2e.duckdb"), "default_target_schema": "billing"}
        return installed("target-duckdb"), "--config", written(self.folder, "duckdb.json", settings)

    def read(self):
        python = installed("target-duckdb", "python")
        return asked(python, DUCKDB, str(self.folder / "e2e.duckdb"), "billing")


class Postgres(Store):
    """meltanolabs-target-postgres: a schema of a running server; rows are marked, or deleted."""

    def __init__(self, folder: Path, server: str, *, deleting: bool = False) -> None:
        super().__init__(folder)
        self.server = server
        self.deleting = deleting
        self.schema = f"e2e_{folded(folder.name)}{'_deleting' if deleting else ''}"

    @property
    def command(self):
        settings = {
            "sqlalchemy_url": self.server.replace("postgresql:", "postgresql+psycopg:", 1),
            "default_target_schema": self.schema,
            "load_method": "upsert",
            "hard_delete": self.deleting,
        }
        return (
            installed("target-postgres"),
            "--config",
            written(self.folder, f"{self.schema}.json", settings),
        )

    def read(self):
        return asked(installed("target-postgres", "python"), POSTGRES, self.server, self.schema)


def asked(python: str, connect: str, where: str, schema: str) -> dict[str, list[dict[str, Any]]]:
    """Return all tables of a schema, read by the driver that the target itself brings along."""
    done = subprocess.run(
        (python, "-c", connect + READ, where, schema), capture_output=True, check=False
    )
    sys.stderr.write(done.stderr.decode()[-3000:])
    assert done.returncode == 0, "the tables cannot be read"
    return json.loads(done.stdout, parse_float=str)
