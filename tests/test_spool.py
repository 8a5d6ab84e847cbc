"""The spool: what goes in comes out once, in order, whatever it is."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.spool import Spool

AT = datetime(2026, 2, 1, 12, 0, 0, 123_456, tzinfo=UTC)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
RECORDS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=3)


@given(pages=st.lists(RECORDS, max_size=4))
def test_records_come_back_in_order_with_their_instant(pages):
    spool = Spool()
    for number, records in enumerate(pages):
        spool.append(AT + timedelta(seconds=number), records)
    assert list(spool.replay()) == [
        (AT + timedelta(seconds=number), record)
        for number, records in enumerate(pages)
        for record in records
    ]


@pytest.mark.parametrize("value", [2**64, -(2**70), "\ud800", 10**40], ids=ascii)
def test_value_that_orjson_refuses_is_kept(value):
    spool = Spool()
    spool.append(AT, [{"x": value}])
    assert list(spool.replay()) == [(AT, {"x": value})]


def test_many_records_are_kept_on_disk_and_come_back():
    spool = Spool()
    row = {"text": "x" * 200}
    for number in range(5000):
        spool.append(AT, [{**row, "id": number}])
    assert [record["id"] for _, record in spool.replay()] == list(range(5000))


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_spool_closed_at_any_time_and_twice_gives_its_file_back(monkeypatch, rows):
    made = []

    def temporary():
        made.append(temporary_file())
        return made[-1]

    temporary_file = tempfile.TemporaryFile
    monkeypatch.setattr("tap_billing.spool.tempfile.TemporaryFile", temporary)
    spool = Spool()
    for number in range(rows):
        spool.append(AT, [{"x": number}])
    assert [file.closed for file in made] == [False]
    for _ in range(2):
        spool.close()
        assert [file.closed for file in made] == [True]


def test_replay_that_is_left_early_is_closed_without_complaint():
    spool = Spool()
    spool.append(AT, [{"x": number} for number in range(3)])
    reading = spool.replay()
    assert json.dumps(next(reading)[1]) == '{"x": 0}'
    reading.close()
    spool.close()
