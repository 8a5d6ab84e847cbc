import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tap_billing.sandbox import serve
from tap_billing.sandbox.chargeover import RESOURCES
from tap_billing.sandbox.where import MAX_LIMIT

SAMPLES = Path(__file__).parents[1] / "samples" / "chargeover"
RECORDED = sorted(
    path for path in SAMPLES.glob("*.json") if path.name.partition("__")[0] in RESOURCES
)
NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox():
    with serve("chargeover", customers=150, now=NOW) as running:
        yield running


@pytest.fixture(scope="module")
def old():
    with serve("chargeover", customers=150, now=NOW, era="2015") as running:
        yield running


@pytest.fixture
def get(ask, sandbox):
    def getting(path, **params):
        text = f"?{urlencode(params)}" if params else ""
        return ask(sandbox, f"/api/v3{path}{text}")

    return getting


@pytest.fixture
def rows(get):
    def listing(path, **params):
        answer = get(path, **{"limit": 500, **params})
        assert answer.status == 200, answer.body
        return answer.json()["response"]

    return listing


def walk(sandbox, ask, path, key, **params):
    """Return all rows of a resource, page by page from id to id."""
    found, last = [], 0
    while True:
        text = urlencode(
            {**params, "where": f"{key}:GT:{last}", "order": f"{key}:ASC", "limit": 500}
        )
        page = ask(sandbox, f"/api/v3/{path}?{text}").json()["response"]
        if not page:
            return found
        found += page
        last = page[-1][key]


def whole(sandbox, ask, name):
    """Return all rows of a resource by offset: nothing changes meanwhile."""
    found = []
    while True:
        text = urlencode({"limit": 500, "offset": len(found)})
        page = ask(sandbox, f"/api/v3/{name}?{text}").json()["response"]
        if not page:
            return found
        found += page


# the envelope, authorization, what is refused


def test_the_envelope_is_todays(get):
    answer = get("/terms")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert {**answer.json(), "response": []} == {
        "code": 200, "status": "OK", "message": "", "details": {}, "response": []
    }  # fmt: skip


def test_the_envelope_of_2015_has_no_details(ask, old):
    assert list(ask(old, "/api/v3/terms").json()) == ["code", "status", "message", "response"]


def test_without_credentials_the_recorded_text(ask, sandbox):
    answer = ask(sandbox, "/api/v3/customer", login=None)
    recorded = json.loads((SAMPLES / "error_unauthorized__devdocs__1.json").read_text())
    assert (answer.status, answer.json()) == (401, recorded)


@pytest.mark.parametrize("login", ["sandbox:wrong", "wrong:sandbox", "sandbox", "", ":"])
def test_wrong_credentials_are_refused(ask, sandbox, login):
    answer = ask(sandbox, "/api/v3/customer", login=login or "x:")
    assert answer.status == 401
    assert answer.json()["status"] == "Error"
    assert answer.json()["response"] is False


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/customers", "The object type requested is not supported: list(customers, )"),
        ("/nothing/3", "The object type requested is not supported: get(nothing, 3)"),
        ("/customer?limit=501", "Missing or invalid parameter."),
        ("/customer?limit=0", "Missing or invalid parameter."),
        ("/customer?limit=all", "Missing or invalid parameter."),
        ("/customer?offset=-1", "Missing or invalid parameter."),
        ("/customer?expand=line_items", "Missing or invalid parameter."),
        ("/user?where=mod_datetime:GT:2026-01-01", "You cannot filter by: mod_datetime."),
        ("/transaction?where=void_datetime:GT:2026-01-01", "You cannot filter by: void_datetime."),
        ("/class?where=class_id:EQUALS:1", "You cannot filter by: class_id."),
        ("/coupon?where=code:EQUALS:1", "You cannot filter by: code."),
        ("/_report?where=report_id:EQUALS:1", "You cannot filter by: report_id."),
        ("/customer?where=customer_id", "Malformed WHERE clause."),
        ("/customer?where=customer_id:LIKE:1", "Malformed WHERE clause."),
        ("/customer?where=customer_id:GT:abc", "Malformed WHERE clause."),
        ("/customer?where=customer_id:IS:1", "Malformed WHERE clause."),
        ("/customer?where=mod_datetime:GTE:yesterday", "Malformed WHERE clause."),
        ("/customer?where=customer_id:GT:1,", "Malformed WHERE clause."),
        ("/customer?order=nothing:ASC", "You cannot order by: nothing."),
        ("/customer?order=customer_id:UP", "Missing or invalid parameter."),
    ],
)
def test_what_is_refused_gets_a_400_with_the_vendors_words(ask, sandbox, path, message):
    answer = ask(sandbox, f"/api/v3{path}")
    assert (answer.status, answer.json()) == (
        400,
        {"code": 400, "status": "Error", "message": message, "details": {}, "response": False},
    )


