"""What a stream leaves out of its records: the hidden, wherever it is, and nothing else."""

from __future__ import annotations

import pytest

from tap_billing.errors import BillingError
from tap_billing.tap import TapBilling

SECRET = "S3CRET"
SUBSCRIPTION = {"id": "s", "redirectUrl": [SECRET]}
LINE = {"line_item_id": 1, "item_token": {"x": SECRET}}
LISTED = {"subscriptions": [{"id": "s", "gatewayToken": SECRET}]}


def cut(provider, stream, document):
    tap = TapBilling(config={"provider": provider, "sandbox": True}, parse_env_config=False)
    return list(tap.streams[stream].cut("UTC")(document))


@pytest.mark.parametrize(
    ("provider", "stream", "document"),
    [
        ("cheddar", "customers", {"id": "1", "key": SECRET}),
        ("cheddar", "customers", {"id": "1", "key": [SECRET]}),
        ("cheddar", "customers", {"id": "1", "gatewayToken": {"kind": "x", "#text": SECRET}}),
        ("cheddar", "customers", {"id": "1", **LISTED}),
        ("cheddar", "customers", {"id": "1", "subscriptions": {"gatewayToken": SECRET}}),
        ("cheddar", "subscriptions", {"id": "1", **LISTED}),
        ("cheddar", "subscriptions", {"id": "1", "subscriptions": [SUBSCRIPTION]}),
        ("cheddar", "contacts", {"id": "1", "key": SECRET, "gatewayToken": SECRET}),
        ("chargeover", "customers", {"customer_id": 1, "token": {"x": SECRET}}),
        ("chargeover", "invoices", {"invoice_id": 1, "url_paylink": [SECRET]}),
        ("chargeover", "invoices", {"invoice_id": 1, "line_items": [LINE, "odd"]}),
        ("chargeover", "invoice_line_items", {"invoice_id": 1, "line_items": [LINE]}),
    ],
    ids=str,
)
def test_secret_that_is_not_selected_is_in_no_part_of_a_record(provider, stream, document):
    made = cut(provider, stream, document)
    assert made
    assert SECRET not in repr(made)


@pytest.mark.parametrize(
    ("provider", "stream", "document"),
    [
        ("cheddar", "customers", {"code": "A"}),
        ("cheddar", "customers", {"id": "", "code": "A"}),
        ("cheddar", "plans", {"code": "A"}),
        ("chargeover", "customers", {"customer_id": "one"}),
        ("chargeover", "promotions", {"code": "A"}),
    ],
    ids=str,
)
def test_document_without_its_key_is_an_error_never_dropped(provider, stream, document):
    with pytest.raises(BillingError):
        cut(provider, stream, document)


def test_child_without_its_key_is_left_to_its_parent(caplog):
    document = {"id": "1", "metaData": [{"value": "x"}, {"name": "a", "value": "y"}]}
    assert [each["name"] for each in cut("cheddar", "customer_metadata", document)] == ["a"]
    assert "name is empty in a row" in caplog.text


def test_undeclared_key_is_in_extra_fields_and_told_once(caplog):
    document = {"id": "1", "new": 1}
    tap = TapBilling(config={"provider": "cheddar", "sandbox": True}, parse_env_config=False)
    make = tap.streams["customers"].cut("UTC")
    assert [each["extra_fields"] for _ in range(3) for each in make(document)] == [{"new": 1}] * 3
    assert caplog.text.count("new is not declared in the schema") == 1
