"""The comparison sees a missing row, a row too many, a cent and a column that is not right."""

from __future__ import annotations

import pytest

from tests.e2e.ledger import differences, existing, table, unequal

TRUTH = {"charges": {"ids": [1, 2], "count": 2, "sums": {"eachAmount*quantity": "30.30"}}}
ROWS = [
    {"id": 1, "eachAmount": 10.1, "quantity": 1},
    {"id": "2", "eachamount": "10.10", "quantity": 2},
]


def test_equal_tables_have_no_differences():
    assert differences({"charges": table(ROWS, ["id"])}, TRUTH) == []


def test_last_row_of_a_key_counts():
    older = {"id": 1, "eachAmount": 5, "quantity": 1}

    assert differences({"charges": table([older, *ROWS], ["id"])}, TRUTH) == []


def test_missing_row_is_told():
    told = differences({"charges": table(ROWS[:1], ["id"])}, TRUTH)

    assert told[0] == "charges: 1 rows, not 2; missing [('2',)], too many []"


def test_row_too_many_is_told():
    more = {"id": 3, "eachAmount": None, "quantity": 1}

    assert differences({"charges": table([*ROWS, more], ["id"])}, TRUTH) == [
        "charges: 3 rows, not 2; missing [], too many [('3',)]"
    ]


def test_a_cent_is_told():
    wrong = {"id": 1, "eachAmount": 10.11, "quantity": 1}

    assert differences({"charges": table([*ROWS, wrong], ["id"])}, TRUTH) == [
        "charges.eachAmount*quantity: 30.31, not 30.30"
    ]


def test_row_that_was_deleted_is_left_out():
    rows = table([*ROWS, {"id": 3, "eachAmount": 1, "quantity": 1}], ["id"])

    assert differences(existing({"charges": rows}, TRUTH), TRUTH) == []


TYPES = {
    "number": {"type": ["number", "null"]},
    "text": {"type": ["string", "null"]},
    "when": {"type": ["string", "null"], "format": "date-time"},
    "list": {"type": ["array", "null"]},
    "flag": {"type": ["boolean", "null"]},
}


def compared(column, row, record, **options):
    tables = [table([{"id": 1, column: each}], ["id"]) for each in (row, record)]
    return unequal(*tables, {column: TYPES[column]}, **options)


@pytest.mark.parametrize(
    ("column", "row", "record"),
    [
        ("number", "10.50", 10.5),
        ("number", 3, 3.0),
        ("text", "0010", "0010"),
        ("when", "2026-02-01 08:00:00", "2026-02-01T08:00:00Z"),
        ("when", "2026-02-01 08:00:00+00:00", "2026-02-01T08:00:00Z"),
        ("list", '[{"a": 1.5}]', [{"a": 1.5}]),
        ("list", [{"a": "1.5"}], [{"a": 1.5}]),
        ("flag", False, False),
        ("text", None, None),
    ],
)
def test_values_are_equal_however_a_database_writes_them(column, row, record):
    assert compared(column, row, record) == {}


@pytest.mark.parametrize(
    ("column", "row", "record"),
    [
        ("number", "10.50", 10.51),
        ("number", None, 0),
        ("text", "10", "010"),
        ("text", None, ""),
        ("when", "2026-02-01 08:00:00", "2026-02-01T08:00:01Z"),
        ("list", "[]", [1]),
        ("flag", None, False),
    ],
)
def test_column_that_is_not_right_is_told(column, row, record):
    assert compared(column, row, record) == {("1",): {column}}


def test_empty_text_is_what_the_table_has_for_it():
    assert compared("text", None, "", blank=None) == {}
    assert compared("text", "", "", blank=None) == {("1",): {"text"}}


def test_column_that_a_record_lacks_is_null():
    rows, records = table([{"id": 1, "text": None}], ["id"]), table([{"id": 1}], ["id"])

    assert unequal(rows, records, {"text": TYPES["text"]}) == {}
