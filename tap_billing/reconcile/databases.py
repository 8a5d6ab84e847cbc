"""Tables of a DuckDB file or a PostgreSQL server, read only."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from tap_billing.errors import LocalError, SettingsError
from tap_billing.reconcile.layout import DELETED, VERSION, Table, reader
from tap_billing.reconcile.values import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from tap_billing.reconcile.layout import Key, Layout, Row

FETCHED = 10_000
COLUMNS = (
    "select table_schema, table_name, column_name, data_type from information_schema.columns"
    " order by table_schema, table_name, ordinal_position"
)
ZONED = "TIMESTAMP WITH TIME ZONE"


class Connection(Protocol):
    """What both drivers are made to look like."""

    def rows(self, query: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a query. Raises LocalError."""

    def column(self, name: str, kind: str) -> str:
        """Return the expression for a column, its instants in UTC."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Duck:
    """A DuckDB file."""

    name: str
    base: Any
    error: type[Exception]

    def rows(self, query: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a query. Raises LocalError."""
        try:
            cursor = self.base.cursor().execute(query)
            while found := cursor.fetchmany(FETCHED):
                yield from found
        except self.error as error:
            raise LocalError(f"{self.name}: {error}") from error

    def column(self, name: str, kind: str) -> str:
        """Return the expression for a column, its instants in UTC."""
        # The driver needs pytz for the type with a zone.
        return f"make_timestamp(epoch_us({quoted(name)}))" if kind == ZONED else quoted(name)

    def close(self) -> None:
        """End the connection."""
        self.base.close()


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL server."""

    name: str
    base: Any
    error: type[Exception]

    def rows(self, query: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a query. Raises LocalError."""
        try:
            with self.base.cursor(name="reconcile") as cursor:
                cursor.itersize = FETCHED
                yield from cursor.execute(query)
        except self.error as error:
            raise LocalError(f"{self.name}: {error}") from error

    def column(self, name: str, kind: str) -> str:  # noqa: ARG002 - the protocol's signature
        """Return the expression for a column; the driver tells instants with their offset."""
        return quoted(name)

    def close(self) -> None:
        """End the connection."""
        self.base.close()


@dataclass(frozen=True, slots=True)
class Database:
    """The tables of one schema: folded name -> (name, columns and their types)."""

    name: str
    schema: str
    found: Mapping[str, tuple[str, Mapping[str, str]]]
    connection: Connection

    def tables(self, layouts: Sequence[Layout], start: str) -> Mapping[str, Table]:
        """Return the rows by stream, without those that are marked as deleted.

        Raises SettingsError for a table without its key, LocalError where it cannot be read.
        """
        return {each.stream: self._table(each, start) for each in layouts}

    def _table(self, what: Layout, start: str) -> Table:
        table, columns = self.found.get(folded(what.stream), ("", {}))
        if not table:
            return Table({}, found=False)
        held = {folded(name): (name, kind) for name, kind in columns.items()}
        known = tuple(name for name in what.wanted if folded(name) in held)
        absent = tuple(name for name in what.wanted if name not in known)
        lost = [name for name in what.keys if name in absent]
        if lost:
            raise SettingsError(f"{self.name}: table {table} has no column for the key {lost[0]}")
        picked = [self.connection.column(*held[folded(name)]) for name in known]
        picked.append(quoted(held[VERSION][0]) if VERSION in held else "null")
        query = f"select {', '.join(picked)} from {quoted(self.schema)}.{quoted(table)}"  # noqa: S608 - quoted
        if DELETED in held:
            query += f" where {quoted(held[DELETED][0])} is null"
        read = reader(what, known, absent, start)
        rows: dict[Key, Row] = {}
        version: int | None = None
        for values in self.connection.rows(query):
            entry = read(values)
            if entry is not None:
                rows[entry[0]] = entry[1]
            if values[-1] is not None:
                version = max(int(values[-1]), version or 0)
        return Table(rows, absent, version)

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


