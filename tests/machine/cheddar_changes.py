"""What happens to a Cheddar product; every change picks its rows by plain numbers."""

# ruff: noqa: ARG001 - every change takes two numbers, whether it needs them or not

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.machine.clients import Clients, Customer, Invoice, Subscription, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _pick(clients: Clients, number: int) -> Customer | None:
    found = list(clients.customers.values())
    return found[number % len(found)] if found else None


def _invoice(clients: Clients) -> Invoice:
    number = clients.number()
    return Invoice(f"inv-{number}", number, clients.clock.now)


def _transact(clients: Clients, customer: Customer, amount: int, response: str) -> Transaction:
    """Try to be paid for the open invoice; if it is, its charges get identifiers."""
    subscription = customer.subscriptions[0]
    number = clients.number()
    made = Transaction(f"tra-{number}", amount, response, clients.clock.now)
    if not subscription.invoices:
        subscription.invoices.insert(0, _invoice(clients))
    invoice = subscription.invoices[0]
    invoice.transactions.insert(0, made)
    if response == "approved":
        invoice.paid_by = made.id
        invoice.charges[f"cha-{number}"] = amount
        subscription.invoices.insert(0, _invoice(clients))
    return made


def new_customer(clients: Clients, a: int, b: int) -> None:
    """Add a customer whom lists show up to `lookback` late."""
    now, number = clients.clock.now, clients.number()
    delay = timedelta(seconds=(b % 4) * clients.lookback.total_seconds() // 3)
    customer = Customer(f"cus-{number}", f"C{number}", f"Company {a}", now, now, now + delay)
    customer.subscriptions.append(
        Subscription(f"sub-{number}", "FREE", now, items={"seats": a}, invoices=[_invoice(clients)])
    )
    clients.customers[customer.id] = customer


def pay(clients: Clients, a: int, b: int) -> None:
    customer = _pick(clients, a)
    if customer and not customer.subscriptions[0].cancelled:
        _transact(clients, customer, 10 + b, "approved" if b % 3 else "declined")


def refund(clients: Clients, a: int, b: int) -> None:
    """Refund a payment, which is a child transaction beside it."""
    customer = _pick(clients, a)
    for subscription in customer.subscriptions if customer else ():
        for invoice in subscription.invoices:
            if invoice.paid_by:
                made = Transaction(
                    f"tra-{clients.number()}",
                    -1 - b,
                    "approved",
                    clients.clock.now,
                    invoice.paid_by,
                )
                invoice.transactions.insert(0, made)
                return


def void(clients: Clients, a: int, b: int) -> None:
    """Void a transaction, which changes its response in place."""
    customer = _pick(clients, a)
    found = list(customer.transactions()) if customer else []
    if found:
        found[b % len(found)].response = "voided"


def cancel(clients: Clients, a: int, b: int) -> None:
    customer = _pick(clients, a)
    if customer and not customer.subscriptions[0].cancelled:
        customer.subscriptions[0].cancelled = clients.clock.now


def revive(clients: Clients, a: int, b: int) -> None:
    customer = _pick(clients, a)
    if customer:
        customer.subscriptions[0].cancelled = None


def change_plan(clients: Clients, a: int, b: int) -> None:
    """Add a new subscription, to which the open invoice moves; with a payment perhaps."""
    customer = _pick(clients, a)
    if customer and not customer.subscriptions[0].cancelled:
        former = customer.subscriptions[0]
        made = Subscription(f"sub-{clients.number()}", f"PLAN{b}", clients.clock.now)
        made.items = dict(former.items)
        made.invoices, former.invoices = former.invoices[:1], former.invoices[1:]
        customer.subscriptions.insert(0, made)
        if b % 2:
            _transact(clients, customer, b, "approved")


def set_quantity(clients: Clients, a: int, b: int) -> None:
    customer = _pick(clients, a)
    if customer:
        customer.subscriptions[0].items["seats"] = b


def add_charge(clients: Clients, a: int, b: int) -> None:
    customer = _pick(clients, a)
    if customer and customer.subscriptions[0].invoices:
        customer.subscriptions[0].invoices[0].charges[f"cha-{clients.number()}"] = b


def edit(clients: Clients, a: int, b: int) -> None:
    customer = _pick(clients, a)
    if customer:
        customer.company, customer.modified = f"Edited {b}", clients.clock.now


def edit_all(clients: Clients, a: int, b: int) -> None:
    for customer in clients.customers.values():
        customer.company, customer.modified = f"All edited {a} {b}", clients.clock.now


def cancel_all(clients: Clients, a: int, b: int) -> None:
    for number in range(len(clients.customers)):
        cancel(clients, number, b)


def note(clients: Clients, a: int, b: int) -> None:
    """Set metadata of a customer, or take it away."""
    customer = _pick(clients, a)
    if customer and f"n{b % 2}" in customer.notes:
        del customer.notes[f"n{b % 2}"]
    elif customer:
        customer.notes[f"n{b % 2}"] = f"value {b} & more"


def delete(clients: Clients, a: int, b: int) -> None:
    customer = _pick(clients, a)
    if customer:
        del clients.customers[customer.id]


def new_plan(clients: Clients, a: int, b: int) -> None:
    clients.plans[f"PLAN{clients.number()}"] = f"Plan {b}"


def edit_plan(clients: Clients, a: int, b: int) -> None:
    codes = list(clients.plans)
    if codes:
        clients.plans[codes[a % len(codes)]] = f"Plan {b}"


def delete_plan(clients: Clients, a: int, b: int) -> None:
    codes = list(clients.plans)
    if codes:
        del clients.plans[codes[a % len(codes)]]


CHANGES: Mapping[str, Callable[[Clients, int, int], None]] = {
    each.__name__: each
    for each in (
        *(new_customer, pay, refund, void, cancel, cancel_all, revive, change_plan),
        *(set_quantity, add_charge, edit, edit_all, note, delete, new_plan, edit_plan, delete_plan),
    )
}
