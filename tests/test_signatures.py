"""Signatures: records of a kind that is known are cast as they are value by value."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing import cast as casting
from tap_billing import signatures
from tap_billing.cast import caster
from tests.bodies import CHICAGO
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

ROW = {"key": SECRET, "at": {**TIME, "x-selected": False}, "n": NUMBER, "b": BOOLEAN, "d": MONEY}
DROPPED = {"type": ["array", "null"], "items": {"type": "object", "properties": ROW}}
OUTER = {"type": ["object", "null"], "properties": {"rows": DROPPED, "in": OBJECT, "n": INTEGER}}
WIDE = {
    "type": "object",
    "properties": {
        "text": TEXT, "time": TIME, "date": DATE, "money": MONEY, "whole": INTEGER,
        "number": NUMBER, "truth": BOOLEAN, "object": OBJECT, "array": ARRAY, "rows": DROPPED,
        "outer": OUTER, "texts": {"type": ["array", "null"], "items": TEXT}, "secret": SECRET,
        "extra_fields": {"type": ["object", "null"], "properties": {}},
    },
}  # fmt: skip
SOME = st.one_of(
    values(st.floats()),
    st.sampled_from(
        ["2026-03-10 01:01:49", "2026-01-10T01:01:49Z", "2026-01-10", "7", "", [], {}, 1, 1.5, True]
    ),
    st.integers(2**61, 2**65),
    st.floats(1e15, 1e308),
)
NESTED = st.dictionaries(st.sampled_from(["key", "at", "n", "b", "d", "in", "rows", "y"]), SOME)
RAW = st.dictionaries(
    st.sampled_from([*WIDE["properties"], "key", "new", "at"]), SOME | NESTED | st.lists(NESTED)
)


@given(
    raws=st.lists(RAW, max_size=4),
    partial=st.booleans(),
    leave=st.sets(st.sampled_from(["text", "outer", "new", "key", "extra_fields"])),
    kept=st.none() | st.just({"rows": [{"n": 1, "key": "S3CRET"}]}),
)
def test_records_of_known_signatures_are_cast_as_value_by_value(raws, partial, leave, kept):
    ways = []
    for way in (caster, casting._careful):
        told = []
        make = way(
            WIDE,
            CHICAGO,
            partial=partial,
            leave=leave,
            report=lambda *each, to=told: to.append(each),
        )
        # The second time a signature is known.
        made = [make(copy.deepcopy(raw), kept) for raw in raws * 2]
        ways.append(([repr(each) for each in made], told))
    assert ways[0] == ways[1]


@pytest.mark.parametrize(
    "series",
    [
        [1, 2**63],
        ["7", " 7 ", "007", "1_0", "9" * 18, "9" * 19, "\u0663", "-1", "", "1.5", "x"],
        ["true", "1", "No", " yes", "2", "inf", "nan", "1e400", "1e3"],
        [1.5, math.inf],
        [0.5, 10**400],
        [2**62, 2**63 - 1, -(2**63), -(2**63) - 1],
        [1e308, 1.7e308, math.nan],
        ["2026-03-10 01:01:49", "0000-00-00 00:00:00", " ", "2026-03-10T01:01:49.5Z"],
        [{"n": 1}, {"n": 2**63}, {"n": "2"}, {"n": "many"}, {"at": 5}],
        [[{"key": "a", "at": ""}], [{"key": ["a"], "at": ""}], [{"key": "a", "at": "soon"}]],
        [[{"n": 1}], [{"n": 2**63}], [None, {"n": "1"}], ["odd"], [[]], [""]],
    ],
    ids=lambda series: repr(series)[:30],
)
def test_what_types_do_not_tell_is_seen_in_records_of_a_known_signature(series):
    for declared in [*KINDS, DROPPED, OUTER]:
        schema = {"properties": {"x": declared}}
        quick, careful = (
            way(schema, CHICAGO, partial=False, leave=frozenset(), report=lambda *_: None)
            for way in (caster, casting._careful)
        )
        for value in series:
            assert repr(quick({"x": value})) == repr(careful({"x": value}))


def test_signatures_that_never_end_are_forgotten(monkeypatch):
    monkeypatch.setattr(signatures, "PLANS", 3)
    asked = []
    make = signatures.caster(lambda key: asked.append(key) or signatures.Column(str), dict)
    for number in (*range(9), 8, 8):
        assert make({f"k{number}": number}) == {f"k{number}": str(number)}
    assert asked == [f"k{number}" for number in range(9)]
    make({"k0": 0})
    assert asked[-1] == "k0"
