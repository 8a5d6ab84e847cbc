"""Cheddar's plans and promotions as XML elements, laid out as in the recorded documents."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from tap_billing.sandbox.days import add_months
from tap_billing.sandbox.markup import View, identity, instant, money, number, tag, tags, text

if TYPE_CHECKING:
    from tap_billing.sandbox.model import Coupon, PlanItem, Product, Promotion

# Only the spellings of a monthly plan are recorded; the others follow their pattern.
FREQUENCIES: Final = {
    "mon": ("monthly", "month", 1),
    "qtr": ("quarterly", "quarter", 3),
    "yrl": ("annually", "year", 12),
}
HOME: Final = "USD"


def plan(view: View, product: Product) -> str:
    """Return a plan, as in plans/get and, copied in full, in every subscription to it."""
    known = view.plans.get(product.id)
    if known is None:
        known = view.plans[product.id] = _plan(view, product)
    return known


def _plan(view: View, product: Product) -> str:
    price = product.tiersets[HOME]
    decimals = price.currency.decimals
    frequency, per, months = FREQUENCIES[product.paycycle]
    recurring, setup = money(price.base, decimals), money(price.setup, decimals)
    first = view.now + timedelta(days=product.trial_days)
    told = tags(
        [
            ("name", product.name),
            ("displayName", f"{product.name} \u2022 {recurring} / {per.capitalize()}"),
            ("description", product.description),
            ("isActive", int(product.enabled)),
            ("isFree", int(price.base == 0)),
            ("paymentMethodIsRequired", int(price.base != 0)),
            ("trialDays", product.trial_days),
            ("initialBillCount", product.trial_days),
            ("initialBillCountUnit", "days"),
            # Computed at request time: differs on every request (dossier, section 4).
            ("initialInvoiceBillingDatetime", instant(view, first)),
            ("billingFrequency", frequency),
            ("billingFrequencyPer", per),
            ("billingFrequencyUnit", "months"),
            ("billingFrequencyQuantity", months),
            ("nextInvoiceBillingDatetime", instant(view, _later(first, months))),
            ("setupChargeCode", f"{product.code}_SETUP" if price.setup else ""),
            ("setupChargeAmount", setup),
            ("recurringChargeCode", f"{product.code}_RECURRING"),
            ("recurringChargeAmount", recurring),
            ("onChangeInitialBillHandler", "now"),
            ("setupChargeBillHandler", "now"),
            ("onChangeSetupChargeBillHandler", "no"),
            ("createdDatetime", instant(view, product.created)),
        ]
    )
    items = "".join(_plan_item(view, item) for item in product.items)
    held = f"<items>{items}</items>" if items else ""
    return (
        f'<plan id="{identity("product", product.id)}" code="{text(product.code)}">'
        f"{told}{held}</plan>"
    )


def _later(start: datetime, months: int) -> datetime:
    return datetime.combine(add_months(start.date(), months), start.timetz())


def _plan_item(view: View, item: PlanItem) -> str:
    product = view.company.products[item.item_id]
    told = tags(
        [
            ("name", product.name),
            ("quantityIncluded", number(item.included)),
            ("isPeriodic", int(item.periodic)),
            ("overageAmount", money(item.overage[HOME], 2)),
            ("createdDatetime", instant(view, item.created)),
        ]
    )
    code = text(product.code)
    return f'<item id="{identity("product", product.id)}" code="{code}">{told}</item>'


def promotion(view: View, given: Promotion) -> str:
    """Return a promotion; `plans` is there only when it is limited to some."""
    told = tags(
        [
            ("name", given.name),
            ("description", given.description),
            ("createdDatetime", instant(view, given.created)),
        ]
    )
    plans = "".join(_limit(view.company.products[number]) for number in given.plan_ids)
    incentives = "".join(
        f'<incentive id="{identity("incentive", one.id)}"><type>percentage</type>'
        f"<percentage>{one.percent}</percentage><months>{one.months}</months></incentive>"
        for one in given.incentives
    )
    coupons = "".join(_coupon(view, one) for one in given.coupons)
    return (
        f'<promotion id="{identity("promotion", given.id)}">{told}'
        f"{f'<plans>{plans}</plans>' if plans else ''}"
        f"<incentives>{incentives}</incentives><coupons>{coupons}</coupons></promotion>"
    )


def _limit(product: Product) -> str:
    told = tag("code", product.code) + tag("name", product.name)
    return f'<plan id="{identity("product", product.id)}" code="{text(product.code)}">{told}</plan>'


def _coupon(view: View, coupon: Coupon) -> str:
    told = tags(
        [
            ("code", coupon.code),
            ("maxRedemptions", coupon.max_redemptions or 0),
            ("expirationDatetime", instant(view, coupon.expires)),
            ("createdDatetime", instant(view, coupon.created)),
        ]
    )
    code = text(coupon.code)
    return f'<coupon id="{identity("coupon", coupon.id)}" code="{code}">{told}</coupon>'
