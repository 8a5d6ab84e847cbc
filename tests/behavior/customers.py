"""Changes of ChargeOver's customers."""

from __future__ import annotations

from tap_billing.sandbox import billing, changes, moves, payments, signups
from tap_billing.sandbox.days import local_date
from tests.behavior import Made, dice, one
from tests.behavior.choices import (
    DAY,
    bill,
    calm,
    credit,
    ended,
    late,
    owed,
    pay,
    pay_a_part,
    recent,
)


def join(company):
    yield
    yield Made("customers", (signups.join(company, dice()).id,))


def join_unmodified(company):
    yield
    customer = signups.join(company, dice())
    customer.modified = None
    yield Made("customers", (customer.id,))


def edit_customer(company):
    customer = one(calm(company))
    yield
    changes.edit_customer(company, company.subscriptions[customer.subscription_ids[0]], dice())
    yield Made("customers", (customer.id,), ("mod_datetime",))


def owe(company):
    customer = one(calm(company))
    yield
    bill(company)
    yield Made("customers", (customer.id,), ("balance", "total"))


def owe_less(settle):
    """Make a customer's balance fall by what settles an open invoice."""

    def less(company):
        invoice = owed(company)
        yield
        settle(company, invoice)
        yield Made("customers", (invoice.customer_id,), ("balance",))

    return less


def owe_again(choose):
    """Make a customer's balance rise, because a payment is void."""

    def again(company):
        payment = choose(company)
        yield
        payments.void(company, payment)
        yield Made("customers", (payment.customer_id,), ("balance", "paid"))

    return again


def fall_behind(company):
    invoice = owed(company)
    invoice.due_date = local_date(company.now) + DAY
    yield
    yield Made("customers", (invoice.customer_id,), ("customer_status_str",))


def pay_otherwise(company):
    customer = one(calm(company))
    package = company.subscriptions[customer.subscription_ids[-1]]
    yield
    changes.new_card(company, package, dice())
    yield Made("customers", (customer.id,), ("default_creditcard_id",))


def rest(company):
    package = one(ended(company))
    company.customers[package.customer_id].active = True
    yield
    moves.rest(company, package, dice())
    yield Made("customers", (package.customer_id,), ("customer_status_state",))


def delete_customer(company):
    customer = one(calm(company))
    yield
    changes.delete_customer(company, customer)
    yield Made("customers", (customer.id,), gone=True)


CHANGES = {
    ("customers", "new"): (join, join_unmodified),
    ("customers", "edited"): (edit_customer,),
    ("customers", "balance moved"): (
        owe,
        *map(owe_less, (pay, pay_a_part, credit, billing.void, payments.write_off)),
        *map(owe_again, (recent, late)),
    ),
    ("customers", "becomes overdue"): (fall_behind,),
    ("customers", "default pay method changed"): (pay_otherwise,),
    ("customers", "made inactive"): (rest,),
    ("customers", "deleted"): (delete_customer,),
}
