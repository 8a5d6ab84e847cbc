"""Edits and deletions: what moves, or by the vendors' blindness does not move, a modified time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_billing.sandbox import charges, names, wallet
from tap_billing.sandbox.model import Charge, Contact, Metadatum

if TYPE_CHECKING:
    from decimal import Decimal
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Customer, Invoice, Subscription, Transaction


def new_card(company: Company, subscription: Subscription, dice: Random) -> None:
    """Let a subscription be paid by a new card; only the customer's card time moves."""
    customer = company.customers[subscription.customer_id]
    card = wallet.add_card(company, customer, dice)
    subscription.paymethod, subscription.paymethod_id = "crd", card.id
    subscription.phases[-1].card = card
    customer.card_modified = company.now


def switch_paymethod(company: Company, subscription: Subscription, dice: Random) -> None:
    """Switch to another card or way to pay; the package's modified time does not move."""
    if dice.random() < 3 / 4:
        new_card(company, subscription, dice)
        return
    customer = company.customers[subscription.customer_id]
    plan = company.products[subscription.plan_id]
    method, number = wallet.add_paymethod(company, customer, plan, dice)
    subscription.paymethod, subscription.paymethod_id = method, number
    card = company.cards[number] if method == "crd" and number else None
    subscription.phases[-1].card = card
    customer.card_modified = company.now


def delete_card(company: Company, subscription: Subscription, dice: Random) -> None:
    """Delete a card that nothing is paid by any more."""
    customer = company.customers[subscription.customer_id]
    used = {
        company.subscriptions[number].paymethod_id
        for number in customer.subscription_ids
        if company.subscriptions[number].paymethod == "crd"
    }
    idle = [number for number in customer.card_ids if number not in used]
    if idle:
        number = dice.choice(idle)
        customer.card_ids.remove(number)
        del company.cards[number]


def edit_customer(company: Company, subscription: Subscription, dice: Random) -> None:
    """Edit the customer's own fields."""
    customer = company.customers[subscription.customer_id]
    where = next(each for each in names.HOMES if each.country == customer.address[5])
    field = dice.choice(("address", "company", "notes", "phone"))
    if field == "address":
        customer.address = names.address(dice, where)
    elif field == "company":
        customer.company = names.firm(dice, where) or customer.company
    elif field == "notes":
        customer.notes = dice.choice(names.NOTES)
    else:
        customer.phone = f"555-01{dice.randrange(100):02d}"
    customer.modified = company.now


def add_contact(company: Company, subscription: Subscription, dice: Random) -> None:
    """Add a further contact to the customer."""
    customer = company.customers[subscription.customer_id]
    where = next(each for each in names.HOMES if each.country == customer.address[5])
    person = names.person(dice, where)
    number = company.next_id("contact")
    email = "" if dice.random() < 1 / 10 else f"{person.handle}.{number}@example.com"
    company.contacts[number] = Contact(
        number, customer.id, person.first_name, person.last_name, email, "",
        dice.choice(names.TITLES), email or company.token("username", number),
        company.token("contact", number), company.now, company.now,
    )  # fmt: skip
    customer.contact_ids.append(number)


def edit_contact(company: Company, subscription: Subscription, dice: Random) -> None:
    """Edit one of the customer's contacts; the main one is also the customer's own person."""
    customer = company.customers[subscription.customer_id]
    contact = company.contacts[dice.choice(customer.contact_ids)]
    contact.title = dice.choice(names.TITLES)
    contact.phone = f"555-01{dice.randrange(100):02d}"
    contact.modified = company.now
    if contact.id == customer.superuser_id:
        customer.phone = contact.phone
        customer.modified = company.now


def delete_contact(company: Company, subscription: Subscription, dice: Random) -> None:
    """Delete a contact that is not the main one."""
    customer = company.customers[subscription.customer_id]
    if customer.contact_ids[1:]:
        number = customer.contact_ids.pop(dice.randrange(1, len(customer.contact_ids)))
        del company.contacts[number]


def edit_metadata(company: Company, subscription: Subscription, dice: Random) -> None:
    """Set or add a metadatum; the customer's modified time does not move."""
    customer = company.customers[subscription.customer_id]
    if customer.metadata and dice.random() < 2 / 3:
        datum = dice.choice(customer.metadata)
        datum.value, datum.modified = dice.choice(names.PROJECTS), company.now
        return
    number = company.next_id("metadatum")
    customer.metadata.append(
        Metadatum(number, f"field {number}", dice.choice(names.PROJECTS), company.now, company.now)
    )


def charge_custom(company: Company, subscription: Subscription, dice: Random) -> None:
    """Put a custom charge or credit on the open invoice."""
    if subscription.pending is None:
        return
    customer = company.customers[subscription.customer_id]
    code, rate = dice.choice(
        (("SUPPORT", 2500), ("CREDIT_FORWARD", -500), ("late & fee", 999), ("SMALL_RECURRING", -5))
    )
    quantity = dice.choice((1, 1, 2, 3)) if rate > 0 else 1
    description = dice.choice(("", 'Help on the phone: 30 min, "urgent"', "Überweisung <2024>"))
    subscription.pending.custom.append(
        Charge(
            company.next_id("charge"), "custom", None, code, description, rate, quantity,
            charges.tax(customer, rate * quantity), None, None, company.now,
        )
    )  # fmt: skip


