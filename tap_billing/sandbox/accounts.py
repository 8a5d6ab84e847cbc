"""Cheddar's customers as XML elements, with everything below them, as in the recorded documents."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tap_billing.sandbox.bills import gateway_account, issued, pending
from tap_billing.sandbox.markup import View, identity, instant, number, tag, tags, text
from tap_billing.sandbox.tariff import plan

if TYPE_CHECKING:
    from tap_billing.sandbox.model import (
        Card,
        Customer,
        Metadatum,
        Phase,
        Subscription,
        Tracked,
    )

# Cheddar's documented card types for ChargeOver's words, which the model uses.
CARDS: Final = {"visa": "visa", "mast": "mc", "amex": "amex", "disc": "disc"}
# Only "" and "customer" are recorded; how Cheddar spells its own cancellations is not known.
CANCELS: Final = {"": "", "customer": "customer", "nonpayment": "declined", "trial": "customer"}
PARTS: Final = ("Source", "Medium", "Term", "Content", "Name")
CAMPAIGN: Final = tuple(f"campaign{part}" for part in PARTS)


def customer(view: View, given: Customer) -> str:
    """Return a customer with its subscriptions, invoices and transactions; newest ones first."""
    phases = view.company.phases(given)
    card = phases[0][1].card if phases else None
    modified = max(given.modified, given.card_modified or given.modified)
    secret = hashlib.md5(f"{given.code}|{view.secret}".encode(), usedforsecurity=False)
    told = tags(
        [
            ("firstName", given.first_name),
            ("lastName", given.last_name),
            ("company", given.company),
            ("email", given.email),
            ("notes", given.notes),
            ("gatewayToken", card.token if card else ""),
            ("isTaxExempt", int(given.tax_exempt)),
            ("isVatExempt", int(given.tax_exempt)),
            ("taxNumber", given.tax_number),
            ("vatNumber", given.tax_number),
            ("taxRate", number(given.tax_rate)),
            ("firstContactDatetime", instant(view, given.first_contact)),
            ("referer", given.referer),
            ("refererHost", given.referer.partition("//")[2].partition("/")[0]),
            *zip(CAMPAIGN, given.campaign, strict=True),
            ("key", secret.hexdigest()[:10]),
            ("createdDatetime", instant(view, given.created)),
            ("modifiedDatetime", instant(view, modified)),
        ]
    )
    data = "".join(_metadatum(view, one) for one in given.metadata)
    below = "".join(_subscription(view, *one) for one in phases)
    return (
        f'<customer id="{identity("customer", given.id)}" code="{text(given.code)}">{told}'
        f"{f'<metaData>{data}</metaData>' if data else '<metaData/>'}"
        f"<subscriptions>{below}</subscriptions></customer>"
    )


def _metadatum(view: View, one: Metadatum) -> str:
    told = tags(
        [
            ("name", one.name),
            ("value", one.value),
            ("createdDatetime", instant(view, one.created)),
            ("modifiedDatetime", instant(view, one.modified)),
        ]
    )
    return f'<metaDatum id="{identity("metadatum", one.id)}">{told}</metaDatum>'


def _subscription(view: View, given: Subscription, phase: Phase) -> str:
    """Return one subscription record; only a subscription's last one tells its cancellation."""
    last = phase is given.phases[-1]
    cancelled = given.cancelled if last else None
    told = tags(
        [
            *_card(phase.card),
            ("cancelType", CANCELS.get(given.cancel_type, given.cancel_type) if cancelled else ""),
            ("cancelReason", given.cancel_reason if cancelled else ""),
            *([("couponCode", phase.coupon_code)] if phase.coupon_code else []),
            ("canceledDatetime", instant(view, cancelled)),
            ("createdDatetime", instant(view, phase.created)),
        ]
    )
    items = "".join(_tracked(view, one) for one in phase.tracked)
    invoices = issued(view, phase)
    if last and given.pending is not None:
        invoices = pending(view, given, given.pending) + invoices
    return (
        f'<subscription id="{identity("phase", phase.id)}">'
        f"<plans>{plan(view, view.company.products[phase.plan_id])}</plans>"
        f"{_gateway(given, phase)}{told}"
        f"{f'<items>{items}</items>' if items else ''}"
        f"{f'<invoices>{invoices}</invoices>' if invoices else ''}</subscription>"
    )


def _gateway(given: Subscription, phase: Phase) -> str:
    token = tag("gatewayToken", phase.card.token if phase.card else "") + "<gatewayTokenAux/>"
    if phase.card:
        return token + gateway_account("cc")
    if given.paymethod == "tok":
        url = f"https://www.paypal.example/webscr?cmd=_ap-preapproval&preapprovalkey={given.token}"
        return token + gateway_account("paypal") + tag("redirectUrl", url)
    return token


def _card(card: Card | None) -> list[tuple[str, str]]:
    """Return the cc elements: a card's expiry is the last day of its month (recorded 2021)."""
    first, _, last = card.name.partition(" ") if card else ("", "", "")
    street, _, city, state, postcode, country = card.address if card else ("",) * 6
    expires = ""
    if card:
        month = (card.expires.replace(day=28) + timedelta(days=4)).replace(day=1)
        expires = (month - timedelta(days=1)).isoformat()
    return [
        ("ccFirstName", first),
        ("ccLastName", last),
        ("ccCompany", ""),
        ("ccCountry", country),
        ("ccAddress", street),
        ("ccCity", city),
        ("ccState", state),
        ("ccZip", postcode),
        ("ccType", CARDS.get(card.kind, "unk") if card else ""),
        ("ccLastFour", card.last_four if card else ""),
        ("ccExpirationDate", expires),
        ("ccEmail", ""),
    ]


def _tracked(view: View, one: Tracked) -> str:
    product = view.company.products[one.item_id]
    told = tag("name", product.name) + tag("quantity", number(one.quantity))
    if one.created is not None:
        told += tag("createdDatetime", instant(view, one.created))
        told += tag("modifiedDatetime", instant(view, one.modified))
    code = text(product.code)
    return f'<item id="{identity("product", product.id)}" code="{code}">{told}</item>'
