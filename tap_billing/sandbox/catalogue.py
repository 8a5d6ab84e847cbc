"""What the sample company sells: static lists, plans, items, discounts, and how they change."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tap_billing.sandbox.offer import (
    Admin,
    Coupon,
    Currency,
    Entry,
    Incentive,
    PlanItem,
    Product,
    Promotion,
    Terms,
    Tier,
    Tierset,
)

if TYPE_CHECKING:
    from datetime import datetime

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.offer import ProductKind

CURRENCIES = (
    Currency(1, "United States Dollar", "USD", "$", 2),
    Currency(2, "Euro", "EUR", "€", 2),
    Currency(3, "British Pound", "GBP", "£", 2),
    Currency(4, "Japanese Yen", "JPY", "¥", 0),
)
RATES = {"USD": Decimal(1), "EUR": Decimal("0.95"), "GBP": Decimal("0.8"), "JPY": Decimal("1.5")}
COUNTRIES = (
    Entry(1, "United States", ("US", "USA", "us")),
    Entry(2, "United Kingdom", ("GB", "GBR", "uk")),
    Entry(3, "Germany", ("DE", "DEU", "de")),
    Entry(4, "France", ("FR", "FRA", "fr")),
    Entry(5, "Japan", ("JP", "JPN", "jp")),
    Entry(6, "China", ("CN", "CHN", "cn")),
    Entry(7, "Ukraine", ("UA", "UKR", "ua")),
    Entry(8, "United Arab Emirates", ("AE", "ARE", "ae")),
)
LANGUAGES = (
    Entry(1, "English", ("en",)),
    Entry(2, "German", ("de",)),
    Entry(3, "French", ("fr",)),
    Entry(4, "Japanese", ("ja",)),
    Entry(5, "Chinese", ("zh",)),
    Entry(6, "Ukrainian", ("uk",)),
    Entry(7, "Arabic", ("ar",)),
)
TERMS = (Terms(1, "Net 15", 15), Terms(2, "Net 30", 30), Terms(3, "Due on Receipt", 0))
BRANDS = (Entry(1, "Sample Company"), Entry(2, "Sample Company Europe"))
CAMPAIGNS = (Entry(1, "Spring fair"), Entry(2, "Search: ads, 2024"), Entry(3, "Word of mouth"))
CLASSES = (Entry(1, "Retail"), Entry(2, "Wholesale"))
CATEGORIES = (Entry(1, "Plans", ("plans",)), Entry(2, "Extras", ("extras",)))
TIERS = ((1, 10, 15000), (11, 50, 13500), (51, 99999, 12000))  # of consulting hours


class _Offer(NamedTuple):
    kind: ProductKind
    code: str
    name: str
    description: str
    base: int
    setup: int = 0
    paycycle: str = "evy"
    trial_days: int = 0
    units: str = ""
    items: tuple[tuple[str, str, bool], ...] = ()  # code, quantity included, periodic


class _Deal(NamedTuple):
    name: str
    percent: int
    months: int  # 0 = forever
    discount: str  # code of the discount product
    codes: tuple[str, ...]  # of the coupons; all but the first are limited and expire


_METERED = (("api_calls", "250", True), ("storage_gb", "10", False))
_OFFERS = (
    _Offer("item", "api_calls", "Thousand API calls", "Metered, per thousand", 2, units="call"),
    _Offer("item", "storage_gb", "Storage", "Metered, per GB kept", 25, units="GB"),
    _Offer("plan", "FREE", "Free", "For a look around", 0, paycycle="mon"),
    _Offer("plan", "SMALL", "Small", "", 1900, paycycle="mon", trial_days=14),
    _Offer("plan", "20TEAM", "Team • per seat", "Priced per seat", 1200, 0, "mon", 30, "seat",
           (("storage_gb", "50", False),)),
    _Offer("plan", "BUSINESS", "Business & more", "<All> of it, metered", 9900, 25000, "mon",
           items=_METERED),
    _Offer("plan", "SMALL_YEARLY", "Small, yearly", "Two months free: 12 for 10", 19000,
           paycycle="yrl"),
    _Offer("plan", "ENTERPRISE", "Enterprise", "Billed every quarter", 150000, 100000, "qtr", 0,
           "", (("api_calls", "10000", True), ("storage_gb", "99999999.9", False))),
    _Offer("service", "onboarding", "Onboarding", "One day, remote", 45000),
    _Offer("service", "consulting", "Consulting", "Per hour", 15000, units="hour"),
    _Offer("discount", "disc-20", "20 % off", "", 0),
    _Offer("discount", "disc-launch", "Launch discount", "The first three months", 0),
)  # fmt: skip
PRO = _Offer("plan", "PRO_2025", "Pro (2025)", '{{ "now"|date("m/d/Y") }}', 4900, 0, "mon", 7, "",
             (("api_calls", "1000", True),))  # fmt: skip
_DEALS = (
    _Deal("Twenty off", 20, 0, "disc-20", ("20OFF", "20OFF-FRIENDS")),
    _Deal("Launch, 3 months", 50, 3, "disc-launch", ("LAUNCH50",)),
)
PRO_DEAL = _Deal("Pro for less", 25, 6, "disc-launch", ("PRO25",))
# days after the founding -> new price of these plans in percent of the old one
PRICE_CHANGES = ((365, "SMALL", 110), (540, "20TEAM", 108), (800, "BUSINESS", 105),
                 (900, "SMALL_YEARLY", 110))  # fmt: skip
# Which plan changes are an upgrade; downgrades are the same steps back.
UPGRADES = {"FREE": "SMALL", "SMALL": "20TEAM", "20TEAM": "BUSINESS", "BUSINESS": "ENTERPRISE",
            "PRO_2025": "BUSINESS", "SMALL_YEARLY": "ENTERPRISE"}  # fmt: skip


def admins(founded: datetime) -> tuple[Admin, ...]:
    """Return the people who work at the company."""
    return (
        Admin(1, "robin", "Robin", "Hart", "robin@sample.example", founded),
        Admin(2, "noemi", "Noémi", "Krüger", "noemi@sample.example", founded),
        Admin(3, "support", "Sample", "Support", "support@sample.example", founded),
    )


def open_shop(company: Company) -> None:
    """Put the price list on sale and what will change about it on the agenda."""
    for offer in _OFFERS:
        _add(company, offer)
    for deal in _DEALS:
        _promote(company, deal, [])
    for days, code, _ in PRICE_CHANGES:
        instant = company.founded + timedelta(days=days, hours=17)
        company.at(instant, change_price, product(company, code).id)
    company.at(company.founded + timedelta(days=420, hours=16), launch_pro, 0)


def product(company: Company, code: str) -> Product:
    """Return the product with that code; raise StopIteration if there is none."""
    return next(each for each in company.products.values() if each.code == code)


def launch_pro(company: Company, _: int) -> None:
    """Put a new plan and a promotion that is limited to it on sale."""
    plan = _add(company, PRO)
    _promote(company, PRO_DEAL, [plan.id])


def change_price(company: Company, product_id: int) -> None:
    """Raise a plan's price in all currencies; only its tiersets show it as modified."""
    days = (company.now - company.founded).days
    plan = company.products[product_id]
    percent = next(rate for day, code, rate in PRICE_CHANGES if (day, code) == (days, plan.code))
    for tierset in plan.tiersets.values():
        tierset.base = tierset.base * percent // 100
        tierset.modified = company.now


