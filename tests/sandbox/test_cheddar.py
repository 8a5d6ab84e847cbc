from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest

SAMPLES = Path(__file__).parent.parent / "samples" / "cheddar"
PRODUCT = "/productCode/SAMPLE"
PLANS = f"/xml/plans/get{PRODUCT}"
CUSTOMERS = f"/xml/customers/get{PRODUCT}"
PROMOTIONS = f"/xml/promotions/get{PRODUCT}"


@pytest.fixture(scope="module")
def tree(cheddar, ask):
    """Read everything below customers/get once: most tests only look at it."""
    return ET.fromstring(ask(cheddar, CUSTOMERS).body)


@pytest.fixture(scope="module")
def fetch(cheddar, ask):
    """Return the parsed answer; an error document counts as its status and its text."""

    def parsed(path):
        answer = ask(cheddar, path)
        root = ET.fromstring(answer.body)
        if answer.status != 200:
            assert root.tag == "error"
            assert root.get("code") == str(answer.status)
            assert root.get("id").isdecimal()
            return answer.status, root.text
        return root

    return parsed


def texts(root, path):
    return [element.text or "" for element in root.iterfind(path)]


def codes(root):
    return [customer.get("code") for customer in root]


@pytest.mark.parametrize("login", [None, "sandbox:wrong", "other:sandbox", "sandbox"])
def test_credentials_are_asked_for(cheddar, ask, login):
    answer = ask(cheddar, PLANS, login=login)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert ET.fromstring(answer.body).text == "Authentication required"


NO_PRODUCT = "No product selected. Need a productId or productCode."


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/xml/plans/get", 400, NO_PRODUCT),
        ("/xml/customers/get?search=x", 400, NO_PRODUCT),
        ("/xml/plans", 400, None),
        (
            "/xml/plans/get?productCode=OTHER",
            403,
            "User sandbox does not have access to productCode=OTHER",
        ),
        (
            "/xml/plans/get/productId/1",
            403,
            "User does not have access to productId=1",
        ),
        ("/xml/invoices/get" + PRODUCT, 404, "Resource not found"),
        ("/xml/customers/list" + PRODUCT, 404, "Resource not found"),
        ("/xml", 404, "Resource not found"),
        ("/", 404, "Resource not found"),
        (PLANS + "/code/A%2FB", 404, "Resource not found"),
        (PLANS + "/code/NO", 404, "Plan not found for code=NO within productCode=SAMPLE"),
        (PLANS + "/color/red", 400, "Unknown parameter: color"),
        (CUSTOMERS + "/code/NO", 404, "Customer not found"),
        (CUSTOMERS + "/invoiceNumber/0", 404, "Customer not found"),
        (CUSTOMERS + "?createdAfterDate=2040-01-01", 404, "No customers found."),
        (CUSTOMERS + "?searchText=x", 400, "Unknown parameter: searchText"),
        (CUSTOMERS + "?planCode=SMALL", 400, "Unknown parameter: planCode"),
        (CUSTOMERS + "?createdAfterDate=2025-02-30", 400, None),
        (CUSTOMERS + "?createdAfterDate=2025-02-03T00:00:00", 400, None),
        (CUSTOMERS + "?createdAfterDate=", 400, None),
        (CUSTOMERS + "?subscriptionStatus=active", 400, None),
        (CUSTOMERS + "?orderBy=id", 400, None),
        (CUSTOMERS + "?orderByDirection=down", 400, None),
        (PROMOTIONS + "/code/NO", 404, "Promotion not found"),
    ],
)
def test_refusals(fetch, path, status, message):
    told_status, told_message = fetch(path)
    assert told_status == status
    assert message is None or told_message == message


def test_only_get_is_served(cheddar, ask):
    assert ask(cheddar, CUSTOMERS, "POST").status == 400


def test_error_document_is_the_recorded_one(cheddar, ask):
    recorded = (SAMPLES / "error__flask_cheddargetter__1.xml").read_text().strip()
    answer = ask(cheddar, CUSTOMERS + "/code/NO")
    told = ET.fromstring(answer.body)
    expected = ET.fromstring(recorded)
    assert answer.body.decode().splitlines()[0] == recorded.splitlines()[0]
    assert list(told.attrib) == list(expected.attrib)
    assert {**told.attrib, "id": ""} == {**expected.attrib, "id": ""}
    assert told.text == expected.text


def test_empty_company(fresh, ask):
    sandbox = fresh(customers=0)
    answer = ask(sandbox, CUSTOMERS)
    assert answer.status == 404
    assert ET.fromstring(answer.body).text == "No customers found."


def test_large_document_fails_when_told_so(fresh, ask):
    sandbox = fresh(max_customers_per_document=2)
    assert ask(sandbox, CUSTOMERS).status == 500
    code = quote(next(iter(sandbox.world.company.customers.values())).code, safe="")
    assert ask(sandbox, f"{CUSTOMERS}/code/{code}").status == 200


