from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime

import duckdb
import pytest

from tap_billing.errors import BillingError, LocalError, SettingsError
from tap_billing.reconcile.layout import layout, reader
from tap_billing.reconcile.stores import opened

SCHEMA = {
    "properties": {
        "id": {"type": "string"},
        "createdDatetime": {"type": ["string", "null"], "format": "date-time"},
        "eachAmount": {"type": ["number", "null"]},
        "quantity": {"type": ["number", "null"]},
    }
}
CHARGES = layout("charges", SCHEMA, ["id"])
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECRET = "p4ss-of-the-test"


@pytest.fixture
def base(tmp_path):
    """Run statements in a DuckDB file, return its URL."""
    path = tmp_path / "warehouse.duckdb"

    def run(*statements):
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)
        return f"duckdb:{path}"

    return run


def charges(url):
    with contextlib.closing(opened(url, ["charges"])) as store:
        return store.tables([CHARGES], "")["charges"]


@pytest.mark.parametrize("time", ["timestamp", "timestamptz", "varchar"])
@pytest.mark.parametrize("names", ["eachAmount", "each_amount", "EACHAMOUNT"])
def test_row_is_read_whatever_the_columns_types_and_names(base, time, names):
    told = "2026-01-31 06:00:00-06" if time == "timestamptz" else "2026-01-31 12:00:00"
    found = charges(
        base(
            f"create table charges (id varchar, createddatetime {time}, {names} double, Quantity"
            " int)",
            f"insert into charges values ('a', '{told}', 10.1, 3)",
        )
    )
    read = reader(CHARGES, CHARGES.wanted, ())

    assert found.rows == dict([read(["a", "2026-01-31T12:00:00Z", "10.10", 3])])
    assert found.absent == ()


def test_rows_that_are_marked_as_deleted_are_left_out(base):
    url = base(
        "create table charges (id varchar, _sdc_deleted_at timestamp, _sdc_table_version bigint)",
        "insert into charges values ('a', null, 5), ('b', '2026-01-31', 9), ('c', null, 7)",
    )
    found = charges(url)

    assert found.rows.keys() == {("a",), ("c",)}
    assert found.version == 7
    assert found.absent == ("createdDatetime", "eachAmount", "quantity")


def test_schema_is_the_one_with_the_tables_or_the_one_that_is_named(base):
    url = base(
        "create schema one",
        "create schema other",
        "create table other.customers (id varchar)",
        "create table one.charges (id varchar)",
    )

    assert charges(url).found
    assert charges(f"{url}?schema=one").found
    with pytest.raises(SettingsError, match="no table of charges in schema other"):
        charges(f"{url}?schema=other")

    base("create table other.charges (id varchar)")

    with pytest.raises(SettingsError, match=r"say which with \?schema=: one, other"):
        charges(url)
    assert charges(f"{url}?schema=other").found


def test_table_without_its_key_is_refused(base):
    with pytest.raises(SettingsError, match="table charges has no column for the key id"):
        charges(base("create table charges (quantity int)"))


@pytest.mark.parametrize(
    ("against", "told"),
    [
        ("duckdb:/nowhere/w.duckdb", "there is no file /nowhere/w.duckdb"),
        ("/nowhere/messages.jsonl", "there is no file /nowhere/messages.jsonl"),
        (f"mysql://user:{SECRET}@host/base", "this kind of connection is not known"),
        (f"host=h password={SECRET}", "this kind of connection is not known"),
        (f"postgresql://user:{SECRET}@more@127.0.0.1:1/base", "not a URL of PostgreSQL"),
        (f"postgresql://user:{SECRET}/more@127.0.0.1:1/base", "not a URL of PostgreSQL"),
        (f"postgresql://user:9/{SECRET}@127.0.0.1:1/base", "not a URL of PostgreSQL"),
        (f"postgresql://user:{SECRET}@127.0.0.1:port/base", "not a URL of PostgreSQL"),
        (f"postgresql://user:{SECRET}@127.0.0.1:1/base", "postgresql://127.0.0.1:1/base: "),
        (f"postgres://127.0.0.1:1/base?password={SECRET}", "postgresql://127.0.0.1:1/base: "),
    ],
)
def test_what_cannot_be_opened_is_told_without_a_password(against, told, capfd, caplog):
    with pytest.raises(BillingError) as caught:
        opened(against, ["charges"])
    everything = f"{caught.value}{caught.value.__cause__}{capfd.readouterr()}{caplog.text}"

    assert told in str(caught.value)
    assert SECRET not in everything


@pytest.mark.parametrize(
    ("module", "against"),
    [("duckdb", "duckdb:w.duckdb"), ("psycopg", f"postgresql://user:{SECRET}@127.0.0.1:1/base")],
)
def test_driver_that_is_not_installed_is_told_with_the_extra(monkeypatch, module, against):
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(SettingsError, match=rf"{module}.*tap-billing\[reconcile\]") as caught:
        opened(against, ["charges"])
    assert SECRET not in str(caught.value)


def test_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "w.duckdb"
    path.write_text("no database" * 1000)

    with pytest.raises(LocalError, match=r"w\.duckdb"):
        opened(f"duckdb:{path}", ["charges"])
