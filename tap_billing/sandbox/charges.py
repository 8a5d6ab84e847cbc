"""What a subscription owes: the charges of its open invoice, computed from plan, usage, coupon."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from tap_billing.sandbox.model import Charge

if TYPE_CHECKING:
    from datetime import datetime

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import ChargeKind, Customer, Line, Product, Subscription


def pending(company: Company, subscription: Subscription) -> list[Charge]:
    """Return the charges of the open invoice, computed ones first with the id 0; [] without one."""
    if subscription.pending is None:
        return []
    computed = compute(company, subscription, subscription.pending.billing_at)
    return computed + subscription.pending.custom


def compute(company: Company, subscription: Subscription, when: datetime) -> list[Charge]:
    """Return what a bill at `when` charges by itself; item charges of quantity 0 included."""
    customer = company.customers[subscription.customer_id]
    plan = company.products[subscription.plan_id]
    line = subscription.lines[0]
    found: list[Charge] = []
    if not subscription.bills and line.tierset.setup:
        found.append(_charge("setup", plan, customer, line, line.tierset.setup, 1, when))
    if line.tierset.base or not found:
        found.append(
            _charge("recurring", plan, customer, line, line.tierset.base, line.quantity, when)
        )
    found += _overages(company, subscription, customer, when)
    percent = _discount(company, subscription, when)
    reduced = sum(each.rate * each.quantity for each in found if each.kind == "recurring")
    if percent and reduced and subscription.coupon:
        discount = company.products[subscription.coupon.product_id]
        off = -(reduced * percent // 100)
        charge = _charge("custom", discount, customer, None, off, 1, when)
        charge.code = subscription.coupon.code
        found.append(charge)
    return found


def tax(customer: Customer, amount: int) -> int:
    """Return the tax on an amount in minor units, rounded half up."""
    if customer.tax_rate is None or customer.tax_exempt:
        return 0
    return int((amount * customer.tax_rate).quantize(Decimal(1), ROUND_HALF_UP))


def _overages(
    company: Company, subscription: Subscription, customer: Customer, when: datetime
) -> list[Charge]:
    tracked = {each.item_id: each.quantity for each in subscription.phases[-1].tracked}
    lines = {line.product_id: line for line in subscription.lines}
    found = []
    for item in company.products[subscription.plan_id].items:
        above = max(tracked.get(item.item_id, Decimal(0)) - item.included, Decimal(0))
        units = int(above.to_integral_value(ROUND_CEILING))
        rate = item.overage[customer.currency.iso4217]
        product = company.products[item.item_id]
        found.append(_charge("item", product, customer, lines[item.item_id], rate, units, when))
    return found


def _discount(company: Company, subscription: Subscription, when: datetime) -> int:
    coupon = subscription.coupon
    if coupon is None or (subscription.coupon_until and when >= subscription.coupon_until):
        return 0
    return company.promotions[coupon.promotion_id].incentives[0].percent


def _charge(  # noqa: PLR0913, PLR0917 -- the columns of a charge
    kind: ChargeKind,
    product: Product,
    customer: Customer,
    line: Line | None,
    rate: int,
    quantity: int,
    when: datetime,
) -> Charge:
    code = {"recurring": f"{product.code}_RECURRING", "setup": f"{product.code}_SETUP"}
    return Charge(
        0, kind, product.id, code.get(kind, product.code), product.description, rate, quantity,
        tax(customer, rate * quantity), line.id if line else None,
        line.tierset.id if line else None, when,
    )  # fmt: skip