def _add(company: Company, offer: _Offer) -> Product:
    number = company.next_id("product")
    items = [
        PlanItem(item.id, Decimal(included), periodic, _overage(item), company.now)
        for code, included, periodic in offer.items
        for item in (product(company, code),)
    ]
    added = Product(
        id=number,
        kind=offer.kind,
        code=offer.code,
        name=offer.name,
        description=offer.description,
        enabled=True,
        units=offer.units,
        paycycle=offer.paycycle,
        trial_days=offer.trial_days,
        category_id={"plan": 1, "service": 2, "item": 2}.get(offer.kind),
        tiersets=_tiersets(company, offer),
        items=items,
        created=company.now,
        modified=company.now,
    )
    company.products[number] = added
    return added


def _overage(item: Product) -> dict[str, int]:
    return {iso: tierset.base for iso, tierset in item.tiersets.items()}


def _tiersets(company: Company, offer: _Offer) -> dict[str, Tierset]:
    model = "vol" if offer.code == "consulting" else "uni" if offer.units else "fla"
    percent = {"disc-20": 20, "disc-launch": 50}.get(offer.code, 0)
    found: dict[str, Tierset] = {}
    for currency in CURRENCIES:
        rate = RATES[currency.iso4217]
        tiers = [
            Tier(company.next_id("tier"), first, last, int(amount * rate))
            for first, last, amount in (TIERS if model == "vol" else ())
        ]
        found[currency.iso4217] = Tierset(
            company.next_id("tierset"), currency, int(offer.setup * rate), int(offer.base * rate),
            percent, offer.paycycle, model, tiers, company.now, company.now,
        )  # fmt: skip
    return found


def _promote(company: Company, deal: _Deal, plan_ids: list[int]) -> None:
    number = company.next_id("promotion")
    incentive = Incentive(company.next_id("incentive"), deal.percent, deal.months)
    coupons = [
        Coupon(
            company.next_id("coupon"),
            number,
            product(company, deal.discount).id,
            code,
            f"{deal.name}: {code}",
            25 if index else None,
            company.now + timedelta(days=700) if index else None,
            enabled=True,
            created=company.now,
        )
        for index, code in enumerate(deal.codes)
    ]
    company.coupons.update({coupon.id: coupon for coupon in coupons})
    description = f"{deal.percent} % off" if deal.months else ""
    company.promotions[number] = Promotion(
        number, deal.name, description, plan_ids, [incentive], coupons, company.now
    )
