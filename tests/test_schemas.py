"""Schemas: one file per stream, complete, and made of what every target understands."""

from __future__ import annotations

from importlib.resources import files

import orjson
import pytest
from jsonschema import Draft7Validator

from tap_billing import schemas
from tests.bodies import CATALOGUE, STREAM_IDS, STREAMS

EVERY = pytest.mark.parametrize(
    ("provider", "spec"), [(provider, spec) for provider, _, spec in STREAMS], ids=STREAM_IDS
)
WITH_RESOURCE = pytest.mark.parametrize(("provider", "resource", "spec"), STREAMS, ids=STREAM_IDS)
KEYWORDS = {
    *("type", "description", "properties", "items", "format", "additionalProperties"),
    *("x-money", "x-selected"),
}
KINDS = {"string", "integer", "number", "boolean", "object", "array"}
SECRETS = {
    "chargeover": {
        *("token", "superuser_token", "item_token", "package_token", "routing"),
        *("url_paylink", "url_paymethodlink", "url_statementlink", "url_permalink", "url_pdflink"),
        *("url_updatelink",),
    },
    "cheddar": {"key", "gatewayToken", "gatewayTokenAux", "redirectUrl"},
}
WHOLE = {"date": "date", "date-time": "date-time"}


def file_of(provider, spec):
    return orjson.loads((files("target_schemas") / provider / f"{spec.name}.json").read_bytes())


def walk(declared, path=()):
    """Yield every property below a schema with its path and whether a list is above it."""
    for name, each in declared.get("properties", {}).items():
        yield (*path, name), each
        yield from walk(each, (*path, name))
    if "items" in declared:
        yield (*path, "[]"), declared["items"]
        yield from walk(declared["items"], (*path, "[]"))


