"""How invoices come to be: the billing run, trials that end, one-off and pre-generated invoices."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tap_billing.sandbox import charges, payments
from tap_billing.sandbox.days import CYCLES, add_months, local_date, run_at
from tap_billing.sandbox.model import Charge, Invoice, Pending

if TYPE_CHECKING:
    from datetime import date, datetime

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Customer, Product, Subscription

LEAD = timedelta(days=10)  # how long ahead invoices are pre-generated where they are


def end_trial(company: Company, subscription_id: int) -> None:
    """End a trial: one in five leaves, the others get their first bill."""
    subscription = company.subscriptions.get(subscription_id)
    if subscription is None or subscription.next_bill != company.now:
        return
    if company.dice("trial", subscription_id).random() < 1 / 5:
        stop(company, subscription, "trial", "Trial was not converted")
    else:
        bill(company, subscription_id)


def bill(company: Company, subscription_id: int) -> None:
    """Issue the invoice that is due now, unless cancelled or put off meanwhile; plan the next."""
    subscription = company.subscriptions.get(subscription_id)
    if subscription is None or subscription.next_bill is None:
        return
    due = subscription.next_bill
    early = due - LEAD == company.now and pre_generates(subscription)
    if (due != company.now and not early) or subscription.pending is None:
        return
    issue(company, subscription)
    if early:
        company.at(due, roll, subscription_id)
    else:
        roll(company, subscription_id)


def roll(company: Company, subscription_id: int) -> None:
    """Open the next invoice of a subscription whose last one is due now."""
    subscription = company.subscriptions.get(subscription_id)
    if subscription is None or subscription.next_bill != company.now:
        return
    day = add_months(local_date(subscription.next_bill), CYCLES[subscription.paycycle])
    plan_bill(company, subscription, run_at(day, subscription.id))


def plan_bill(company: Company, subscription: Subscription, instant: datetime) -> None:
    """Set when a subscription is billed next; opens an invoice for it where there is none."""
    subscription.next_bill = instant
    if subscription.pending is None:
        subscription.pending = Pending(
            company.next_id("bill"), company.next_id("number"), company.now, instant, []
        )
    subscription.pending.billing_at = instant
    ahead = instant - LEAD if pre_generates(subscription) else instant
    if ahead <= company.now:
        ahead = instant
    company.at(ahead, bill, subscription.id)


def pre_generates(subscription: Subscription) -> bool:
    """Return whether its invoices are made before their date: those paid by invoice."""
    return subscription.paymethod == "inv" and subscription.bills > 0


def issue(company: Company, subscription: Subscription) -> None:
    """Turn the open invoice into an issued one and set its payment going; not if nothing is due."""
    pending, due = subscription.pending, subscription.next_bill
    if pending is None or due is None:
        return
    lines = [
        replace(each, id=company.next_id("charge"), created=company.now)
        for each in charges.compute(company, subscription, due)
        if each.quantity
    ] + pending.custom
    _reset_periodic(company, subscription)
    if sum(each.rate * each.quantity for each in lines) <= 0:
        return
    day = local_date(due)
    end = add_months(day, CYCLES[subscription.paycycle]) - timedelta(days=1)
    customer = company.customers[subscription.customer_id]
    invoice = _write(company, customer, lines, pending, subscription)
    invoice.cycle = (day, end)
    subscription.pending = None
    subscription.bills += 1
    subscription.invoice_ids.append(invoice.id)
    subscription.invoiced += invoice.total
    payments.collect(company, invoice, subscription)


def bill_once(company: Company, customer: Customer, product: Product, quantity: int) -> Invoice:
    """Issue a one-off invoice for a service; it is paid by invoice."""
    tierset = product.tiersets[customer.currency.iso4217]
    rate = tierset.base
    for tier in tierset.tiers:
        if tier.unit_from <= quantity <= tier.unit_to:
            rate = tier.amount
    charge = Charge(
        company.next_id("charge"), "custom", product.id, product.code, product.name, rate, quantity,
        charges.tax(customer, rate * quantity), None, None, company.now,
    )  # fmt: skip
    pending = Pending(
        company.next_id("bill"), company.next_id("number"), company.now, company.now, []
    )
    invoice = _write(company, customer, [charge], pending, None)
    payments.collect(company, invoice, None)
    return invoice


def void(company: Company, invoice: Invoice) -> None:
    """Void an open invoice: total and lines stay, its modified time moves."""
    if invoice.voided or invoice.balance <= 0:
        return
    customer = company.customers[invoice.customer_id]
    customer.invoiced -= invoice.total - invoice.payments - invoice.credits - invoice.written_off
    invoice.voided = invoice.modified = company.now
    if invoice.subscription_id is not None:
        company.subscriptions[invoice.subscription_id].invoiced -= invoice.total


def stop(company: Company, subscription: Subscription, kind: str, reason: str) -> None:
    """Cancel a subscription; its modified time does not move, a pre-generated invoice is voided."""
    subscription.cancelled = company.now
    subscription.cancel_type, subscription.cancel_reason = kind, reason
    subscription.next_bill = subscription.pending = None
    for number in subscription.invoice_ids[-1:]:
        invoice = company.invoices[number]
        if invoice.billing_at > company.now:
            void(company, invoice)


def _reset_periodic(company: Company, subscription: Subscription) -> None:
    periodic = {
        item.item_id for item in company.products[subscription.plan_id].items if item.periodic
    }
    for tracked in subscription.phases[-1].tracked:
        if tracked.item_id in periodic and tracked.created:
            tracked.quantity, tracked.modified = Decimal(0), company.now


def _write(
    company: Company,
    customer: Customer,
    lines: list[Charge],
    pending: Pending,
    subscription: Subscription | None,
) -> Invoice:
    number = company.next_id("invoice")
    day: date = local_date(pending.billing_at)
    terms_id = subscription.terms_id if subscription else customer.terms_id
    if subscription is not None and subscription.paymethod != "inv":
        terms_id = 3  # due on receipt: it is charged at once
    days = next(each.days for each in company.terms if each.id == terms_id)
    phases = (subscription or company.subscriptions[customer.subscription_ids[-1]]).phases
    subtotal = sum(each.rate * each.quantity for each in lines)
    taxes = sum(each.tax for each in lines)
    invoice = Invoice(
        id=number,
        bill_id=pending.bill_id,
        number=pending.number,
        kind="subscription" if subscription else "one-time",
        customer_id=customer.id,
        subscription_id=subscription.id if subscription else None,
        phase_id=phases[-1].id,
        token=company.token("invoice", number),
        terms_id=terms_id,
        charges=lines,
        tax_rate=None if customer.tax_exempt else customer.tax_rate,
        date=day,
        due_date=day + timedelta(days=days),
        billing_at=pending.billing_at,
        cycle=None,
        memo="" if subscription else "As agreed on the phone: thanks, and see you\nsoon!",
        address=customer.address if number % 4 == 0 else None,
        bill_created=pending.created,
        created=company.now,
        modified=company.now,
        subtotal=subtotal,
        taxes=taxes,
        total=subtotal + taxes,
    )
    company.invoices[number] = invoice
    company.phase_invoices[phases[-1].id].append(invoice)
    customer.invoice_ids.append(number)
    customer.invoiced += invoice.total
    return invoice


def shift(company: Company, subscription: Subscription, day: date) -> None:
    """Put the next bill of a subscription off to a later day."""
    plan_bill(company, subscription, run_at(day, subscription.id))
