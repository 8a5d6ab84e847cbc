"""The comparison sees a missing row, a row too many and a cent."""

from __future__ import annotations

from tests.e2e.ledger import differences, table

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
