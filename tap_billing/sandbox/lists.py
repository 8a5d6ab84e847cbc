"""ChargeOver's smaller objects as JSON: pay methods, coupons, quotes, notes, usage, lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_billing.sandbox.telling import SITE, Row, Telling, ip_address, money

if TYPE_CHECKING:
    from decimal import Decimal

    from tap_billing.sandbox.model import (
        Account,
        Admin,
        Card,
        Coupon,
        Currency,
        Entry,
        Note,
        Quote,
        Terms,
        Usage,
    )

CARD_NAMES = {"visa": "Visa", "mast": "MasterCard", "amex": "American Express", "disc": "Discover"}


def creditcard(told: Telling, row: Card) -> Row:
    """Return a card; month and year of expiry are strings, as recorded."""
    street, _, city, _, postcode, country = row.address
    found: Row = {
        "creditcard_id": row.id,
        "external_key": None,
        "type": row.kind,
        "token": row.token,
        "expdate": row.expires.isoformat(),
        "write_datetime": told.when(row.created),
        "write_ipaddr": ip_address(row.id),
        "mask_number": f"xxxx-xxxx-xxxx-{row.last_four}",
        "name": row.name,
        "expdate_month": str(row.expires.month),
        "expdate_year": str(row.expires.year),
        "expdate_formatted": f"{row.expires:%b %Y}",
        "type_name": CARD_NAMES[row.kind],
        "customer_id": row.customer_id,
    }
    if told.modern:
        found |= {"address": street, "city": city, "postcode": postcode, "country": country}
        found["url_updatelink"] = f"{SITE}/r/paymethod/i/{row.token}"
    return found


def tokenized(_: Telling, row: Account) -> Row:
    """Return a gateway's token that a customer pays with; the token is a secret."""
    return {
        "tokenized_id": row.id,
        "type": row.kind,
        "token": row.number,
        "customer_id": row.customer_id,
    }


def ach(told: Telling, row: Account) -> Row:
    """Return a bank account."""
    return {
        "ach_id": row.id,
        "external_key": None,
        "type": row.kind,
        "number": row.number,
        "routing": row.routing,
        "name": row.name,
        "write_datetime": told.when(row.created),
        "customer_id": row.customer_id,
    }


def coupon(told: Telling, row: Coupon) -> Row:
    """Return a coupon; the names of its keys are inferred from what the vendor's docs name."""
    return {
        "coupon_id": row.id,
        "code": row.code,
        "description": row.description,
        "type": "discount",
        "enabled": row.enabled,
        "item_id": row.product_id,
        "write_datetime": told.when(row.created),
        "mod_datetime": told.when(row.created),
    }


def quote(told: Telling, row: Quote) -> Row:
    """Return a quote, with the fields that are known of it; lists have no line items."""
    currency = told.company.customers[row.customer_id].currency
    return {
        "quote_id": row.id,
        "customer_id": row.customer_id,
        "refnumber": str(row.id),
        "external_key": None,
        "token": row.token,
        "nickname": "",
        "memo": None,
        "paycycle": row.paycycle,
        "currency_id": currency.id,
        "date": row.date.isoformat(),
        "validuntil_date": row.valid_until.isoformat(),
        "quote_status_str": row.status,
        "quote_status_state": quote_state(row),
    }


def quote_lines(told: Telling, row: Quote) -> Row:
    """Return what the single form of a quote has more: its one line."""
    plan = told.company.products[row.plan_id]
    rate = money(row.total, told.company.customers[row.customer_id].currency)
    line = {"item_id": plan.id, "item_name": plan.name, "line_rate": rate, "line_quantity": 1}
    return {"line_items": [line]}


def quote_state(row: Quote) -> str:
    """Return quote_status_state: o open, c closed."""
    return row.status[0]


def note(told: Telling, row: Note) -> Row:
    """Return a note."""
    return {
        "note_id": row.id,
        "user_id": None,
        "admin_id": row.admin_id,
        "note": row.text,
        "note_datetime": told.when(row.created),
        "context_str": row.context,
        "context_id": row.context_id,
    }


def usage(told: Telling, row: Usage) -> Row:
    """Return a report of metered usage."""
    return {
        "usage_history_id": row.id,
        "line_item_id": row.line_id,
        "usage_value": _quantity(row.value),
        "type": "add" if row.kind == "add" else "max",
        "from": told.when(row.start),
        "to": told.when(row.end),
        "external_key": row.code,
        "custom_1": None,
    }


def _quantity(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def admin(told: Telling, row: Admin) -> Row:
    """Return somebody who works at the company."""
    return {
        "admin_id": row.id,
        "username": row.username,
        "external_key": None,
        "timezone": str(told.zone),
        "name": f"{row.first_name} {row.last_name}",
        "first_name": row.first_name,
        "last_name": row.last_name,
        "initials": row.first_name[0] + row.last_name[0],
        "nickname": row.first_name,
        "email": row.email,
        "twitter": "",
        "facebook": "",
        "linkedin": "",
        "login_count": 12 * row.id,
        "login_datetime": told.when(row.created),
        "write_datetime": told.when(row.created),
        "mod_datetime": told.when(row.created),
    }


def brand(_: Telling, row: Entry) -> Row:
    """Return a brand."""
    return {
        "brand_id": row.id,
        "brand": row.name,
        "brand_addr1": "1 Sample Square",
        "brand_addr2": "",
        "brand_city": "Minneapolis",
        "brand_state": "MN",
        "brand_postcode": "55416",
        "brand_country": "United States",
        "brand_block": "1 Sample Square\nMinneapolis, MN 55416\nUnited States",
        "custom_1": None,
    }


def campaign(_: Telling, row: Entry) -> Row:
    """Return a campaign."""
    return {"campaign_id": row.id, "campaign": row.name}


def klass(_: Telling, row: Entry) -> Row:
    """Return a class."""
    return {"class_id": row.id, "name": row.name}


def country(_: Telling, row: Entry) -> Row:
    """Return a country."""
    iso2, iso3, domain = row.extra
    return {"country_id": row.id, "name": row.name, "iso2": iso2, "iso3": iso3, "cctld": domain}


def currency(_: Telling, row: Currency) -> Row:
    """Return a currency."""
    return {
        "currency_id": row.id,
        "currency": row.name,
        "iso4217": row.iso4217,
        "symbol": row.symbol,
        "rounding": row.decimals,
    }


def language(_: Telling, row: Entry) -> Row:
    """Return a language."""
    return {"language_id": row.id, "language": row.name, "iso639": row.extra[0]}


def terms(_: Telling, row: Terms) -> Row:
    """Return payment terms."""
    return {"terms_id": row.id, "name": row.name, "days": row.days}


def item_category(_: Telling, row: Entry) -> Row:
    """Return a category of items."""
    return {"item_category_id": row.id, "name": row.name, "external_key": row.extra[0]}


REPORTS: list[Row] = [{"report_id": 1, "name": "Revenue by month"}, {"report_id": 2, "name": "MRR"}]
CUSTOM_FIELDS: list[Row] = [
    {"customfield_id": 1, "context_str": "customer", "field": "custom_1", "name": "Campaign"},
    {"customfield_id": 2, "context_str": "customer", "field": "custom_2", "name": "Referer"},
]


def system_log(told: Telling) -> list[dict[str, Any]]:
    """Return the system log: one entry."""
    founded = told.when(told.company.founded)
    return [{"log_id": 1, "msg": "Account created: welcome", "log_datetime": founded}]