@pytest.mark.parametrize(
    ("method", "path", "command"),
    [
        ("POST", "/customer", "create(customer)"),
        ("PUT", "/package/628", "modify(package, 628)"),
        ("DELETE", "/customer/1", "delete(customer, 1)"),
    ],
)
def test_only_reading_is_served(ask, sandbox, method, path, command):
    answer = ask(sandbox, f"/api/v3{path}", method=method)
    assert answer.status == 400
    assert answer.json()["message"] == f"The command requested is not supported: {command}"


@pytest.mark.parametrize("key", ["99999", "abc", "token:nothing", "token:"])
def test_a_missing_row_is_a_404(get, key):
    answer = get(f"/customer/{key}")
    assert answer.status == 404
    assert answer.json()["message"] == "This customer does not exist."
    assert answer.json()["response"] is None


# reading all of it


@pytest.mark.parametrize("name", RESOURCES)
def test_every_resource_is_told_whole(ask, sandbox, name):
    streams = {
        "customer": "customers", "user": "contacts", "package": "subscriptions",
        "invoice": "invoices", "transaction": "transactions", "item": "plans",
        "coupon": "promotions", "quote": "quotes", "note": "notes", "creditcard": "credit_cards",
        "item_category": "item_categories", "admin": "admins", "brand": "brands",
        "campaign": "campaigns", "class": "classes", "country": "countries",
        "currency": "currencies", "language": "languages",
    }  # fmt: skip
    truth = sandbox.world.truth()[streams.get(name, name)]
    key = RESOURCES[name].key
    found = whole(sandbox, ask, name)
    assert [row[key] for row in found] == truth["ids"]
    assert ask(sandbox, f"/api/v3/{name}/_count").json()["response"] == truth["count"] > 0
    for row in (found[0], found[-1]):
        alone = ask(sandbox, f"/api/v3/{name}/{row[key]}").json()["response"]
        assert alone.items() >= row.items()


@pytest.mark.parametrize("name", ["customer", "package", "invoice", "transaction", "user"])
def test_keyset_paging_tells_every_row_once(ask, sandbox, name):
    key = RESOURCES[name].key
    found = walk(sandbox, ask, name, key)
    assert found == whole(sandbox, ask, name)


def test_money_sums_up_to_the_truth(ask, sandbox):
    truth = sandbox.world.truth()
    for name, key, stream, fields in (
        ("invoice", "invoice_id", "invoices", ("total", "balance", "payments")),
        ("transaction", "transaction_id", "transactions", ("amount",)),
        ("package", "package_id", "subscriptions", ("amount_due", "amount_invoiced")),
        ("customer", "customer_id", "customers", ("balance", "paid", "total")),
    ):
        found = walk(sandbox, ask, name, key)
        for field in fields:
            cents = sum(round(row[field] * 100) for row in found)
            assert f"{cents / 100:.2f}" == truth[stream]["sums"][field], (stream, field)


def test_ten_rows_without_a_limit(get):
    assert len(get("/customer").json()["response"]) == 10


def test_billing_package_is_an_alias(rows):
    assert rows("/billing_package", limit=3) == rows("/package", limit=3)


