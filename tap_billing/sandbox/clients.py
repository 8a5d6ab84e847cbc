"""ChargeOver's customers and contacts as JSON objects, and what single forms have more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.sandbox.telling import (
    SITE,
    Row,
    Telling,
    address_fields,
    block,
    currency_fields,
    customer_status,
    ip_address,
    money,
    terms_fields,
)

if TYPE_CHECKING:
    from tap_billing.sandbox.model import Contact, Customer


def customer(told: Telling, row: Customer) -> Row:
    """Return a customer (`/customer`)."""
    company = row.company or f"{row.first_name} {row.last_name}"
    found: Row = {
        "superuser_id": row.superuser_id,
        "external_key": row.code,
        "token": row.token,
        "company": company,
        **address_fields(row.address, "bill"),
        **address_fields(None, "ship"),
        "class_id": row.class_id,
        "custom_1": row.campaign[4] or None,
        "custom_2": row.referer,
        "custom_3": None,
        "admin_id": row.admin_id,
        "campaign_id": row.campaign_id,
        "custtype_id": None,
        "no_taxes": row.tax_exempt,
        "no_dunning": False,
        "write_datetime": told.when(row.created),
        "write_ipaddr": ip_address(row.id),
        "mod_datetime": told.when(row.modified),
        "mod_ipaddr": ip_address(row.id),
        **terms_fields(told, row.terms_id),
        "paid": money(row.paid, row.currency),
        "total": money(row.invoiced, row.currency),
        "balance": money(row.balance, row.currency),
        "url_paymethodlink": f"{SITE}/r/paymethod/i/{row.token}",
        **currency_fields(row.currency),
        "display_as": company,
        "ship_block": "",
        "bill_block": block(row.address, "\n"),
        "superuser_name": f"{row.first_name} {row.last_name}",
        "superuser_first_name": row.first_name,
        "superuser_last_name": row.last_name,
        "superuser_phone": row.phone,
        "superuser_email": row.email,
        "customer_id": row.id,
    }
    if told.modern:
        found |= _customer_today(told, row)
    return found


def customer_more(told: Telling, row: Customer) -> Row:
    """Return what the single form of a customer has more."""
    username = told.company.contacts[row.superuser_id].username
    return {"superuser_username": username, "tags": list(row.tags)}


def _customer_today(told: Telling, row: Customer) -> Row:
    company = told.company
    class_name = next((each.name for each in company.classes if each.id == row.class_id), None)
    admin = next((each for each in company.admins if each.id == row.admin_id), None)
    superuser = company.contacts[row.superuser_id]
    number, name, text, state = customer_status(told, row)
    current = company.subscriptions[row.subscription_ids[-1]]
    default = current.paymethod_id
    return {
        "parent_customer_id": None,
        "language_id": row.language_id,
        "class_name": class_name,
        "admin_name": f"{admin.first_name} {admin.last_name}" if admin else "",
        "admin_email": admin.email if admin else "",
        "campaign_details": "",
        "superuser_title": superuser.title,
        "superuser_token": superuser.token,
        "brand_id": row.brand_id,
        "url_statementlink": f"{SITE}/r/statement/view/{row.token}",
        "url_self": f"{SITE}/admin/r/customer/view/{row.id}",
        "customer_status_id": number,
        "customer_status_name": name,
        "customer_status_str": text,
        "customer_status_state": state,
        "default_paymethod": current.paymethod,
        "default_creditcard_id": default if current.paymethod == "crd" else None,
        "default_ach_id": default if current.paymethod == "ach" else None,
        "default_tokenized_id": default if current.paymethod == "tok" else None,
        "tax_ident": row.tax_number,
        "no_latefees": False,
        "no_procfees": 0,
        "invoice_delivery": "email",
        "dunning_delivery": "email",
    }


def user(told: Telling, row: Contact) -> Row:
    """Return a contact (`/user`)."""
    name = f"{row.first_name} {row.last_name}"
    found: Row = {
        "user_id": row.id,
        "external_key": None,
        "first_name": row.first_name,
        "middle_name_glob": None,
        "last_name": row.last_name,
        "name_suffix": None,
        "title": row.title,
        "email": row.email,
        "token": row.token,
        "phone": row.phone,
        "write_datetime": told.when(row.created),
        "mod_datetime": told.when(row.modified),
        "name": name,
        "display_as": name,
        "username": row.username,
    }
    if told.modern:
        found |= {
            "customer_id": row.customer_id,
            "mobile": "",
            "user_type_id": 1,
            "user_type_name": "Billing",
            "custom_1": None,
            "url_self": f"{SITE}/admin/r/contact/view/{row.id}",
        }
    return found


def user_more(told: Telling, row: Contact) -> Row:
    """Return what the single form of a contact has more: its customer, with a string id."""
    owner = told.company.customers[row.customer_id]
    company = owner.company or f"{owner.first_name} {owner.last_name}"
    return {"customers": [{"customer_id": str(owner.id), "company": company}]}
