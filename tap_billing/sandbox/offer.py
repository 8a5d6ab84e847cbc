"""What the sample company sells and its small static lists, provider neutral.

Conventions as in `model`, which re-exports everything here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

ProductKind = Literal["plan", "item", "service", "discount"]


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency that customers are billed in."""

    id: int
    name: str
    iso4217: str
    symbol: str
    decimals: int  # of the minor unit: 2, JPY 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a small static list: country, language, brand, campaign, class, category."""

    id: int
    name: str
    extra: tuple[str, ...] = ()  # country: iso2, iso3, cctld; language: iso639; category: key


@dataclass(frozen=True, slots=True)
class Terms:
    """Payment terms."""

    id: int
    name: str
    days: int  # from the invoice's date to its due date


@dataclass(frozen=True, slots=True)
class Admin:
    """Somebody who works at the company."""

    id: int
    username: str
    first_name: str
    last_name: str
    email: str
    created: datetime


@dataclass(slots=True)
class Tier:
    """A price of a unit from one quantity to another."""

    id: int
    unit_from: int
    unit_to: int
    amount: int


@dataclass(slots=True)
class Tierset:
    """A price of a product in one currency."""

    id: int
    currency: Currency
    setup: int
    base: int  # per cycle for plans, per unit for items and services
    percent: int  # off, of discounts; else 0
    paycycle: str  # plans: mon, yrl, ...; else evy
    pricemodel: str  # fla, uni, tie, vol
    tiers: list[Tier]
    created: datetime
    modified: datetime  # moves on price changes


@dataclass(slots=True)
class PlanItem:
    """What a plan includes of an item (a product of kind "item")."""

    item_id: int
    included: Decimal  # quantity without extra charge
    periodic: bool  # tracked quantity starts from 0 after each bill
    overage: dict[str, int]  # iso4217 -> price of a unit above `included`
    created: datetime


@dataclass(slots=True)
class Product:
    """All of ChargeOver's items. Cheddar's plans are kind "plan", its items are kind "item"."""

    id: int
    kind: ProductKind
    code: str  # unique, at most 36 characters
    name: str
    description: str
    enabled: bool
    units: str  # "" or the singular ("seat")
    paycycle: str  # of plans: mon, qtr, yrl; else evy
    trial_days: int
    category_id: int | None
    tiersets: dict[str, Tierset]  # by iso4217
    items: list[PlanItem]  # of plans
    created: datetime
    modified: datetime


@dataclass(slots=True)
class Incentive:
    """What a promotion takes off, and for how long."""

    id: int
    percent: int
    months: int  # 0 = forever


@dataclass(slots=True)
class Coupon:
    """A code that customers redeem a promotion with."""

    id: int
    promotion_id: int
    product_id: int  # the discount product it refers to
    code: str
    description: str
    max_redemptions: int | None  # None = unlimited
    expires: datetime | None
    enabled: bool
    created: datetime
    redemptions: int = 0  # how often it was used so far


@dataclass(slots=True)
class Promotion:
    """A discount for those who have a coupon."""

    id: int
    name: str
    description: str
    plan_ids: list[int]  # empty = any plan
    incentives: list[Incentive]
    coupons: list[Coupon]
    created: datetime
