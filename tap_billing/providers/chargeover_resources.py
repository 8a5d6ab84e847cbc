"""ChargeOver's catalogue as data: endpoints, streams, passes and filterable fields.

Filterable fields: developer.chargeover.com/docs/api, the "query for ..." page of each object.
"""

from __future__ import annotations

from tap_billing.spec import Pass, Related, Resource, StreamSpec

OPERATORS = ("EQUALS", "NOTEQUALS", "GT", "GTE", "LT", "LTE", "CONTAINS", "IS:NULL", "ISNOT:NULL")


def _custom(last: int) -> list[str]:
    return [f"custom_{number}" for number in range(1, last + 1)]


def _fields(text: str, custom: int = 0) -> frozenset[str]:
    return frozenset([*text.split(), *_custom(custom)])


NEW, EDITED, DELETED = "new", "edited", "deleted"
CREATED = Pass(
    "created",
    "a new row's mod_datetime may be null (the vendor's webhook sample of 2014)",
    sees=(NEW,),
    since="write_datetime",
)
MODIFIED = Pass(
    "modified",
    "edits move mod_datetime (recorded before and after)",
    sees=(EDITED,),
    since="mod_datetime",
)
CANCELLED = Pass(
    "cancelled",
    "a cancellation leaves mod_datetime alone (recorded: 24 of 24 packages)",
    sees=("cancelled",),
    since="cancel_datetime",
)
MOVING = (
    "suspended or resumed",
    "held",
    "pay cycle or pay method changed",
    "amounts moved",
    "status moved by time (trial, current, overdue, expired)",
    "cancelled",
    "cancellation taken back",
)
LIVE = Pass(
    "live",
    "hold, pay cycle, pay method, amounts and time leave mod_datetime alone (recorded pairs)",
    sees=MOVING,
    where=("package_status_state", "a"),
)
SUSPENDED = Pass(
    "suspended",
    "a suspended package comes back by time, without an edit",
    sees=("suspended or resumed",),
    where=("package_status_state", "s"),
)
BILLED = Pass(
    "billed",
    "a package's amounts follow its invoices, also after its end",
    sees=("amounts moved",),
    of=(Related("invoices", ("package_id",)),),
)
OPEN = Pass(
    "open",
    "an invoice becomes overdue by time, and what was open and is not any more was settled",
    sees=("becomes overdue", "voided", "written off", "paid", "payment voided or re-applied"),
    where=("invoice_status_state", "o"),
)
APPLIED = Pass(
    "applied",
    "a payment leaves its invoice's mod_datetime alone (devdocs webhooks/invoice-update)",
    sees=("paid", "payment voided or re-applied"),
    of=(Related("transactions", ("applied_to", "invoice_id")),),
)
MOVED = Pass(
    "moved",
    "a balance changes without the customer's mod_datetime (recorded: customers 35 and 44)",
    sees=("balance moved", "becomes overdue"),
    of=(Related("invoices", ("customer_id",)), Related("transactions", ("customer_id",))),
)
TRANSACTED = Pass(
    "transacted",
    "the only time that transactions can be searched by; a void moves none (devdocs)",
    sees=(NEW, "voided or re-applied within transaction_window"),
    since="transaction_datetime",
    windowed=True,
)
REFUNDED = Pass(
    "refunded",
    "a payment lists its refunds, and has no time for it",
    sees=("refunded",),
    of=(Related("transactions", ("parent_transaction_id",)),),
)
GONE = "a deleted row leaves nothing behind but a webhook"

