"""What a stream leaves out of its records: the hidden, wherever it is, and nothing else."""

from __future__ import annotations

import json

import pytest

from tap_billing import schemas
from tap_billing.cast import secrets
from tap_billing.errors import BillingError
from tap_billing.tap import TapBilling
from tests.bodies import STREAM_IDS, STREAMS, cheddar, documents, first, reply, samples
from tests.support import catalog_of, config_of, run, selecting, without_authorities

SECRET = "S3CRET"
PROVIDERS = ("chargeover", "cheddar")
CUSTOMERS = first(cheddar(), "customers")
CUT_FROM_CUSTOMERS = [spec.name for spec in CUSTOMERS.resource.streams]
# Whoever holds one of these can charge a card or act for the customer.
SECRETS = {"gatewayToken", "gatewayTokenAux", "redirectUrl", "key"}
SUBSCRIPTION = {"id": "s", "redirectUrl": [SECRET]}
LINE = {"line_item_id": 1, "item_token": {"x": SECRET}}
LISTED = {"subscriptions": [{"id": "s", "gatewayToken": SECRET}]}
KEYLESS = {"gatewayToken": SECRET, "redirectUrl": SECRET, "plans": [{"redirectUrl": [SECRET]}]}
# Keys of the vendor's that a schema may not declare where they stand, with a secret below.
DEEP = {"more": [{"transactions": [{"id": "t", "gatewayToken": SECRET}]}]}


def tap_of(provider, *, everything):
    """Return a tap, with every column selected but the secrets themselves if it is to be."""
    config = {"provider": provider, "sandbox": True}
    return TapBilling(
        config=config,
        parse_env_config=False,
        catalog=selecting(catalog_of(config), public(provider)) if everything else None,
    )


def public(provider):
    """Return every stream with all its columns but the secrets."""
    return {
        spec.name: set(shape.schema["properties"]) - secrets(shape.casting)
        for where, _, spec in STREAMS
        if where == provider
        for shape in [schemas.load(provider, spec.name, decimals="number")]
    }


def cut(provider, stream, document, *, everything=False):
    tap = tap_of(provider, everything=everything)
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
        ("cheddar", "customers", {"id": "1", "subscriptions": [KEYLESS]}),
        ("cheddar", "customers", {"id": "1", "subscriptions": [{"id": "", **KEYLESS}]}),
        ("cheddar", "customers", {"id": "1", "subscriptions": [{"id": "s", **DEEP}]}),
        ("cheddar", "customers", {"id": "1", **DEEP}),
        ("cheddar", "subscriptions", {"id": "1", "subscriptions": [{"id": "s", **DEEP}]}),
        (
            "cheddar",
            "subscriptions",
            {"id": "1", "subscriptions": [{"id": "s", "invoices": [{"id": "", **DEEP}]}]},
        ),
        ("chargeover", "invoices", {"invoice_id": 1, "line_items": [{"item_token": SECRET}]}),
        ("chargeover", "subscriptions", {"package_id": 1, "line_items": [{"item_token": SECRET}]}),
        ("chargeover", "invoices", {"invoice_id": 1, "more": [{"token": SECRET}]}),
    ],
    ids=str,
)
@pytest.mark.parametrize("everything", [False, True], ids=["default", "everything"])
def test_secret_that_is_not_selected_is_in_no_part_of_a_record(
    provider, stream, document, everything
):
    made = cut(provider, stream, document, everything=everything)
    assert made
    assert SECRET not in repr(made)


def test_child_without_its_key_keeps_what_is_not_secret():
    document = {"id": "1", "subscriptions": [{"createdDatetime": "2026", "gatewayToken": SECRET}]}
    (record,) = cut("cheddar", "customers", document)
    assert record["extra_fields"] == {"subscriptions": [{"createdDatetime": "2026"}]}


def each_object(value, change):
    """Return a value in which every object, however deep, was changed."""
    if isinstance(value, list):
        return [each_object(each, change) for each in value]
    if isinstance(value, dict):
        return change({key: each_object(each, change) for key, each in value.items()})
    return value


def recorded(stream, change):
    """Return a stream's records of all recorded documents, every column but secrets selected."""
    tap = tap_of("cheddar", everything=True)
    make = tap.streams[stream].cut("UTC")
    return [
        record
        for path in samples("cheddar", "customers__*.xml")
        for document in documents(cheddar(), CUSTOMERS, reply(path.read_bytes()))
        for record in make(each_object(document, change))
    ]