@pytest.mark.parametrize("name", ["_report", "_customfield", "_log_system"])
def test_small_lists_are_not_paged(get, name):
    assert get(f"/{name}", limit=1, offset=5).json()["response"]


def test_by_token(get, rows):
    row = rows("/invoice", limit=1)[0]
    assert (
        get(f"/invoice/token:{row['token']}").json()["response"]["invoice_id"] == row["invoice_id"]
    )


def test_lines_are_in_lists_only_when_expanded(rows):
    assert "line_items" not in rows("/package", limit=1)[0]
    assert "line_items" not in rows("/invoice", limit=1)[0]
    assert "applied_to" not in rows("/transaction", limit=1)[0]
    assert rows("/package", limit=1, expand="line_items")[0]["line_items"]
    assert rows("/transaction", limit=1, expand="applied_to")[0]["applied_to"]
    for invoice in rows("/invoice", limit=50, expand="line_items"):
        lines = invoice["line_items"]
        cents = sum(round(line["line_rate"] * 100) * line["line_quantity"] for line in lines)
        assert cents == round(invoice["subtotal"] * 100)


# where


def test_clauses_are_joined_by_and(rows):
    found = rows("/customer", where="customer_id:GTE:20,customer_id:LT:25")
    assert {row["customer_id"] for row in found} <= set(range(20, 25))
    assert found


@pytest.mark.parametrize(
    ("clause", "holds"),
    [
        ("customer_id:EQUALS:7", lambda row: row["customer_id"] == 7),
        ("customer_id:NOTEQUALS:7", lambda row: row["customer_id"] != 7),
        ("customer_id:LTE:9", lambda row: row["customer_id"] <= 9),
        ("bill_country:EQUALS:germany", lambda row: row["bill_country"] == "Germany"),
        ("external_key:CONTAINS:A&B", lambda row: "A&B" in row["external_key"]),
        ("external_key:CONTAINS:\\:", lambda row: ":" in row["external_key"]),
        ("company:CONTAINS:Heath\\, Lake", lambda row: "Heath, Lake" in row["company"]),
        ("custom_1:IS:NULL", lambda row: row["custom_1"] is None),
        ("custom_1:ISNOT:NULL", lambda row: row["custom_1"] is not None),
        ("custom_1:NOTEQUALS:x", lambda row: row["custom_1"] is not None),
        ("customer_status_state:EQUALS:i", lambda row: row["customer_status_state"] == "i"),
    ],
)
def test_operators(rows, clause, holds):
    found, everything = rows("/customer", where=clause), rows("/customer")
    assert found == [row for row in everything if holds(row)]
    assert 0 < len(found) < len(everything)


def instant(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("value", "since"),
    [
        ("2025-06-01", "2025-06-01T00:00:00-05:00"),
        ("2025-06-01 13\\:30\\:00", "2025-06-01T13:30:00-05:00"),
        ("2025-06-01T13\\:30\\:00", "2025-06-01T13:30:00-05:00"),
        ("2025-06-01T13\\:30\\:00-05\\:00", "2025-06-01T13:30:00-05:00"),
        ("2025-06-01T13\\:30\\:00+00\\:00", "2025-06-01T13:30:00+00:00"),
        ("2025-06-01T13\\:30\\:00Z", "2025-06-01T13:30:00+00:00"),
        # a colon that is not escaped ends the value: the filter is silently by the hour
        ("2025-06-01T13:30:00+00:00", "2025-06-01T13:00:00-05:00"),
    ],
)
def test_datetimes_in_where(ask, sandbox, rows, value, since):
    everything = walk(sandbox, ask, "package", "package_id")
    text = rows("/package", where=f"mod_datetime:GTE:{value}")
    assert text == [row for row in everything if instant(row["mod_datetime"]) >= instant(since)]
    assert 0 < len(text) < len(everything)


