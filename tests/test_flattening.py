from __future__ import annotations

import json

import pytest

from tap_billing.cast import caster
from tap_billing.schemas import load


def cast(provider, stream, raw):
    shape = load(provider, stream, decimals="number", flat=True)
    return shape, caster(shape.casting, "UTC", report=lambda *_: None)(raw)


def test_what_has_no_column_is_kept_as_text_when_flattened():
    shape, record = cast(
        "chargeover", "customers", {"customer_id": 1, "custom_51": "x", "new": {"a": 1}}
    )
    assert shape.schema["properties"]["extra_fields"]["type"] == ["string", "null"]
    assert json.loads(record["extra_fields"]) == {"custom_51": "x", "new": {"a": 1}}


def test_object_without_columns_is_text_when_flattened():
    shape, record = cast(
        "chargeover", "transactions", {"transaction_id": 1, "gateway_opts": {"a": [1]}}
    )
    assert shape.schema["properties"]["gateway_opts"]["type"] == ["string", "null"]
    assert json.loads(record["gateway_opts"]) == {"a": [1]}


def test_undeclared_key_of_an_object_is_kept_apart_when_flattened():
    raw = {"id": "t", "gatewayAccount": {"id": "g", "gateway": "Stripe", "region": "eu"}}
    _, record = cast("cheddar", "transactions", raw)
    assert record["gatewayAccount"] == {"id": "g", "gateway": "Stripe"}
    assert json.loads(record["extra_fields"]) == {"gatewayAccount": {"region": "eu"}}


@pytest.mark.parametrize("value", [2**70, "\ud800", "é"])
def test_odd_values_survive_as_text(value):
    _, record = cast("chargeover", "customers", {"customer_id": 1, "new": value})
    assert json.loads(record["extra_fields"]) == {"new": value}


def test_schema_has_no_keyword_of_ours_when_flattened():
    shape, _ = cast("chargeover", "plans", {"item_id": 1})
    assert "x-" not in json.dumps(shape.schema)


def test_child_without_a_key_is_kept_as_text_beside_the_rest():
    shape = load("chargeover", "invoices", decimals="number", flat=True)
    convert = caster(shape.casting, "UTC", report=lambda *_: None)
    record = convert({"invoice_id": 1, "new": 2}, {"line_items": [{"item_id": 3}]})
    assert json.loads(record["extra_fields"]) == {"new": 2, "line_items": [{"item_id": 3}]}
