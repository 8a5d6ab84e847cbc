"""A strict Cheddar API in memory; shares no code with the tap.

Facts: docs.getcheddar.com (filters are whole days, inclusive, in the API user's zone) and recorded
bodies: an error document with 404 where there are no customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from tests.machine.clients import CODE, Clients, Customer, Invoice, Subscription, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
FILTERS = {
    "createdAfterDate": ("created", True),
    "createdBeforeDate": ("created", False),
    "canceledAfterDate": ("cancelled", True),
    "transactedAfterDate": ("transacted", True),
}
KIND = "text/xml; charset=UTF-8"


@dataclass(frozen=True)
class Cheddar:
    """The API of a product."""

    clients: Clients

    def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Return status, content type and body of a GET below the API's URL."""
        params = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        if path == f"/plans/get/productCode/{CODE}" and not params:
            plans = "".join(_plan(*each) for each in self.clients.plans.items())
            return 200, KIND, f"{HEAD}<plans>{plans}</plans>".encode()
        if path != f"/customers/get/productCode/{CODE}":
            return _error(404, "Resource not found")
        order = params.pop("orderBy", "name"), params.pop("orderByDirection", "asc")
        if params.keys() - FILTERS.keys() or order not in ORDERS:
            return _error(400, f"Bad request: {', '.join(params)}")
        found = [each for each in self.clients.customers.values() if self._matches(each, params)]
        if not found:
            return _error(404, "No customers found.")
        found.sort(key=lambda each: getattr(each, ORDERS[order]))
        told = "".join(self._customer(each) for each in found)
        return 200, KIND, f"{HEAD}<customers>{told}</customers>".encode()

    def _matches(self, customer: Customer, params: Mapping[str, str]) -> bool:
        times: dict[str, list[datetime | None]] = {
            "created": [customer.created],
            "cancelled": [customer.subscriptions[0].cancelled],
            "transacted": [each.at for each in customer.transactions()],
        }
        bounds: dict[str, list[date]] = {kind: [date.min, date.max] for kind in times}
        for name, value in params.items():
            kind, after = FILTERS[name]
            bounds[kind][not after] = date.fromisoformat(value)
        return customer.visible <= self.clients.clock.now and all(
            any(low <= self._day(when) <= high for when in times[kind] if when)
            for kind, (low, high) in bounds.items()
            if (low, high) != (date.min, date.max)
        )

    def _day(self, when: datetime) -> date:
        return when.astimezone(self.clients.zone).date()

    def _customer(self, customer: Customer) -> str:
        notes = "".join(
            f"<metaDatum><name>{escape(name)}</name><value>{escape(value)}</value></metaDatum>"
            for name, value in customer.notes.items()
        )
        return (
            f"<customer id={quoteattr(customer.id)} code={quoteattr(customer.code)}>"
            f"<company>{escape(customer.company)}</company>"
            f"<createdDatetime>{self._said(customer.created)}</createdDatetime>"
            f"<modifiedDatetime>{self._said(customer.modified)}</modifiedDatetime>"
            f"<metaData>{notes}</metaData>"
            f"{_list('subscriptions', map(self._subscription, customer.subscriptions))}"
            "</customer>"
        )

    def _subscription(self, each: Subscription) -> str:
        items = (
            f'<item id="{key}" code="{key}"><quantity>{quantity}</quantity></item>'
            for key, quantity in each.items.items()
        )
        return (
            f"<subscription id={quoteattr(each.id)}>"
            f"<plans>{_plan(each.plan, each.plan)}</plans>"
            f"<canceledDatetime>{self._said(each.cancelled)}</canceledDatetime>"
            f"<createdDatetime>{self._said(each.created)}</createdDatetime>"
            f"{_list('items', items)}{_list('invoices', map(self._invoice, each.invoices))}"
            "</subscription>"
        )

    def _invoice(self, each: Invoice) -> str:
        charges = [
            f'<charge id={quoteattr(key)} code="X"><quantity>1</quantity>'
            f"<eachAmount>{amount}.00</eachAmount></charge>"
            for key, amount in each.charges.items()
        ]
        if not each.paid_by:
            # What the engine will charge has no identifier before that.
            charges.append('<charge id="" code="R"><quantity>1</quantity></charge>')
        return (
            f"<invoice id={quoteattr(each.id)}><number>{each.number}</number>"
            f"<paidTransactionId>{each.paid_by}</paidTransactionId>"
            f"<createdDatetime>{self._said(each.created)}</createdDatetime>"
            f"{_list('charges', charges)}"
            f"{_list('transactions', map(self._transaction, each.transactions))}</invoice>"
        )

    def _transaction(self, each: Transaction) -> str:
        return (
            f'<transaction id={quoteattr(each.id)} code=""><parentId>{each.parent}</parentId>'
            f"<amount>{each.amount}.00</amount><response>{each.response}</response>"
            f"<transactedDatetime>{self._said(each.at)}</transactedDatetime>"
            f"<createdDatetime>{self._said(each.at)}</createdDatetime></transaction>"
        )

    def _said(self, when: datetime | None) -> str:
        return when.astimezone(self.clients.zone).isoformat() if when else ""


ORDERS = {("name", "asc"): "company", ("createdDatetime", "asc"): "created"}


def _plan(code: str, name: str) -> str:
    return f"<plan id={quoteattr(code)} code={quoteattr(code)}><name>{escape(name)}</name></plan>"


def _list(name: str, elements: Iterable[str]) -> str:
    told = "".join(elements)
    return f"<{name}>{told}</{name}>" if told else ""


def _error(code: int, message: str) -> tuple[int, str, bytes]:
    body = f'{HEAD}<error id="1" code="{code}" auxCode="">{escape(message)}</error>'
    return code, KIND, body.encode()