def shapes(root):
    """Return, per path of tags, which children occur and which come before which."""
    children, orders = defaultdict(set), defaultdict(set)

    def walk(element, path):
        names = list(dict.fromkeys(child.tag for child in element))
        children[path] |= {*names, *(f"@{name}" for name in element.attrib)}
        orders[path] |= {(a, b) for i, a in enumerate(names) for b in names[i + 1 :]}
        for child in element:
            walk(child, f"{path}/{child.tag}")

    walk(root, root.tag)
    return children, orders


@pytest.mark.parametrize(
    "sample",
    [
        *sorted(SAMPLES.glob("customers__*.xml")),
        *sorted(SAMPLES.glob("plans__*.xml")),
        *sorted(SAMPLES.glob("promotions__*.xml")),
    ],
    ids=lambda sample: sample.stem,
)
def test_documents_have_the_recorded_shape(fetch, sample):
    recorded = ET.fromstring(sample.read_bytes().strip())
    told = fetch(f"/xml/{recorded.tag}/get{PRODUCT}")
    children, orders = shapes(told)
    for path, names in shapes(recorded)[0].items():
        assert names <= children[path], path
    for path, pairs in shapes(recorded)[1].items():
        assert not {(b, a) for a, b in pairs} & orders[path], path


def test_answer_is_streamed_xml(cheddar, ask):
    answer = ask(cheddar, CUSTOMERS)
    assert answer.headers["Content-Type"] == "text/xml; charset=UTF-8"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<customers>')


def test_equals_the_truth(tree, fetch, cheddar, ask):
    told = {
        "customers": [one.get("id") for one in tree],
        "subscriptions": [one.get("id") for one in tree.iterfind(".//subscription")],
        "invoices": [one.get("id") for one in tree.iterfind(".//invoice")],
        "charges": [one.get("id") for one in tree.iterfind(".//charge") if one.get("id")],
        "transactions": [one.get("id") for one in tree.iterfind(".//transaction")],
        "plans": [one.get("id") for one in fetch(PLANS)],
        "promotions": [one.get("id") for one in fetch(PROMOTIONS)],
        "coupons": [one.get("id") for one in fetch(PROMOTIONS).iterfind(".//coupon")],
        "customer_metadata": [
            f"{customer.get('id')},{one.text}"
            for customer in tree
            for one in customer.iterfind("metaData/metaDatum/name")
        ],
        "subscription_items": [
            f"{subscription.get('id')},{one.get('id')}"
            for subscription in tree.iterfind(".//subscription")
            for one in subscription.iterfind("items/item")
        ],
    }
    truth = ask(cheddar, "/_sandbox/truth").json()
    for stream, ids in told.items():
        expected = [",".join(one) if isinstance(one, list) else one for one in truth[stream]["ids"]]
        assert sorted(ids) == sorted(expected), stream
        assert len(set(ids)) == len(ids) > 0, stream
    amounts = map(Decimal, texts(tree, ".//transaction/amount"))
    assert sum(amounts) == Decimal(truth["transactions"]["sums"]["amount"])


def test_current_subscription_comes_first(tree):
    for customer in tree:
        created = texts(customer, "subscriptions/subscription/createdDatetime")
        assert created == sorted(created, reverse=True)
        cancelled = texts(customer, "subscriptions/subscription/canceledDatetime")
        assert len(created) == len(cancelled) > 0


def test_pending_charges_have_no_id(tree):
    pending = [charge for charge in tree.iterfind(".//charge") if charge.get("id") == ""]
    assert {charge.findtext("type") for charge in pending} >= {"recurring", "item"}
    assert any(not charge.findtext("createdDatetime") for charge in pending)


def test_refunds_are_negative_children_of_their_payment(tree):
    amounts = {one.get("id"): Decimal(one.findtext("amount")) for one in tree.iter("transaction")}
    refunds = [one for one in tree.iter("transaction") if one.findtext("parentId")]
    assert refunds
    for refund in refunds:
        assert 0 < -amounts[refund.get("id")] <= amounts[refund.findtext("parentId")]


def test_every_response_occurs(tree):
    assert set(texts(tree, ".//response")) == {"approved", "declined", "voided"}


def test_paid_transaction_is_one_of_the_invoice(tree):
    for invoice in tree.iter("invoice"):
        paid = invoice.findtext("paidTransactionId")
        assert not paid or paid in {one.get("id") for one in invoice.iter("transaction")}


def test_amounts_have_two_decimals(tree):
    for path in (".//amount", ".//eachAmount", ".//recurringChargeAmount", ".//overageAmount"):
        assert all(len(amount.rpartition(".")[2]) == 2 for amount in texts(tree, path))


def test_open_invoice_moves_to_the_new_subscription(fresh, ask):
    sandbox = fresh(customers=60)
    seen, moved = {}, 0
    for _ in range(12):
        root = ET.fromstring(ask(sandbox, CUSTOMERS).body)
        now = {
            invoice.get("id"): subscription.get("id")
            for subscription in root.iter("subscription")
            for invoice in subscription.iter("invoice")
        }
        moved += sum(seen.get(number, where) != where for number, where in now.items())
        seen = now
        sandbox.world.advance(30)
    assert moved


