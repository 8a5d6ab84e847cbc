"""Cheddar: odd elements still become documents, and nothing in them is lost."""

from __future__ import annotations

import pytest

from tests.bodies import cheddar, documents, errors, first, records, reply, resource_of


def read(body, name="customers"):
    return documents(cheddar(), first(cheddar(), name), reply(body))


def leaves(value):
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


def customer(inner):
    [found] = read(f'<customers><customer id="1">{inner}</customer></customers>')
    return found


@pytest.mark.parametrize("key", ["subscriptions", "metaData"])
@pytest.mark.parametrize(
    ("container", "rest"),
    [
        ("<{0}/>", None),
        ("<{0}></{0}>", None),
        ('<{0} total="0"/>', [{"@total": "0"}]),
        ("<{0}>none</{0}>", ["none"]),
    ],
)
def test_container_without_members_is_an_empty_list(key, container, rest):
    found = customer(container.format(key))
    assert found[key] == []
    assert found.get(f"{key}_other") == rest


def test_containers_of_one_name_are_read_together():
    found = customer(
        '<subscriptions><subscription id="a"/></subscriptions>'
        '<subscriptions><subscription id="b"/></subscriptions>'
    )
    assert [each["id"] for each in found["subscriptions"]] == ["a", "b"]


@pytest.mark.parametrize(
    "inner",
    [
        '<plans n="1"/>',
        "<plans/>",
        "<plans>none</plans>",
        '<invoices n="1"/>',
        "<invoices><invoice/></invoices>",
        '<invoices><invoice id="i"><charges n="0"/></invoice></invoices>',
        '<invoices><invoice id="i"><charges>none</charges></invoice></invoices>',
        '<invoices><invoice id="i"><charges/><transactions/></invoice></invoices>',
    ],
)
def test_odd_subscription_is_still_a_record(inner):
    found = customer(f'<subscriptions><subscription id="s">{inner}</subscription></subscriptions>')
    spec = next(x for x in resource_of("cheddar", "customers").streams if x.name == "subscriptions")
    [(record, schema)] = records("cheddar", spec, [found])
    assert record["id"] == "s"
    assert errors(record, schema) == []


def test_first_subscription_is_the_current_one():
    found = customer(
        '<subscriptions><subscription id="new"><plans><plan id="p" code="C"/></plans>'
        '</subscription><subscription id="old"/></subscriptions>'
    )
    assert [(x["id"], x["is_current"]) for x in found["subscriptions"]] == [
        ("new", True),
        ("old", False),
    ]
    assert found["subscriptions"][0]["plan_code"] == "C"


def test_attribute_survives_an_empty_element_of_its_name():
    body = (
        '<promotions><promotion id="1"><coupons><coupon id="2" code="X"><code/></coupon>'
        "</coupons></promotion></promotions>"
    )
    assert read(body, "promotions")[0]["coupons"] == [{"id": "2", "code": "X"}]


def test_member_that_holds_text_is_kept():
    found = customer("<metaData><metaDatum>text</metaDatum></metaData>")
    assert "text" in leaves(found)


def test_embedded_errors_are_no_customers_and_told(caplog):
    body = (
        "<customers><errors><error code='422'>declined</error></errors>"
        "<customer id='1'/></customers>"
    )
    assert [each["id"] for each in read(body)] == ["1"]
    assert "beside <customer>: <errors> declined" in caplog.text


def test_every_document_names_its_product():
    assert customer("")["product_code"] == "SAMPLE"
