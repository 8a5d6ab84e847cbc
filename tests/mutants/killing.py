"""What must hold when a run is killed: the next one makes up for it."""

from __future__ import annotations

import contextlib
import copy
import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tap_billing.tap import TapBilling
from tests.mutants.apis import Busy, Deaf
from tests.mutants.books import DAY, HOUR, MINUTE, SWEEP, Books, enrolled, loaded, opened, rows
from tests.support import catalog_of, selecting

if TYPE_CHECKING:
    from tests.machine.harness import Done

STATE = b'{"type":"STATE"'


def _killed(books: Books, done: Done, *, everywhere: bool = False) -> None:
    """Deliver a run up to each of its STATE messages, or lines, and let the next one go on."""
    ends = [number for number, line in enumerate(done.lines, 1) if everywhere or STATE in line]
    assert done.error is None, f"ended: {done.error}"
    for end in ends:
        other = copy.deepcopy(books)
        other.deliver(done.lines[:end])
        other.intact()
        if STATE in done.lines[end - 1]:
            other.again()
            other.check()


def killed_while_loading() -> None:
    """The first load is killed after any of its STATE messages."""
    books = opened("package", "invoice", customers=8, page_size=3)
    for number in range(8):
        # Nothing names these, and nothing of theirs is open.
        books.change("new_customer", number)
    books.wait(DAY)
    _killed(books, books.run())


def _killed_with_edits(skew: int) -> None:
    books = opened(customers=12)
    books.server.clock.skew = timedelta(seconds=skew)

    def happen(page: int) -> None:
        # Rows that were read; the lookback from the later pages on does not reach so far.
        if page <= 2:
            books.change("edit", page - 1, 0)

    books.api = Busy(books.honest, "/customer", happen)
    done = books.run(tick=3 * MINUTE)
    books.api = None
    _killed(books, done)


def killed_while_loading_with_edits() -> None:
    """Rows are edited behind a first load, which is killed after any of its STATE messages."""
    _killed_with_edits(0)


def killed_while_loading_by_a_fast_clock() -> None:
    """The same, and the machine's clock is two hours ahead of the server's."""
    _killed_with_edits(2 * HOUR)


def killed_between_sweeps() -> None:
    """An incremental run is killed; the latest edits have the lowest identifiers."""
    books = loaded(customers=8)
    for number in reversed(range(8)):
        books.change("edit", number, 0)
        books.wait(HOUR)
    _killed(books, books.run())


def _filtered() -> Books:
    """Return the books of an account of which filters that are gone left out some packages."""
    books = opened("package", customers=8)
    first = rows(books, "subscriptions")[5].id
    clause = {"field": "package_id", "operator": "GTE", "value": first}
    books.settings["filters"] = {"subscriptions": [clause]}
    books.sync()
    del books.settings["filters"]
    for number in range(8):
        # What is live comes anyway.
        books.change("expire", number, 0)
    books.wait(DAY)
    return books


def killed_after_filters_were_taken_away() -> None:
    """The read of what filters had left out is killed after any of its STATE messages."""
    books = _filtered()
    _killed(books, books.run())


def stopped_after_filters_were_taken_away() -> None:
    """The same read is stopped, and ended by a run without a stream that it began with."""
    books = _filtered()
    done = books.run(dead=f"/package?where=package_id%3AGT%3A{rows(books, 'subscriptions')[3].id}")
    books.deliver(done.lines)
    wanted = dict.fromkeys(books.resources)
    books.catalog = selecting(catalog_of(books.config), wanted)
    books.again()
    books.catalog = None
    books.again()
    books.check()


def killed_in_a_bulk_edit() -> None:
    """An incremental run over rows that were all edited in one second is killed."""
    books = loaded("package", customers=8)
    books.change("edit_all", 1, 0)
    books.change("edit_all", 1, 1)
    books.wait(HOUR)
    _killed(books, books.run())


def killed_while_sweeping() -> None:
    """A sweep is killed at any line: nothing that exists is marked as deleted."""
    books = loaded("package")
    books.wait((SWEEP + 1) * DAY)
    _killed(books, books.run(), everywhere=True)


def killed_while_loading_in_any_order() -> None:
    """A Cheddar server does not tell customers by creation, and the first load is killed."""
    books = enrolled(0)
    for number in range(12):
        books.change("new_customer", 30 - number)
        books.wait(5 * DAY)

    def hears(params: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in params.items() if not key.startswith("orderBy")}

    books.api = Deaf(books.honest, hears)
    done = books.run()
    books.api = None
    _killed(books, done)


def killed_by_a_signal() -> None:
    """A run that SIGTERM ends says so by its exit code, and leaves a STATE."""
    books = opened()
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    tap = TapBilling(config=books.config, parse_env_config=False)
    try:
        with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
            tap._stop(15)
    finally:
        tap.close()
    assert ended.value.code == 128 + 15, f"ended: with the exit code {ended.value.code}"
    assert STATE in out.buffer.getvalue(), "ended: without a STATE"


def killed_while_loading_by_days() -> None:
    """The first load of a Cheddar product with several customers a day is killed."""
    books = enrolled(0)
    for number in range(16):
        books.change("new_customer", number)
        books.wait(8 * HOUR)
    books.wait(5 * DAY)
    _killed(books, books.run())


def stopped_again_and_again() -> None:
    """Each run may write a few records only: together they write everything."""
    books = opened(customers=12, max_records=4)
    for _ in range(8):
        done = books.run()
        assert done.error is None, f"ended: {done.error}"
        books.deliver(done.lines)
        books.wait(HOUR)
    books.check()
