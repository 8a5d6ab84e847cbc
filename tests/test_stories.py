"""Stories of several runs in which rows were lost, left stale or deleted by what a run forgot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tap_billing.streams import BillingStream
from tests.stories import Story

BOTH = {"invoices", "invoice_line_items"}
NEVER = {"full_sweep_every": 0}


def beyond(number):
    return {"invoices": [{"field": "invoice_id", "operator": "GT", "value": str(number)}]}


@pytest.fixture
def filtered():
    """Return an account of closed invoices that was loaded with filters, up to the last one."""
    story = Story(BOTH)
    story.happen("new_customer", 1)
    story.many(24, "new_invoice", every=3600)
    for bill in story.rows("invoice"):
        bill.lines[1000 + bill.id] = "a line"
        story.write_off(bill)
    story.wait(days=1)
    story.run(filters=beyond(24), **NEVER)
    assert len(story.warehouse.tables["invoices"].rows) == 1
    story.wait(hours=1)
    return story


def test_whole_read_after_a_change_of_filters_is_owed_to_each_stream(filtered):
    """One of two streams is deselected while their whole read is unfinished."""
    filtered.run(max_records=6, **NEVER)
    assert {"progress"} <= filtered.state["invoices"].keys()
    filtered.wait(hours=1)
    filtered.run({"invoices"}, **NEVER)
    assert "progress" not in filtered.state["invoices"]
    assert "progress" in filtered.state["invoice_line_items"]
    filtered.wait(hours=1)
    filtered.run(**NEVER)
    assert filtered.differences() == []
    assert len(filtered.warehouse.tables["invoice_line_items"].rows) == 24


def test_signal_within_a_checkpoint_finds_the_states_of_all_streams_alike(filtered, monkeypatch):
    calls = []
    told = BillingStream.told

    def interrupted(stream, *arguments):
        state = told(stream, *arguments)
        calls.append(stream.name)
        if len(calls) == 6:
            # What the handler of a signal does between any two lines.
            stream.tap._stop(15)
        return state

    with monkeypatch.context() as patched:
        patched.setattr(BillingStream, "told", interrupted)
        stopped = filtered.run(**NEVER)
    assert (stopped.code, len(calls)) == (143, 6)
    one, other = (filtered.state[name] for name in sorted(BOTH))
    assert one["progress"]["after"] == other["progress"]["after"]
    assert filtered.differences() != []
    filtered.wait(hours=1)
    filtered.run(**NEVER)
    assert filtered.differences() == []
    assert len(filtered.warehouse.tables["invoice_line_items"].rows) == 24


def test_invoices_that_are_read_whole_by_every_run_name_who_becomes_overdue():
    story = Story({"customers", "invoices"})
    story.happen("new_customer", 1)
    story.wait(minutes=1)
    story.happen("new_invoice")
    (bill,) = story.rows("invoice")
    bill.facts["due_date"] = "2026-03-20"
    story.wait(hours=2)
    story.happen("new_customer", 1)
    story.wait(minutes=1)
    story.run(full={"invoices"})
    for _ in range(14):
        story.wait(days=5)
        story.run(full={"invoices"}, **NEVER)
        assert story.differences() == []
    held = story.warehouse.tables["customers"].rows[1,].record
    assert held["customer_status_str"] == "active-overdue"


@pytest.mark.parametrize("first", [{}, {"max_records": 14}, {"streams": {"customers"}}], ids=str)
def test_first_load_in_two_runs_sees_what_was_written_off_in_between(first):
    """The invoice is older than the window, and closed when it is read for the first time."""
    story = Story({"customers", "invoices"})
    story.many(3, "new_customer")
    story.happen("new_invoice")
    (old,) = story.rows("invoice")
    story.wait(days=40)
    story.many(12, "new_customer")
    assert story.run(**first).error is None
    story.wait(hours=1)
    story.write_off(old)
    story.wait(hours=1)
    story.run(**NEVER)
    assert story.differences() == []


def test_customers_alone_see_that_an_invoice_was_written_off():
    story = Story({"customers"})
    story.many(3, "new_customer")
    story.happen("new_invoice")
    story.wait(hours=1)
    story.run()
    for _ in range(2):
        story.wait(hours=1)
        story.run(**NEVER)
    story.happen("write_off")
    story.wait(hours=1)
    assert story.differences() != []
    story.run(**NEVER)
    assert story.differences() == []


@pytest.fixture
def customers():
    """Return an account of thirty customers."""
    story = Story({"customers"})
    story.many(30, "new_customer", every=60)
    story.wait(days=1)
    return story


def test_rows_out_of_sight_in_the_first_part_of_a_sweep_are_not_deleted_by_its_second(customers):
    customers.run()
    customers.wait(days=8)
    for row in customers.rows("customer")[2:5]:
        row.visible = customers.account.clock.now + timedelta(minutes=30)
    first = customers.run(max_records=10)
    assert "progress" in customers.state["customers"]
    customers.wait(hours=1)
    second = customers.run()
    assert (first.error, second.error) == (None, None)
    assert second.activated() == set()
    assert customers.differences() == []
    customers.wait(days=1.1)
    assert customers.run().activated() == {"customers"}
    assert customers.differences() == []


def test_sweep_in_two_parts_deletes_what_is_gone(customers):
    customers.run()
    customers.wait(days=8)
    gone = customers.rows("customer")[3].id
    del customers.account.tables["customer"][gone]
    customers.run(max_records=10)
    customers.wait(hours=1)
    del customers.account.tables["customer"][7]
    assert customers.run().activated() == {"customers"}
    held = customers.warehouse.tables["customers"].rows
    assert held[gone,].deleted
    # It came in the first part, and so it is gone by the next sweep.
    assert not held[7,].deleted


def test_sweep_after_a_load_without_sweeps_has_a_count_to_compare_with(customers):
    customers.run(**NEVER)
    customers.wait(days=1)
    customers.account.tables["customer"].clear()
    refused = customers.run(full_sweep_every=7)
    assert refused.activated() == set()
    assert not any(row.deleted for row in customers.warehouse.tables["customers"].rows.values())


def test_sweep_of_a_stream_that_was_never_counted_deletes_nothing_once(customers):
    customers.run()
    del customers.state["customers"]["sweep"]
    customers.wait(days=1)
    gone = [row.id for row in customers.rows("customer")[:25]]
    for number in gone:
        del customers.account.tables["customer"][number]
    first = customers.run()
    assert (first.error, first.activated()) == (None, set())
    customers.wait(days=8)
    assert customers.run().activated() == {"customers"}
    held = customers.warehouse.tables["customers"].rows
    assert {key[0] for key, row in held.items() if row.deleted} == set(gone)


def test_whole_reads_that_are_no_sweeps_do_not_lower_the_count_that_guards(customers):
    """A permission is withdrawn for two weeks, and every run reads everything."""
    told = []
    for day in range(9):
        if day == 1:
            for row in customers.rows("customer")[5:]:
                row.visible = customers.account.clock.now + timedelta(days=20)
        customers.wait(days=1)
        told.append(customers.run(full={"customers"}))
    assert [each.error is None for each in told[:7]] == [True] * 7
    assert told[-1].error is not None
    assert told[-1].activated() == set()
    held = customers.warehouse.tables["customers"].rows
    assert not any(row.deleted for row in held.values())


def test_sweep_with_filters_is_no_measure_of_what_may_be_gone(customers):
    customers.run()
    customers.wait(days=8)
    some = [{"field": "customer_id", "operator": "GT", "value": "26"}]
    assert customers.run(filters={"customers": some}).activated() == set()
    assert customers.state["customers"]["sweep"]["rows"] == 30
    customers.wait(days=8)
    for row in customers.rows("customer")[5:]:
        del customers.account.tables["customer"][row.id]
    refused = customers.run()
    assert refused.error is not None
    assert refused.activated() == set()


def test_refused_sweep_remembers_all_that_stands_open():
    """The user turns sweeps off after the refusal, and an open invoice is written off."""
    story = Story({"invoices"})
    story.many(3, "new_customer")
    story.many(38, "new_invoice", every=3600, among=3)
    bills = story.rows("invoice")
    story.write_off(*bills[:-3])
    story.wait(days=1)
    story.run()
    story.wait(days=8)
    for bill in bills[5:25]:
        del story.account.tables["invoice"][bill.id]
    refused = story.run()
    assert refused.error is not None
    story.wait(hours=1)
    story.write_off(bills[-2])
    story.wait(hours=1)
    story.run(**NEVER)
    assert story.differences() == []


def test_old_open_invoice_beyond_the_place_where_a_sweep_broke_off_is_not_forgotten():
    """The customers' sweep ends on the same day."""
    story = Story({"customers", "invoices"})
    story.many(3, "new_customer")
    story.many(16, "new_invoice", among=3)
    *bills, old = story.rows("invoice")
    story.write_off(*bills)
    story.wait(days=60)
    story.happen("new_customer", 1)
    story.happen("new_invoice", 3)
    story.write_off(story.rows("invoice")[-1])
    story.wait(hours=2)
    story.run()
    story.wait(days=1)
    story.run()
    story.wait(days=7)
    broken = story.run(dead="/invoice?where=invoice_id%3AGT%3A11")
    assert broken.error is not None
    assert story.state["invoices"]["progress"]["after"] == 11
    assert story.state["invoices"]["standing"] == str(old.id)
    story.wait(hours=1)
    story.write_off(old)
    for _ in range(2):
        story.wait(hours=1)
        assert story.run().error is None
        assert story.differences() == []