@pytest.mark.parametrize("stream", CUT_FROM_CUSTOMERS)
def test_full_document_with_every_column_selected_holds_no_secret(stream):
    found = []

    def mark(each):
        told = SECRETS & each.keys()
        found.extend(told)
        return {**each, **dict.fromkeys(told, SECRET)}

    made = recorded(stream, mark)
    assert made
    assert set(found) >= {"gatewayToken", "gatewayTokenAux", "key"}
    assert SECRET not in repr(made)


@pytest.mark.parametrize("stream", CUT_FROM_CUSTOMERS)
def test_secret_where_no_schema_expects_it_is_left_out(stream):
    names = secrets(schemas.load("cheddar", stream, decimals="number").casting)
    made = recorded(stream, lambda each: {**each, **dict.fromkeys(names, SECRET)})
    assert made
    assert SECRET not in repr(made)


@pytest.fixture(scope="module")
def secret_values(companies):
    """Return the secrets that each company tells whoever selects their columns."""
    found = {}
    for provider, sandbox in companies.items():
        config = config_of(sandbox)
        done = run(config, catalog=selecting(catalog_of(config), secret_columns(provider)))
        assert done.error is None
        hidden = secret_columns(provider)
        found[provider] = {
            value
            for each in done.of("RECORD")
            for name, value in each["record"].items()
            if name in hidden[each["stream"]] and isinstance(value, str) and len(value) > 7
        }
    return found


def secret_columns(provider):
    """Return every stream that has secrets as columns, with these."""
    return {
        spec.name: set(names)
        for where, _, spec in STREAMS
        if where == provider
        for shape in [schemas.load(provider, spec.name, decimals="number")]
        if (names := secrets(shape.casting) & shape.deselected)
    }


@pytest.mark.parametrize("everything", [False, True], ids=["default", "everything"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_secrets_are_nowhere_unless_selected(
    companies, secret_values, provider, everything, monkeypatch
):
    without_authorities(monkeypatch)
    config = config_of(companies[provider])
    catalog = selecting(catalog_of(config), public(provider)) if everything else None
    written = json.dumps(run(config, catalog=catalog).messages)
    values = secret_values[provider]
    assert len(values) > 20
    assert [value for value in values if json.dumps(value)[1:-1] in written] == []


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


@pytest.mark.parametrize(
    ("provider", "stream", "document", "key"),
    [
        (
            "chargeover",
            "transaction_applications",
            {"transaction_id": 1, "applied_to": [{"invoice_id": 5}, {"invoice_id": 5}]},
            "(1, 5)",
        ),
        (
            "cheddar",
            "customer_metadata",
            {"id": "1", "metaData": [{"name": "a", "value": "x"}, {"name": "a", "value": "y"}]},
            "('1', 'a')",
        ),
    ],
)
def test_key_that_a_document_gives_twice_is_told_once_and_both_rows_come(
    provider, stream, document, key, caplog
):
    assert len(cut(provider, stream, document)) == 2
    assert caplog.text.count(f"{key} is the key of two rows of one document") == 1


@pytest.mark.parametrize(("provider", "resource", "spec"), STREAMS, ids=STREAM_IDS)
def test_key_that_two_documents_give_is_no_news(provider, resource, spec, caplog):
    make = tap_of(provider, everything=False).streams[spec.name].cut("UTC")
    row = {resource.id: 1, **dict.fromkeys(spec.keys, "1")}
    document = row
    for key in reversed(spec.path):
        document = {resource.id: 1, "id": 1, **row, key: [document]}
    for _ in range(2):
        assert len(list(make(document))) == 1
    assert "two rows of one document" not in caplog.text


def test_undeclared_key_is_in_extra_fields_and_told_once(caplog):
    document = {"id": "1", "new": 1}
    tap = TapBilling(config={"provider": "cheddar", "sandbox": True}, parse_env_config=False)
    make = tap.streams["customers"].cut("UTC")
    assert [each["extra_fields"] for _ in range(3) for each in make(document)] == [{"new": 1}] * 3
    assert caplog.text.count("new is not declared in the schema") == 1