def duckdb(given: str, streams: Sequence[str]) -> Database:
    """Return what `duckdb:PATH[?schema=NAME]` names. Raises SettingsError."""
    path, _, query = given.removeprefix("duckdb:").partition("?")
    wanted = _schema(query)[0]
    driver = _driver("duckdb", "--against duckdb:PATH")
    if not Path(path).is_file():
        raise SettingsError(
            f"--against: there is no file {path}; allowed: duckdb:PATH[?schema=NAME]"
        )
    try:
        base = driver.connect(path, read_only=True)
    except driver.Error as error:
        raise LocalError(f"{path}: {str(error).splitlines()[0]}") from error
    return _opened(Duck(path, base, driver.Error), wanted, streams)


def postgresql(given: str, streams: Sequence[str]) -> Database:
    """Return what `postgresql://...[?schema=NAME]` names; its password is in no message.

    Raises SettingsError, LocalError where the server cannot be reached.
    """
    wanted, url, name, secrets = _parts(given)
    driver = _driver("psycopg", "--against postgresql://")
    try:
        base = driver.connect(url)
        base.read_only = True
        base.isolation_level = driver.IsolationLevel.REPEATABLE_READ
    except driver.Error as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        for secret in secrets:
            told = told.replace(secret, "***")
        raise LocalError(f"{name}: {told}") from None
    return _opened(Postgres(name, base, driver.Error), wanted, streams)


def _parts(given: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Return the schema, the URL without it, a name without secrets, and the secrets."""
    try:
        url = urlsplit(given)
        password, _ = url.password, url.port
    except ValueError:
        url, password = None, None
    # An "@" in the wrong place is a password's that was not encoded: the driver would take a part
    # of it for the host, and say so.
    if url is None or url.netloc.count("@") > 1 or "@" in url.path + url.query + url.fragment:
        raise SettingsError(
            "--against: not a URL of PostgreSQL; allowed: postgresql://user:password@host:port/"
            "database?schema=NAME, with special characters of the password percent-encoded"
        )
    wanted, rest = _schema(url.query)
    secrets = [password, *(value for key, value in rest if "password" in key)]
    told = {each for one in secrets if one for each in (one, unquote(one))}
    plain = urlunsplit(("postgresql", url.netloc, url.path, urlencode(rest), ""))
    where = url.netloc.rpartition("@")[2]
    return wanted, plain, f"postgresql://{where}{url.path}", tuple(sorted(told, key=len))[::-1]


def _schema(query: str) -> tuple[str, list[tuple[str, str]]]:
    given = parse_qsl(query, keep_blank_values=True)
    named = [value for key, value in given if key == "schema"]
    return (named[-1] if named else ""), [each for each in given if each[0] != "schema"]


def _driver(module: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise SettingsError(
            f"{what} needs {module}, which is not installed: pip install 'tap-billing[reconcile]'"
        ) from None


def _opened(connection: Duck | Postgres, wanted: str, streams: Sequence[str]) -> Database:
    """Return the tables of the schema that is wanted, or else of the only one with such tables."""
    schemas: dict[str, dict[str, tuple[str, dict[str, str]]]] = {}
    for schema, table, column, kind in connection.rows(COLUMNS):
        known = schemas.setdefault(schema, {}).setdefault(folded(table), (table, {}))
        if known[0] == table:
            known[1].setdefault(column, kind)
    names = {folded(each) for each in streams}
    fitting = Counter({each: len(names & found.keys()) for each, found in schemas.items()})
    candidates = [each for each, number in fitting.items() if number and wanted in ("", each)]
    if len(candidates) == 1:
        schema = candidates[0]
        return Database(connection.name, schema, schemas[schema], connection)
    connection.close()
    if candidates:
        told = f"tables are in several schemas; say which with ?schema=: {', '.join(candidates)}"
    else:
        place = f"schema {wanted}" if wanted else f"any schema ({', '.join(sorted(schemas))})"
        told = f"no table of {', '.join(streams)} in {place}"
    raise SettingsError(f"{connection.name}: {told}")


def quoted(name: str) -> str:
    """Return an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'
