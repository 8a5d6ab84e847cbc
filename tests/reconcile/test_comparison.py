from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tap_billing.reconcile.comparison import Proof, account, enter, forget, outcome
from tap_billing.reconcile.layout import Table, layout, reader

SCHEMA = {
    "properties": {
        "invoice_id": {"type": "integer"},
        "write_datetime": {"type": ["string", "null"], "format": "date-time"},
        "total": {"type": ["number", "null"]},
        "is_paid": {"type": ["boolean", "null"]},
        "currency_iso4217": {"type": ["string", "null"]},
        "days_overdue": {"type": ["integer", "null"]},
    }
}
INVOICES = layout("invoices", SCHEMA, ["invoice_id"])


def invoice(number, **columns):
    return {
        "invoice_id": number,
        "write_datetime": f"2026-{number % 3 + 1:02d}-15T00:00:00Z",
        "total": number * 1.1,
        "is_paid": number % 2 == 0,
        "currency_iso4217": "EUR" if number % 5 == 0 else "USD",
        "days_overdue": number,
        **columns,
    }


def held(rows, absent=(), start=""):
    names = [name for name in INVOICES.wanted if name not in absent]
    read = reader(INVOICES, names, absent, start)
    entries = [read([row.get(name) for name in names]) for row in rows]
    return Table(dict(each for each in entries if each), tuple(absent))


def shown(rows, table, start=""):
    entered = account(INVOICES, table, start)
    for row in rows:
        enter(entered, row, row["write_datetime"][:7])
    return outcome(entered, Proof())


NUMBERS = st.sets(st.integers(1, 40))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_exactly_the_rows_that_differ_are_named(api, warehouse, changed):
    wrong = {"total": 0.01, "is_paid": None}
    rows = [invoice(each, **(wrong if each in changed else {})) for each in warehouse]
    found = shown(map(invoice, api), held(rows))

    assert found.missing == tuple((str(each),) for each in sorted(api - warehouse))
    assert found.surplus == tuple((str(each),) for each in sorted(warehouse - api))
    assert {int(key[0]) for key in found.stale} == api & warehouse & changed
    assert set(found.stale.values()) <= {("total", "is_paid")}
    assert found.equal == (api == warehouse and not api & changed)
    assert sum(total.api for total in found.months.values()) == len(api)
    assert sum(total.held for total in found.months.values()) == len(warehouse)


def test_sums_are_told_by_month_and_currency():
    found = shown(map(invoice, (3, 15, 6)), held([invoice(3), invoice(15, total=1)]))

    assert found.months["2026-01"].sums == {
        "USD": (Decimal("9.9"), Decimal("3.3")),
        "EUR": (Decimal("16.5"), Decimal(1)),
    }
    assert (found.months["2026-01"].api, found.months["2026-01"].held) == (3, 2)


def test_volatile_and_absent_columns_are_no_difference():
    absent = ("is_paid",)
    found = shown([invoice(1)], held([invoice(1, days_overdue=99, is_paid=None)], absent))

    assert found.equal
    assert found.notes == ("not compared, because not held: is_paid",)


def test_a_column_after_an_absent_one_is_still_named():
    found = shown([invoice(1)], held([invoice(1, currency_iso4217="JPY")], ("total",)))

    assert found.stale == {("1",): ("currency_iso4217",)}


def test_rows_before_the_start_count_on_neither_side():
    rows = [invoice(1), invoice(2), invoice(3)]
    start = "2026-02-15T00:00:00Z"
    found = shown(rows[:2], held([rows[0], rows[2]], start=start), start)

    assert (found.missing, found.surplus) == ((("2",),), ())
    assert found.months.keys() == {"2026-02", "2026-03"}


def test_what_is_forgotten_must_come_again():
    entered = account(INVOICES, held([invoice(1), invoice(2)]), "")
    enter(entered, invoice(1, total=0), "2026-02")
    enter(entered, invoice(2), "2026-03")
    forget(entered, {"2026-02"})

    assert outcome(entered, Proof()).surplus == (("1",),)
    assert outcome(entered, Proof()).stale == {}

    enter(entered, invoice(1), "2026-02")

    assert outcome(entered, Proof()).equal


def test_doubts_keep_both_sides_from_being_equal():
    entered = account(INVOICES, held([]), "")

    assert outcome(entered, Proof()).equal
    assert not outcome(entered, Proof(doubts=("2 rows were listed, the server counts 3",))).equal