@pytest.mark.parametrize("most", [3, 5, 20])
def test_limit_below_the_number_of_open_invoices_leaves_no_resource_out(most):
    story = Story({"customers", "invoices", "transactions"})
    for number in range(8):
        story.happen("new_customer", number)
        story.happen("new_invoice", number)
        story.happen("pay", number, 2)
        story.wait(minutes=10)
    runs = 0
    while story.differences() or any("progress" in each for each in story.state.values()):
        assert story.run(max_records=most).error is None
        story.wait(hours=1)
        runs += 1
        assert runs <= 24 // most + 8
    assert runs > 1


def test_watermark_of_a_resource_is_no_later_than_that_of_what_names_its_rows():
    """It was put off to the end of the run, and each request takes a minute."""
    story = Story({"customers", "invoices"})
    story.many(9, "new_customer")
    story.many(9, "new_invoice", among=9)
    story.wait(hours=1)
    story.run()
    story.state["customers"]["ended"] = True
    story.wait(hours=1)
    story.run(tick=60)
    one, other = (story.state[name]["watermark"] for name in ("customers", "invoices"))
    assert one <= other
    assert story.differences() == []


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("end", ["void_invoice", "write_off"])
def test_invoice_that_opened_and_closed_again_between_two_runs_is_seen(end, whole):
    """Its payment was voided, which takes away what names it; the last run may be any read."""
    story = Story({"customers", "invoices", "transactions", "transaction_applications"})
    story.many(2, "new_customer")
    story.many(2, "new_invoice", among=2)
    story.wait(hours=1)
    story.run()
    story.wait(hours=1)
    story.happen("pay", 0, 1)
    story.wait(hours=1)
    story.wait(days=8 if whole else 0)
    assert bool(story.run().activated()) is whole
    story.wait(hours=1)
    held = story.warehouse.tables["invoices"].rows
    number = story.rows("invoice")[0].id
    assert held[number,].record["invoice_status_state"] == "c"
    story.happen("void_transaction")
    story.wait(minutes=10)
    story.happen(end, 0)
    story.wait(hours=1)
    assert story.differences() != []
    story.run(**NEVER)
    assert story.differences() == []