def kind(declared):
    kinds = declared["type"]
    return next(k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")


@pytest.mark.parametrize("provider", CATALOGUE)
def test_every_file_is_a_stream_and_every_stream_has_a_file(provider):
    found = {each.name for each in (files("target_schemas") / provider).iterdir()}
    assert found == {f"{spec.name}.json" for name, _, spec in STREAMS if name == provider}


@pytest.mark.parametrize("provider", CATALOGUE)
def test_no_two_streams_have_one_name(provider):
    names = [spec.name for name, _, spec in STREAMS if name == provider]
    assert len(names) == len(set(names))


@EVERY
def test_file_is_a_valid_schema_of_an_object(provider, spec):
    declared = file_of(provider, spec)
    Draft7Validator.check_schema(declared)
    assert declared["type"] == "object"
    assert declared["description"].strip()


@EVERY
def test_keys_are_declared_and_never_null(provider, spec):
    declared = file_of(provider, spec)["properties"]
    assert spec.keys
    for key in spec.keys:
        assert declared[key]["type"] in ("string", "integer")
        assert "x-selected" not in declared[key]


@WITH_RESOURCE
def test_replication_key_is_a_date_time(provider, resource, spec):
    if spec.replication_key is None:
        assert not resource.passes
    else:
        declared = file_of(provider, spec)["properties"][spec.replication_key]
        assert (kind(declared), declared["format"]) == ("string", "date-time")
        assert "x-selected" not in declared


@WITH_RESOURCE
def test_column_lifted_from_a_parent_is_declared_as_there(provider, resource, spec):
    declared = file_of(provider, spec)["properties"]
    [parent, *_] = [each for each in resource.streams if not each.path]
    for column, (level, key) in spec.lift.items():
        assert column in declared
        if level == 0:
            origin = file_of(provider, parent)["properties"][key]
            assert kind(declared[column]) == kind(origin)
            assert declared[column].get("format") == origin.get("format")


@EVERY
def test_keywords_are_those_that_every_target_understands(provider, spec):
    for path, declared in walk(file_of(provider, spec)):
        assert set(declared) <= KEYWORDS, path


@EVERY
def test_every_property_has_one_type_and_may_be_null(provider, spec):
    for path, declared in walk(file_of(provider, spec)):
        kinds = declared["type"]
        if path[-1] in spec.keys and len(path) == 1:
            assert kinds in KINDS, path
        elif path[-1] != "[]":
            assert kinds[1:] == ["null"], path
            assert kinds[0] in KINDS, path


@EVERY
def test_every_list_declares_its_items_and_every_object_is_open(provider, spec):
    for path, declared in walk(file_of(provider, spec)):
        if kind(declared) == "array":
            assert "items" in declared, path
        if kind(declared) == "object":
            assert declared.get("additionalProperties", True) is True, path
            assert isinstance(declared["properties"], dict), path


@EVERY
def test_every_property_has_a_description_of_one_line(provider, spec):
    for path, declared in walk(file_of(provider, spec)):
        if path[-1] == "[]" or kind(declared) == "object":
            continue
        text = declared.get("description", "")
        assert 5 < len(text) <= 300, path
        assert len(text.splitlines()) == 1, path
        assert text == text.strip(), path


@EVERY
def test_formats_are_dates_only(provider, spec):
    for path, declared in walk(file_of(provider, spec)):
        if "format" in declared:
            assert (kind(declared), declared["format"] in WHOLE) == ("string", True), path
        if path[-1].endswith(("datetime", "Datetime")):
            assert declared.get("format") == "date-time", path
        if path[-1].endswith("_date"):
            assert declared.get("format") == "date", path


@EVERY
def test_money_is_a_number_and_is_marked(provider, spec):
    for path, declared in walk(file_of(provider, spec)):
        if "x-money" in declared:
            assert (kind(declared), declared["x-money"]) == ("number", True), path
        if path[-1].lower().endswith("amount") or path[-1] in ("total", "balance", "subtotal"):
            assert declared.get("x-money"), path


@EVERY
def test_extra_fields_takes_anything(provider, spec):
    declared = file_of(provider, spec)["properties"]["extra_fields"]
    assert (kind(declared), declared["additionalProperties"]) == ("object", True)
    assert "x-selected" not in declared


@EVERY
def test_secrets_are_not_selected(provider, spec):
    declared = file_of(provider, spec)
    secret = [path for path, _ in walk(declared) if path[-1] in SECRETS[provider]]
    told = {path for path, each in walk(declared) if each.get("x-selected") is False}
    for path in secret:
        assert path in told, path


@EVERY
def test_every_secret_is_where_selection_or_casting_reaches_it(provider, spec):
    declared = file_of(provider, spec)
    for path, each in walk(declared):
        if each.get("x-selected") is False:
            assert len(path) == 1 or path[-2] == "[]", path


@WITH_RESOURCE
def test_list_that_became_a_stream_is_not_selected_on_its_parent(provider, resource, spec):
    if spec.path and len(spec.path) == 1:
        [parent, *_] = [each for each in resource.streams if not each.path]
        declared = file_of(provider, parent)["properties"][spec.path[0]]
        assert declared["x-selected"] is False


@pytest.mark.parametrize("resource", CATALOGUE["chargeover"], ids=lambda each: each.name)
def test_chargeover_fields_that_filter_are_columns(resource):
    declared = file_of("chargeover", resource.streams[0])["properties"]
    needed = {field for field in resource.filterable if "." not in field}
    needed |= {each.since for each in resource.passes if each.since}
    needed |= {each.where[0] for each in resource.passes if each.where}
    needed |= {path[0] for path in resource.cursors}
    assert needed - declared.keys() == set()


@EVERY
@pytest.mark.parametrize("decimals", ["number", "string"])
def test_published_schema_has_standard_keywords_only(provider, spec, decimals):
    shape = schemas.load(provider, spec.name, decimals=decimals)
    Draft7Validator.check_schema(shape.schema)
    for path, declared in walk(shape.schema):
        assert not {"x-money", "x-selected"} & set(declared), path


@pytest.mark.parametrize("resource", CATALOGUE["chargeover"], ids=lambda each: each.name)
def test_paths_along_which_rows_are_named_are_columns_or_nested_lists(resource):
    declared = file_of("chargeover", resource.streams[0])["properties"]
    named = {
        each.path
        for other in CATALOGUE["chargeover"]
        for one in other.passes
        for each in one.of
        if each.resource == resource.name
    }
    for first, *below in named:
        assert first in declared
        assert (first in resource.expand) is bool(below)
        for key in below:
            assert key in declared[first]["items"]["properties"]


def visible(declared, path=(), *, below_list=False):
    """Yield the paths that selection decides about: all but what is hidden below a list."""
    for name, each in declared.get("properties", {}).items():
        if not (below_list and each.get("x-selected") is False):
            yield (*path, name)
            yield from visible(each, (*path, name), below_list=False)
    if "items" in declared:
        yield (*path, "[]")
        yield from visible(declared["items"], (*path, "[]"), below_list=True)


@EVERY
def test_published_schema_holds_every_column_and_no_secret_below_a_list(provider, spec):
    published = schemas.load(provider, spec.name, decimals="number").schema
    assert {path for path, _ in walk(published)} == set(visible(file_of(provider, spec)))


@EVERY
def test_decimals_as_text_concern_money_and_nothing_else(provider, spec):
    declared = dict(walk(file_of(provider, spec)))
    published = dict(walk(schemas.load(provider, spec.name, decimals="string").schema))
    for path, each in published.items():
        if declared[path].get("x-money"):
            assert (each["type"], each["format"]) == (["string", "null"], "x-singer.decimal")
        else:
            assert each["type"] == declared[path]["type"]
            assert each.get("format") == declared[path].get("format")


@EVERY
def test_what_is_not_selected_is_what_the_file_says(provider, spec):
    columns = file_of(provider, spec)["properties"]
    shape = schemas.load(provider, spec.name, decimals="number")
    assert shape.deselected == {k for k, v in columns.items() if v.get("x-selected") is False}


def test_loaded_schema_is_the_callers_own():
    schemas.load("cheddar", "plans", decimals="number").schema["properties"].clear()
    assert schemas.load("cheddar", "plans", decimals="number").schema["properties"]


def test_stream_without_a_file_is_not_found():
    with pytest.raises(FileNotFoundError):
        schemas.load("cheddar", "no_such_stream", decimals="number")
