"""The sample company's data, provider neutral: what both vendors' tellings are rendered from.

Instants are aware UTC datetimes in whole seconds. Money is an integer in the currency's minor unit
(cents; whole yen for JPY, see `Currency.decimals`). Ids are integers that increase with creation,
one sequence per kind; `Company` keeps each kind in a dict by id, in creation order, and what the
business deletes leaves its dict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tap_billing.sandbox.ledger import Application, Charge, ChargeKind, Invoice, Transaction
from tap_billing.sandbox.offer import (
    Admin,
    Coupon,
    Currency,
    Entry,
    Incentive,
    PlanItem,
    Product,
    ProductKind,
    Promotion,
    Terms,
    Tier,
    Tierset,
)
from tap_billing.sandbox.people import Account, Address, Card, Contact, Customer, Metadatum

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal
    from typing import TypeAlias

    Day: TypeAlias = date  # rows have a field called date

__all__ = [
    "Account",
    "Address",
    "Admin",
    "Application",
    "Card",
    "Charge",
    "ChargeKind",
    "Contact",
    "Coupon",
    "Currency",
    "Customer",
    "Entry",
    "Incentive",
    "Invoice",
    "Line",
    "Metadatum",
    "Note",
    "Paymethod",
    "Pending",
    "Phase",
    "PlanItem",
    "Product",
    "ProductKind",
    "Promotion",
    "Quote",
    "Subscription",
    "Terms",
    "Tier",
    "Tierset",
    "Tracked",
    "Transaction",
    "Usage",
    "decimal_text",
]

Paymethod = Literal["crd", "ach", "tok", "inv"]


@dataclass(slots=True)
class Tracked:
    """The quantity of an item that a subscription has used (Cheddar's subscription item)."""

    item_id: int
    quantity: Decimal  # up to 4 decimals
    created: datetime | None  # None (and modified None) = never set
    modified: datetime | None


@dataclass(slots=True)
class Phase:
    """A subscription between two plan changes: Cheddar's subscription record.

    A subscription's last phase is the current one. Its open (pending) invoice moves from phase to
    phase; issued invoices keep `Invoice.phase_id`.
    """

    id: int
    subscription_id: int
    plan_id: int
    created: datetime
    card: Card | None  # None = pays otherwise (invoice, bank account, token)
    coupon_code: str
    tracked: list[Tracked]


@dataclass(slots=True)
class Line:
    """A line of a ChargeOver package: the plan, an item it meters, a discount."""

    id: int
    product_id: int
    tierset: Tierset
    descrip: str | None
    quantity: int
    created: datetime
    trial_days: int = 0


@dataclass(slots=True)
class Pending:
    """A subscription's open invoice, not billed yet: only Cheddar tells it.

    When billed it becomes an `Invoice` with the same `bill_id` (Cheddar's identity) and `number`.
    Recurring and item charges are computed: `Company.pending_charges(subscription)`.
    """

    bill_id: int
    number: int
    created: datetime
    billing_at: datetime
    custom: list[Charge]


@dataclass(slots=True)
class Subscription:
    """ChargeOver's package: stays the same row over plan changes."""

    id: int
    customer_id: int
    token: str
    code: str  # external key, may be ""
    nickname: str
    plan_id: int
    seats: int  # quantity of the plan
    paymethod: Paymethod
    paymethod_id: int | None  # of the card, ach or tokenized row
    paycycle: str
    terms_id: int
    lines: list[Line]  # current ones; a changed line gets a new id
    phases: list[Phase]  # oldest first, at least one
    pending: Pending | None  # None: cancelled, or the next one is pre-generated already
    coupon: Coupon | None
    coupon_until: datetime | None  # None with a coupon = forever
    created: datetime
    modified: datetime  # NOT moved by cancel, hold, suspension, pay-method or pay-cycle change
    trial_until: datetime | None
    next_bill: datetime | None  # None when cancelled, unless put on hold after that
    hold_until: datetime | None = None
    suspended_from: datetime | None = None
    suspended_to: datetime | None = None
    cancelled: datetime | None = None
    cancel_reason: str = ""
    cancel_type: str = ""  # "", customer, nonpayment, trial
    bills: int = 0  # invoices issued so far
    invoice_ids: list[int] = field(default_factory=list)
    usage_ids: list[int] = field(default_factory=list)
    invoiced: int = 0
    collected: int = 0


@dataclass(slots=True)
class Usage:
    """A metered quantity reported for a package line."""

    id: int
    line_id: int
    subscription_id: int
    customer_id: int
    item_id: int
    value: Decimal
    kind: str  # add, max
    start: datetime
    end: datetime
    code: str
    created: datetime


@dataclass(slots=True)
class Note:
    """What somebody wrote down about a customer, a package or an invoice."""

    id: int
    admin_id: int
    text: str
    context: Literal["customer", "billing_package", "invoice"]
    context_id: int
    created: datetime


@dataclass(slots=True)
class Quote:
    """An offer of a plan to a customer."""

    id: int
    customer_id: int
    token: str
    date: Day
    valid_until: Day
    plan_id: int
    total: int
    paycycle: str
    status: str  # open-new, open-sent, closed-won, closed-lost
    created: datetime
    modified: datetime


def decimal_text(amount: int, decimals: int) -> str:
    """Return minor units as a plain decimal string with `decimals` places ("-12.30", "1200")."""
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 10**decimals)
    return f"{sign}{whole}.{part:0{decimals}d}" if decimals else f"{sign}{whole}"
