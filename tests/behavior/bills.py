"""Changes of ChargeOver's invoices and transactions."""

from __future__ import annotations

from tap_billing.sandbox import billing, changes, payments
from tap_billing.sandbox.days import local_date
from tests.behavior import Made, dice, one
from tests.behavior.choices import (
    DAY,
    bill,
    credit,
    ended,
    late,
    owed,
    pay,
    pay_a_part,
    recent,
)


def invoice_once(company):
    yield
    yield Made("invoices", (bill(company).id,))


def invoice_unmodified(company):
    """Write an invoice that is neither modified nor open when the next run reads."""
    yield
    invoice = bill(company)
    payments.write_off(company, invoice)
    invoice.modified = None
    yield Made("invoices", (invoice.id,))


def edit_invoice(company):
    package = one(each for each in ended(company) if each.invoice_ids)
    yield
    changes.edit_invoice(company, package, dice())
    yield Made("invoices", (package.invoice_ids[-1],), ("mod_datetime",))


def fall_overdue(company):
    invoice = owed(company)
    invoice.due_date = local_date(company.now) + DAY
    yield
    yield Made("invoices", (invoice.id,), ("invoice_status_str", "days_overdue"))


def void_by_time(company, invoice):
    """Void an invoice, and leave its modified time alone."""
    modified = invoice.modified
    billing.void(company, invoice)
    invoice.modified = modified


def settled(settle, *columns):
    """Do something to an open invoice."""

    def done(company):
        invoice = owed(company)
        yield
        settle(company, invoice)
        yield Made("invoices", (invoice.id,), columns)

    return done


def unpaid(choose):
    """Void the payment of an invoice."""

    def void(company):
        payment = choose(company)
        yield
        payments.void(company, payment)
        yield Made("invoices", (payment.invoice_id,), ("balance", "invoice_status_str"))

    return void


def paid_otherwise(choose, *, source):
    """Apply a payment to another invoice: its `source` is open again, the other is settled."""

    def moved(company):
        payment, other = _two(company, choose)
        number = payment.invoice_id if source else other.id
        yield
        payments.reapply(company, payment, other)
        yield Made("invoices", (number,), ("balance", "payments"))

    return moved


def _two(company, choose):
    """Return a payment and an open invoice of the same customer."""
    payment = choose(company)
    return payment, owed(company, company.customers[payment.customer_id])


def take_line_out(company):
    invoice = one(
        each
        for package in ended(company)
        for each in (company.invoices[number] for number in package.invoice_ids)
        if len(each.charges) > 1
    )
    number = invoice.charges[-1].id
    yield
    changes.remove_line(company, invoice)
    yield Made("invoice_line_items", (number,), gone=True)


def delete_invoice(company):
    payment = late(company)
    yield
    changes.delete_invoice(company, company.invoices[payment.invoice_id])
    yield Made("invoices", (payment.invoice_id,), gone=True)


def transact(how):
    """Book a payment, a credit or a declined attempt."""

    def booked(company):
        invoice = owed(company)
        yield
        how(company, invoice)
        yield Made("transactions", (invoice.transaction_ids[-1],))

    return booked


def decline(company, invoice):
    payments.decline(company, invoice, dice())


def refund(choose):
    """Give a payment back: the refund is new."""

    def given_back(company):
        payment = choose(company)
        yield
        payments.refund(company, payment, payment.amount)
        yield Made("transactions", (payment.refund_ids[-1],))

    return given_back


def refunded(choose):
    """Give a payment back: it lists its refund."""

    def given_back(company):
        payment = choose(company)
        yield
        payments.refund(company, payment, payment.amount)
        yield Made("transactions", (payment.id,), ("refunds",))

    return given_back


def voided(choose):
    """Void a payment."""

    def void(company):
        payment = choose(company)
        yield
        payments.void(company, payment)
        yield Made("transactions", (payment.id,), ("void_datetime", "applied"))

    return void


def reapplied(choose):
    """Apply a payment to another invoice."""

    def moved(company):
        payment, other = _two(company, choose)
        yield
        payments.reapply(company, payment, other)
        yield Made("transaction_applications", (payment.id, other.id))

    return moved


def left_out(how):
    """Take an application of a payment away."""

    def taken(company):
        payment, other = _two(company, recent)
        number = payment.invoice_id
        yield
        how(company, payment, other)
        yield Made("transaction_applications", (payment.id, number), gone=True)

    return taken


def delete_transaction(company):
    invoice = company.invoices[late(company).invoice_id]
    attempt = payments.decline(company, invoice, dice())
    yield
    changes.delete_transaction(company, attempt)
    yield Made("transactions", (attempt.id,), gone=True)


CHANGES = {
    ("invoices", "new"): (invoice_once, invoice_unmodified),
    ("invoices", "edited"): (edit_invoice,),
    ("invoices", "becomes overdue"): (fall_overdue,),
    ("invoices", "voided"): (
        settled(billing.void, "is_void", "invoice_status_str"),
        settled(void_by_time, "is_void", "invoice_status_str"),
    ),
    ("invoices", "written off"): (settled(payments.write_off, "writeoffs", "balance"),),
    ("invoices", "paid"): (
        settled(pay, "balance", "payments", "paid_date"),
        settled(pay_a_part, "balance", "payments"),
        settled(credit, "balance", "credits"),
    ),
    ("invoices", "payment voided or re-applied"): (
        *map(unpaid, (recent, late)),
        *(paid_otherwise(each, source=way) for each in (recent, late) for way in (True, False)),
    ),
    ("invoices", "line removed"): (take_line_out,),
    ("invoices", "deleted"): (delete_invoice,),
    ("transactions", "new"): (
        *map(transact, (pay, credit, decline)),
        *map(refund, (recent, late)),
    ),
    ("transactions", "refunded"): (*map(refunded, (recent, late)),),
    ("transactions", "voided or re-applied within transaction_window"): (
        voided(recent),
        reapplied(recent),
    ),
    ("transactions", "voided or re-applied later"): (voided(late), reapplied(late)),
    ("transactions", "application taken away"): (
        left_out(lambda company, payment, _: payments.void(company, payment)),
        left_out(payments.reapply),
    ),
    ("transactions", "deleted"): (delete_transaction,),
}
