"""Cheddar's catalogue as data: resources, streams, passes, filters, and the shape of its XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.spec import Document, Pass, Resource, StreamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Container element -> the element that repeats in it.
CONTAINERS: Mapping[str, str] = {
    "charges": "charge",
    "coupons": "coupon",
    "incentives": "incentive",
    "invoices": "invoice",
    "items": "item",
    "metaData": "metaDatum",
    "plans": "plan",
    "subscriptions": "subscription",
    "transactions": "transaction",
}
REPEATED = tuple(CONTAINERS.values())

# A single customer, plan or promotion; each excludes every other filter.
LOOKUPS = ("code", "id", "invoiceNumber")
DATES = (
    "createdBeforeDate",
    "canceledAfterDate",
    "canceledBeforeDate",
    "transactedBeforeDate",
)
CHOICES: Mapping[str, tuple[str, ...]] = {
    "subscriptionStatus": ("activeOnly", "canceledOnly"),
    "orderBy": ("name", "company", "plan", "billingDatetime", "createdDatetime"),
    "orderByDirection": ("asc", "desc"),
}
CREATED = "createdDatetime"
PRODUCT = {"product_code": (0, "product_code")}


def _of_customer(
    name: str,
    keys: tuple[str, ...],
    path: tuple[str, ...],
    lift: Mapping[str, tuple[int, str]],
    replication_key: str = CREATED,
) -> StreamSpec:
    return StreamSpec(name, keys, path, replication_key, {**PRODUCT, **lift})


GONE = "a deleted row leaves nothing behind but a webhook"
CUSTOMER_ID = {"customer_id": (0, "id")}
SUBSCRIPTION_ID = {**CUSTOMER_ID, "subscription_id": (1, "id")}
INVOICE_ID = {**SUBSCRIPTION_ID, "invoice_id": (2, "id")}

CUSTOMERS = Resource(
    name="customers",
    path="customers/get",
    id="id",
    created="createdAfterDate",
    passes=(
        Pass("created", "new customers", sees=("new",), since="createdAfterDate"),
        Pass(
            "transacted",
            "payments, refunds and declines, and what they settled",
            sees=("paid, declined or refunded", "plan changed with a payment"),
            since="transactedAfterDate",
        ),
        Pass(
            "cancelled",
            "cancellations, which come without a payment",
            sees=("cancelled",),
            since="canceledAfterDate",
        ),
    ),
    blind={
        "edited": "no filter looks at modifiedDatetime (docs.getcheddar.com)",
        "plan changed without a payment": "a new subscription record has no filter",
        "item quantity changed": "no filter (recorded: usage 13 h after modifiedDatetime)",
        "billed without a payment": "an invoice over 0.00 has no transaction",
        "charge added": "a charge of an open invoice has no filter",
        "metadata changed": "no filter, and the customer's modifiedDatetime stays",
        "cancellation taken back": "canceledDatetime is empty again",
        "transaction voided": "its response changes in place (forum, questions/1717)",
        "open invoice, charge or metadata gone": "what a document leaves out leaves no trace",
        "deleted": GONE,
    },
    cursors=(
        (CREATED,),
        ("subscriptions", CREATED),
        ("subscriptions", "canceledDatetime"),
        ("subscriptions", "invoices", "transactions", "transactedDatetime"),
        ("subscriptions", "invoices", "transactions", CREATED),
    ),
    filterable=frozenset({*CHOICES, *DATES, *LOOKUPS, "planCode", "search"}),
    streams=(
        StreamSpec("customers", ("id",), replication_key=CREATED),
        StreamSpec("contacts", ("id",), (), CREATED, CUSTOMER_ID, partial=True),
        _of_customer(
            "customer_metadata",
            ("customer_id", "name"),
            ("metaData",),
            {**CUSTOMER_ID, "customer_code": (0, "code")},
        ),
        _of_customer(
            "subscriptions",
            ("id",),
            ("subscriptions",),
            {**CUSTOMER_ID, "customer_code": (0, "code")},
        ),
        _of_customer(
            "subscription_items",
            ("subscription_id", "id"),
            ("subscriptions", "items"),
            SUBSCRIPTION_ID,
        ),
        _of_customer("invoices", ("id",), ("subscriptions", "invoices"), SUBSCRIPTION_ID),
        _of_customer("charges", ("id",), ("subscriptions", "invoices", "charges"), INVOICE_ID),
        _of_customer(
            "transactions",
            ("id",),
            ("subscriptions", "invoices", "transactions"),
            INVOICE_ID,
            "transactedDatetime",
        ),
    ),
)
PLANS = Resource(
    name="plans",
    path="plans/get",
    id="id",
    blind={"deleted": GONE},
    filterable=frozenset({"code", "id"}),
    streams=(
        StreamSpec("plans", ("id",)),
        StreamSpec(
            "plan_items",
            ("plan_id", "id"),
            ("items",),
            lift={**PRODUCT, "plan_id": (0, "id"), "plan_code": (0, "code")},
        ),
    ),
)
PROMOTIONS = Resource(
    name="promotions",
    path="promotions/get",
    id="id",
    blind={"deleted": GONE},
    filterable=frozenset({"code", "id"}),
    streams=(
        StreamSpec("promotions", ("id",)),
        StreamSpec("coupons", ("id",), ("coupons",), lift={**PRODUCT, "promotion_id": (0, "id")}),
        StreamSpec(
            "promotion_incentives",
            ("id",),
            ("incentives",),
            lift={**PRODUCT, "promotion_id": (0, "id")},
        ),
    ),
)
RESOURCES: tuple[Resource, ...] = (CUSTOMERS, PLANS, PROMOTIONS)


def _customer(document: Document) -> Document:
    """Tell the current subscription, its plan, and the charges that have no identifier yet.

    The first subscription is the current one (staff, forum questions/459). Charges of an invoice
    that was not billed yet are computed at request time and have an empty id (recorded bodies).
    """
    for number, subscription in enumerate(document.get("subscriptions", [])):
        subscription["is_current"] = number == 0
        plans = subscription.pop("plans", [])
        if plans:
            subscription["plan"] = plans[0]
            subscription["plan_id"] = plans[0].get("id")
            subscription["plan_code"] = plans[0].get("code")
        if len(plans) > 1:
            subscription["plans"] = plans
        for invoice in subscription.get("invoices", []):
            charges = invoice.get("charges", [])
            invoice["pending_charges"] = [each for each in charges if not each.get("id")]
            invoice["charges"] = [each for each in charges if each.get("id")]
    return document


SHAPES: Mapping[str, Callable[[Document], Document]] = {"customers": _customer}
