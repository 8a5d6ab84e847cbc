"""Changes of Cheddar's customers and of all that is below them."""

from __future__ import annotations

from decimal import Decimal

from tap_billing.sandbox import billing, catalogue, changes, moves, payments, signups
from tap_billing.sandbox.markup import identity
from tests.behavior import Made, dice, one
from tests.behavior.choices import LONG, calm, ended, late, live


def settled_long_ago(company):
    """Yield packages that go on, but of whose customer nothing is recent."""
    for package in live(company):
        customer = company.customers[package.customer_id]
        for number in customer.invoice_ids:
            invoice = company.invoices[number]
            for each in (invoice, *(company.transactions[n] for n in invoice.transaction_ids)):
                each.created = min(each.created, company.now - LONG)
        customer.created = min(customer.created, company.now - LONG)
        for number in customer.subscription_ids:
            for phase in company.subscriptions[number].phases:
                phase.created = min(phase.created, company.now - LONG)
        yield package


def join(company):
    yield
    yield Made("customers", (identity("customer", signups.join(company, dice()).id),))


def transact(how):
    """Pay, refund, or decline: a transaction on an old invoice."""

    def transacted(company):
        payment = late(company)
        invoice = company.invoices[payment.invoice_id]
        yield
        how(company, invoice, payment)
        number = invoice.transaction_ids[-1]
        yield Made("transactions", (identity("transaction", number),))

    return transacted


def pay(company, invoice, payment):
    payments.unapply(company, payment)
    payments.pay(company, invoice, invoice.balance)


def decline(company, invoice, _):
    payments.decline(company, invoice, dice())


def refund(company, _, payment):
    payments.refund(company, payment, payment.amount)


def change_plan(*, pays):
    """Change a plan, which makes a new subscription record."""

    def changed(company):
        package = one(_upgradable(company))
        yield
        moves.upgrade(company, package, dice())
        if pays:
            billing.issue(company, package)
            invoice = company.invoices[package.invoice_ids[-1]]
            payments.pay(company, invoice, invoice.balance)
        yield Made("subscriptions", (identity("phase", package.phases[-1].id),))

    return changed


def _upgradable(company):
    for package in settled_long_ago(company):
        if company.products[package.plan_id].code in {"SMALL", "20TEAM", "PRO_2025"}:
            yield package


def cancel(company):
    package = one(settled_long_ago(company))
    yield
    moves.cancel(company, package, dice())
    key = (identity("phase", package.phases[-1].id),)
    yield Made("subscriptions", key, ("canceledDatetime", "cancelType"))


def edit(company):
    package = one(ended(company))
    yield
    changes.edit_customer(company, package, dice())
    yield Made("customers", (identity("customer", package.customer_id),), ("modifiedDatetime",))


def use(company):
    package = one(each for each in settled_long_ago(company) if each.phases[-1].tracked)
    phase = package.phases[-1]
    yield
    changes.set_quantity(company, package, Decimal("7.25"))
    key = (identity("phase", phase.id), identity("product", phase.tracked[0].item_id))
    yield Made("subscription_items", key, ("quantity",))


def bill_nothing(company):
    package = one(settled_long_ago(company))
    customer = company.customers[package.customer_id]
    yield
    invoice = billing.bill_once(company, customer, catalogue.product(company, "onboarding"), 0)
    yield Made("invoices", (identity("bill", invoice.bill_id),))


def charge(company):
    package = one(settled_long_ago(company))
    yield
    changes.charge_custom(company, package, dice())
    yield Made("charges", (identity("charge", package.pending.custom[-1].id),))


def describe(company):
    package = one(ended(company))
    customer = company.customers[package.customer_id]
    customer.metadata.clear()
    yield
    changes.edit_metadata(company, package, dice())
    name = customer.metadata[-1].name
    yield Made("customer_metadata", (identity("customer", customer.id), name))


def take_away_open_invoice(company):
    """Cancel a subscription: its open invoice is not told any more."""
    package = one(settled_long_ago(company))
    number = package.pending.bill_id
    yield
    moves.cancel(company, package, dice())
    yield Made("invoices", (identity("bill", number),), gone=True)


def take_away_charge(company):
    package = one(settled_long_ago(company))
    changes.charge_custom(company, package, dice())
    yield
    number = package.pending.custom.pop().id
    yield Made("charges", (identity("charge", number),), gone=True)


def take_away_metadata(company):
    package = one(ended(company))
    customer = company.customers[package.customer_id]
    changes.edit_metadata(company, package, dice())
    yield
    name = customer.metadata.pop().name
    yield Made("customer_metadata", (identity("customer", customer.id), name), gone=True)


def uncancel(company):
    package = one(settled_long_ago(company))
    billing.stop(company, package, "customer", "")
    package.cancelled -= LONG / 2
    yield
    moves.uncancel(company, package, dice())
    yield Made("subscriptions", (identity("phase", package.phases[-1].id),), ("canceledDatetime",))


def void(company):
    payment = late(company)
    yield
    payments.void(company, payment)
    yield Made("transactions", (identity("transaction", payment.id),), ("response",))


def delete(company):
    customer = one(calm(company))
    yield
    changes.delete_customer(company, customer)
    yield Made("customers", (identity("customer", customer.id),), gone=True)


CHANGES = {
    ("customers", "new"): (join,),
    ("customers", "paid, declined or refunded"): tuple(map(transact, (pay, decline, refund))),
    ("customers", "plan changed with a payment"): (change_plan(pays=True),),
    ("customers", "cancelled"): (cancel,),
    ("customers", "edited"): (edit,),
    ("customers", "plan changed without a payment"): (change_plan(pays=False),),
    ("customers", "item quantity changed"): (use,),
    ("customers", "charge added"): (charge,),
    ("customers", "billed without a payment"): (bill_nothing,),
    ("customers", "metadata changed"): (describe,),
    ("customers", "cancellation taken back"): (uncancel,),
    ("customers", "transaction voided"): (void,),
    ("customers", "open invoice, charge or metadata gone"): (
        take_away_open_invoice,
        take_away_charge,
        take_away_metadata,
    ),
    ("customers", "deleted"): (delete,),
}
