"""What a read must bring, whatever times, orders and pages it meets."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.mutants.apis import Busy, Loose
from tests.mutants.books import DAY, HOUR, MINUTE, Books, enrolled, loaded, opened, rows


def second_of_the_bookmark() -> None:
    """A row is written in the bookmark's own second, after the run."""
    books = opened()
    books.change("new_customer", 1)
    books.sync()
    books.change("new_customer", 2)
    books.again()
    books.check()


def row_that_shows_late() -> None:
    """A row shows 200 seconds after it was written, when a later one was read already."""
    books = loaded()
    books.change("new_customer", 1, 2)
    books.wait(10)
    books.change("new_customer", 2)
    books.wait(10)
    books.sync()
    books.again()
    books.check()


def null_modified_times() -> None:
    """A row's modified time is null: at the first load, and when it is new."""
    books = opened()
    rows(books, "customers")[2].facts["mod_datetime"] = None
    books.sync()
    books.check()
    books.change("new_customer", 1)
    rows(books, "customers")[-1].facts["mod_datetime"] = None
    books.again()
    books.check()


def null_cursor_comes_last() -> None:
    """The last row of a custom stream has no cursor: an idle run repeats no more for that."""
    books = opened()
    rows(books, "customers")[-1].facts["mod_datetime"] = None
    books.resources = ()
    books.settings["custom_streams"] = [
        {
            "name": "members",
            "path": "customer",
            "primary_keys": ["customer_id"],
            "replication_key": "mod_datetime",
        }
    ]
    books.sync()
    assert len(books.emitted("members")) == 6, "missing: members"
    books.again()
    assert len(books.emitted("members")) <= 1, "repeated: what an idle run should not bring again"


def rows_of_one_instant_in_any_order() -> None:
    """A list without filters comes latest first, with several rows of one second."""
    books = enrolled(3)
    books.resources = ()
    books.settings["custom_streams"] = [
        {
            "name": "members",
            "path": "customers/get",
            "records_path": "customers.customer",
            "primary_keys": ["id"],
            "replication_key": "createdDatetime",
        }
    ]
    books.sync()
    known = len(books.emitted("members"))
    assert known == 3, "missing: members at the first load"
    for number in range(6):
        # Lists are ordered by company.
        books.change("new_customer", 9 - number)
        books.wait(MINUTE * (number % 2))
    books.again()
    left = books.server.customers.keys() - {
        key for (key,) in books.warehouse.tables["members"].rows
    }
    assert not left, f"missing: {left}"


def _disturbed(name: str) -> None:
    """Let something happen to rows that were read, after each of the first pages of customers."""
    books = opened(customers=10)

    def happen(page: int) -> None:
        if page <= 2:
            books.change(name, 0 if name == "delete" else page - 1, 0)

    for seconds in (0, HOUR):
        books.wait(seconds)
        books.api = Busy(Loose(books.honest), "/customer", happen)
        books.sync(tick=61)
        books.api = Loose(books.honest)
        books.again()
        books.check()
        books.change("edit_all", 1, 0)


def edits_while_paging() -> None:
    """Rows are edited while lists are read."""
    _disturbed("edit")


def deletions_while_paging() -> None:
    """Rows are deleted while lists are read."""
    _disturbed("delete")


def row_from_the_future() -> None:
    """A row is dated a month ahead."""
    books = loaded()
    _date_ahead(books, 30 * DAY)
    books.sync()
    books.wait(10 * MINUTE)
    books.change("new_customer", 2)
    books.again()
    books.check()


def row_from_the_future_and_a_fast_clock() -> None:
    """A row is dated an hour ahead, and the machine's clock two."""
    books = loaded()
    books.server.clock.skew = timedelta(hours=2)
    _date_ahead(books, HOUR)
    books.sync()
    books.wait(10 * MINUTE)
    books.change("new_customer", 2)
    books.again(10 * MINUTE)
    books.check()


def _date_ahead(books: Books, seconds: int) -> None:
    books.change("new_customer", 1)
    ahead = books.server.clock.now + timedelta(seconds=seconds)
    rows(books, "customers")[-1].facts |= {"mod_datetime": ahead, "write_datetime": ahead}


def first_load_without_sweeps() -> None:
    """Without a start and without sweeps the first run brings everything."""
    books = opened("package", "invoice", full_sweep_every=0)
    books.sync()
    books.check()


def large_document() -> None:
    """A Cheddar document is too large, and comes in windows; customers are created on every day."""
    books = enrolled(24)
    books.sync(most=4000)
    books.check()


def zone_of_the_user() -> None:
    """A Cheddar user's days begin eight hours later than the setting says."""
    books = enrolled(1)
    books.server.zone = ZoneInfo("America/Los_Angeles")
    books.wait(13 * HOUR)
    books.change("new_customer", 1)
    books.sync()
    books.wait(HOUR)
    books.change("new_customer", 2)
    books.again()
    books.check()


def once_per_run() -> None:
    """Several passes bring the same row, which is emitted once."""
    books = loaded("package", "invoice")
    books.change("new_package", 1)
    books.change("new_invoice", 2)
    books.again()
    for stream in books.resources:
        twice = [key for key, count in books.emitted(stream).items() if count > 1]
        assert not twice, f"repeated: {stream} {twice}"


def many_named_rows() -> None:
    """Many payments name many rows, which are fetched by few requests."""
    books = loaded("invoice", customers=30, page_size=100)
    for number in range(30):
        books.change("pay", number, 1)
    books.again()
    books.check()
    assert len(books.requests) <= 20, f"repeated: {len(books.requests)} requests"
