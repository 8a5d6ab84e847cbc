"""How customers come: sign-ups with all that a new customer brings along."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tap_billing.sandbox import billing, dealings, life, names, wallet
from tap_billing.sandbox.days import add_months, local_date, run_at, seconds
from tap_billing.sandbox.model import (
    Contact,
    Customer,
    Line,
    Metadatum,
    Pending,
    Phase,
    Subscription,
    Tracked,
)

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Card, Coupon, Product

_REFERERS = ("", "", "", "https://search.example/?q=billing&hl=en", "http://blog.example/a b")
_UTM = (
    ("", "", "", "", ""),
    ("newsletter", "email", "", "", "spring & summer"),
    ("search", "cpc", "billing software", "ad-1", "brand"),
)
_PLANS = (("SMALL", 32), ("20TEAM", 18), ("BUSINESS", 18), ("FREE", 8), ("SMALL_YEARLY", 12),
          ("ENTERPRISE", 4), ("PRO_2025", 16))  # fmt: skip


def sign_up(company: Company, number: int) -> None:
    """Take in the next customer and put the one after on the agenda."""
    dice = company.dice("sign-up", number)
    company.at(company.now + company.interval * dice.uniform(0.3, 1.7), sign_up, number + 1)
    if dice.random() < 1 / 40:  # two people on the phone at once: rows that share a second
        join(company, dice)
    customer = join(company, dice)
    if dice.random() < 1 / 6:
        dealings.write_note(company, customer.subscription_ids[-1])


def join(company: Company, dice: Random) -> Customer:
    """Add a customer with its main contact, a way to pay and a subscription."""
    now = company.now
    where = names.home(dice)
    person = names.person(dice, where)
    number = company.next_id("customer")
    contact_id = company.next_id("contact")
    email = f"{person.handle}{number}@{dice.choice(('example.com', 'mail.example', 'example.org'))}"
    currency = next(each for each in company.currencies if each.iso4217 == where.currency)
    taxed = where.currency in ("EUR", "GBP") or dice.random() < 1 / 5
    rate = Decimal("0.19") if where.currency == "EUR" else Decimal("0.07125")
    customer = Customer(
        id=number,
        code=_code(dice, number, email),
        token=company.token("customer", number),
        company=names.firm(dice, where),
        first_name=person.first_name,
        last_name=person.last_name,
        email=email,
        phone=f"555-01{dice.randrange(100):02d}" if dice.random() < 1 / 3 else "",
        superuser_id=contact_id,
        currency=currency,
        language_id=where.language_id,
        terms_id=dice.choice((1, 2, 2, 3)),
        class_id=dice.choice((None, None, 1, 2)),
        admin_id=dice.choice((None, 1, 2)),
        campaign_id=dice.choice((None, None, 1, 2, 3)),
        brand_id=2 if where.currency in ("EUR", "GBP") else 1,
        address=names.address(dice, where),
        tax_rate=rate if taxed else None,
        tax_exempt=not taxed and dice.random() < 1 / 10,
        tax_number=f"{where.currency}{number:07d}" if taxed and dice.random() < 1 / 3 else "",
        notes=dice.choice(names.NOTES) if dice.random() < 1 / 5 else "",
        referer=dice.choice(_REFERERS),
        campaign=dice.choice(_UTM),
        metadata=_metadata(company, dice),
        subscription_ids=[],
        contact_ids=[contact_id],
        first_contact=now - timedelta(days=dice.randrange(30)) if dice.random() < 1 / 3 else None,
        created=now,
        modified=now,
        tags=["vip", "élite"] if dice.random() < 1 / 20 else [],
    )
    company.customers[number] = customer
    company.contacts[contact_id] = Contact(
        contact_id, number, person.first_name, person.last_name, email, customer.phone,
        dice.choice(names.TITLES), email, company.token("contact", contact_id), now, now,
    )  # fmt: skip
    subscribe(company, customer, dice)
    return customer


def subscribe(company: Company, customer: Customer, dice: Random) -> Subscription:
    """Add a subscription to a plan that is on sale, with its first bill and its life to come."""
    plan = _choose_plan(company, dice)
    coupon = _redeem(company, plan, dice) if dice.random() < 1 / 8 else None
    paymethod, paymethod_id = wallet.add_paymethod(company, customer, plan, dice)
    number = company.next_id("subscription")
    now = company.now
    trial = plan.trial_days if dice.random() < 2 / 3 else 0
    first = run_at(local_date(now) + timedelta(days=trial), number) if trial else now + seconds(2)
    months = coupon_months(company, coupon)
    until = run_at(add_months(now.date(), months), number) if months else None
    card = company.cards[paymethod_id] if paymethod == "crd" and paymethod_id else None
    subscription = Subscription(
        id=number,
        customer_id=customer.id,
        token=company.token("subscription", number),
        code=f"sub:{number},{plan.code}" if dice.random() < 1 / 5 else "",
        nickname=dice.choice(("", "", "", "main account", "Büro № 2")),
        plan_id=plan.id,
        seats=dice.randrange(2, 20) if plan.units == "seat" else 1,
        paymethod=paymethod,
        paymethod_id=paymethod_id,
        paycycle=plan.paycycle,
        terms_id=customer.terms_id,
        lines=[],
        phases=[],
        pending=new_pending(company, first),
        coupon=coupon,
        coupon_until=until,
        created=now,
        modified=now,
        trial_until=first if trial else None,
        next_bill=first,
    )
    company.subscriptions[number] = subscription
    customer.subscription_ids.append(number)
    customer.active = True
    begin_phase(company, subscription, card)
    company.at(first, billing.end_trial if trial else billing.bill, number)
    company.at(now + timedelta(days=dice.uniform(2, 20)), life.live, number)
    if plan.items:
        company.at(now + timedelta(days=dice.uniform(0.2, 9)), life.use, number)
    return subscription


def begin_phase(company: Company, subscription: Subscription, card: Card | None) -> None:
    """Begin a phase with the subscription's plan: new lines; tracked quantities carry over."""
    plan = company.products[subscription.plan_id]
    now = company.now
    iso = company.customers[subscription.customer_id].currency.iso4217
    old = {each.item_id: each for each in subscription.phases[-1].tracked} if (
        subscription.phases
    ) else {}  # fmt: skip
    tracked = [
        Tracked(item.item_id, before.quantity, before.created, before.modified)
        if (before := old.get(item.item_id))
        else Tracked(item.item_id, Decimal(0), None, None)
        for item in plan.items
    ]
    subscription.phases.append(
        Phase(
            company.next_id("phase"), subscription.id, plan.id, now, card,
            subscription.coupon.code if subscription.coupon else "", tracked,
        )
    )  # fmt: skip
    products = [plan, *(company.products[item.item_id] for item in plan.items)]
    trial = plan.trial_days if subscription.trial_until else 0
    subscription.lines = [
        Line(
            company.next_id("line"), each.id, each.tiersets[iso], each.description or None,
            subscription.seats if each is plan else 1, now, trial if each is plan else 0,
        )
        for each in products
    ]  # fmt: skip


