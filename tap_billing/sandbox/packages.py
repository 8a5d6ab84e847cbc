"""ChargeOver's packages and items, with their prices, as JSON objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.sandbox.days import CYCLES
from tap_billing.sandbox.telling import (
    METHODS,
    SITE,
    Row,
    Telling,
    address_fields,
    currency_fields,
    money,
    package_due,
    package_overdue,
    package_status,
    terms_fields,
)

if TYPE_CHECKING:
    from tap_billing.sandbox.model import (
        Currency,
        Customer,
        Line,
        Product,
        Subscription,
        Tierset,
    )

PRICEMODELS = {
    "fla": "Flat Pricing (e.g. $X dollars per month)",
    "uni": "Per-Unit Pricing (e.g. $X per widget)",
    "vol": "Volume Pricing (e.g. $X per widget for all, by how many)",
    "tie": "Tiered Pricing (e.g. $X per widget for the first Y)",
}
CYCLE_NAMES = {"mon": "Monthly", "qtr": "Quarterly", "yrl": "Yearly", "evy": "Every Cycle"}


def package(told: Telling, row: Subscription) -> Row:
    """Return a package without its lines; the next invoice of a cancelled one is ""."""
    owner = told.company.customers[row.customer_id]
    number, name, text, state = package_status(told, row)
    by_card, by_ach = row.paymethod == "crd", row.paymethod == "ach"
    found: Row = {
        **terms_fields(told, row.terms_id),
        "external_key": row.code or None,
        "token": row.token,
        "nickname": row.nickname,
        "paymethod": row.paymethod,
        "paycycle": row.paycycle,
        **address_fields(None, "bill"),
        **address_fields(None, "ship"),
        "creditcard_id": row.paymethod_id if by_card else None,
        "ach_id": row.paymethod_id if by_ach else None,
        "tokenized_id": row.paymethod_id if row.paymethod == "tok" else None,
        "custom_1": "" if row.id % 3 else f"custom: {row.id}, package",
        "custom_2": None,
        "custom_3": None,
        "write_datetime": told.when(row.created),
        "mod_datetime": told.when(row.modified),
        "suspendfrom_datetime": told.when(row.suspended_from),
        "suspendto_datetime": told.when(row.suspended_to),
        "cancel_datetime": told.when(row.cancelled),
        "holduntil_datetime": told.when(row.hold_until),
        **currency_fields(owner.currency),
        "amount_collected": money(row.collected, owner.currency),
        "amount_invoiced": money(row.invoiced, owner.currency),
        "amount_due": money(package_due(told, row), owner.currency),
        "next_invoice_datetime": told.when(row.next_bill) or "",
        "package_id": row.id,
        "customer_id": row.customer_id,
        "package_status_id": number,
        "package_status_name": name,
        "package_status_str": text,
        "package_status_state": state,
    }
    if not told.modern:
        del found["terms_name"], found["terms_days"]
        return found
    return found | _package_today(told, row, owner)


def _package_today(told: Telling, row: Subscription, owner: Customer) -> Row:
    company = told.company
    detail = ""
    if row.paymethod == "crd" and row.paymethod_id:
        card = company.cards[row.paymethod_id]
        detail = f"{card.kind.title()} x{card.last_four}"
    elif row.paymethod == "ach" and row.paymethod_id:
        detail = f"ACH x{company.achs[row.paymethod_id].number[-4:]}"
    late = package_overdue(told, row)
    months = CYCLES[row.paycycle]
    monthly = 0 if row.cancelled else row.lines[0].tierset.base * row.lines[0].quantity // months
    brand = next(each for each in company.brands if each.id == owner.brand_id)
    class_name = next((each.name for each in company.classes if each.id == owner.class_id), None)
    return {
        "brand_id": brand.id,
        "brand_name": brand.name,
        "class_id": owner.class_id,
        "class_name": class_name,
        "paymethod_name": METHODS[row.paymethod],
        "paymethod_detail": detail,
        "paycycle_name": CYCLE_NAMES[row.paycycle],
        "admin_id": owner.admin_id,
        "admin_name": "",
        "is_overdue": late > 0,
        "days_overdue": late,
        "start_datetime": told.when(row.created),
        "cancel_reason": row.cancel_reason or None,
        "mrr": money(monthly, owner.currency),
        "arr": money(monthly * 12, owner.currency),
        "url_self": f"{SITE}/admin/r/package/view/{row.id}",
    }


def package_lines(told: Telling, row: Subscription) -> list[Row]:
    """Return the lines of a package: the plan first, then what it meters."""
    return [_line(told, each) for each in row.lines]


def _line(told: Telling, line: Line) -> Row:
    product = told.company.products[line.product_id]
    found: Row = {
        "subscribe_prorate_from_datetime": None,
        "subscribe_prorate_to_datetime": None,
        "item_id": product.id,
        "tierset_id": line.tierset.id,
        "external_key": None,
        "nickname": "",
        "descrip": line.descrip,
        "trial_days": line.trial_days,
        "trial_units": 0,
        "custom_1": None,
        "custom_2": None,
        "custom_3": None,
        "subscribe_datetime": told.when(line.created),
        "cancel_datetime": None,
        "expire_datetime": None,
        "expire_recurs": None,
        "license": "",
        "item_name": product.name,
        "item_external_key": product.code,
        "item_accounting_sku": None,
        "item_token": told.company.token("product", product.id),
        "item_units": product.units or None,
        "line_item_id": line.id,
        "tierset": tierset(told, line.tierset),
    }
    if told.modern:
        found["line_quantity"] = line.quantity
    return found


def tierset(told: Telling, row: Tierset) -> Row:
    """Return a price; percent is text in 2015 and a number later."""
    currency = row.currency
    found: Row = {
        "tierset_id": row.id,
        "setup": money(row.setup, currency),
        "base": money(row.base, currency),
        "percent": row.percent if told.modern else f"{row.percent}.000000",
        "paycycle": row.paycycle,
        "pricemodel": row.pricemodel,
        "write_datetime": told.when(row.created),
        "mod_datetime": told.when(row.modified),
        "setup_formatted": _formatted(row.setup, currency),
        "base_formatted": _formatted(row.base, currency),
        "percent_formatted": f"{row.percent} %",
        "pricemodel_desc": PRICEMODELS[row.pricemodel],
        "tiers": [
            {
                "tier_id": tier.id,
                "unit_from": tier.unit_from,
                "unit_to": tier.unit_to,
                "amount": money(tier.amount, currency),
            }
            for tier in row.tiers
        ],
    }
    return found | currency_fields(currency) if told.modern else found


def _formatted(amount: int, currency: Currency) -> str:
    return f"{currency.symbol} {amount / 10**currency.decimals:,.{currency.decimals}f}"


def item(told: Telling, row: Product) -> Row:
    """Return an item: plan, metered item, service or discount; prices in both forms."""
    found: Row = {
        "item_id": row.id,
        "item_type": "discount" if row.kind == "discount" else "service",
        "tierset_id": row.tiersets["USD"].id,
        "name": row.name,
        "description": row.description,
        "units": row.units or None,
        "accounting_sku": None,
        "external_key": row.code,
        "token": told.company.token("product", row.id),
        "custom_1": None,
        "custom_2": None,
        "custom_3": None,
        "write_datetime": told.when(row.created),
        "mod_datetime": told.when(row.modified),
        "units_plural": f"{row.units}s" if row.units else "",
        "tiersets": [tierset(told, each) for each in row.tiersets.values()],
    }
    if told.modern:
        found |= {
            "enabled": row.enabled,
            "accounting_account_income": None,
            "tax_group_id": None,
            "tax_group_name": None,
            "expire_recurs": None,
            "trial_recurs": None,
            "service_dates_type": "none",
            "service_dates_visibility": "visible_to_merchant",
        }
    return found


def item_more(told: Telling, row: Product) -> Row:
    """Return what the single form of an item has more."""
    usage = row.kind == "item"
    return {
        "service_data": {"trial_days": row.trial_days, "trial_units": 0, "is_usage": usage},
        "categories": [
            {"item_category_id": each.id, "name": each.name}
            for each in told.company.categories
            if each.id == row.category_id
        ],
    }
