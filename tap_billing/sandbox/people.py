"""Who the sample company deals with and what they pay with, provider neutral.

Conventions as in `model`, which re-exports everything here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

    from tap_billing.sandbox.offer import Currency

Address = tuple[str, str, str, str, str, str]  # addr1, addr2, city, state, postcode, country name


@dataclass(slots=True)
class Metadatum:
    """A name and a value that the merchant keeps with a customer."""

    id: int
    name: str
    value: str
    created: datetime
    modified: datetime


@dataclass(slots=True)
class Card:
    """A credit card."""

    id: int
    customer_id: int
    kind: str  # visa, mast, amex, disc (ChargeOver's words)
    last_four: str
    expires: date  # first day of the month of expiry
    name: str
    address: Address
    token: str
    created: datetime


@dataclass(slots=True)
class Account:
    """A bank account (ach) or a gateway token (tokenized) that a customer pays with."""

    id: int
    customer_id: int
    kind: str  # ach: chec, busi, savi; tokenized: customer
    name: str
    number: str  # ach: masked account number; tokenized: the gateway's token
    routing: str
    created: datetime


@dataclass(slots=True)
class Contact:
    """A person of a customer."""

    id: int
    customer_id: int
    first_name: str
    last_name: str
    email: str
    phone: str
    title: str
    username: str
    token: str
    created: datetime
    modified: datetime


@dataclass(slots=True)
class Customer:
    """A firm or a private person, with all it owns by id."""

    id: int
    code: str  # the merchant's own key: unique, never changes
    token: str
    company: str  # may be "" for private people
    first_name: str  # of the main person, as its contact (superuser_id) has it
    last_name: str
    email: str
    phone: str
    superuser_id: int
    currency: Currency
    language_id: int
    terms_id: int
    class_id: int | None
    admin_id: int | None
    campaign_id: int | None
    brand_id: int
    address: Address
    tax_rate: Decimal | None  # fraction, 0.07; None = none is set
    tax_exempt: bool
    tax_number: str
    notes: str
    referer: str  # "" or a URL
    campaign: tuple[str, str, str, str, str]  # source, medium, term, content, name; "" each
    metadata: list[Metadatum]
    subscription_ids: list[int]  # oldest first; at most the last one is live
    contact_ids: list[int]
    first_contact: datetime | None
    created: datetime
    modified: datetime  # moves on edits of the customer's own fields only
    card_modified: datetime | None = None  # last edit of card data (moves Cheddar's modified)
    active: bool = True
    tags: list[str] = field(default_factory=list)
    # running sums of its invoices, in minor units
    invoiced: int = 0  # totals of invoices that are not void
    paid: int = 0
    credited: int = 0
    written_off: int = 0
    invoice_ids: list[int] = field(default_factory=list)
    card_ids: list[int] = field(default_factory=list)
    credit_ids: list[int] = field(default_factory=list)  # transactions of no invoice

    @property
    def balance(self) -> int:
        """Return what the customer still owes on its invoices, in minor units."""
        return self.invoiced - self.paid - self.credited - self.written_off
