import itertools
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tap_billing.sandbox.company import FOUNDED, Company
from tap_billing.sandbox.model import decimal_text

END = datetime(2026, 11, 1, tzinfo=UTC)
BOOKS = (
    "customers", "contacts", "subscriptions", "invoices", "transactions", "products",
    "promotions", "coupons", "cards", "achs", "tokens", "usages", "notes", "quotes",
)  # fmt: skip


def grown(to=END, seed=1, customers=100, steps=()):
    company = Company(seed, customers)
    for step in (*steps, to):
        company.advance(step)
    return company


def state(company):
    return {name: repr(getattr(company, name)) for name in BOOKS}


@pytest.fixture(scope="module")
def company():
    return grown(customers=400)


def test_the_same_instant_is_reached_in_one_step_or_in_many():
    steps = [FOUNDED + timedelta(days=3.3 * n) for n in range(300)]
    assert state(grown(steps=steps)) == state(grown())


def test_what_happened_before_does_not_depend_on_how_far_the_company_went():
    early, late = grown(to=datetime(2025, 5, 5, tzinfo=UTC)), grown()
    for name in ("invoices", "transactions", "usages"):
        now = {key: row.created for key, row in getattr(early, name).items()}
        then = {key: row.created for key, row in getattr(late, name).items() if key in now}
        assert then.items() <= now.items()
        fresh = [row.created for key, row in getattr(late, name).items() if key not in now]
        assert min(fresh) > early.now


def test_another_seed_is_another_company():
    assert state(grown(seed=1)) != state(grown(seed=2))


def test_an_earlier_instant_changes_nothing(company):
    before = company.now
    company.advance(FOUNDED)
    assert company.now == before


def test_nobody_comes_to_a_company_without_customers():
    empty = grown(customers=0)
    assert not empty.customers
    assert not empty.invoices
    assert empty.products


def test_about_as_many_customers_sign_up_as_asked_for(company):
    assert 380 <= max(company.customers) <= 440
    assert 0.9 < len(company.customers) / max(company.customers) < 1


@pytest.mark.parametrize("name", BOOKS)
def test_ids_increase_with_creation(company, name):
    rows = list(getattr(company, name).values())
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    created = [row.created for row in rows]
    assert created == sorted(created)
    assert all(each.microsecond == 0 for each in created)


def test_some_rows_share_a_second(company):
    seconds = [row.created for row in company.invoices.values()]
    assert len(set(seconds)) < len(seconds)


def test_money_adds_up(company):
    for invoice in company.invoices.values():
        assert invoice.subtotal == sum(each.rate * each.quantity for each in invoice.charges)
        assert invoice.total == invoice.subtotal + invoice.taxes
        assert invoice.balance >= 0
        paid = [company.transactions[number] for number in invoice.transaction_ids]
        applied = dict.fromkeys(("pay", "cre", "ref"), 0)
        for each in paid:
            applied[each.kind] += sum(one.amount for one in each.applied)
        assert (invoice.payments, invoice.credits) == (applied["pay"], applied["cre"])
    for customer in company.customers.values():
        mine = [company.invoices[number] for number in customer.invoice_ids]
        assert customer.balance == sum(each.balance for each in mine)


def test_refunds_never_exceed_the_payment(company):
    payments = [each for each in company.transactions.values() if each.refund_ids]
    backs = {
        each.id: -sum(company.transactions[number].amount for number in each.refund_ids)
        for each in payments
    }
    assert all(0 < backs[each.id] <= each.amount for each in payments)
    assert any(backs[each.id] == each.amount for each in payments)
    assert any(backs[each.id] < each.amount for each in payments)


def test_everything_points_at_something_that_exists(company):
    for row in itertools.chain(
        company.contacts.values(), company.subscriptions.values(), company.invoices.values(),
        company.transactions.values(), company.cards.values(), company.usages.values(),
    ):  # fmt: skip
        assert row.customer_id in company.customers
    for subscription in company.subscriptions.values():
        books = {"crd": company.cards, "ach": company.achs, "tok": company.tokens}
        if subscription.paymethod != "inv":
            assert subscription.paymethod_id in books[subscription.paymethod]
    numbers = [each.number for each in company.invoices.values()]
    numbers += [each.pending.number for each in company.subscriptions.values() if each.pending]
    assert len(numbers) == len(set(numbers))


def test_all_kinds_of_business_happen(company):
    subscriptions = company.subscriptions.values()
    invoices, transactions = company.invoices.values(), company.transactions.values()
    assert {each.cancel_type for each in subscriptions} == {"", "customer", "nonpayment", "trial"}
    assert {each.paymethod for each in subscriptions} == {"crd", "ach", "tok", "inv"}
    for happened in (
        any(len(each.phases) > 1 for each in subscriptions),
        any(len(each.subscription_ids) > 1 for each in company.customers.values()),
        any(each.suspended_from for each in subscriptions),
        any(each.hold_until for each in subscriptions),
        any(each.coupon for each in subscriptions),
        any(each.pending and each.pending.custom for each in subscriptions),
        any(each.voided for each in invoices),
        any(each.written_off for each in invoices),
        any(each.credits for each in invoices),
        any(each.kind == "one-time" for each in invoices),
        any(each.date > company.now.date() for each in invoices),
        any(each.voided for each in transactions),
        any(not each.approved for each in transactions),
        any(each.kind == "cre" and not each.applied for each in transactions),
        any(each.modified > each.created for each in company.contacts.values()),
    ):
        assert happened
    assert {each.currency.iso4217 for each in company.customers.values()} == {
        "USD", "EUR", "GBP", "JPY"
    }  # fmt: skip
    assert {kind for each in invoices for kind in (charge.kind for charge in each.charges)} == {
        "recurring", "item", "custom", "setup"
    }  # fmt: skip


