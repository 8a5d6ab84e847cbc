"""Finds out what `--against` names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tap_billing.errors import SettingsError
from tap_billing.reconcile.databases import duckdb, postgresql
from tap_billing.reconcile.messages import Folder, Messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_billing.reconcile.layout import Layout, Table

POSTGRESQL = re.compile(r"postgres(ql)?(\+\w+)?://")
URL = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


class Store(Protocol):
    """What holds the rows that a run delivered; must be closed."""

    @property
    def name(self) -> str:
        """What it is, for messages: without a password."""

    def tables(self, layouts: Sequence[Layout], start: str) -> Mapping[str, Table]:
        """Return the rows of streams, but for those created before `start`, by stream.

        Raises SettingsError or LocalError where they cannot be read.
        """

    def close(self) -> None:
        """Give back what is open."""


def opened(against: str, streams: Sequence[str]) -> Store:
    """Return what holds the rows of these streams.

    Raises SettingsError for what is neither of the databases nor a file or folder, and LocalError
    where it cannot be reached; neither tells a password.
    """
    if against.startswith("duckdb:"):
        return duckdb(against, streams)
    if POSTGRESQL.match(against):
        return postgresql(against, streams)
    path = Path(against)
    if path.is_dir():
        return Folder(path)
    if path.exists():
        return Messages(path)
    what = f"there is no file {path}"
    if URL.match(against) or "=" in against:
        # It may hold a password, as libpq's own form of a connection does.
        what = "this kind of connection is not known"
    raise SettingsError(
        f"--against: {what}; allowed: duckdb:PATH[?schema=NAME], postgresql://...[?schema=NAME],"
        " a file of Singer messages, a folder of target-jsonl"
    )
