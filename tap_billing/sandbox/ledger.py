"""What the sample company bills and is paid, provider neutral.

Conventions as in `model`, which re-exports everything here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal
    from typing import TypeAlias

    from tap_billing.sandbox.people import Address

    Day: TypeAlias = date  # rows have a field called date

ChargeKind = Literal["recurring", "item", "custom", "setup"]


@dataclass(slots=True)
class Charge:
    """A line of an invoice, or a custom charge that waits on the pending one.

    Its amount is rate * quantity.
    """

    id: int
    kind: ChargeKind
    product_id: int | None  # None: custom, of no product
    code: str
    descrip: str
    rate: int
    quantity: int
    tax: int  # of the whole charge
    line_id: int | None  # the package line it bills
    tierset_id: int | None
    created: datetime


@dataclass(slots=True)
class Invoice:
    """An issued invoice, maybe pre-generated; void ones stay."""

    id: int  # ChargeOver's
    bill_id: int  # Cheddar's identity, see Pending
    number: int  # Cheddar's invoice number, unique
    kind: Literal["subscription", "one-time"]
    customer_id: int
    subscription_id: int | None  # None: one-off
    phase_id: int | None  # for a one-off: the customer's phase when it was made
    token: str
    terms_id: int
    charges: list[Charge]
    tax_rate: Decimal | None
    date: Day  # may lie in the future: pre-generated
    due_date: Day
    billing_at: datetime  # equals `created` unless pre-generated
    cycle: tuple[Day, Day] | None  # the period it bills for, both inclusive; None = one-off
    memo: str
    address: Address | None  # as it was when the invoice was written; not every one has one
    bill_created: datetime  # when Cheddar's open invoice came to be (<= created)
    created: datetime
    modified: datetime  # moves on edits and voids, NOT on payments, credits, write-offs or time
    subtotal: int
    taxes: int
    total: int
    payments: int = 0
    credits: int = 0
    written_off: int = 0
    declines: int = 0
    voided: datetime | None = None
    paid_on: Day | None = None
    paid_by: int | None = None  # the transaction that settled it; stays when that is voided later
    transaction_ids: list[int] = field(default_factory=list)  # attempts, payments, refunds, credits

    @property
    def balance(self) -> int:
        """Return what is still to be paid, in minor units; 0 when void."""
        if self.voided:
            return 0
        return self.total - self.payments - self.credits - self.written_off


@dataclass(slots=True)
class Application:
    """How much of a transaction an invoice was paid with."""

    invoice_id: int
    amount: int


@dataclass(slots=True)
class Transaction:
    """A payment or attempt, a refund or a credit; void ones stay."""

    id: int
    kind: Literal["pay", "ref", "cre"]  # Cheddar tells pay and ref only
    parent_id: int | None  # of a refund: the payment
    customer_id: int
    invoice_id: int | None  # the invoice it was attempted for
    method: str  # visa, mastercard, american-express, discover, check, ach, credit
    detail: str  # "x1111"
    card_id: int | None
    approved: bool
    message: str  # why declined
    error: int  # 0, or the gateway's code
    amount: int  # negative for refunds
    fee: int  # zero or negative
    token: str
    reference: str  # the gateway's transaction id; "" when declined
    memo: str
    applied: list[Application]
    date: Day
    created: datetime
    voided: datetime | None = None
    refund_ids: list[int] = field(default_factory=list)
    modified: datetime | None = None  # None = never; told by no provider
