"""What happens to a subscription between its bills: tables of events, drawn again and again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tap_billing.sandbox import billing, catalogue, changes, names, payments, signups
from tap_billing.sandbox.days import CYCLES, add_months, local_date, run_at
from tap_billing.sandbox.model import Note, Quote, Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Subscription, Transaction

    Event = Callable[[Company, Subscription, Random], object]


def live(company: Company, subscription_id: int) -> None:
    """Let one event of `EVENTS` happen to a live subscription, or of `AFTER` to a cancelled one."""
    subscription = company.subscriptions.get(subscription_id)
    if subscription is None:
        return
    customer = company.customers[subscription.customer_id]
    if customer.subscription_ids[-1] != subscription_id:
        return  # the customer signed up anew
    dice = company.dice("live", subscription_id)
    table, calm = (AFTER, 0.72) if subscription.cancelled else (EVENTS, 0.5)
    if dice.random() > calm:
        events, weights = zip(*table, strict=True)
        dice.choices(events, weights)[0](company, subscription, dice)
    if subscription_id in company.subscriptions:
        company.at(company.now + timedelta(days=dice.uniform(8, 30)), live, subscription_id)


def use(company: Company, subscription_id: int) -> None:
    """Report usage of the metered items of a subscription for the days just past."""
    subscription = company.subscriptions.get(subscription_id)
    if subscription is None or subscription.cancelled:
        return
    dice = company.dice("use", subscription_id)
    plan = company.products[subscription.plan_id]
    lines = {line.product_id: line for line in subscription.lines}
    for tracked in subscription.phases[-1].tracked:
        if dice.random() < 1 / 3:
            continue
        periodic = next(each.periodic for each in plan.items if each.item_id == tracked.item_id)
        value = (
            Decimal(dice.randrange(1, 90))
            if periodic
            else Decimal(dice.randrange(1, 300000)) / 10000
        )
        tracked.quantity = tracked.quantity + value if periodic else value
        tracked.created = tracked.created or company.now
        tracked.modified = company.now
        number = company.next_id("usage")
        subscription.usage_ids.append(number)
        company.usages[number] = Usage(
            number, lines[tracked.item_id].id, subscription_id, subscription.customer_id,
            tracked.item_id, value, "add" if periodic else "max",
            company.now - timedelta(days=7), company.now, f"usage-{number}", company.now,
        )  # fmt: skip
    company.at(company.now + timedelta(days=dice.uniform(6, 12)), use, subscription_id)


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


def _note(company: Company, subscription: Subscription, dice: Random) -> None:
    write_note(company, subscription.id, dice)


def _upgrade(company: Company, subscription: Subscription, dice: Random) -> None:
    _change_plan(company, subscription, catalogue.UPGRADES, dice)


def _downgrade(company: Company, subscription: Subscription, dice: Random) -> None:
    back = {new: old for old, new in catalogue.UPGRADES.items() if old != "PRO_2025"}
    _change_plan(company, subscription, back, dice)


def _change_plan(
    company: Company, subscription: Subscription, steps: dict[str, str], dice: Random
) -> None:
    code = steps.get(company.products[subscription.plan_id].code)
    if code is None or (subscription.trial_until is None and not subscription.bills):
        return
    plan = catalogue.product(company, code)
    metered = bool(company.products[subscription.plan_id].items)
    subscription.plan_id = plan.id
    subscription.seats = dice.randrange(2, 20) if plan.units == "seat" else 1
    subscription.paycycle = plan.paycycle
    signups.begin_phase(company, subscription, subscription.phases[-1].card)
    subscription.modified = company.now
    if plan.items and not metered:
        company.at(company.now + timedelta(days=dice.uniform(1, 9)), use, subscription.id)


def _seats(company: Company, subscription: Subscription, dice: Random) -> None:
    line = subscription.lines[0]
    if line.tierset.pricemodel != "uni":
        return
    subscription.seats = line.quantity = max(1, line.quantity + dice.choice((-2, -1, 1, 2, 5)))
    line.id = company.next_id("line")  # an upgraded line gets a new line_item_id
    subscription.modified = company.now


def _cancel(company: Company, subscription: Subscription, dice: Random) -> None:
    reason = dice.choice(("", "Too expensive", 'Moved to "Other & Co."', "会社を閉じました"))
    billing.stop(company, subscription, "customer", reason)


def _suspend(company: Company, subscription: Subscription, dice: Random) -> None:
    if subscription.next_bill is None or subscription.pending is None:
        return
    subscription.suspended_from = company.now
    subscription.suspended_to = company.now + timedelta(days=dice.randrange(5, 40))
    if subscription.next_bill < subscription.suspended_to:
        billing.shift(company, subscription, local_date(subscription.suspended_to) + _DAY)


def _hold(company: Company, subscription: Subscription, dice: Random) -> None:
    if subscription.next_bill is None or subscription.pending is None:
        return
    day = local_date(subscription.next_bill) + timedelta(days=dice.randrange(3, 30))
    subscription.hold_until = run_at(day, subscription.id)
    billing.shift(company, subscription, day)


def _switch_cycle(_: Company, subscription: Subscription, dice: Random) -> None:
    subscription.paycycle = dice.choice([each for each in CYCLES if each != subscription.paycycle])


def _one_off(company: Company, subscription: Subscription, dice: Random) -> None:
    customer = company.customers[subscription.customer_id]
    code, most = dice.choice((("onboarding", 1), ("consulting", 14)))
    product = catalogue.product(company, code)
    billing.bill_once(company, customer, product, dice.randint(1, most))


def _credit(company: Company, subscription: Subscription, dice: Random) -> None:
    open_ones = [
        company.invoices[number]
        for number in company.customers[subscription.customer_id].invoice_ids
        if company.invoices[number].balance > 0
    ]
    if open_ones:
        memo = dice.choice(("Goodwill", "Credit for an outage: 2 h, sorry"))
        payments.credit(company, open_ones[0], dice.randrange(100, 5000), memo)


def _payment(company: Company, subscription: Subscription) -> Transaction | None:
    """Return the newest payment that is neither void nor refunded in full."""
    for number in reversed(company.customers[subscription.customer_id].invoice_ids[-3:]):
        for each in reversed(company.invoices[number].transaction_ids):
            payment = company.transactions[each]
            left = payment.amount - payments.refunded(company, payment)
            if payment.kind == "pay" and payment.approved and payment.applied and left > 0:
                return payment
    return None


def _refund(company: Company, subscription: Subscription, dice: Random) -> None:
    payment = _payment(company, subscription)
    if payment is None:
        return
    left = payment.amount - payments.refunded(company, payment)
    part = max(left * dice.choice((1, 2, 3)) // 4, 1)
    payments.refund(company, payment, dice.choice((left, part)))


def _void_payment(company: Company, subscription: Subscription, _: Random) -> None:
    payment = _payment(company, subscription)
    if payment is None or payment.refund_ids:
        return
    if not company.invoices[payment.applied[0].invoice_id].voided:
        payments.void(company, payment)


def _void_invoice(company: Company, subscription: Subscription, _: Random) -> None:
    for number in reversed(subscription.invoice_ids[-2:]):
        invoice = company.invoices[number]
        if invoice.balance > 0 and not invoice.payments:
            billing.void(company, invoice)
            return


def _quote(company: Company, subscription: Subscription, dice: Random) -> None:
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


def _uncancel(company: Company, subscription: Subscription, dice: Random) -> None:
    if subscription.cancelled is None or company.now - subscription.cancelled > 60 * _DAY:
        return
    subscription.cancelled, subscription.cancel_type, subscription.cancel_reason = None, "", ""
    subscription.trial_until = None
    customer = company.customers[subscription.customer_id]
    customer.active = True
    if subscription.paymethod == "crd":
        changes.new_card(company, subscription, dice)
    billing.shift(company, subscription, local_date(company.now) + _DAY)
    if company.products[subscription.plan_id].items:
        company.at(company.now + _DAY, use, subscription.id)


def _hold_cancelled(company: Company, subscription: Subscription, dice: Random) -> None:
    """Give a cancelled package a next invoice date again, as one of the recorded has it."""
    if subscription.cancelled:
        day = local_date(company.now) + timedelta(days=dice.randrange(3, 30))
        subscription.hold_until = subscription.next_bill = run_at(day, subscription.id)


def _come_back(company: Company, subscription: Subscription, dice: Random) -> None:
    signups.subscribe(company, company.customers[subscription.customer_id], dice)


def _delete(company: Company, subscription: Subscription, _: Random) -> None:
    changes.delete_customer(company, company.customers[subscription.customer_id])


def _rest(company: Company, subscription: Subscription, _: Random) -> None:
    company.customers[subscription.customer_id].active = False


_DAY = timedelta(days=1)
EVENTS: tuple[tuple[Event, float], ...] = (
    (_upgrade, 8), (_downgrade, 3), (_seats, 14), (_cancel, 3.5), (_note, 8), (_suspend, 1.5),
    (_hold, 1.5), (_switch_cycle, 1), (_one_off, 4), (_credit, 3), (_refund, 4),
    (_void_payment, 1.2), (_void_invoice, 8), (_quote, 4), (_delete, 0.04),
    (changes.switch_paymethod, 4), (changes.edit_customer, 5), (changes.add_contact, 5),
    (changes.edit_contact, 5), (changes.delete_contact, 1.5), (changes.edit_metadata, 5),
    (changes.charge_custom, 6), (changes.edit_subscription, 3), (changes.edit_invoice, 2),
    (changes.delete_card, 1.5),
)  # fmt: skip
AFTER: tuple[tuple[Event, float], ...] = (
    (_uncancel, 20), (_come_back, 10), (_delete, 0.7), (_rest, 20), (_note, 10), (_refund, 6),
    (changes.edit_customer, 3), (_hold_cancelled, 2),
)  # fmt: skip
