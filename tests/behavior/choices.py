"""What the sample company has that a change can be made of, chosen so that little else reads it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tap_billing.sandbox import billing, catalogue, payments
from tests.behavior import one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Customer, Invoice, Subscription, Transaction

DAY = timedelta(days=1)
# Beyond every window of an incremental run.
LONG = 60 * DAY


def calm(company: Company) -> Iterator[Customer]:
    """Yield customers of whom no pass reads anything: nothing is open, live or recent."""
    for customer in company.customers.values():
        invoices = [company.invoices[number] for number in customer.invoice_ids]
        packages = [company.subscriptions[number] for number in customer.subscription_ids]
        times = [each.created for each in invoices] + [each.modified for each in packages]
        times += [
            company.transactions[number].created
            for each in invoices
            for number in each.transaction_ids
        ]
        times += [each.cancelled for each in packages if each.cancelled]
        if (
            all(each.cancelled for each in packages)
            and not any(each.balance for each in invoices)
            and all(company.now - each > LONG for each in times)
            and any(each.payments and not each.written_off for each in invoices)
        ):
            yield customer


def live(company: Company) -> Iterator[Subscription]:
    """Yield packages that go on, and are billed."""
    for each in company.subscriptions.values():
        if not each.cancelled and each.pending and each.bills and not each.suspended_to:
            yield each


def ended(company: Company) -> Iterator[Subscription]:
    """Yield packages of calm customers that were cancelled long ago."""
    for customer in calm(company):
        yield from (company.subscriptions[number] for number in customer.subscription_ids)


def paid(company: Company, packages: Iterator[Subscription]) -> Iterator[Transaction]:
    """Yield payments that alone settled an invoice of these packages, the newest first."""
    for package in packages:
        for number in reversed(package.invoice_ids):
            invoice = company.invoices[number]
            payment = company.transactions.get(invoice.paid_by or 0)
            if payment and not payment.voided and payment.amount == invoice.total:
                yield payment


def late(company: Company) -> Transaction:
    """Return a payment from before the transaction window, of a calm customer."""
    return one(paid(company, ended(company)))


def recent(company: Company) -> Transaction:
    """Return a payment of these days."""
    payment = late(company)
    payment.created = company.now - DAY
    return payment


def bill(company: Company, customer: Customer | None = None) -> Invoice:
    """Issue an invoice over a service, to a calm customer if not to a certain one."""
    product = catalogue.product(company, "onboarding")
    return billing.bill_once(company, customer or one(calm(company)), product, 1)


def owed(company: Company, customer: Customer | None = None) -> Invoice:
    """Return an invoice that has been open for long, of a calm customer if not of a certain one."""
    invoice = bill(company, customer)
    invoice.created = invoice.modified = company.now - LONG
    company.customers[invoice.customer_id].active = True
    return invoice


def reopened(company: Company, packages: Iterator[Subscription]) -> Invoice:
    """Return an invoice of these packages that is open, because its payment was void."""
    payment = one(paid(company, packages))
    payments.void(company, payment)
    return company.invoices[payment.invoice_id]


def pay(company, invoice):
    payments.pay(company, invoice, invoice.balance)


def pay_a_part(company, invoice):
    payments.pay(company, invoice, invoice.balance // 3)


def credit(company, invoice):
    customer = company.customers[invoice.customer_id]
    payments.credit(company, customer, invoice, invoice.balance)
