"""What is agreed and settled between the bills: notes, quotes, sales, credits, refunds, voids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.sandbox import billing, catalogue, names, payments
from tap_billing.sandbox.days import add_months, local_date
from tap_billing.sandbox.model import Note, Quote

if TYPE_CHECKING:
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Subscription, Transaction


def write_note(company: Company, subscription_id: int, dice: Random | None = None) -> None:
    """Write a note on a subscription, its customer or its last invoice."""
    dice = dice or company.dice("note", subscription_id)
    subscription = company.subscriptions[subscription_id]
    text = dice.choice(names.NOTES) or "—"
    number = company.next_id("note")
    about = dice.choice(("customer", "billing_package", "invoice"))
    if about == "invoice" and subscription.invoice_ids:
        note = Note(number, 1, text, "invoice", subscription.invoice_ids[-1], company.now)
    elif about == "customer":
        note = Note(number, 2, text, "customer", subscription.customer_id, company.now)
    else:
        note = Note(number, 3, text, "billing_package", subscription_id, company.now)
    company.notes[number] = note


def note(company: Company, subscription: Subscription, dice: Random) -> None:
    """Write a note."""
    write_note(company, subscription.id, dice)


def quote(company: Company, subscription: Subscription, dice: Random) -> None:
    """Make an offer for a bigger plan."""
    plan = catalogue.product(company, dice.choice(("BUSINESS", "ENTERPRISE")))
    customer = company.customers[subscription.customer_id]
    number = company.next_id("quote")
    today = local_date(company.now)
    total = plan.tiersets[customer.currency.iso4217].base
    status = dice.choice(("open-new", "open-sent", "closed-won", "closed-lost"))
    company.quotes[number] = Quote(
        number, customer.id, company.token("quote", number), today, add_months(today, 1), plan.id,
        total, plan.paycycle, status, company.now, company.now,
    )  # fmt: skip


def sell_once(company: Company, subscription: Subscription, dice: Random) -> None:
    """Sell a service on a one-off invoice."""
    customer = company.customers[subscription.customer_id]
    code, most = dice.choice((("onboarding", 1), ("consulting", 14)))
    product = catalogue.product(company, code)
    billing.bill_once(company, customer, product, dice.randint(1, most))


def credit(company: Company, subscription: Subscription, dice: Random) -> None:
    """Give credit on the oldest open invoice, or for later."""
    customer = company.customers[subscription.customer_id]
    invoices = (company.invoices[number] for number in customer.invoice_ids)
    invoice = next((each for each in invoices if each.balance > 0), None)
    payments.credit(company, customer, invoice, dice.randrange(100, 5000))


def refund(company: Company, subscription: Subscription, dice: Random) -> None:
    """Refund the last payment, in full or in part."""
    payment = _payment(company, subscription)
    if payment is None:
        return
    left = payment.amount - payments.refunded(company, payment)
    part = max(left * dice.choice((1, 2, 3)) // 4, 1)
    payments.refund(company, payment, dice.choice((left, part)))


def void_payment(company: Company, subscription: Subscription, _: Random) -> None:
    """Void the last payment."""
    payment = _payment(company, subscription)
    if payment is None or payment.refund_ids:
        return
    if not company.invoices[payment.applied[0].invoice_id].voided:
        payments.void(company, payment)


def void_invoice(company: Company, subscription: Subscription, _: Random) -> None:
    """Void one of the last two invoices if it is open."""
    for number in reversed(subscription.invoice_ids[-2:]):
        invoice = company.invoices[number]
        if invoice.balance > 0 and not invoice.payments:
            billing.void(company, invoice)
            return


def _payment(company: Company, subscription: Subscription) -> Transaction | None:
    """Return the newest payment that is neither void nor refunded in full."""
    for number in reversed(company.customers[subscription.customer_id].invoice_ids[-3:]):
        for each in reversed(company.invoices[number].transaction_ids):
            payment = company.transactions[each]
            left = payment.amount - payments.refunded(company, payment)
            if payment.kind == "pay" and payment.approved and payment.applied and left > 0:
                return payment
    return None