def test_computed_plan_fields_move_with_the_request(fresh, ask):
    sandbox = fresh()

    def first():
        root = ET.fromstring(ask(sandbox, PLANS + "/code/FREE").body)
        return root.findtext("plan/initialInvoiceBillingDatetime")

    assert first() == "2026-02-01T00:00:00+00:00"
    sandbox.world.advance(1)
    assert first() == "2026-02-02T00:00:00+00:00"


@pytest.mark.parametrize("form", ["{path}/{name}/{value}", "{path}?{name}={value}"])
def test_single_customer_by_code_id_or_invoice_number(tree, fetch, form):
    customer = tree[3]
    number = customer.findtext(".//invoice/number")
    lookups = [
        ("code", customer.get("code")),
        ("id", customer.get("id")),
        ("invoiceNumber", number),
    ]
    for name, value in lookups:
        told = fetch(form.format(path=CUSTOMERS, name=name, value=value))
        assert codes(told) == [customer.get("code")]


def test_single_plan_and_promotion(fetch):
    plan, promotion = fetch(PLANS)[1], fetch(PROMOTIONS)[1]
    for name in ("code", "id"):
        assert [one.get("id") for one in fetch(f"{PLANS}/{name}/{plan.get(name)}")] == [
            plan.get("id")
        ]
    coupon = promotion.find("coupons/coupon").get("code")
    for path in (f"{PROMOTIONS}/code/{coupon}", f"{PROMOTIONS}/id/{promotion.get('id')}"):
        assert [one.get("id") for one in fetch(path)] == [promotion.get("id")]


@pytest.mark.parametrize("what", ["created", "canceled", "transacted"])
def test_ranges_are_whole_days_and_inclusive(tree, fetch, what):
    paths = {
        "created": "createdDatetime",
        "canceled": "subscriptions/subscription[1]/canceledDatetime",
        "transacted": ".//transaction/transactedDatetime",
    }
    instants = {one.get("code"): [*filter(None, texts(one, paths[what]))] for one in tree}
    days = sorted(text[:10] for found in instants.values() for text in found)
    after, before = days[len(days) // 3], days[2 * len(days) // 3]
    expected = {
        code for code, found in instants.items() if any(after <= x[:10] <= before for x in found)
    }
    told = fetch(f"{CUSTOMERS}?{what}AfterDate={after}&{what}BeforeDate={before}")
    assert set(codes(told)) == expected
    assert 0 < len(expected) < len(tree)


def test_days_are_those_of_the_api_user(fresh, ask):
    sandbox = fresh(timezone="Pacific/Auckland", customers=60)
    root = ET.fromstring(ask(sandbox, CUSTOMERS).body)
    told = [(one.get("code"), one.findtext("createdDatetime")) for one in root]
    code, created = next(
        (code, text)
        for code, text in told
        if datetime.fromisoformat(text).astimezone(UTC).date().isoformat() != text[:10]
    )
    assert created.endswith(("+12:00", "+13:00"))
    day = created[:10]
    path = f"{CUSTOMERS}?createdAfterDate={day}&createdBeforeDate={day}"
    assert code in codes(ET.fromstring(ask(sandbox, path).body))


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_ranges_reach_the_ends_of_time(fetch, tree, day):
    side = "After" if day < "1000" else "Before"
    assert len(fetch(f"{CUSTOMERS}?created{side}Date={day}")) == len(tree)


def test_status_and_plan_and_search(tree, fetch):
    active = set(codes(fetch(CUSTOMERS + "?subscriptionStatus=activeOnly")))
    cancelled = set(codes(fetch(CUSTOMERS + "?subscriptionStatus=canceledOnly")))
    assert active | cancelled == set(codes(tree))
    assert not active & cancelled
    both = fetch(f"{CUSTOMERS}?planCode%5B%5D=SMALL&planCode[]=20TEAM")
    current = "subscriptions/subscription[1]/plans/plan"
    assert {one.find(current).get("code") for one in both} == {"SMALL", "20TEAM"}
    customer = tree[5]
    mail = customer.findtext("email")
    assert customer.get("code") in codes(fetch(f"{CUSTOMERS}?search={mail.upper()}"))


@pytest.mark.parametrize("order", ["name", "company", "plan", "billingDatetime", "createdDatetime"])
def test_order(fetch, tree, order):
    ascending = codes(fetch(f"{CUSTOMERS}?orderBy={order}"))
    descending = codes(fetch(f"{CUSTOMERS}?orderBy={order}&orderByDirection=desc"))
    assert ascending == descending[::-1]
    assert sorted(ascending) == sorted(codes(tree))


def test_order_by_creation(fetch):
    created = texts(fetch(CUSTOMERS + "?orderBy=createdDatetime"), "customer/createdDatetime")
    assert created == sorted(created)


def test_later_parameter_wins_as_in_php(fetch, tree):
    path = f"{CUSTOMERS}?code=NO&code={tree[0].get('code')}"
    assert codes(fetch(path)) == [tree[0].get("code")]


def test_plus_in_a_path_is_a_blank(fetch):
    status, message = fetch(PLANS + "/code/A+B")
    assert (status, message[:27]) == (404, "Plan not found for code=A B")
