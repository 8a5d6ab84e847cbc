"""Changes that the APIs tell nobody of: each is there after the next run, without a sweep."""

from __future__ import annotations

from typing import Any

import pytest

from tap_billing import memory
from tests.mutants.books import DAY, SWEEP, WINDOW, Books, enrolled, loaded, rows
from tests.support import catalog_of, selecting


def _seen(books: Books, name: str, a: int = 0, b: int = 0) -> None:
    """Let a change happen; the next run has to bring it."""
    books.change(name, a, b)
    books.again()
    books.check()


def edited() -> None:
    """A customer is edited, which moves its modified time."""
    _seen(loaded(), "edit")


def created_without_a_modified_time() -> None:
    """A new customer's modified time is null."""
    books = loaded()
    books.change("new_customer", 1)
    rows(books, "customers")[-1].facts["mod_datetime"] = None
    books.again()
    books.check()


def held() -> None:
    """A live package is held."""
    _seen(loaded("package"), "hold", 2, 5)


def changed_while_suspended() -> None:
    """A package is suspended, and then its pay cycle is changed."""
    books = loaded("package")
    _seen(books, "suspend", 2, 1)
    _seen(books, "pay_cycle", 2, 1)


def expired() -> None:
    """A package expires: it is not live any more, and no time says so."""
    _seen(loaded("package"), "expire", 2)


def cancelled_beyond_memory() -> None:
    """A package is cancelled in an account with more live ones than a state can remember."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "MOST_STANDING", 0)
        _seen(loaded("package"), "cancel", 2)


def overdue() -> None:
    """Open invoices grow older."""
    books = loaded("package", "invoice")
    books.again(DAY)
    books.check()


def overdue_in_a_full_refresh() -> None:
    """The same, and invoices are set to FULL_TABLE."""
    books = loaded("package", "invoice")
    books.catalog = catalog_of(books.config)
    for entry in books.catalog["streams"]:
        if entry["stream"] == "invoices":
            entry["replication_method"] = "FULL_TABLE"
    # The bookmark has to leave the last customer behind.
    books.change("edit", 0, 0)
    books.again()
    # A run asks once more for what was named at the one before it.
    books.again()
    books.again(DAY)
    books.check()


def written_off() -> None:
    """An invoice is written off: it is not open any more, and no time says so."""
    _seen(loaded("package", "invoice"), "write_off", 2)


def written_off_beyond_a_checkpoint() -> None:
    """A sweep of invoices breaks off, and one that it did not come to is written off."""
    books = loaded("package", "invoice")
    books.wait((SWEEP + 1) * DAY)
    fourth = rows(books, "invoices")[3].id
    books.deliver(books.run(dead=f"/invoice?where=invoice_id%3AGT%3A{fourth}").lines)
    progress = books.bookmarks["invoices"].get("progress", {})
    assert progress.get("after") == fourth, "missing: the checkpoint of invoices"
    _seen(books, "write_off", 4)


def voided_and_written_off() -> None:
    """A paid invoice's payment is voided and says no more for what it was; then nobody is to pay.

    At both runs the invoice is closed.
    """
    books = loaded("package", "invoice")
    books.server.forgetful = True
    _seen(books, "pay", 2, 1)
    books.change("void_transaction", 0)
    _seen(books, "write_off", 2)


def paid_again() -> None:
    """A closed invoice is paid once more by mistake."""
    books = loaded("package", "invoice")
    _seen(books, "pay", 2, 1)
    _overpay(books)
    books.again()
    books.check()


def _overpay(books: Books) -> None:
    """Pay the third invoice, which is closed."""
    books.change("pay", 3, 1)
    payment, invoice = rows(books, "transactions")[-1], rows(books, "invoices")[2]
    payment.lines = {invoice.id: 7}
    payment.facts["customer_id"] = invoice.facts["customer_id"]


def paid_again_unselected() -> None:
    """The same, and transactions are not selected."""
    _unselected({})


def paid_again_while_broken() -> None:
    """The same, and transactions cannot be read at first."""
    _unselected({"dead": "/transaction"})


def _unselected(weather: dict[str, Any]) -> None:
    books = loaded("package", "invoice")
    wanted = {"customers": None, "subscriptions": None, "invoices": None}
    books.catalog = selecting(catalog_of(books.config), wanted)
    books.unselected = ("transactions",)
    _seen(books, "pay", 2, 1)
    # Until no payment of the window names the invoice, which a run would ask for once more.
    books.again((WINDOW + 1) * DAY)
    books.again()
    _overpay(books)
    # The run that cannot read it is the only one whose window holds the payment.
    books.wait((WINDOW + 1) * DAY)
    books.deliver(books.run(**weather).lines)
    books.again()
    books.check()


def refunded() -> None:
    """A payment tells of its refund, long after its own time."""
    books = loaded("package", "invoice")
    _seen(books, "pay", 2, 1)
    _seen(books, "pay", 3, 1)
    books.wait((WINDOW + 1) * DAY)
    # The bookmark has to leave the payment behind.
    _seen(books, "pay", 5, 1)
    books.change("pay", 4, 1)
    payment, refund = rows(books, "transactions")[0], rows(books, "transactions")[-1]
    payment.facts["transaction_detail"] = "refunded"
    refund.facts["parent_transaction_id"] = payment.id
    books.again()
    books.check()


def paid() -> None:
    """A payment moves its customer's balance."""
    _seen(loaded("package", "invoice"), "pay", 2, 1)


def paid_after_the_end() -> None:
    """A cancelled package's last invoice is paid, which moves the package's amounts."""
    books = loaded("package", "invoice")
    _seen(books, "cancel", 2)
    # The bookmark has to leave the cancellation behind.
    _seen(books, "edit", 3, 1)
    _seen(books, "pay", 2, 1)


def voided() -> None:
    """A payment is voided a day after the bookmark has passed it."""
    books = loaded("package", "invoice")
    _seen(books, "pay", 2, 1)
    _seen(books, "pay", 3, 1)
    books.wait(DAY)
    _seen(books, "void_transaction", 0)


def _cheddar() -> Books:
    """Return the books of a product with days between what happened and now."""
    books = enrolled()
    books.wait(9 * DAY)
    books.sync()
    books.again(DAY)
    books.check()
    return books


def customer_created() -> None:
    """A Cheddar customer is new."""
    _seen(_cheddar(), "new_customer", 1)


def customer_paid() -> None:
    """A Cheddar customer pays."""
    _seen(_cheddar(), "pay", 2, 1)


def customer_cancelled() -> None:
    """A Cheddar customer cancels."""
    _seen(_cheddar(), "cancel", 2)
