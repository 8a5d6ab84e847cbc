"""A Cheddar product in memory: its customers with all that is below them, its plans, and changes.

Only creation, cancellation and transactions can be searched by (docs.getcheddar.com).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.machine.clock import Clock, text
from tests.machine.ledger import NONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

    from tests.machine.ledger import Document, Rows

CODE = "SAMPLE"
LONG_AGO = datetime(2009, 1, 1, tzinfo=UTC)


@dataclass
class Transaction:
    """An attempt to be paid."""

    id: str
    amount: int
    response: str
    at: datetime
    parent: str = ""


@dataclass
class Invoice:
    """An invoice; a charge has an identifier as soon as it is billed, or if somebody added it."""

    id: str
    number: int
    created: datetime
    paid_by: str = ""
    charges: dict[str, int] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)


@dataclass
class Subscription:
    """A subscription; its invoices come newest first, as in the document."""

    id: str
    plan: str
    created: datetime
    cancelled: datetime | None = None
    items: dict[str, int] = field(default_factory=dict)
    invoices: list[Invoice] = field(default_factory=list)


@dataclass
class Customer:
    """A customer; the current subscription comes first."""

    id: str
    code: str
    company: str
    created: datetime
    modified: datetime
    visible: datetime
    subscriptions: list[Subscription] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def transactions(self) -> Iterator[Transaction]:
        """Yield all transactions, newest first."""
        for subscription in self.subscriptions:
            for invoice in subscription.invoices:
                yield from invoice.transactions

    def times(self) -> Iterator[datetime]:
        """Yield the times that the customer can be searched by."""
        yield self.created
        yield from (each.cancelled for each in self.subscriptions if each.cancelled)
        yield from (each.at for each in self.transactions())


@dataclass
class Clients:
    """The product; `zone` is that of the API user, whose days the filters mean."""

    clock: Clock
    lookback: timedelta
    zone: ZoneInfo
    customers: dict[str, Customer] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)
    last: int = 0

    def number(self) -> int:
        """Return a number that was not used before."""
        self.last += 1
        return self.last

    def documents(self) -> dict[Document, Rows]:
        """Return customers and plans as a target has to hold them."""
        told = {("customers", key): _rows(each) for key, each in self.customers.items()}
        plans: dict[Document, Rows] = {
            ("plans", key): {"plans": {(key,): {"code": key, "name": name}}}
            for key, name in self.plans.items()
        }
        return {**told, **plans}

    def cursors(self) -> dict[Document, datetime]:
        """Return the latest of the times that a document is searched by."""
        told = {("customers", key): max(each.times()) for key, each in self.customers.items()}
        return {**told, **{("plans", key): LONG_AGO for key in self.plans}}

    def standing(self) -> set[Document]:
        """Return nothing: no pass reads by a status."""
        return set()

    def seen(
        self,
        since: datetime | None,
        known: set[Document],  # noqa: ARG002 - the protocol's signature
        marks: Mapping[str, datetime] = NONE,
    ) -> set[Document]:
        """Return all plans, and the customers with a searchable time at or after `since`."""
        floor = marks.get("customers", since)
        return {
            *(("plans", key) for key in self.plans),
            *(
                ("customers", key)
                for key, each in self.customers.items()
                if each.visible <= self.clock.now
                and (floor is None or max(each.times()) >= floor - self.lookback)
            ),
        }

    def latest(self) -> dict[str, datetime]:
        """Return the latest time that customers can be searched by."""
        shown = [each for each in self.customers.values() if each.visible <= self.clock.now]
        return {"customers": max((max(each.times()) for each in shown), default=LONG_AGO)}

    def budget(self, more: int) -> int:  # noqa: ARG002 - a document is never paged
        """Return how many requests a run may need: three passes, a sweep, plans."""
        return 3 + 1 + 1

    def visible(self, document: Document, when: datetime) -> bool:
        """Whether lists showed a document at an instant."""
        return document[0] == "plans" or self.customers[document[1]].visible <= when


def _rows(customer: Customer) -> Rows:
    own = {"id": customer.id, "code": customer.code, "company": customer.company}
    times = {
        "createdDatetime": text(customer.created),
        "modifiedDatetime": text(customer.modified),
    }
    rows: Rows = {
        "customers": {(customer.id,): {**own, **times}},
        "contacts": {(customer.id,): {"customer_id": customer.id}},
        "customer_metadata": {
            (customer.id, name): {"value": value} for name, value in customer.notes.items()
        },
    }
    for place, subscription in enumerate(customer.subscriptions):
        _add(
            rows, "subscriptions", (subscription.id,), _subscription(customer, subscription, place)
        )
        for item, quantity in subscription.items.items():
            _add(rows, "subscription_items", (subscription.id, item), {"quantity": quantity})
        for invoice in subscription.invoices:
            _bill(rows, subscription, invoice)
    return rows


def _subscription(customer: Customer, each: Subscription, place: int) -> dict[str, Any]:
    return {
        "customer_id": customer.id,
        "plan_code": each.plan,
        "is_current": place == 0,
        "canceledDatetime": text(each.cancelled),
        "createdDatetime": text(each.created),
    }


def _bill(rows: Rows, subscription: Subscription, invoice: Invoice) -> None:
    told = {
        "subscription_id": subscription.id,
        "number": invoice.number,
        "paidTransactionId": invoice.paid_by or None,
    }
    _add(rows, "invoices", (invoice.id,), told)
    for key, amount in invoice.charges.items():
        _add(rows, "charges", (key,), {"invoice_id": invoice.id, "eachAmount": amount})
    for each in invoice.transactions:
        told = {
            "invoice_id": invoice.id,
            "amount": each.amount,
            "response": each.response,
            "parentId": each.parent or None,
            "transactedDatetime": text(each.at),
        }
        _add(rows, "transactions", (each.id,), told)


def _add(rows: Rows, stream: str, key: tuple[str, ...], row: dict[str, Any]) -> None:
    rows.setdefault(stream, {})[key] = row
