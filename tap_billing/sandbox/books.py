"""ChargeOver's invoices and transactions as JSON objects, without and with their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.sandbox.telling import (
    SITE,
    Row,
    Telling,
    address_fields,
    block,
    currency_fields,
    days_overdue,
    invoice_status,
    ip_address,
    money,
    terms_fields,
    transaction_status,
)

if TYPE_CHECKING:
    from datetime import date

    from tap_billing.sandbox.model import Charge, Currency, Customer, Invoice, Transaction

TYPE_NAMES = {"pay": "Payment", "ref": "Refund", "cre": "Credit"}
METHOD_NAMES = {
    "visa": "Visa", "mastercard": "MasterCard", "american-express": "American Express",
    "discover": "Discover", "check": "Check", "ach": "ACH/eCheck", "paypal": "PayPal",
    "credit": "Credits",
}  # fmt: skip
GATEWAYS = {"check": 204, "credit": 205}  # others go through the test gateway, 202


def _day(value: date | None) -> str | None:
    return value.isoformat() if value else None


def invoice(told: Telling, row: Invoice) -> Row:
    """Return an invoice without its lines; paid means closed, void or written off included."""
    owner = told.company.customers[row.customer_id]
    currency = owner.currency
    name, text, state = invoice_status(told, row)
    late = days_overdue(told, row)
    sums = _sums(row)
    found: Row = {
        "invoice_id": row.id,
        "token": row.token,
        "refnumber": str(row.id),
        **address_fields(row.address, "bill"),
        **address_fields(None, "ship"),
        "custom_1": None,
        "custom_2": None,
        "custom_3": None,
        "write_datetime": told.when(row.created),
        "void_datetime": told.when(row.voided),
        **currency_fields(currency),
        **terms_fields(told, row.terms_id),
        "invoice_status_name": name,
        "invoice_status_str": text,
        "invoice_status_state": state,
        "subtotal": money(row.subtotal, currency),
        "taxes": money(row.taxes, currency),
        "total": money(row.total, currency),
        "credits": money(row.credits, currency),
        "payments": money(row.payments, currency),
        "applied": money(row.payments + row.credits, currency),
        "sum_base": money(sums["recurring"], currency),
        "sum_usage": money(sums["item"], currency),
        "sum_onetime": money(sums["custom"] + sums["setup"], currency),
        "is_paid": state == "c",
        "balance": money(row.balance, currency),
        "is_void": row.voided is not None,
        "due_date": _day(row.due_date),
        "days_overdue": late,
        "is_overdue": late > 0,
        "date": _day(row.date),
        "cycle_this_date": _day(row.cycle[0]) if row.cycle else None,
        "delay_datetime": None,
        "bill_block": block(row.address, "\r\n") if row.address else "",
        "ship_block": "",
        "url_permalink": f"{SITE}/r/invoice/view/{row.token}",
        "url_paylink": f"{SITE}/r/trans/pay/{row.token}",
        "url_pdflink": f"{SITE}/r/invoice/pdf/{row.token}",
        "package_id": row.subscription_id,
        "customer_id": row.customer_id,
    }
    return found | _invoice_today(told, row, owner) if told.modern else found


def _invoice_today(told: Telling, row: Invoice, owner: Customer) -> Row:
    start, end = row.cycle or (None, None)
    return {
        "external_key": None,
        "brand_id": owner.brand_id,
        "admin_id": owner.admin_id,
        "admin_name": "",
        "bill_email": owner.email,
        "cycle_pre_from_date": None,
        "cycle_pre_to_date": None,
        "cycle_post_from_date": _day(start),
        "cycle_post_to_date": _day(end),
        "memo": row.memo or None,
        "custom_4": None,
        "custom_5": None,
        "mod_datetime": told.when(row.modified),
        "paid_date": _day(row.paid_on),
        "writeoffs": money(row.written_off, owner.currency),
        "declines": row.declines,
        "url_self": f"{SITE}/admin/r/invoice/view/{row.id}",
    }


def _sums(row: Invoice) -> dict[str, int]:
    sums = dict.fromkeys(("recurring", "item", "custom", "setup"), 0)
    for each in row.charges:
        sums[each.kind] += each.rate * each.quantity
    return sums


def invoice_lines(told: Telling, row: Invoice) -> list[Row]:
    """Return the lines of an invoice; is_taxed is "0" or "1", as recorded."""
    currency = told.company.customers[row.customer_id].currency
    return [_line(told, row, each, currency) for each in row.charges]


def _line(told: Telling, row: Invoice, charge: Charge, currency: Currency) -> Row:
    product = told.company.products.get(charge.product_id or 0)
    return {
        "invoice_id": row.id,
        "item_id": product.id if product else None,
        "tierset_id": charge.tierset_id,
        "descrip": charge.descrip or None,
        "line_rate": money(charge.rate, currency),
        "line_quantity": charge.quantity,
        "line_usage": charge.quantity if charge.kind == "item" else 0,
        "is_base": charge.kind == "recurring",
        "is_free": charge.rate == 0,
        "is_setup": charge.kind == "setup",
        "is_usage": charge.kind == "item",
        "is_recurring": charge.kind in ("recurring", "item"),
        "is_taxed": "1" if charge.tax else "0",
        "custom_1": charge.code if product is None else None,
        "custom_2": None,
        "custom_3": None,
        "line_item_id": charge.id,
        "package_line_id": charge.line_id,
        "item_name": product.name if product else None,
        "item_external_key": product.code if product else None,
        "item_token": told.company.token("product", product.id) if product else None,
        "item_accounting_sku": None,
        "tax_taxable": money(charge.rate * charge.quantity if charge.tax else 0, currency),
        "tax_taxed": money(charge.tax, currency),
        "tax_total": money(charge.rate * charge.quantity + charge.tax, currency),
    }


def transaction(told: Telling, row: Transaction) -> Row:
    """Return a transaction without its applications; failed ones have no gateway_transid."""
    owner = told.company.customers[row.customer_id]
    currency = owner.currency
    found: Row = {
        "transaction_id": row.id,
        "gateway_id": GATEWAYS.get(row.method, 202),
        "token": row.token,
        "transaction_date": _day(row.date),
        "gateway_status": int(row.approved),
        "gateway_transid": row.reference if row.approved else None,
        "gateway_msg": row.message,
        "amount": money(row.amount, currency),
        "fee": money(row.fee, currency),
        "transaction_type": row.kind,
        "transaction_method": METHOD_NAMES[row.method],
        "transaction_detail": row.detail or None,
        "transaction_datetime": told.when(row.created),
        "void_datetime": told.when(row.voided),
        "transaction_type_name": TYPE_NAMES[row.kind],
        **currency_fields(currency),
        "customer_id": row.customer_id,
    }
    if told.modern:
        found |= _transaction_today(row, owner)
    return found


def transaction_more(_: Telling, row: Transaction) -> Row:
    """Return what the single form of a transaction has more, its applications apart."""
    return {"external_key": None, "transaction_ipaddr": ip_address(row.id)}


def _transaction_today(row: Transaction, owner: Customer) -> Row:
    currency = owner.currency
    applied = sum(each.amount for each in row.applied)
    left = row.amount - applied if row.kind != "ref" and row.approved and not row.voided else 0
    status = transaction_status(row)
    found: Row = {
        "parent_transaction_id": row.parent_id,
        "transaction_batch_id": None,
        "brand_id": owner.brand_id,
        "gateway_type": "test",
        "gateway_nickname": "Test Gateway",
        "gateway_method": row.method,
        "gateway_err_code": row.error,
        "gateway_err_detail": row.message or None,
        "gateway_opts": {"test": True},
        "applied": money(applied, currency),
        "unapplied": money(left, currency),
        "transaction_status_name": status[0],
        "transaction_status_str": status[1],
        "transaction_status_state": status[2],
        "custom_1": None,
        "memo": row.memo or None,
        "url_self": f"{SITE}/admin/r/trans/view/{row.id}",
    }
    if row.kind == "pay":
        found["refunds"] = [{"transaction_id": number} for number in row.refund_ids]
    if row.kind == "ref":
        found["payments"] = [{"transaction_id": row.parent_id}]
    return found


def applications(told: Telling, row: Transaction) -> list[Row]:
    """Return what a transaction is applied to; ids of what came by check or credit are strings."""
    currency = told.company.customers[row.customer_id].currency
    by_hand = row.method in GATEWAYS
    return [
        {
            "invoice_id": str(each.invoice_id) if by_hand else each.invoice_id,
            "applied": money(each.amount, currency),
        }
        for each in row.applied
    ]
