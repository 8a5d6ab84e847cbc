"""What whole reads must bring, and what they may delete."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.mutants.apis import Spoiled
from tests.mutants.books import DAY, SWEEP, loaded, opened, rows
from tests.support import catalog_of, selecting


def full_refresh() -> None:
    """A stream that is set to FULL_TABLE comes whole, whatever the state says."""
    books = loaded()
    books.catalog = selecting(catalog_of(books.config), {"customers": None}, "FULL_TABLE")
    books.again()
    assert len(books.emitted("customers")) == 6, "missing: customers of a full refresh"


def filters_taken_away() -> None:
    """Filters are gone: rows that they left out have to come."""
    books = opened()
    first = rows(books, "customers")[3].id
    clause = {"field": "customer_id", "operator": "GTE", "value": first}
    books.settings["filters"] = {"customers": [clause]}
    books.sync()
    assert len(books.emitted("customers")) == 3, "surplus: customers that the filter leaves out"
    del books.settings["filters"]
    books.again()
    books.check()


def filtered_sweep() -> None:
    """A sweep with filters is complete in no sense that permits deletions."""
    books = loaded(max_deletions=100)
    last = rows(books, "customers")[2].id
    clause = {"field": "customer_id", "operator": "LTE", "value": last}
    books.settings["filters"] = {"customers": [clause]}
    books.again((SWEEP + 1) * DAY)
    books.intact()


def sweep_of_a_deleted_row() -> None:
    """A sweep marks what was deleted, and only that."""
    books = loaded("package", "invoice")
    books.change("delete", 1, 0)
    books.again((SWEEP + 1) * DAY)
    books.check(surplus=True)


def partial_sweep() -> None:
    """Lists hide a row that the server counts."""
    books = loaded()
    hidden = str(rows(books, "customers")[3].id)

    def how(path: str, envelope: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/customer":
            kept = [row for row in envelope["response"] if str(row["customer_id"]) != hidden]
            envelope["response"] = kept
        return envelope["code"], envelope

    books.api = Spoiled(books.honest, how)
    # A page of two with one of them hidden would pass for the last.
    books.settings["page_size"] = 500
    books.again((SWEEP + 1) * DAY)
    books.intact()


def sweep_in_two_runs() -> None:
    """Rows are out of sight, and out of count, while a run makes the first half of a sweep."""
    books = loaded(customers=10, max_deletions=100)
    books.wait((SWEEP + 1) * DAY)
    hidden = rows(books, "customers")[1:3]
    for row in hidden:
        row.visible += timedelta(days=90)
    books.settings["max_records"] = 4
    books.sync()
    for row in hidden:
        row.visible -= timedelta(days=90)
    del books.settings["max_records"]
    books.again()
    books.intact()


def mass_deletion() -> None:
    """Half of the rows are gone, which is more than `max_deletions` believes."""
    books = loaded()
    for _ in range(3):
        books.change("delete", 0, 0)
    books.wait((SWEEP + 1) * DAY)
    done = books.run()
    books.deliver(done.lines)
    assert len(books.warehouse.tables["customers"].live()) == 6, "deleted: half of the customers"
    assert done.error is not None, "ended: as if all was well"
