"""Custom streams: other read-only endpoints, their rows found and their columns inferred."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tap_billing import schemas
from tap_billing.cast import caster
from tap_billing.custom import complete, resources
from tap_billing.errors import Garbled, SettingsError
from tap_billing.spec import Scope
from tests import bodies
from tests.bodies import CHICAGO, documents, errors, reply, rows

PROVIDERS = {"chargeover": bodies.chargeover(), "cheddar": bodies.cheddar()}


def made(provider="chargeover", **given_row):
    row = {"name": "x", "path": "project", "primary_keys": ["project_id"], **given_row}
    if provider == "cheddar":
        row = {"records_path": "projects.project", **row}
    found, filters = resources(provider, [row], ["customers"])
    return found[0], filters


def request_of(provider, resource, **scope):
    return PROVIDERS[provider].plan(resource, Scope(**scope))[0]


def test_no_custom_stream_is_fine():
    assert resources("chargeover", None, []) == ((), {})


@pytest.mark.parametrize(
    "path", ["/project/", "project", "_report", "_log_system", "customer/token:abc", "a/b-c/d.e~f"]
)
def test_path_is_below_the_apis_url(path):
    url = PROVIDERS["chargeover"].url(request_of("chargeover", made(path=path)[0]))
    assert urlsplit(url).path == f"/{path.strip('/')}"


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "a?b=c", "a//b", "../a", "a/../b", "a/./b", ".", "http://other/x", "a//other/x"),
        *("a b", "a#b", "a\r\nX-Header: y", "a\\b", "%2e%2e/x", "a%0d%0ab", "ä", "a\tb", "a\n"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_path_that_leads_elsewhere_is_refused(provider, path):
    with pytest.raises(SettingsError, match=r"custom_streams\[0\]\.path: .* allowed: "):
        made(provider, path=path)


@pytest.mark.parametrize(
    "path",
    [
        *("customers/delete", "customers/Delete", "customers/delete-all/confirm/1", "plans/delete"),
        *("customers/new", "customers/import", "customers/edit", "customers/edit-customer"),
        *("customers/edit-subscription", "customers/cancel", "customers/add-charge"),
        *("customers/add-item-quantity", "customers/set-item-quantity", "customers/delete-charge"),
        *("customers/remove-item-quantity", "customers/run-outstanding", "customers/paypal-revert"),
        *("invoices/new", "invoices/refund", "invoices/void", "invoices/void-or-refund"),
        *("invoices/send-email", "/customers/cancel/", "customers/get/../delete"),
    ],
)
def test_cheddars_writing_calls_are_refused_though_they_are_get(path):
    with pytest.raises(SettingsError, match=r"custom_streams\[0\]\.path"):
        made("cheddar", path=path)


@pytest.mark.parametrize(
    "path", ["invoice/1/_action/void", "_bulk", "_aggregate", "usage/_action/bulk"]
)
def test_chargeovers_actions_are_refused(path):
    with pytest.raises(SettingsError, match=r"custom_streams\[0\]\.path"):
        made(path=path)


@given(path=st.text("aZ0/._-%?# \r\n\\:é", max_size=10))
@pytest.mark.parametrize("provider", PROVIDERS)
def test_accepted_path_is_plain(provider, path):
    try:
        resource, _ = made(provider, path=path)
    except SettingsError:
        return
    url = PROVIDERS[provider].url(request_of(provider, resource))
    assert re.fullmatch(r"(/[A-Za-z0-9._~:@-]+)+(\?[!-~]*)?", url)
    assert not {"..", "."} & set(urlsplit(url).path.split("/"))


@pytest.mark.parametrize("names", [["customers"], ["y", "y"]])
def test_name_that_is_taken_is_refused(names):
    given_rows = [{"name": n, "path": "a", "primary_keys": ["id"]} for n in names]
    with pytest.raises(SettingsError, match=r"custom_streams\[\d\]\.name: .* is taken"):
        resources("chargeover", given_rows, ["customers"])


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("plans/get", "/plans/get/productCode/SAMPLE"),
        ("plans/get/code/PRO", "/plans/get/code/PRO/productCode/SAMPLE"),
        ("plans/get/productCode/SAMPLE", "/plans/get/productCode/SAMPLE"),
        ("plans/get/productCode/OTHER", "/plans/get/productCode/OTHER"),
        ("plans/get/productcode/SAMPLE", "/plans/get/productcode/SAMPLE"),
        ("plans/get/productId/7", "/plans/get/productId/7"),
    ],
)
def test_cheddars_path_names_its_product_once(path, asked):
    request = request_of("cheddar", made("cheddar", path=path)[0])
    assert PROVIDERS["cheddar"].url(request) == asked


def test_cheddar_needs_to_know_where_the_records_are():
    with pytest.raises(SettingsError, match=r"custom_streams\[0\]\.records_path: missing"):
        made("cheddar", records_path="")


@pytest.mark.parametrize(
    ("records_path", "body"),
    [
        (None, {"status": "OK", "response": [{"project_id": 1}]}),
        ("response.rows", {"status": "OK", "response": {"rows": [{"project_id": 1}]}}),
        ("response.one", {"status": "OK", "response": {"one": {"project_id": 1}}}),
    ],
)
def test_records_are_found_at_their_path(records_path, body):
    resource, _ = made(**({"records_path": records_path} if records_path else {}))
    request = request_of("chargeover", resource)
    assert documents(PROVIDERS["chargeover"], request, reply(body)) == [{"project_id": 1}]


@pytest.mark.parametrize("records_path", ["response.row", "answer", "response.rows.more"])
def test_records_path_that_fits_nothing_is_an_error_never_empty(records_path):
    request = request_of("chargeover", made(records_path=records_path)[0])
    answer = reply({"status": "OK", "response": {"rows": [{"project_id": 1}]}})
    with pytest.raises(Garbled):
        documents(PROVIDERS["chargeover"], request, answer)


XML = "<report><months><month id='1'><total>5</total></month><month id='2'/></months></report>"


def test_cheddar_records_are_found_at_their_path():
    request = request_of("cheddar", made("cheddar", records_path="report.months.month")[0])
    found = documents(PROVIDERS["cheddar"], request, reply(XML))
    assert [(each["id"], each.get("total")) for each in found] == [("1", "5"), ("2", None)]


@pytest.mark.parametrize(
    "path", ["report.months.mont", "report.days.month", "reports.months.month"]
)
def test_cheddar_records_path_that_fits_nothing_is_an_error_never_empty(path):
    request = request_of("cheddar", made("cheddar", records_path=path)[0])
    with pytest.raises(Garbled):
        documents(PROVIDERS["cheddar"], request, reply(XML))


def test_chargeover_filters_are_clauses():
    wanted = [{"field": "project_id", "operator": "GT", "value": 5}]
    assert made(filters=wanted)[1] == {"x": (("project_id", "GT", "5"),)}


@pytest.mark.parametrize(
    "wanted",
    [
        {"a": "b"},
        [{"field": "a:EQUALS:1,b", "operator": "EQUALS", "value": "2"}],
        [{"field": "a", "operator": "LIKE", "value": "2"}],
        [{"field": "a", "operator": "EQUALS", "value": "2\\"}],
    ],
)
def test_wrong_chargeover_filters_are_refused(wanted):
    with pytest.raises(SettingsError, match=r"custom_streams\[0\]\.filters"):
        made(filters=wanted)


@pytest.mark.parametrize(
    "wanted", [["a"], {"a": True}, {"a": {"x": 1}}, {"a": None}, {"a": []}, {"a": ""}]
)
def test_wrong_cheddar_filters_are_refused(wanted):
    with pytest.raises(SettingsError, match=r"custom_streams\[0\]\.filters"):
        made("cheddar", filters=wanted)


def test_replication_key_filters_on_the_server_where_it_can():
    resource, _ = made(replication_key="mod_datetime")
    since = bodies.RECEIVED
    where = dict(
        parse_qsl(
            urlsplit(
                PROVIDERS["chargeover"].url(request_of("chargeover", resource, since=since))
            ).query
        )
    )["where"]
    assert where == r"mod_datetime:GTE:2026-02-01T06\:00\:00-06\:00"


def columns(found, **given_row):
    resource, _ = made(**given_row)
    return complete(resource.streams[0], found)["properties"]


def test_columns_are_inferred_from_rows():
    found = columns(
        [
            {
                "project_id": 1,
                "a": "x",
                "b": True,
                "c": 1,
                "d": 1.5,
                "e": {"x": 1},
                "f": [1],
                "g": None,
            },
            {"project_id": 2, "c": 2.5, "d": "text", "h": 1},
        ]
    )
    kinds = {name: declared["type"][0] for name, declared in found.items()}
    assert kinds == {
        "project_id": "integer",
        "a": "string",
        "b": "boolean",
        "c": "number",
        "d": "string",
        "e": "object",
        "f": "array",
        "g": "string",
        "h": "integer",
        "extra_fields": "object",
    }


def test_keys_are_columns_even_without_rows():
    found = columns([], primary_keys=["a", "b"], replication_key="at")
    assert found.keys() == {"a", "b", "at", "extra_fields"}
    assert found["at"]["format"] == "date-time"


def test_given_columns_win_over_rows():
    found = columns([{"project_id": 1, "b": 2}], schema={"properties": {"a": {"type": "string"}}})
    assert found.keys() == {"a", "project_id", "extra_fields"}


CELL = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    found=st.lists(st.dictionaries(st.sampled_from("abc"), CELL, max_size=3), max_size=4),
    later=st.dictionaries(st.sampled_from("abcd"), CELL),
)
def test_inferred_columns_take_their_rows_and_any_later_one(found, later):
    declared = complete(made(primary_keys=["a"])[0].streams[0], found)
    shape = schemas.shape(declared, decimals="number")
    Draft7Validator.check_schema(shape.schema)
    cast = caster(shape.casting, CHICAGO, report=lambda *_: None)
    for row in [*found, later]:
        record = cast(row)
        assert errors(record, shape.schema) == []
        lost = {k for k, v in row.items() if v not in (None, "", []) and record.get(k) is None}
        assert all(row[k] == record["extra_fields"][k] for k in lost if not blank(row[k]))


def blank(value):
    return isinstance(value, str) and not value.strip()


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": ["a"]},
        {"properties": {"a": 5}},
        {"properties": {"a": {}}},
        {"properties": {"a": {"type": "strng"}}},
        {"properties": {"a": {"type": []}}},
        {"properties": {"a": {"type": ["null"]}}},
        {"properties": {"a": {"type": ["string", "integer"]}}},
        {"properties": {"a": {"type": {"x": 1}}}},
        {"properties": {"a": {"type": "array"}}},
        {"properties": {"a": {"type": "array", "items": {}}}},
        {"properties": {"a": {"type": "object", "properties": {"b": {}}}}},
        {"properties": {"a": {"type": "object", "properties": []}}},
        {"properties": {"a": {"type": "string", "format": 5}}},
    ],
    ids=str,
)
def test_unusable_schema_is_refused_before_the_first_request(schema):
    with pytest.raises(SettingsError, match=r"custom_streams\[0\]\.schema"):
        made(schema=schema)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [({"a": "1"}, "a", 1), ({"a": " "}, "a", None), ({"a": "x"}, "a", None)],
)
def test_given_columns_are_cast(row, column, value):
    declared = complete(
        made(schema={"properties": {"a": {"type": ["integer", "null"]}}})[0].streams[0], []
    )
    assert caster(declared, CHICAGO, report=lambda *_: None)(row)[column] == value


def test_rows_without_a_single_key_are_read_by_offset():
    resource, _ = made(primary_keys=["a", "b"])
    provider = PROVIDERS["chargeover"]
    request = request_of("chargeover", resource)
    assert "order" not in dict(parse_qsl(urlsplit(provider.url(request)).query))
    assert documents(provider, request, rows({"a": 1}, {"a": 2})) == [{"a": 1}, {"a": 2}]
