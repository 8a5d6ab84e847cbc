"""How invoices get paid or not: attempts, repeats, checks, refunds, voids, credits, write-offs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from tap_billing.sandbox import billing
from tap_billing.sandbox.days import local_date, seconds
from tap_billing.sandbox.model import Application, Transaction

if TYPE_CHECKING:
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Customer, Invoice, Subscription

REPEATS = (3, 5, 7)  # days after which a declined payment is tried again
NEVER, LATE = 0.05, 0.2  # of the customers who pay by invoice (LATE: or never)
APPROVED, APPROVED_AGAIN = 0.92, 0.55  # of first attempts and of repeats
LEAVE = 0.7  # of the subscriptions whose payment failed for good
PARTIAL, LEAST_PARTIAL = 0.1, 1000  # of the checks; of more than so many minor units
WRITE_OFF, VOID = 0.5, 0.65  # of the invoices that stay unpaid (VOID: or written off)
METHODS = {"visa": "visa", "mast": "mastercard", "amex": "american-express", "disc": "discover"}
DECLINES = (
    (204, "Insufficient funds"),
    (202, "This transaction has been declined: expired card"),
    (231, 'Issuer said "no" & gave no reason'),
)  # fmt: skip


def collect(company: Company, invoice: Invoice, subscription: Subscription | None) -> None:
    """Set the payment of a new invoice going: charged at once, or paid by the customer some day."""
    dice = company.dice("collect", invoice.id)
    if subscription is not None and subscription.paymethod != "inv":
        company.at(company.now + seconds(dice.randrange(3, 40)), attempt, invoice.id)
        return
    throw = dice.random()
    if throw < NEVER:  # never
        company.at(company.now + timedelta(days=dice.randrange(100, 200)), give_up, invoice.id)
        return
    late = 45 if throw < LATE else 0
    days = dice.uniform(1, 28) + late
    company.at(company.now + timedelta(days=days), settle, invoice.id)


def attempt(company: Company, invoice_id: int) -> None:
    """Charge an open invoice; a declined attempt is a transaction, too, and is repeated."""
    invoice = company.invoices.get(invoice_id)
    if invoice is None or invoice.balance <= 0:
        return
    dice = company.dice("attempt", invoice_id)
    if dice.random() < (APPROVED_AGAIN if invoice.declines else APPROVED):
        _pay(company, invoice, invoice.balance, dice)
        return
    decline(company, invoice, dice)
    if invoice.declines <= len(REPEATS):
        days = REPEATS[invoice.declines - 1]
        company.at(company.now + timedelta(days=days), attempt, invoice_id)
        return
    subscription = company.subscriptions.get(invoice.subscription_id or 0)
    if subscription is not None and subscription.cancelled is None and dice.random() < LEAVE:
        billing.stop(company, subscription, "nonpayment", "Declined after 4 attempts")
    company.at(company.now + timedelta(days=dice.randrange(40, 120)), give_up, invoice_id)


def decline(company: Company, invoice: Invoice, dice: Random) -> Transaction:
    """Try in vain to charge an open invoice."""
    error, message = dice.choice(DECLINES)
    declined = _record(company, invoice.customer_id, invoice, "pay", invoice.balance)
    declined.approved, declined.error, declined.message = False, error, message
    declined.fee, declined.reference = 0, ""
    invoice.declines += 1
    return declined


def settle(company: Company, invoice_id: int) -> None:
    """Book what a customer sends for an open invoice: all of it, or a part with the rest later."""
    invoice = company.invoices.get(invoice_id)
    if invoice is None or invoice.balance <= 0:
        return
    dice = company.dice("settle", invoice_id)
    if dice.random() < PARTIAL and invoice.balance > LEAST_PARTIAL:
        _pay(company, invoice, invoice.balance // 2, dice)
        company.at(company.now + timedelta(days=dice.uniform(3, 30)), settle, invoice_id)
    else:
        _pay(company, invoice, invoice.balance, dice)


def give_up(company: Company, invoice_id: int) -> None:
    """Write an unpaid invoice off, or void it, or leave it in collections."""
    invoice = company.invoices.get(invoice_id)
    if invoice is None or invoice.balance <= 0:
        return
    throw = company.dice("give up", invoice_id).random()
    if throw < WRITE_OFF:
        write_off(company, invoice)
    elif throw < VOID:
        billing.void(company, invoice)


def write_off(company: Company, invoice: Invoice) -> None:
    """Give up what is open of an invoice; its modified time does not move."""
    company.customers[invoice.customer_id].written_off += invoice.balance
    invoice.written_off += invoice.balance
    invoice.paid_on = local_date(company.now)


def refund(company: Company, payment: Transaction, amount: int) -> None:
    """Refund (a part of) an approved payment; the invoice stays paid."""
    invoice = company.invoices[payment.invoice_id or 0]
    back = _record(company, invoice.customer_id, invoice, "ref", -amount)
    back.parent_id, back.method, back.detail = payment.id, payment.method, payment.detail
    back.card_id, back.fee = payment.card_id, 0
    payment.refund_ids.append(back.id)


def refunded(company: Company, payment: Transaction) -> int:
    """Return how much of a payment was refunded so far, in minor units."""
    return -sum(company.transactions[number].amount for number in payment.refund_ids)


def void(company: Company, payment: Transaction) -> None:
    """Void a payment: it is no longer applied, and its invoices are open again."""
    payment.voided = payment.modified = company.now
    for application in payment.applied:
        company.at(company.now + timedelta(days=2), attempt, application.invoice_id)
    unapply(company, payment)


def reapply(company: Company, payment: Transaction, invoice: Invoice) -> None:
    """Apply a payment to another open invoice of its customer; what it paid is open again."""
    unapply(company, payment)
    _apply(company, payment, invoice, min(payment.amount, invoice.balance))
    payment.modified = company.now


def unapply(company: Company, payment: Transaction) -> None:
    """Take a payment from its invoices, which are open again; no modified time moves."""
    for application in payment.applied:
        invoice = company.invoices[application.invoice_id]
        invoice.payments -= application.amount
        invoice.paid_on = None
        company.customers[invoice.customer_id].paid -= application.amount
        if invoice.subscription_id is not None:
            company.subscriptions[invoice.subscription_id].collected -= application.amount
    payment.applied = []


def credit(company: Company, customer: Customer, invoice: Invoice | None, amount: int) -> None:
    """Give credit on an open invoice, or without one for later: then it stays unapplied."""
    given = min(amount, invoice.balance) if invoice else amount
    transaction = _record(company, customer.id, invoice, "cre", given)
    transaction.method, transaction.detail, transaction.reference = "credit", "", "API Credit"
    transaction.memo = "Goodwill" if given % 2 else "Credit for an outage: 2 h, sorry"
    transaction.card_id, transaction.fee = None, 0
    if invoice is None:
        customer.credit_ids.append(transaction.id)
        return
    transaction.applied = [Application(invoice.id, given)]
    invoice.credits += given
    customer.credited += given
    if invoice.balance == 0:
        invoice.paid_on = local_date(company.now)


def pay(company: Company, invoice: Invoice, amount: int) -> Transaction:
    """Book a payment of (a part of) what is open of an invoice."""
    payment = _record(company, invoice.customer_id, invoice, "pay", amount)
    _apply(company, payment, invoice, amount)
    return payment


def _pay(company: Company, invoice: Invoice, amount: int, dice: Random) -> None:
    payment = pay(company, invoice, amount)
    if dice.random() < 1 / 40:
        payment.memo = 'Paid by "phone": <thanks>, all good & settled'


def _apply(company: Company, payment: Transaction, invoice: Invoice, amount: int) -> None:
    payment.applied = [Application(invoice.id, amount)]
    invoice.payments += amount
    company.customers[invoice.customer_id].paid += amount
    if invoice.subscription_id is not None:
        company.subscriptions[invoice.subscription_id].collected += amount
    if invoice.balance == 0:
        invoice.paid_on = local_date(company.now)
        invoice.paid_by = payment.id


def _record(
    company: Company,
    customer_id: int,
    invoice: Invoice | None,
    kind: Literal["pay", "ref", "cre"],
    amount: int,
) -> Transaction:
    number = company.next_id("transaction")
    method, detail, card_id = _method(company, invoice)
    charged = method != "check"
    transaction = Transaction(
        id=number,
        kind=kind,
        parent_id=None,
        customer_id=customer_id,
        invoice_id=invoice.id if invoice else None,
        method=method,
        detail=detail,
        card_id=card_id,
        approved=True,
        message="",
        error=0,
        amount=amount,
        fee=-(amount * 29 // 1000 + 30) if charged and amount > 0 else 0,
        token=company.token("transaction", number),
        reference=company.token("reference", number) if charged else "Manual Entry",
        memo="",
        applied=[],
        date=local_date(company.now),
        created=company.now,
    )
    company.transactions[number] = transaction
    if invoice is not None:
        invoice.transaction_ids.append(number)
    return transaction


def _method(company: Company, invoice: Invoice | None) -> tuple[str, str, int | None]:
    """Return method, detail and card by which an invoice is paid: its package's, or a check."""
    subscription = company.subscriptions.get(invoice.subscription_id or 0) if invoice else None
    if subscription is None or subscription.paymethod_id is None:
        return "check", f"#{1000 + invoice.id}" if invoice else "", None
    number = subscription.paymethod_id
    if subscription.paymethod == "crd":
        card = company.cards[number]
        return METHODS[card.kind], f"x{card.last_four}", card.id
    if subscription.paymethod == "ach":
        return "ach", f"x{company.achs[number].number[-4:]}", None
    return "paypal", "x9999", None
