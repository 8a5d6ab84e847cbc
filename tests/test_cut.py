"""Cutting: nested documents become flat records, none missing, none changed."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.cut import along, cutter
from tap_billing.spec import StreamSpec

DOCUMENT = {
    "id": 1,
    "code": "A",
    "subscriptions": [
        {"id": 2, "invoices": [{"id": 3, "number": 7}, {"id": 4}]},
        {"id": 5},
        {"id": 6, "invoices": []},
        {"id": 7, "invoices": None},
        {"id": 8, "invoices": [{"id": 9}]},
    ],
}
INVOICES = StreamSpec(
    "invoices",
    ("id",),
    ("subscriptions", "invoices"),
    lift={"customer_id": (0, "id"), "subscription_id": (1, "id")},
)


def cut(spec, document):
    return list(cutter(spec)(document))


def test_document_itself_is_the_record_without_a_path():
    assert cut(StreamSpec("x", ("id",)), DOCUMENT) == [DOCUMENT]


def test_records_below_two_lists_come_in_order_with_their_parents():
    assert cut(INVOICES, DOCUMENT) == [
        {"id": 3, "number": 7, "customer_id": 1, "subscription_id": 2},
        {"id": 4, "customer_id": 1, "subscription_id": 2},
        {"id": 9, "customer_id": 1, "subscription_id": 8},
    ]


@pytest.mark.parametrize("found", [None, [], "", "text", 7, [None, "x", 7], {}], ids=repr)
def test_what_holds_no_records_yields_none_or_an_empty_one(found):
    made = cut(StreamSpec("x", ("id",), ("lines",)), {"lines": found})
    assert made == ([{}] if found == {} else [])


def test_single_object_in_place_of_a_list_is_one_record():
    assert cut(StreamSpec("x", ("id",), ("lines",)), {"lines": {"id": 1}}) == [{"id": 1}]


def test_missing_column_of_a_parent_is_null():
    spec = StreamSpec("x", ("id",), ("lines",), lift={"package_id": (0, "package_id")})
    assert cut(spec, {"lines": [{"id": 1}]}) == [{"id": 1, "package_id": None}]


def test_document_is_left_as_it_was():
    before = copy.deepcopy(DOCUMENT)
    for record in cut(INVOICES, DOCUMENT):
        record["customer_id"] = record["new"] = "changed"
    assert before == DOCUMENT


@given(counts=st.lists(st.lists(st.integers(0, 4), max_size=4), max_size=4))
def test_every_leaf_of_a_tree_is_delivered_once(counts):
    number = iter(range(1000))
    document = {
        "id": "d",
        "a": [
            {"b": [{"c": [{"id": next(number)} for _ in range(n)]} for n in row]} for row in counts
        ],
    }
    made = cut(StreamSpec("x", ("id",), ("a", "b", "c"), lift={"of": (0, "id")}), document)
    assert made == [{"id": n, "of": "d"} for n in range(sum(map(sum, counts)))]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (("id",), [1]),
        (("missing",), []),
        (("subscriptions", "id"), [2, 5, 6, 7, 8]),
        (("subscriptions", "invoices", "number"), [7]),
        (("code", "id"), []),
    ],
)
def test_values_along_a_path_are_those_that_are_there(path, values):
    assert list(along(DOCUMENT, path)) == values


@pytest.mark.parametrize("empty", [None, "", [], {}], ids=repr)
def test_empty_value_along_a_path_is_none(empty):
    assert list(along({"at": empty}, ("at",))) == []
