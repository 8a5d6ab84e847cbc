"""Casting: what a schema declares comes out, nothing raises and nothing is lost."""

from __future__ import annotations

import copy
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing import schemas
from tap_billing.cast import caster
from tests.bodies import CHICAGO, STREAM_IDS, STREAMS, errors
from tests.shapes import (
    ARRAY,
    BOOLEAN,
    DATE,
    INTEGER,
    KINDS,
    MONEY,
    NUMBER,
    OBJECT,
    SECRET,
    TEXT,
    TIME,
    values,
)  # fmt: skip


def cast(declared, value, zone=CHICAGO):
    """Return the record of a value in column `x`, and what was reported."""
    told = []
    schema = {"type": "object", "properties": {"x": declared}}
    make = caster(schema, zone, report=lambda key, reason: told.append((key, reason)))
    return make({"x": value}), told


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        (INTEGER, "10027", 10027),
        (INTEGER, " 7 ", 7),
        (INTEGER, -3.0, -3),
        (INTEGER, 2**63 - 1, 2**63 - 1),
        (NUMBER, 500, 500),
        (NUMBER, "457.50", 457.5),
        (NUMBER, "-0.03", -0.03),
        (NUMBER, "99999999.9", 99999999.9),
        (MONEY, "19.90", "19.90"),
        (MONEY, "5.0000", "5.0000"),
        (MONEY, 19.9, "19.9"),
        (MONEY, 1e21, "1000000000000000000000"),
        (MONEY, "1E-7", "0.0000001"),
        (MONEY, -104, "-104"),
        (BOOLEAN, "0", False),
        (BOOLEAN, "1", True),
        (BOOLEAN, "false", False),
        (BOOLEAN, "True", True),
        (BOOLEAN, 0, False),
        (BOOLEAN, 1, True),
        (BOOLEAN, False, False),
        (TEXT, "0002", "0002"),
        (TEXT, "", ""),
        (TEXT, " a ", " a "),
        (TEXT, 7, "7"),
        (TEXT, True, "true"),
        (DATE, "2029-04-30", "2029-04-30"),
        (DATE, "2011-07-31T00:00:00+00:00", "2011-07-31"),
        (DATE, "2029-04-30 00:00:00", "2029-04-30"),
        (TIME, "2026-03-10T01:01:49-05:00", "2026-03-10T06:01:49Z"),
        (TIME, "2026-03-10 01:01:49", "2026-03-10T06:01:49Z"),
        (TIME, "2026-01-10 01:01:49", "2026-01-10T07:01:49Z"),
        (TIME, "2026-01-10", "2026-01-10T06:00:00Z"),
        (TIME, "2026-01-10T01:01:49Z", "2026-01-10T01:01:49Z"),
        (TIME, "2026-01-10T01:01:49+00:00", "2026-01-10T01:01:49Z"),
        (OBJECT, {"at": "2026-01-10T01:01:49Z", "n": "1", "y": "1"},
         {"at": "2026-01-10T01:01:49Z", "n": 1, "y": "1"}),
        (ARRAY, [{"n": "1"}, None], [{"n": 1}, None]),
        (ARRAY, [], []),
    ],
    ids=repr,
)  # fmt: skip
def test_value_becomes_what_is_declared(declared, value, expected):
    record, told = cast(declared, value)
    assert (record, told) == ({"x": expected}, [])
    assert type(record["x"]) is type(expected)


@pytest.mark.parametrize("declared", [TIME, DATE, MONEY, INTEGER, NUMBER, BOOLEAN], ids=repr)
@pytest.mark.parametrize("value", [None, "", "  "], ids=repr)
def test_empty_text_in_a_column_that_is_no_text_is_null(declared, value):
    assert cast(declared, value) == ({"x": None}, [])


@pytest.mark.parametrize("declared", [OBJECT, ARRAY], ids=repr)
@pytest.mark.parametrize("value", [None, ""], ids=repr)
def test_empty_text_in_place_of_something_nested_is_null(declared, value):
    assert cast(declared, value) == ({"x": None}, [])


