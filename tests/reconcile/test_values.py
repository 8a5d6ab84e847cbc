from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tap_billing.reconcile.values import folded, normal

CHICAGO = timezone(timedelta(hours=-6))
DECIMAL = {"type": ["string", "null"], "format": "x-singer.decimal"}
NUMBER = {"type": ["number", "null"]}
INTEGER = {"type": ["integer", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
TEXT = {"type": ["string", "null"]}
TIME = {"type": ["string", "null"], "format": "date-time"}
DAY = {"type": ["string", "null"], "format": "date"}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        (NUMBER, [10.1, Decimal("10.100000"), "10.10", Decimal("10.1")]),
        (NUMBER, [1e9, 1_000_000_000, "1000000000.00"]),
        (NUMBER, [0, 0.0, "0.00", Decimal("-0.0")]),
        (DECIMAL, ["1234567890123456789.10", Decimal("1234567890123456789.1")]),
        (INTEGER, [7, 7.0, "7", Decimal(7)]),
        (INTEGER, [2**62 + 1, str(2**62 + 1), Decimal(2**62 + 1)]),
        (BOOLEAN, [True, "true", 1, "t", "True"]),
        (BOOLEAN, [False, "false", 0]),
        (TEXT, ["a b", " a  b\r\n", "a\n\0b"]),
        (TEXT, [None, ""]),
        (NUMBER, [None, ""]),
        (TIME, ["2026-01-31T12:00:00Z", NOON, NOON.astimezone(CHICAGO), "2026-01-31 12:00:00"]),
        (TIME, [NOON.replace(tzinfo=None), "2026-01-31 06:00:00-06:00"]),
        (DAY, ["2026-01-31", date(2026, 1, 31), NOON.replace(tzinfo=None), "2026-01-31 00:00:00"]),
    ],
)
def test_same_value_is_told_the_same_whatever_its_type(declared, values):
    normalise = normal("column", declared)

    assert len({normalise(value) for value in values}) == 1


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        (NUMBER, [10.1, 10.100001, -10.1, None, 0]),
        (DECIMAL, ["1234567890123456789.10", "1234567890123456789.11"]),
        (INTEGER, [2**62 + 1, 2**62, 7, -7, None, "seven", 7.5]),
        (BOOLEAN, [True, False, None]),
        (TEXT, ["a", "A", "b", None, "None"]),
        (TIME, [NOON, NOON + timedelta(microseconds=1), NOON.replace(tzinfo=CHICAGO), "noon"]),
        (DAY, ["2026-01-31", "2026-02-01", None]),
    ],
)
def test_other_values_are_told_apart(declared, values):
    normalise = normal("column", declared)

    assert len({normalise(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("line_items", {"type": ["array", "null"], "items": {"type": "object"}}),
        ("extra_fields", {"type": ["object", "null"]}),
        ("extra_fields", TEXT),
        ("days_overdue", INTEGER),
        ("setup_formatted", TEXT),
    ],
)
def test_what_is_the_targets_form_or_volatile_is_not_compared(name, declared):
    assert normal(name, declared) is None


def test_names_fold_as_databases_do():
    assert {folded(name) for name in ("eachAmount", "each_amount", "EACHAMOUNT")} == {"eachamount"}
