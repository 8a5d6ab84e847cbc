"""What each ChargeOver object can be filtered by: the documented fields, and where they are."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tap_billing.sandbox.lists import quote_state
from tap_billing.sandbox.telling import (
    Telling,
    customer_status,
    invoice_status,
    package_state,
    package_status,
    transaction_status,
)
from tap_billing.sandbox.where import Field, Getter, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_billing.sandbox.model import Customer, Invoice, Subscription, Transaction


def _own(kind: Kind, path: str) -> Field:
    get: Callable[[Any], Any] = attrgetter(path)
    return Field(kind, lambda _, row: get(row))


def _told(kind: Kind, get: Getter) -> Field:
    return Field(kind, get)


def _owner(told: Telling, row: Subscription | Invoice | Transaction) -> Customer:
    return told.company.customers[row.customer_id]


def _nothing(_: Telling, __: object) -> None:
    return None


def _custom(count: int, first: Getter = _nothing, second: Getter = _nothing) -> dict[str, Field]:
    known = {1: first, 2: second}
    return {f"custom_{n}": _told("text", known.get(n, _nothing)) for n in range(1, count + 1)}


def _products(told: Telling, row: Invoice) -> list[Any]:
    found = told.company.products
    return [found[each.product_id] for each in row.charges if each.product_id is not None]


def _superusers(told: Telling, row: Subscription) -> list[str]:
    contacts = told.company.contacts
    return [contacts[number].email for number in _owner(told, row).contact_ids]


def _packages(told: Telling, row: Transaction) -> list[Subscription]:
    company = told.company
    numbers = (company.invoices[each.invoice_id].subscription_id for each in row.applied)
    return [company.subscriptions[number] for number in numbers if number is not None]


def _package_tokens(told: Telling, row: Invoice) -> str | None:
    number = row.subscription_id
    return told.company.subscriptions[number].token if number is not None else None


def _invoice_index(told: Telling, row: Invoice) -> int | None:
    if row.subscription_id is None:
        return None
    return told.company.subscriptions[row.subscription_id].invoice_ids.index(row.id)


def _minor(attribute: str) -> Field:
    get = attrgetter(attribute)
    return _told("number", lambda told, row: get(row) / 10 ** _owner(told, row).currency.decimals)


def _address(at: int) -> Field:
    return _told("text", lambda _, row: row.address[at])


_TIMES = {"write_datetime": _own("instant", "created"), "mod_datetime": _own("instant", "modified")}
_MARKED = ("bill_state", "ship_state", "bill_country", "ship_country")
CUSTOMER = {
    "customer_id": _own("number", "id"),
    "parent_customer_id": _told("number", _nothing),
    **{name: _told("text", _nothing) for name in _MARKED},
    "bill_state": _address(3),
    "bill_country": _address(5),
    "external_key": _own("text", "code"),
    "token": _own("text", "token"),
    "company": _told("text", lambda _, row: row.company or f"{row.first_name} {row.last_name}"),
    "superuser_id": _own("number", "superuser_id"),
    "superuser_email": _own("text", "email"),
    **_custom(50, lambda _, row: row.campaign[4] or None, lambda _, row: row.referer),
    **_TIMES,
    "customer_status_state": _told("text", lambda _, row: "a" if row.active else "i"),
    "customer_status_str": _told("text", lambda told, row: customer_status(told, row)[2]),
}
USER = {
    "user_id": _own("number", "id"),
    "external_key": _told("text", _nothing),
    "first_name": _own("text", "first_name"),
    "last_name": _own("text", "last_name"),
    "email": _own("text", "email"),
    "phone": _own("text", "phone"),
    "user_type_id": _told("number", lambda *_: 1),
    "username": _own("text", "username"),
    "customers.customer_id": _own("number", "customer_id"),
}
PACKAGE = {
    "package_id": _own("number", "id"),
    "customer_id": _own("number", "customer_id"),
    "token": _own("text", "token"),
    "brand_id": _told("number", lambda told, row: _owner(told, row).brand_id),
    **_custom(20, lambda _, row: "" if row.id % 3 else f"custom: {row.id}, package"),
    "paymethod": _own("text", "paymethod"),
    "paycycle": _own("text", "paycycle"),
    "nickname": _own("text", "nickname"),
    # Packages have no addresses of their own.
    "bill_state": _told("text", _nothing),
    "ship_state": _told("text", _nothing),
    "package_status_str": _told("text", lambda told, row: package_status(told, row)[2]),
    "package_status_state": _told("text", package_state),
    "external_key": _told("text", lambda _, row: row.code or None),
    **_TIMES,
    "cancel_datetime": _own("instant", "cancelled"),
    "quote.quote_id": _told("number", lambda *_: []),
    "line_items.external_key": _told("text", lambda *_: []),
    "line_items.custom_1": _told("text", lambda *_: []),
    "line_items.item_id": _told("number", lambda _, row: [each.product_id for each in row.lines]),
    "customer.superuser_email": _told("text", lambda told, row: _owner(told, row).email),
    "customer.users.email": _told("text", _superusers),
}
INVOICE = {
    "invoice_id": _own("number", "id"),
    "refnumber": _told("text", lambda _, row: str(row.id)),
    "customer_id": _own("number", "customer_id"),
    **{name: _told("text", _nothing) for name in _MARKED},
    "invoice_status_str": _told("text", lambda told, row: invoice_status(told, row)[1]),
    "invoice_status_state": _told("text", lambda told, row: invoice_status(told, row)[2]),
    "package_token": _told("text", _package_tokens),
    "package_id": _own("number", "subscription_id"),
    "invoice_index": _told("number", _invoice_index),
    "date": _own("day", "date"),
    "currency_id": _told("number", lambda told, row: _owner(told, row).currency.id),
    "token": _own("text", "token"),
    **_custom(3),
    "subtotal": _minor("subtotal"),
    "total": _minor("total"),
    "balance": _minor("balance"),
    "line_items.item_id": _told("number", lambda _, row: [each.product_id for each in row.charges]),
    **{f"line_items.custom_{n}": _told("text", lambda *_: []) for n in (1, 2, 3)},
    "line_items.item.categories.item_category_id": _told(
        "number", lambda told, row: [each.category_id for each in _products(told, row)]
    ),
    "transaction.transaction_id": _own("number", "transaction_ids"),
    "quote.quote_id": _told("number", lambda *_: []),
    **_TIMES,
}
TRANSACTION = {
    "transaction_id": _own("number", "id"),
    "customer_id": _own("number", "customer_id"),
    "gateway_id": _told(
        "number", lambda _, row: {"check": 204, "credit": 205}.get(row.method, 202)
    ),
    "currency_id": _told("number", lambda told, row: _owner(told, row).currency.id),
    "creditcard_id": _own("number", "card_id"),
    "ach_id": _told("number", _nothing),
    "tokenized_id": _told("number", _nothing),
    "token": _own("text", "token"),
    "external_key": _told("text", _nothing),
    "gateway_status": _told("number", lambda _, row: int(row.approved)),
    "gateway_transid": _told("text", lambda _, row: row.reference or None),
    "amount": _minor("amount"),
    "fee": _minor("fee"),
    "transaction_type": _own("text", "kind"),
    "transaction_method": _own("text", "method"),
    "transaction_detail": _told("text", lambda _, row: row.detail or None),
    "transaction_datetime": _own("instant", "created"),
    "transaction_status.state": _told("text", lambda _, row: transaction_status(row)[2]),
    "transaction_status.str": _told("text", lambda _, row: transaction_status(row)[1]),
    "applied_to.package_id": _told(
        "number", lambda told, row: [each.id for each in _packages(told, row)]
    ),
    "applied_to.package_external_key": _told(
        "text", lambda told, row: [each.code for each in _packages(told, row)]
    ),
    "applied_to.invoice_id": _told(
        "number", lambda _, row: [each.invoice_id for each in row.applied]
    ),
}
ITEM = {
    "item_id": _own("number", "id"),
    "name": _own("text", "name"),
    "external_key": _own("text", "code"),
    "accounting_sku": _told("text", _nothing),
    "item_type": _told("text", lambda _, row: "discount" if row.kind == "discount" else "service"),
    **_custom(3),
}
QUOTE = {
    "quote_id": _own("number", "id"),
    "customer_id": _own("number", "customer_id"),
    "brand_id": _told("number", lambda told, row: told.company.customers[row.customer_id].brand_id),
    "currency_id": _told(
        "number", lambda told, row: told.company.customers[row.customer_id].currency.id
    ),
    "refnumber": _told("text", lambda _, row: str(row.id)),
    "token": _own("text", "token"),
    "external_key": _told("text", _nothing),
    "date": _own("day", "date"),
    "bill_state": _told("text", _nothing),
    "bill_country": _told("text", _nothing),
    "quote_status_str": _own("text", "status"),
    "quote_status_state": _told("text", lambda _, row: quote_state(row)),
}
_CONTEXT = {"context_str": _own("text", "context"), "context_id": _own("number", "context_id")}
NOTE = {**_CONTEXT, "obj_type": _CONTEXT["context_str"], "obj_id": _CONTEXT["context_id"]}
USAGE = {
    "line_item_id": _own("number", "line_id"),
    "external_key": _own("text", "code"),
    "from": _own("instant", "start"),
    "to": _own("instant", "end"),
}
PAYMETHOD = {"customer_id": _own("number", "customer_id")}