def snapshots(company, name, days):
    """Return pairs of a row's fields, before and after each of so many days."""
    for day in range(days):
        before = {key: _told(row) for key, row in getattr(company, name).items()}
        company.advance(company.now + timedelta(days=1))
        for key, row in getattr(company, name).items():
            if key in before:
                yield day, before[key], _told(row)


def _told(row):
    return {name: getattr(row, name) for name in row.__slots__} | {"phases": None, "lines": None}


def test_what_the_vendor_is_blind_to_does_not_move_the_modified_time():
    company = grown(to=datetime(2025, 1, 1, tzinfo=UTC), customers=200)
    blind = {"cancelled", "hold_until", "suspended_from", "paymethod_id", "next_bill"}
    moved = dict.fromkeys(blind, 0)
    for _, old, new in snapshots(company, "subscriptions", 200):
        changed = {name for name in blind if old[name] != new[name]}
        if changed and old["plan_id"] == new["plan_id"] and old["seats"] == new["seats"]:
            unnamed = old["nickname"] == new["nickname"]
            assert new["modified"] == old["modified"] or not unnamed
            for name in changed:
                moved[name] += 1
    assert all(moved.values())


def test_payments_do_not_move_an_invoices_modified_time():
    company = grown(to=datetime(2025, 1, 1, tzinfo=UTC), customers=200)
    paid = 0
    for _, old, new in snapshots(company, "invoices", 30):
        if old["payments"] != new["payments"] and old["memo"] == new["memo"]:
            assert new["modified"] == old["modified"]
            paid += 1
    assert paid


def test_the_open_invoice_moves_with_a_plan_change():
    company = grown(to=datetime(2025, 1, 1, tzinfo=UTC), customers=200)
    kept = 0
    for day in range(90):
        before = {
            number: (len(each.phases), each.pending.bill_id, each.bills)
            for number, each in company.subscriptions.items()
            if each.pending
        }
        company.advance(company.now + timedelta(days=1))
        for number, (phases, bill, bills) in before.items():
            each = company.subscriptions.get(number)
            if each and each.pending and len(each.phases) > phases and each.bills == bills:
                assert each.pending.bill_id == bill, day
                kept += 1
    assert kept


def test_pending_charges_are_computed_in_front_of_the_custom_ones(company):
    live = [each for each in company.subscriptions.values() if each.pending]
    assert live
    for subscription in live:
        charges = company.pending_charges(subscription)
        computed = [each for each in charges if each.id == 0]
        assert charges == computed + subscription.pending.custom
        assert computed[0].kind in ("recurring", "setup")
    cancelled = next(each for each in company.subscriptions.values() if each.cancelled)
    assert company.pending_charges(cancelled) == []


def test_truth_counts_every_stream_once(company):
    for provider in ("chargeover", "cheddar"):
        for stream, told in company.truth(provider).items():
            keys = {str(each) for each in told["ids"]}
            assert len(keys) == len(told["ids"]) == told["count"] > 0, stream
    truth = company.truth("chargeover")
    assert truth["invoices"]["ids"] == list(company.invoices)
    amounts = [
        (each.amount, company.customers[each.customer_id].currency.decimals)
        for each in company.transactions.values()
    ]
    yen = sum(amount for amount, decimals in amounts if decimals == 0)
    cents = sum(amount for amount, decimals in amounts if decimals == 2)
    assert truth["transactions"]["sums"]["amount"] == decimal_text(cents + yen * 100, 2)


def test_names_are_in_several_scripts_and_full_of_traps(company):
    text = "".join(
        f"{each.company}{each.last_name}{each.code}" for each in company.customers.values()
    )
    for piece in ("&", "<", ":", ",", "\\", '"', "'", "é", "ü", "山", "李", "к", "ال", "🚀"):
        assert piece in text, piece


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [(1230, 2, "12.30"), (-5, 2, "-0.05"), (1200, 0, "1200"), (0, 2, "0.00")],
)
def test_decimal_text(amount, decimals, text):
    assert decimal_text(amount, decimals) == text


def calls(customers):
    """Return how many Python functions run while a company of that size grows."""
    counted = Counter()
    former = sys.getprofile()
    sys.setprofile(lambda _frame, event, _: counted.update([event]))
    try:
        grown(customers=customers)
    finally:
        sys.setprofile(former)
    return counted["call"]


def test_twice_the_customers_take_twice_the_steps():
    assert calls(120) < 2.5 * calls(60)
