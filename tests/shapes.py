"""Columns of every kind, and values that may come in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

TEXT = {"type": ["string", "null"]}
TIME = {"type": ["string", "null"], "format": "date-time"}
DATE = {"type": ["string", "null"], "format": "date"}
MONEY = {"type": ["string", "null"], "format": "x-singer.decimal"}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
OBJECT = {
    "type": ["object", "null"],
    "properties": {"at": TIME, "n": INTEGER},
    "additionalProperties": True,
}
ARRAY = {"type": ["array", "null"], "items": OBJECT}
KINDS = [TEXT, TIME, DATE, MONEY, INTEGER, NUMBER, BOOLEAN, OBJECT, ARRAY]
SECRET = {**TEXT, "x-selected": False}


def values(numbers: SearchStrategy[float]) -> SearchStrategy[Any]:
    """Return a strategy for anything that JSON can tell."""
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | numbers
        | st.text(max_size=12)
        | st.decimals(allow_nan=False, allow_infinity=False).map(str)
        | st.datetimes().map(str)
        | st.sampled_from(["0", "1", "yes", "-0", "1e5", "2024-06-01T00:00:00+25:00"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("anyt", max_size=2), inner, max_size=3)
        ),
        max_leaves=6,
    )