def test_the_boundary_second_is_inclusive_for_gte_only(rows):
    row = rows("/transaction", limit=1, offset=50)[0]
    value = row["transaction_datetime"].replace(":", "\\:")
    at_least = rows("/transaction", where=f"transaction_datetime:GTE:{value}", limit=500)
    after = rows("/transaction", where=f"transaction_datetime:GT:{value}", limit=500)
    assert row["transaction_id"] in {each["transaction_id"] for each in at_least}
    assert row["transaction_id"] not in {each["transaction_id"] for each in after}


@pytest.mark.parametrize("name", [name for name, one in RESOURCES.items() if one.fields])
def test_every_documented_field_can_be_filtered_and_ordered_by(ask, sandbox, name):
    for field, one in RESOURCES[name].fields.items():
        value = {"text": "x", "number": "1"}.get(one.kind, "2025-01-01")
        for clause in (f"{field}:EQUALS:{value}", f"{field}:ISNOT:NULL"):
            text = urlencode({"where": clause, "order": f"{field}:DESC", "limit": 3})
            assert ask(sandbox, f"/api/v3/{name}?{text}").status == 200, clause


def test_nested_fields(rows):
    invoice = next(each for each in rows("/invoice", expand="line_items") if each["payments"])
    payments = rows("/transaction", where=f"applied_to.invoice_id:EQUALS:{invoice['invoice_id']}")
    assert payments
    number = payments[0]["transaction_id"]
    back = rows("/invoice", where=f"transaction.transaction_id:EQUALS:{number}")
    assert invoice["invoice_id"] in {each["invoice_id"] for each in back}
    item = invoice["line_items"][0]["item_id"]
    assert rows(
        "/invoice", where=f"line_items.item_id:EQUALS:{item},invoice_id:LTE:{invoice['invoice_id']}"
    )


def test_order_by_several_fields(rows):
    found = rows("/invoice", order="customer_id:DESC,date:ASC")
    keys = [(-row["customer_id"], row["date"]) for row in found]
    assert keys == sorted(keys)
    assert rows("/terms", order="terms_id:DESC")[0]["terms_id"] == 3


def test_percent_encoding_of_the_whole_is_the_same(ask, sandbox):
    plain = ask(sandbox, "/api/v3/customer?where=customer_id:EQUALS:5").body
    assert (
        ask(sandbox, f"/api/v3/customer?where={quote('customer_id:EQUALS:5', safe='')}").body
        == plain
    )


# as recorded


def form(sandbox, ask, name, *, single):
    """Return up to 60 rows of an object in its list or its single form."""
    key = RESOURCES[name].key
    listed = whole(sandbox, ask, name)
    listed = listed[:40] + listed[-20:]
    if not single:
        return listed
    return [ask(sandbox, f"/api/v3/{name}/{row[key]}").json()["response"] for row in listed]


def kinds(value):
    """Return the JSON type of a value; int and float are one, null goes with all."""
    names = {bool: "bool", int: "number", float: "number", str: "text", list: "list", dict: "dict"}
    return set() if value is None else {names[type(value)]}


def merge(rows):
    """Return the JSON types of every key over rows, nested arrays of objects by a dotted path."""
    found = {}
    for row in rows:
        for name, value in row.items():
            found.setdefault(name, set()).update(kinds(value))
            below = value if isinstance(value, list) else [value]
            for path, types in merge([one for one in below if isinstance(one, dict)]).items():
                found.setdefault(f"{name}.{path}", set()).update(types)
    return found


# Recorded values which differ from row to row in ways that the sample company has no reason for:
# ids in applied_to are text for what was entered by hand, ints otherwise.
VARYING = {"applied_to.invoice_id": {"text", "number"}}


