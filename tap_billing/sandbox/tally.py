"""The company's truth: which rows each stream has, and what their money sums up to."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_billing.sandbox.markup import identity
from tap_billing.sandbox.model import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Charge, Phase

Key = int | str | list[int] | list[str]
Sums = dict[str, tuple[int, int]]  # field -> minor units and their decimals
Row = tuple[str, Key, Sums]  # stream, primary key, money


def truth(company: Company, provider: str) -> dict[str, dict[str, Any]]:
    """Return {stream: {"count", "sums": {field: decimal string}, "ids"}} of a provider, at now.

    An id is the primary key as the provider tells it; a key of several columns is a list.
    """
    rows = {"chargeover": _chargeover, "cheddar": _cheddar}[provider]
    ids: dict[str, list[Key]] = {stream: [] for stream in STREAMS[provider]}
    sums: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for stream, key, money in rows(company):
        ids[stream].append(key)
        for name, (amount, decimals) in money.items():
            total = sums[stream].get(name, Decimal("0.00"))
            sums[stream][name] = total + Decimal(decimal_text(amount, decimals))
    return {
        stream: {
            "count": len(keys),
            "sums": {name: str(total) for name, total in sums[stream].items()},
            "ids": keys,
        }
        for stream, keys in ids.items()
    }


def _chargeover(company: Company) -> Iterator[Row]:
    yield from _customers(company)
    yield from _packages(company)
    yield from _invoices(company)
    yield from _transactions(company)
    for product in company.products.values():
        yield "plans", product.id, {}
        for tierset in product.tiersets.values():
            base = {"base": (tierset.base, tierset.currency.decimals)}
            yield "plan_tiersets", [product.id, tierset.id], base
    for stream, attribute in SIMPLE.items():
        books = getattr(company, attribute)
        for row in books.values() if isinstance(books, dict) else books:
            yield stream, row.id, {}


def _customers(company: Company) -> Iterator[Row]:
    for customer in company.customers.values():
        places = customer.currency.decimals
        sums = {"total": customer.invoiced, "paid": customer.paid, "balance": customer.balance}
        yield "customers", customer.id, {name: (value, places) for name, value in sums.items()}


def _packages(company: Company) -> Iterator[Row]:
    for package in company.subscriptions.values():
        places = company.customers[package.customer_id].currency.decimals
        due = sum(company.invoices[number].balance for number in package.invoice_ids)
        sums = {"amount_invoiced": package.invoiced, "amount_due": due}
        money = {name: (value, places) for name, value in sums.items()}
        yield "subscriptions", package.id, money
        for line in package.lines:
            yield "subscription_line_items", line.id, {}


def _invoices(company: Company) -> Iterator[Row]:
    for invoice in company.invoices.values():
        places = company.customers[invoice.customer_id].currency.decimals
        sums = {"total": invoice.total, "balance": invoice.balance, "payments": invoice.payments}
        yield "invoices", invoice.id, {name: (value, places) for name, value in sums.items()}
        for charge in invoice.charges:
            money = {"line_rate": (charge.rate, places), "line_quantity": (charge.quantity, 0)}
            yield "invoice_line_items", charge.id, money


def _transactions(company: Company) -> Iterator[Row]:
    for transaction in company.transactions.values():
        places = company.customers[transaction.customer_id].currency.decimals
        yield "transactions", transaction.id, {"amount": (transaction.amount, places)}
        for each in transaction.applied:
            key = [transaction.id, each.invoice_id]
            yield "transaction_applications", key, {"applied": (each.amount, places)}


def _cheddar(company: Company) -> Iterator[Row]:
    yield from _offers(company)
    for customer in company.customers.values():
        own = identity("customer", customer.id)
        yield "customers", own, {}
        yield "contacts", own, {}
        for datum in customer.metadata:
            yield "customer_metadata", [own, datum.name], {}
        for subscription, phase in company.phases(customer):
            yield from _phase(company, phase, customer.currency.decimals)
            if phase is subscription.phases[-1] and subscription.pending is not None:
                yield "invoices", identity("bill", subscription.pending.bill_id), {}
                for charge in subscription.pending.custom:
                    yield _charge(charge, customer.currency.decimals)


def _offers(company: Company) -> Iterator[Row]:
    for product in company.products.values():
        if product.kind == "plan":
            plan = identity("product", product.id)
            yield "plans", plan, {}
            for item in product.items:
                yield "plan_items", [plan, identity("product", item.item_id)], {}
    for promotion in company.promotions.values():
        yield "promotions", identity("promotion", promotion.id), {}
        for incentive in promotion.incentives:
            yield "promotion_incentives", identity("incentive", incentive.id), {}
        for coupon in promotion.coupons:
            yield "coupons", identity("coupon", coupon.id), {}


def _phase(company: Company, phase: Phase, places: int) -> Iterator[Row]:
    own = identity("phase", phase.id)
    yield "subscriptions", own, {}
    for tracked in phase.tracked:
        yield "subscription_items", [own, identity("product", tracked.item_id)], {}
    for invoice in company.phase_invoices.get(phase.id, ()):
        yield "invoices", identity("bill", invoice.bill_id), {}
        for charge in invoice.charges:
            yield _charge(charge, places)
        for number in invoice.transaction_ids:
            transaction = company.transactions[number]
            if transaction.kind != "cre":
                money = {"amount": (transaction.amount, places)}
                yield "transactions", identity("transaction", transaction.id), money


def _charge(charge: Charge, places: int) -> Row:
    money = {"quantity*eachAmount": (charge.rate * charge.quantity, places)}
    return "charges", identity("charge", charge.id), money


SIMPLE = {
    "contacts": "contacts",
    "promotions": "coupons",
    "quotes": "quotes",
    "notes": "notes",
    "usage": "usages",
    "credit_cards": "cards",
    "tokenized": "tokens",
    "ach": "achs",
    "item_categories": "categories",
    "admins": "admins",
    "brands": "brands",
    "campaigns": "campaigns",
    "classes": "classes",
    "countries": "countries",
    "currencies": "currencies",
    "languages": "languages",
    "terms": "terms",
}
STREAMS = {
    "chargeover": (
        "customers", "subscriptions", "subscription_line_items", "transactions",
        "transaction_applications", "plans", "plan_tiersets", "invoices", "invoice_line_items",
        *SIMPLE,
    ),
    "cheddar": (
        "customers", "contacts", "customer_metadata", "subscriptions", "subscription_items",
        "invoices", "charges", "transactions", "plans", "plan_items", "promotions", "coupons",
        "promotion_incentives",
    ),
}  # fmt: skip
