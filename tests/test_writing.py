"""What is written of a resource: stream by stream in chunks, and up to which position."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tap_billing.cut import cutter
from tap_billing.memory import Memory, Progress
from tap_billing.plans import Plan
from tap_billing.spec import Page, Scope
from tap_billing.sweeps import Reading
from tap_billing.writing import CHECKPOINT_ROWS, CHECKPOINT_SECONDS, CHUNK, Writing
from tests.bodies import resource_of

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
INVOICES = resource_of("chargeover", "invoices")
PROGRESS = Progress(7, NOON, NOON, sweep=True, rows=40)


@dataclass
class Stream:
    """A stream that keeps what is written."""

    spec: Any
    written: list[Any] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    @property
    def name(self):
        return self.spec.name

    def ready(self, _):
        records = cutter(self.spec)
        return lambda document: list(records(document))

    def write(self, received, records):
        self.order.append(self.name)
        self.written += [(received, record) for record in records]


def writing_of(progress=None):
    """Return a writing, its streams, and the order in which they were written to."""
    order: list[str] = []
    streams = [Stream(spec, order=order) for spec in INVOICES.streams]
    memories = {each.name: Memory(progress=progress) for each in streams}
    plan = Plan(INVOICES, streams, Reading(Scope(), progress=progress), memories)
    return Writing(plan, frozenset(), "UTC"), streams, order


def document(number, lines=2):
    rows = [{"line_item_id": 10 * number + each} for each in range(lines)]
    return {"invoice_id": number, "line_items": rows}


def page(received=NOON, **further):
    return Page([], received, None, **further)


WHOLE = page(whole=True, reached=lambda row: row["invoice_id"])


def test_records_are_written_stream_by_stream_in_order_with_the_time_of_their_response():
    writing, (parents, children), order = writing_of()
    later = NOON + timedelta(microseconds=1)
    for number, each in ((1, page()), (2, page()), (3, page(later))):
        assert not writing.add(document(number), each)
    assert order == []
    assert writing.write() == 9
    assert [(at, row["invoice_id"]) for at, row in parents.written] == [
        (NOON, 1), (NOON, 2), (later, 3),
    ]  # fmt: skip
    assert [(at, row["line_item_id"]) for at, row in children.written] == [
        (NOON, 10), (NOON, 11), (NOON, 20), (NOON, 21), (later, 30), (later, 31),
    ]  # fmt: skip
    assert order == sorted(order, key=["invoices", "invoice_line_items"].index)


def test_nothing_is_written_twice():
    writing, (parents, _), _ = writing_of()
    writing.add(document(1), page())
    assert [writing.write(), writing.write()] == [3, 0]
    writing.add(document(2), page())
    assert writing.write() == 3
    assert [row["invoice_id"] for _, row in parents.written] == [1, 2]


def test_it_is_time_to_write_after_a_chunk_of_rows():
    writing, _, _ = writing_of()
    found = [writing.add(document(number, lines=9), page()) for number in range(CHUNK // 10)]
    assert found == [*[False] * (CHUNK // 10 - 1), True]
    writing.write()
    assert not writing.add(document(1), page())


def test_only_a_whole_read_is_counted_and_has_a_position():
    writing, _, _ = writing_of()
    writing.add(document(5), WHOLE)
    assert (writing.position, writing.rows) == (5, {"invoices": 1, "invoice_line_items": 2})
    writing.add(document(9), page())
    assert (writing.position, writing.rows) == (None, {"invoices": 1, "invoice_line_items": 2})
    writing.add(document(6, lines=0), page(whole=True))
    assert (writing.position, writing.rows) == (None, {"invoices": 2, "invoice_line_items": 2})


def test_read_that_goes_on_counts_on():
    writing, _, _ = writing_of(PROGRESS)
    writing.add(document(8), WHOLE)
    assert writing.rows == {"invoices": 41, "invoice_line_items": 42}


def test_new_read_counts_from_nothing_whatever_was_stopped_before():
    plan = Plan(INVOICES, [], Reading(Scope()), {"invoices": Memory(progress=PROGRESS)})
    assert Writing(plan, frozenset(), "UTC").rows == {"invoices": 0}


def test_checkpoint_is_due_after_rows_written_or_pending():
    writing, _, _ = writing_of()
    for number in range(CHECKPOINT_ROWS // 10 - 1):
        writing.add(document(number, lines=9), WHOLE)
        if number % 100 == 0:
            writing.write()
    assert not writing.is_due
    writing.add(document(1, lines=9), WHOLE)
    assert writing.is_due
    writing.write()
    assert writing.is_due
    writing.saved()
    assert not writing.is_due


def test_checkpoint_is_due_after_some_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("tap_billing.writing.time.monotonic", lambda: now[0])
    writing, _, _ = writing_of()
    assert not writing.is_due
    now[0] += CHECKPOINT_SECONDS
    assert writing.is_due
    writing.saved()
    assert not writing.is_due


def days(*given):
    """Return a writing after documents of these days, whose position is three days behind."""
    writing, _, _ = writing_of()
    place = replace(
        WHOLE,
        reached=lambda row: f"{row['invoice_id'] - 3:02d}",
        place=lambda row: f"{row['invoice_id']:02d}",
    )
    for day in given:
        writing.add(document(day, lines=1), place)
    return writing


@pytest.mark.parametrize(
    ("given", "again"),
    [
        ([10], 1),
        ([10, 11, 12], 3),
        ([10, 11, 12, 13], 3),
        ([10, 20], 1),
        ([10, 10, 13], 1),
        ([], 0),
    ],
    ids=str,
)
def test_what_lies_beyond_the_position_is_what_comes_again(given, again):
    found = days(*given).again
    assert (found[None], found["invoices"], found["invoice_line_items"]) == (again,) * 3


def test_read_whose_position_is_exact_brings_nothing_again():
    writing, _, _ = writing_of()
    writing.add(document(5), WHOLE)
    assert writing.again.total() == 0