def edit_subscription(company: Company, subscription: Subscription, dice: Random) -> None:
    """Edit a package's own fields: its modified time moves."""
    subscription.nickname = dice.choice(("", "renamed", "main: account, 2", "プラン"))
    subscription.modified = company.now


def edit_invoice(company: Company, subscription: Subscription, dice: Random) -> None:
    """Edit the memo of the last invoice: its modified time moves."""
    if subscription.invoice_ids:
        invoice = company.invoices[subscription.invoice_ids[-1]]
        invoice.memo = dice.choice(("Thanks!", "PO 4711: see attachment, p. 2", ""))
        invoice.modified = company.now


def set_quantity(company: Company, subscription: Subscription, quantity: Decimal) -> None:
    """Set the quantity that a subscription has used of its first item."""
    tracked = subscription.phases[-1].tracked[0]
    tracked.quantity = quantity
    tracked.created = tracked.created or company.now
    tracked.modified = company.now


def remove_line(company: Company, invoice: Invoice) -> Charge:
    """Take the last line out of an invoice: its modified time moves, the line leaves no trace."""
    gone = invoice.charges.pop()
    invoice.subtotal -= gone.rate * gone.quantity
    invoice.taxes -= gone.tax
    less = invoice.total - invoice.subtotal - invoice.taxes
    invoice.total -= less
    company.customers[invoice.customer_id].invoiced -= less
    if invoice.subscription_id is not None:
        company.subscriptions[invoice.subscription_id].invoiced -= less
    invoice.modified = company.now
    return gone


def delete_transaction(company: Company, transaction: Transaction) -> None:
    """Delete a transaction that is applied to nothing, such as an attempt that was declined."""
    if transaction.invoice_id is None:
        company.customers[transaction.customer_id].credit_ids.remove(transaction.id)
    else:
        company.invoices[transaction.invoice_id].transaction_ids.remove(transaction.id)
    del company.transactions[transaction.id]


def delete_invoice(company: Company, invoice: Invoice) -> None:
    """Delete an invoice with its transactions; no trace is left."""
    _drop(company.transactions, invoice.transaction_ids)
    customer = company.customers[invoice.customer_id]
    customer.invoice_ids.remove(invoice.id)
    customer.invoiced -= 0 if invoice.voided else invoice.total
    customer.paid -= invoice.payments
    customer.credited -= invoice.credits
    customer.written_off -= invoice.written_off
    for bills in company.phase_invoices.values():
        if invoice in bills:
            bills.remove(invoice)
    if invoice.subscription_id is not None:
        subscription = company.subscriptions[invoice.subscription_id]
        subscription.invoice_ids.remove(invoice.id)
        subscription.invoiced -= 0 if invoice.voided else invoice.total
        subscription.collected -= invoice.payments
    del company.invoices[invoice.id]


def delete_subscription(company: Company, subscription: Subscription) -> None:
    """Delete a subscription that is not its customer's only one, with all that belongs to it."""
    for number in list(subscription.invoice_ids):
        delete_invoice(company, company.invoices[number])
    for phase in subscription.phases:
        company.phase_invoices.pop(phase.id, None)
    _drop(company.usages, subscription.usage_ids)
    notes, mine = company.notes, ("billing_package", subscription.id)
    _drop(notes, [key for key, row in notes.items() if (row.context, row.context_id) == mine])
    company.customers[subscription.customer_id].subscription_ids.remove(subscription.id)
    del company.subscriptions[subscription.id]


def delete_customer(company: Company, customer: Customer) -> None:
    """Delete a customer with all that belongs to it; no trace is left."""
    for number in customer.invoice_ids:
        _drop(company.transactions, company.invoices.pop(number).transaction_ids)
    _drop(company.transactions, customer.credit_ids)
    for number in customer.subscription_ids:
        subscription = company.subscriptions.pop(number)
        _drop(company.usages, subscription.usage_ids)
        for phase in subscription.phases:
            company.phase_invoices.pop(phase.id, None)
    _drop(company.contacts, customer.contact_ids)
    _drop(company.cards, customer.card_ids)
    for books in (company.achs, company.tokens, company.quotes):
        _drop(books, [key for key, row in books.items() if row.customer_id == customer.id])
    gone = {
        "customer": {customer.id},
        "billing_package": set(customer.subscription_ids),
        "invoice": set(customer.invoice_ids),
    }
    notes = company.notes
    _drop(notes, [key for key, row in notes.items() if row.context_id in gone[row.context]])
    del company.customers[customer.id]


def _drop(books: dict[int, Any], numbers: list[int]) -> None:
    for number in numbers:
        del books[number]