@pytest.fixture(scope="module")
def forms(ask, sandbox, old):
    known = {}

    def of(name, *, single, era):
        if (name, single, era) not in known:
            served = old if era == "2015" else sandbox
            known[name, single, era] = merge(form(served, ask, name, single=single))
        return known[name, single, era]

    return of


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_every_recorded_key_is_told_with_its_type(forms, path):
    body = json.loads(path.read_text())
    response = body["response"]
    name = path.name.partition("__")[0]
    era = "2026" if "details" in body else "2015"
    single = isinstance(response, dict)
    told = forms(name, single=single, era=era)
    for key, types in merge([response] if single else response).items():
        assert key in told, key
        if types and told[key]:
            assert types <= VARYING.get(key, told[key]), (key, types, told[key])


def test_2015_has_naive_local_datetimes_and_no_modified_time_on_invoices(ask, old, sandbox):
    before, today = (
        ask(each, "/api/v3/invoice?limit=1").json()["response"][0] for each in (old, sandbox)
    )
    assert "mod_datetime" not in before
    assert today["mod_datetime"]
    local = datetime.fromisoformat(today["write_datetime"])
    assert before["write_datetime"] == f"{local:%Y-%m-%d %H:%M:%S}"
    where = urlencode({"where": "mod_datetime:GTE:2026-01-15", "limit": 500})
    assert ask(old, f"/api/v3/invoice?{where}").json()["response"]


def test_oddities_are_as_recorded(ask, sandbox, rows):
    packages = walk(sandbox, ask, "package", "package_id")
    gone = [row for row in packages if row["package_status_state"] == "c"]
    assert gone
    assert any(row["next_invoice_datetime"] == "" for row in gone)
    assert all(row["cancel_datetime"] for row in gone)
    invoices = walk(sandbox, ask, "invoice", "invoice_id", expand="line_items")
    void = [row for row in invoices if row["is_void"]]
    assert void
    for row in void:
        assert (row["balance"], row["is_paid"]) == (0, True)
        assert (row["invoice_status_str"], row["invoice_status_name"]) == ("closed-void", "Void")
        assert row["total"] > 0
    assert {line["is_taxed"] for row in invoices for line in row["line_items"]} == {"0", "1"}
    assert any(row["date"] > "2026-02-01" for row in invoices)
    assert any("\r\n" in row["bill_block"] for row in invoices)
    assert {type(row["total"]) for row in invoices} == {int, float}
    found = walk(sandbox, ask, "transaction", "transaction_id", expand="applied_to")
    assert {type(each["invoice_id"]) for row in found for each in row["applied_to"]} == {int, str}
    failed = [row for row in found if row["gateway_status"] == 0]
    assert failed
    assert all(row["gateway_transid"] is None for row in failed)
    assert all(
        row["amount"] < 0 and row["payments"] for row in found if row["transaction_type"] == "ref"
    )
    assert all("\n" in row["bill_block"] for row in rows("/customer"))


def test_states_are_those_of_the_enumerations(ask, sandbox):
    packages = walk(sandbox, ask, "package", "package_id")
    assert {row["package_status_str"] for row in packages} <= {
        "active-trial", "active-current", "active-overdue", "canceled-nonpayment",
        "canceled-manual", "expired-trial", "suspended-suspended",
    }  # fmt: skip
    states = {}
    for state in "aces":
        where = urlencode({"where": f"package_status_state:EQUALS:{state}", "limit": MAX_LIMIT})
        states[state] = len(ask(sandbox, f"/api/v3/package?{where}").json()["response"])
    assert sum(states.values()) == len(packages)
    assert states["a"]
    assert states["c"]


def test_business_goes_on(ask, fresh):
    sandbox = fresh("chargeover", customers=200)
    path = "/api/v3/invoice?limit=500&where=invoice_status_state:EQUALS:o"
    before = ask(sandbox, path).json()["response"]
    sandbox.world.advance(days=20)
    after = {row["invoice_id"]: row for row in walk(sandbox, ask, "invoice", "invoice_id")}
    paid = [
        row for row in before if after.get(row["invoice_id"], row)["payments"] > row["payments"]
    ]
    assert paid
    assert all(
        after[row["invoice_id"]]["mod_datetime"] == row["mod_datetime"]
        or after[row["invoice_id"]]["memo"] != row["memo"]
        for row in paid
    )