def test_empty_object_of_php_is_null():
    assert cast(OBJECT, []) == ({"x": None}, [])


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (INTEGER, "7.5"),
        (INTEGER, 7.5),
        (INTEGER, 2**63),
        (INTEGER, "9" * 5000),
        (INTEGER, "1_000"),
        (INTEGER, [1]),
        (NUMBER, "$5"),
        (NUMBER, "1,000.50"),
        (NUMBER, "1_000"),
        (NUMBER, True),
        (NUMBER, 10**400),
        (NUMBER, "Infinity"),
        (NUMBER, "1e999"),
        (MONEY, "sNaN"),
        (MONEY, "Infinity"),
        (MONEY, "1_000"),
        (MONEY, "1e999999999"),
        (BOOLEAN, "maybe"),
        (BOOLEAN, 2),
        (DATE, "0000-00-00"),
        (DATE, "2029-04-30xyz"),
        (TIME, "0000-00-00 00:00:00"),
        (TIME, "2024-02-30 00:00:00"),
        (TIME, "9999-12-31 23:59:59"),
        (TIME, "0001-01-01T00:00:00+14:00"),
        (TIME, "Jun 1 2024"),
        (TIME, 1700000000),
        (TEXT, ["a"]),
        (TEXT, {"a": 1}),
        (OBJECT, "a"),
        (OBJECT, [1]),
        (OBJECT, {"n": "many"}),
        (ARRAY, {"3": {"n": 1}}),
        (ARRAY, ["a"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_value_that_cannot_be_cast_is_kept_and_reported(declared, value):
    record, told = cast(declared, value)
    assert record == {"x": None, "extra_fields": {"x": value}}
    assert [key for key, _ in told] == ["x"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("declared", [NUMBER, MONEY, INTEGER], ids=repr)
def test_number_that_json_cannot_tell_is_kept_as_text(declared, value):
    assert cast(declared, value)[0] == {"x": None, "extra_fields": {"x": str(value)}}


def test_undeclared_key_is_kept_and_reported():
    told = []
    make = caster({"properties": {}}, CHICAGO, report=lambda *each: told.append(each))
    assert make({"new": [1], "extra_fields": 2}) == {
        "extra_fields": {"new": [1], "extra_fields": 2}
    }
    assert [key for key, _ in told] == ["new", "extra_fields"]


def test_partial_record_leaves_undeclared_keys_to_its_siblings():
    make = caster({"properties": {"a": TEXT}}, CHICAGO, partial=True, report=pytest.fail)
    assert make({"a": "1", "b": "2"}) == {"a": "1"}


def test_partial_record_keeps_what_it_cannot_cast():
    make = caster({"properties": {"a": DATE}}, CHICAGO, partial=True, report=lambda *_: None)
    assert make({"a": "soon"}) == {"a": None, "extra_fields": {"a": "soon"}}


SECRETS = {"type": ["array", "null"], "items": {"type": "object", "properties": {"key": SECRET}}}


@pytest.mark.parametrize(
    "rows", [[{"key": "S3CRET", "a": "1"}], [{"key": ["S3CRET"]}, {}], [{"key": "S3CRET"}, "odd"]]
)
def test_secret_below_a_list_reaches_no_part_of_the_record(rows):
    assert "S3CRET" not in repr(cast(SECRETS, rows)[0])


@pytest.mark.parametrize("decimals", ["number", "string"])
@pytest.mark.parametrize(("provider", "_", "spec"), STREAMS, ids=STREAM_IDS)
def test_every_stream_casts_an_empty_row(provider, _, spec, decimals):
    shape = schemas.load(provider, spec.name, decimals=decimals)
    raw = dict.fromkeys(shape.casting["properties"].keys() - {"extra_fields"}, "")
    record = caster(shape.casting, CHICAGO, report=pytest.fail)(raw)
    assert errors({k: v for k, v in record.items() if k not in spec.keys}, shape.schema) == []


VALUES = values(st.floats(allow_nan=False, allow_infinity=False))


@given(declared=st.sampled_from(KINDS), value=values(st.floats()))
def test_casting_never_raises_and_always_conforms(declared, value):
    record, _ = cast(declared, value)
    schema = {"type": "object", "properties": {"x": declared}}
    assert errors(record, schema) == []


def blank(value):
    return value is None or value in ([], "") or (isinstance(value, str) and not value.strip())


@given(declared=st.sampled_from(KINDS), value=VALUES)
def test_casting_never_loses_a_value(declared, value):
    record, told = cast(declared, value)
    if record["x"] is None and not blank(value):
        assert record["extra_fields"]["x"] == value
        assert told
    if record["x"] is not None:
        assert (record.keys(), told) == ({"x"}, [])


@given(declared=st.sampled_from([INTEGER, NUMBER, MONEY]), value=st.integers())
@pytest.mark.parametrize("kind", [int, str])
def test_whole_numbers_are_exact_or_kept(declared, value, kind):
    record, _ = cast(declared, kind(value))
    told = record["x"]
    if told is None:
        assert record["extra_fields"]["x"] == kind(value)
    else:
        assert Decimal(told) == value or (declared is NUMBER and told == float(value))


@given(
    value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
)
def test_money_as_text_is_exact(value):
    assert Decimal(cast(MONEY, str(value))[0]["x"]) == value


@given(
    raw=st.dictionaries(st.text("abx", max_size=2), VALUES, max_size=4),
    declared=st.sampled_from(KINDS),
)
def test_raw_record_is_left_as_it_was(raw, declared):
    before = copy.deepcopy(raw)
    caster({"properties": {"x": declared, "a": SECRETS}}, CHICAGO, report=lambda *_: None)(raw)
    assert repr(raw) == repr(before)