def new_pending(company: Company, billing_at: datetime) -> Pending:
    """Return a new open invoice that will be billed at that instant."""
    return Pending(company.next_id("bill"), company.next_id("number"), company.now, billing_at, [])


def coupon_months(company: Company, coupon: Coupon | None) -> int:
    """Return for how many months a coupon reduces the price; 0 is forever or no coupon."""
    return company.promotions[coupon.promotion_id].incentives[0].months if coupon else 0


def _code(dice: Random, number: int, email: str) -> str:
    shapes = (f"CUST-{number:05d}", str(number), email, f'A&B: {number}, "x"/{number}')
    return dice.choices(shapes, (5, 2, 2, 1))[0]


def _metadata(company: Company, dice: Random) -> list[Metadatum]:
    found = []
    for name in dice.sample(("project", "source", "Größe"), dice.choice((0, 0, 1, 2))):
        value = dice.choice(names.PROJECTS)
        number = company.next_id("metadatum")
        found.append(Metadatum(number, name, value, company.now, company.now))
    return found


def _choose_plan(company: Company, dice: Random) -> Product:
    on_sale = {each.code: each for each in company.products.values() if each.enabled}
    offered = [(on_sale[code], weight) for code, weight in _PLANS if code in on_sale]
    return dice.choices([plan for plan, _ in offered], [weight for _, weight in offered])[0]


def _redeem(company: Company, plan: Product, dice: Random) -> Coupon | None:
    open_now = [
        coupon
        for coupon in company.coupons.values()
        if (coupon.max_redemptions is None or coupon.redemptions < coupon.max_redemptions)
        and (coupon.expires is None or coupon.expires > company.now)
        and plan.id in (company.promotions[coupon.promotion_id].plan_ids or [plan.id])
    ]
    if not open_now:
        return None
    coupon = dice.choice(open_now)
    coupon.redemptions += 1
    return coupon
