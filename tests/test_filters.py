"""The user's filters: refused with what is allowed, or passed to the provider as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.errors import SettingsError
from tap_billing.filters import checked
from tap_billing.providers.chargeover_resources import OPERATORS
from tap_billing.spec import Scope
from tests import bodies
from tests.bodies import CATALOGUE, resource_of

PROVIDERS = {"chargeover": bodies.chargeover(), "cheddar": bodies.cheddar()}
CHARGEOVER, CHEDDAR = CATALOGUE["chargeover"], CATALOGUE["cheddar"]


def clause(field="company", operator="EQUALS", value="x", **further):
    return {"field": field, "operator": operator, "value": value, **further}


def chargeover(*clauses, stream="customers"):
    return checked("chargeover", CHARGEOVER, {stream: list(clauses)})[stream]


def cheddar(stream="customers", **parameters):
    return checked("cheddar", CHEDDAR, {stream: parameters})[stream]


@pytest.mark.parametrize("given_filters", [None, {}])
@pytest.mark.parametrize("provider", CATALOGUE)
def test_no_filter_is_fine(provider, given_filters):
    assert checked(provider, CATALOGUE[provider], given_filters) == {}


@pytest.mark.parametrize("operator", OPERATORS[:7])
def test_every_documented_operator_is_taken(operator):
    assert chargeover(clause(operator=operator)) == (("company", operator, "x"),)


@pytest.mark.parametrize(
    ("resource", "field"),
    [(r, field) for r in CHARGEOVER for field in sorted(r.filterable)],
    ids=lambda each: getattr(each, "name", each),
)
def test_every_documented_field_is_taken(resource, field):
    assert chargeover(clause(field), stream=resource.name) == ((field, "EQUALS", "x"),)


@pytest.mark.parametrize(
    ("value", "sent"),
    [(7, "7"), (0, "0"), (1.5, "1.5"), (True, "1"), (False, "0"), ("a:b,c", "a:b,c")],
    ids=repr,
)
def test_value_is_sent_as_text(value, sent):
    assert chargeover(clause(value=value)) == (("company", "EQUALS", sent),)


@pytest.mark.parametrize(
    ("operator", "value"),
    [("IS:NULL", None), ("IS:NULL", "x"), ("IS", "NULL"), ("IS", "null"), ("ISNOT", "NULL")],
)
def test_null_is_asked_for_by_its_operator(operator, value):
    [(field, name, null)] = chargeover(clause(operator=operator, value=value))
    assert (field, name, null) == ("company", operator.partition(":")[0], "NULL")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"customers": {}}, "filters.customers: not a list"),
        ({"customers": ["x"]}, "filters.customers: not a list"),
        ({"customers": "company:EQUALS:x"}, "filters.customers: not a list"),
        ({"customers": [clause(fild="x")]}, "unknown key 'fild'; allowed: field, operator, value"),
        ({"customers": [clause("nonsense")]}, "unknown field 'nonsense'; allowed: .*company"),
        ({"customers": [clause("a:EQUALS:1,company")]}, "unknown field"),
        ({"customers": [clause(None)]}, "unknown field None"),
        ({"customers": [clause(["company"])]}, "unknown field"),
        ({"customers": [{}]}, "unknown field None"),
        ({"customers": [clause(operator="LIKE")]}, "unknown operator 'LIKE'; allowed: EQUALS"),
        ({"customers": [clause(operator="equals")]}, "unknown operator 'equals'"),
        ({"customers": [clause(operator=None)]}, "unknown operator None"),
        ({"customers": [clause(operator=["EQUALS"])]}, "unknown operator"),
        ({"customers": [clause(value=None)]}, "needs a value"),
        ({"customers": [clause(value="")]}, "needs a value"),
        ({"customers": [clause(value=["x"])]}, "needs a value"),
        ({"customers": [clause(value={"x": 1})]}, "needs a value"),
        ({"customers": [clause(value="x\\")]}, "backslash"),
        ({"contacts": [clause("mod_datetime")]}, "unknown field 'mod_datetime'"),
        ({"promotions": [clause("code")]}, "coupon cannot be filtered"),
        ({"invoice_line_items": []}, "is cut from invoices; filter invoices instead"),
        ({"customer": []}, "unknown stream 'customer'; allowed: .*customers"),
    ],
    ids=str,
)
def test_wrong_filter_of_chargeover_is_refused_with_what_is_allowed(wanted, words):
    with pytest.raises(SettingsError, match=words) as caught:
        checked("chargeover", CHARGEOVER, wanted)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"subscriptionStatus": "activeOnly"},
        {"planCode": "A"},
        {"planCode": ["A", "B"]},
        {"search": "x"},
        {"search": 1234},
        {"createdBeforeDate": "2026-01-31"},
        {"canceledAfterDate": "2026-01-31", "canceledBeforeDate": "2026-02-28"},
        {"transactedBeforeDate": "2026-01-31"},
        {"orderBy": "createdDatetime", "orderByDirection": "desc"},
        {"code": "A"},
        {"id": "1"},
        {"invoiceNumber": 7},
    ],
    ids=str,
)
def test_documented_parameters_of_cheddar_are_taken(parameters):
    assert cheddar(**parameters) == parameters


@pytest.mark.parametrize("stream", ["plans", "promotions"])
@pytest.mark.parametrize("key", ["code", "id"])
def test_single_plan_or_promotion_is_taken(stream, key):
    assert cheddar(stream, **{key: "A"}) == {key: "A"}


@pytest.mark.parametrize(
    ("stream", "parameters", "words"),
    [
        ("customers", {"status": "x"}, "unknown parameter 'status'; allowed: .*subscriptionStatus"),
        ("customers", {"createdAfterDate": "2026-01-01"}, "unknown parameter"),
        ("customers", {"subscriptionStatus": "active"}, "allowed: activeOnly, canceledOnly"),
        ("customers", {"subscriptionStatus": ["activeOnly"]}, "allowed: activeOnly"),
        ("customers", {"orderBy": "id"}, "allowed: name, company"),
        ("customers", {"orderByDirection": "ASC"}, "allowed: asc, desc"),
        ("customers", {"createdBeforeDate": "31.01.2026"}, "a day such as"),
        ("customers", {"createdBeforeDate": "2026-02-30"}, "a day such as"),
        ("customers", {"createdBeforeDate": "20260131"}, "a day such as"),
        ("customers", {"createdBeforeDate": "2026-01-31T00:00:00Z"}, "a day such as"),
        ("customers", {"canceledAfterDate": 20260131}, "a day such as"),
        ("customers", {"planCode": []}, "a plan code, or a list of them"),
        ("customers", {"planCode": [1]}, "a plan code"),
        ("customers", {"planCode": ""}, "a plan code"),
        ("customers", {"search": ""}, "allowed: text"),
        ("customers", {"search": True}, "allowed: text"),
        ("customers", {"search": ["x"]}, "allowed: text"),
        ("customers", {"code": "A", "search": "x"}, "code names a single one"),
        ("customers", {"code": "A", "id": "x"}, "names a single one"),
        ("plans", {"invoiceNumber": 7}, "unknown parameter 'invoiceNumber'; allowed: code, id"),
        ("promotions", {"search": "x"}, "unknown parameter"),
    ],
    ids=str,
)
def test_wrong_filter_of_cheddar_is_refused_with_what_is_allowed(stream, parameters, words):
    with pytest.raises(SettingsError, match=words):
        cheddar(stream, **parameters)


@pytest.mark.parametrize("wanted", [[], "x", 7, None], ids=repr)
def test_filter_of_cheddar_that_is_no_object_is_refused(wanted):
    with pytest.raises(SettingsError, match=r"filters\.customers: not an object"):
        checked("cheddar", CHEDDAR, {"customers": wanted})


@pytest.mark.parametrize("stream", ["invoices", "subscriptions", "contacts"])
def test_filter_of_a_child_names_its_parent(stream):
    with pytest.raises(SettingsError, match="is cut from customers; filter customers instead"):
        cheddar(stream, search="x")


KEYS = ["field", "operator", "value", "planCode", "code", "search", "x"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("provider", CATALOGUE)
@given(
    wanted=ANY
    | st.lists(st.fixed_dictionaries({"field": ANY, "operator": ANY, "value": ANY}), max_size=2)
)
def test_any_filter_is_either_refused_or_planned(provider, wanted):
    resource = resource_of(provider, "customers")
    try:
        found = checked(provider, CATALOGUE[provider], {"customers": wanted})
    except SettingsError:
        return
    made = PROVIDERS[provider]
    for request in made.plan(resource, Scope(filters=found["customers"])):
        assert made.url(request)