CUSTOMERS = Resource(
    name="customers",
    path="customer",
    id="customer_id",
    keyset=True,
    created="write_datetime",
    passes=(MODIFIED, CREATED, MOVED),
    blind={
        DELETED: GONE,
        "made inactive": "a status has no time of its own",
        "default pay method changed": "default_* follow a package, without a time",
    },
    cursors=(("mod_datetime",), ("write_datetime",)),
    filterable=_fields(
        "customer_id parent_customer_id bill_state ship_state bill_country ship_country"
        " external_key token company superuser_id superuser_email customer_status_state"
        " customer_status_str write_datetime mod_datetime",
        custom=50,
    ),
    streams=(StreamSpec("customers", ("customer_id",), replication_key="mod_datetime"),),
)
SUBSCRIPTIONS = Resource(
    name="subscriptions",
    path="package",
    id="package_id",
    keyset=True,
    created="write_datetime",
    passes=(MODIFIED, CREATED, CANCELLED, LIVE, SUSPENDED, BILLED),
    blind={
        DELETED: GONE,
        "held after its end": "recorded: package 555, cancelled, with a next invoice again",
        "line removed": "an upgraded line gets a new line_item_id, the old one disappears",
    },
    cursors=(("mod_datetime",), ("write_datetime",), ("cancel_datetime",)),
    filterable=_fields(
        "package_id customer_id token brand_id paymethod paycycle nickname bill_state ship_state"
        " package_status_str package_status_state external_key write_datetime mod_datetime"
        " cancel_datetime quote.quote_id line_items.external_key line_items.custom_1"
        " line_items.item_id customer.superuser_email customer.users.email",
        custom=20,
    ),
    expand=("line_items",),
    streams=(
        StreamSpec("subscriptions", ("package_id",), replication_key="mod_datetime"),
        StreamSpec(
            "subscription_line_items",
            ("line_item_id",),
            path=("line_items",),
            replication_key="package_mod_datetime",
            lift={
                "package_id": (0, "package_id"),
                "customer_id": (0, "customer_id"),
                "package_mod_datetime": (0, "mod_datetime"),
                "package_write_datetime": (0, "write_datetime"),
            },
        ),
    ),
)
INVOICES = Resource(
    name="invoices",
    path="invoice",
    id="invoice_id",
    keyset=True,
    created="write_datetime",
    passes=(MODIFIED, CREATED, OPEN, APPLIED),
    blind={DELETED: GONE, "line removed": "a line that an update leaves out just disappears"},
    cursors=(("mod_datetime",), ("write_datetime",)),
    filterable=_fields(
        "invoice_id refnumber customer_id bill_state ship_state bill_country ship_country"
        " invoice_status_str invoice_status_state package_token package_id invoice_index date"
        " currency_id token subtotal total balance line_items.item_id line_items.custom_1"
        " line_items.custom_2 line_items.custom_3 line_items.item.categories.item_category_id"
        " transaction.transaction_id quote.quote_id write_datetime mod_datetime",
        custom=3,
    ),
    expand=("line_items",),
    streams=(
        StreamSpec("invoices", ("invoice_id",), replication_key="mod_datetime"),
        StreamSpec(
            "invoice_line_items",
            ("line_item_id",),
            path=("line_items",),
            replication_key="invoice_mod_datetime",
            lift={
                "invoice_id": (0, "invoice_id"),
                "customer_id": (0, "customer_id"),
                "invoice_mod_datetime": (0, "mod_datetime"),
                "invoice_write_datetime": (0, "write_datetime"),
            },
        ),
    ),
)
TRANSACTIONS = Resource(
    name="transactions",
    path="transaction",
    id="transaction_id",
    keyset=True,
    created="transaction_datetime",
    passes=(TRANSACTED, REFUNDED),
    blind={
        DELETED: GONE,
        "voided or re-applied later": "void_datetime cannot be searched by, applied_to has none",
        "application taken away": "a void or a re-application just leaves it out",
    },
    cursors=(("transaction_datetime",),),
    filterable=_fields(
        "transaction_id customer_id gateway_id currency_id creditcard_id ach_id tokenized_id token"
        " external_key gateway_status gateway_transid amount fee transaction_type"
        " transaction_method transaction_detail transaction_datetime transaction_status.state"
        " transaction_status.str applied_to.package_id applied_to.package_external_key"
        " applied_to.invoice_id"
    ),
    expand=("applied_to",),
    streams=(
        StreamSpec("transactions", ("transaction_id",), replication_key="transaction_datetime"),
        StreamSpec(
            "transaction_applications",
            ("transaction_id", "invoice_id"),
            path=("applied_to",),
            replication_key="transaction_datetime",
            lift={
                "transaction_id": (0, "transaction_id"),
                "customer_id": (0, "customer_id"),
                "transaction_datetime": (0, "transaction_datetime"),
            },
        ),
    ),
)
CONTACTS = Resource(
    name="contacts",
    path="user",
    id="user_id",
    keyset=True,
    blind={DELETED: GONE},
    filterable=_fields(
        "user_id external_key first_name last_name email phone user_type_id username"
        " customers.customer_id"
    ),
    streams=(StreamSpec("contacts", ("user_id",)),),
)
PLANS = Resource(
    name="plans",
    path="item",
    id="item_id",
    keyset=True,
    blind={DELETED: GONE},
    filterable=_fields("item_id name external_key accounting_sku item_type", custom=3),
    streams=(
        StreamSpec("plans", ("item_id",)),
        StreamSpec(
            "plan_tiersets",
            ("item_id", "tierset_id"),
            path=("tiersets",),
            lift={"item_id": (0, "item_id")},
        ),
    ),
)
QUOTES = Resource(
    name="quotes",
    path="quote",
    id="quote_id",
    keyset=True,
    blind={DELETED: GONE},
    filterable=_fields(
        "quote_id customer_id brand_id currency_id refnumber token external_key date bill_state"
        " bill_country quote_status_str quote_status_state"
    ),
    streams=(StreamSpec("quotes", ("quote_id",), selected=False),),
)

# Objects whose identifier cannot be searched by: stream, endpoint, key, filterable fields.
SMALL: tuple[tuple[str, str, str, str], ...] = (
    ("promotions", "coupon", "coupon_id", ""),
    ("notes", "note", "note_id", "context_str context_id obj_type obj_id"),
    ("usage", "usage", "usage_history_id", "line_item_id external_key from to"),
    ("credit_cards", "creditcard", "creditcard_id", "customer_id"),
    ("tokenized", "tokenized", "tokenized_id", "customer_id"),
    ("ach", "ach", "ach_id", "customer_id"),
    ("item_categories", "item_category", "item_category_id", ""),
    ("admins", "admin", "admin_id", ""),
    ("brands", "brand", "brand_id", ""),
    ("campaigns", "campaign", "campaign_id", ""),
    ("classes", "class", "class_id", ""),
    ("countries", "country", "country_id", ""),
    ("currencies", "currency", "currency_id", ""),
    ("languages", "language", "language_id", ""),
    ("terms", "terms", "terms_id", ""),
)

RESOURCES: tuple[Resource, ...] = (
    CUSTOMERS,
    SUBSCRIPTIONS,
    INVOICES,
    TRANSACTIONS,
    CONTACTS,
    PLANS,
    QUOTES,
    *(
        Resource(
            name=name,
            path=path,
            id=key,
            filterable=_fields(fields),
            blind={DELETED: GONE},
            streams=(StreamSpec(name, (key,), selected=name == "promotions"),),
        )
        for name, path, key, fields in SMALL
    ),
)
