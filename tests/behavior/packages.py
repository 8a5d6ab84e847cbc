"""Changes of ChargeOver's packages."""

from __future__ import annotations

from tap_billing.sandbox import billing, catalogue, changes, moves, payments, signups
from tap_billing.sandbox.days import local_date
from tests.behavior import Made, dice, one
from tests.behavior.choices import DAY, LONG, calm, ended, late, live, pay, reopened


def come_back(company):
    customer = one(calm(company))
    yield
    yield Made("subscriptions", (signups.subscribe(company, customer, dice()).id,))


def come_back_unmodified(company):
    """Sign up anew, but be neither modified nor live when the next run reads."""
    customer = one(calm(company))
    yield
    package = signups.subscribe(company, customer, dice())
    billing.stop(company, package, "customer", "")
    package.modified, package.cancelled = None, package.cancelled - LONG
    yield Made("subscriptions", (package.id,))


def edit_package(company):
    package = one(ended(company))
    yield
    changes.edit_subscription(company, package, dice())
    yield Made("subscriptions", (package.id,), ("mod_datetime",))


def do(event, *columns, choose=live):
    """Let one of the sample company's events happen to a package."""

    def happen(company):
        package = one(choose(company))
        yield
        event(company, package, dice())
        yield Made("subscriptions", (package.id,), columns)

    return happen


def resume(company):
    package = one(live(company))
    package.suspended_from, package.suspended_to = company.now - DAY, company.now + DAY
    yield
    yield Made("subscriptions", (package.id,), ("package_status_state",))


def issue(company):
    package = one(each for each in live(company) if each.lines[0].tierset.base)
    yield
    billing.issue(company, package)
    yield Made("subscriptions", (package.id,), ("amount_invoiced", "amount_due"))


def collect(choose):
    """Make a package's amounts move by a payment."""

    def paid_at_last(company):
        invoice = reopened(company, choose(company))
        yield
        pay(company, invoice)
        yield Made("subscriptions", (invoice.subscription_id,), ("amount_collected", "amount_due"))

    return paid_at_last


def collect_in_vain(company):
    payment = late(company)
    number = company.invoices[payment.invoice_id].subscription_id
    yield
    payments.void(company, payment)
    yield Made("subscriptions", (number,), ("amount_collected", "amount_due"))


def end_trial(company):
    package = one(live(company))
    package.trial_until = company.now + DAY
    yield
    yield Made("subscriptions", (package.id,), ("package_status_str",))


def expire(company):
    package = one(live(company))
    yield
    billing.stop(company, package, "trial", "Trial was not converted")
    yield Made("subscriptions", (package.id,), ("package_status_state",))


def fall_due(company):
    invoice = reopened(company, live(company))
    invoice.due_date = local_date(company.now) + DAY
    yield
    yield Made("subscriptions", (invoice.subscription_id,), ("package_status_str",))


def uncancel(company):
    package = one(live(company))
    billing.stop(company, package, "customer", "")
    package.cancelled -= 30 * DAY
    yield
    moves.uncancel(company, package, dice())
    yield Made("subscriptions", (package.id,), ("package_status_state", "cancel_datetime"))


def upgrade(company):
    package = one(
        each
        for each in live(company)
        if company.products[each.plan_id].code in catalogue.UPGRADES and not each.trial_until
    )
    number = package.lines[0].id
    yield
    moves.upgrade(company, package, dice())
    yield Made("subscription_line_items", (number,), gone=True)


def delete_package(company):
    package = one(ended(company))
    signups.subscribe(company, company.customers[package.customer_id], dice())
    yield
    changes.delete_subscription(company, package)
    yield Made("subscriptions", (package.id,), gone=True)


CHANGES = {
    ("subscriptions", "new"): (come_back, come_back_unmodified),
    ("subscriptions", "edited"): (edit_package,),
    ("subscriptions", "cancelled"): (do(moves.cancel, "package_status_state", "cancel_datetime"),),
    ("subscriptions", "suspended or resumed"): (
        do(moves.suspend, "package_status_state", "suspendfrom_datetime"),
        resume,
    ),
    ("subscriptions", "held"): (do(moves.hold, "next_invoice_datetime", "holduntil_datetime"),),
    ("subscriptions", "pay cycle or pay method changed"): (
        do(moves.switch_cycle, "paycycle"),
        do(changes.new_card, "creditcard_id"),
    ),
    ("subscriptions", "amounts moved"): (issue, collect(live), collect(ended), collect_in_vain),
    ("subscriptions", "status moved by time (trial, current, overdue, expired)"): (
        end_trial,
        fall_due,
        expire,
    ),
    ("subscriptions", "cancellation taken back"): (uncancel,),
    ("subscriptions", "held after its end"): (
        do(moves.hold_cancelled, "next_invoice_datetime", choose=ended),
    ),
    ("subscriptions", "line removed"): (upgrade,),
    ("subscriptions", "deleted"): (delete_package,),
}
