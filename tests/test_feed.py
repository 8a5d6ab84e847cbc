"""A feed: pages in order, what others name and what stood open, and what was seen of it all."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tap_billing.bridge import Loop
from tap_billing.errors import Overload, Refused, Retry
from tap_billing.spec import Scope
from tests.feeds import (
    CUSTOMER,
    INVOICES,
    NOON,
    PASSES,
    SINCE,
    TRANSACTIONS,
    WHOLE,
    document,
    feed_of,
    page,
    told,
    whole,
)


async def settle():
    """Let everything that can go on do so."""
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.fixture
def loop():
    with contextlib.closing(Loop()) as made:
        yield made


def test_documents_come_in_order(loop):
    given = [whole(document(1), document(2)), whole(document(3))]
    found = told(loop, given)
    assert found.rows == [1, 2, 3]
    assert found.asked == [(Scope(), None)]
    assert found.feed.ended


def test_bookmark_is_the_largest_not_the_last(loop):
    found = told(loop, [page(document(1, day=9)), page(document(2, day=3))])
    assert found.feed.bookmark == datetime(2026, 1, 9, tzinfo=UTC)


def test_bookmark_stops_at_the_servers_clock_at_the_first_answer(loop):
    clock = datetime(2026, 1, 5, tzinfo=UTC)
    now = datetime.now(UTC) + timedelta(seconds=1)
    given = [
        page(document(1, day=3), server_time=clock, received=now),
        page(document(2, day=9), server_time=clock + timedelta(days=30), received=now),
    ]
    feed = told(loop, given).feed
    assert feed.bookmark is not None
    assert feed.bookmark <= clock
    assert feed.watermark <= clock
    assert feed.seen == datetime(2026, 1, 9, tzinfo=UTC)


def test_bookmark_is_not_later_than_the_servers_clock_when_the_read_began(loop):
    """The first answer may take minutes, in which rows appear that it does not show."""
    began = datetime.now(UTC)
    clock = began + timedelta(hours=-2, minutes=10)
    row = {**document(1), "mod_datetime": (clock - timedelta(minutes=1)).isoformat()}
    first = page(row, server_time=clock, received=began + timedelta(minutes=10))
    assert told(loop, [first]).feed.bookmark <= began - timedelta(hours=2) + timedelta(seconds=5)


def test_later_reads_of_a_feed_do_not_move_its_watermark(loop):
    """Rows that others name are asked for after the passes: what happened meanwhile is news."""
    early, late = NOON - timedelta(hours=2), NOON + timedelta(hours=2)
    now = datetime.now(UTC) + timedelta(seconds=1)
    passes = [page(document(1, day=31), server_time=early, received=now)]
    named = [page(document(7), server_time=late, received=now)]
    feed = told(loop, passes, named, named=["7"], reading=PASSES).feed
    assert feed.watermark <= early


def test_read_that_saw_nothing_has_no_bookmark_but_a_watermark(loop):
    began = datetime.now(UTC)
    feed = told(loop, [page()]).feed
    assert feed.bookmark is None
    assert feed.watermark >= began


@pytest.mark.parametrize("error", [Refused("no"), Retry("not now"), Overload("too much")])
def test_failure_comes_at_its_place(loop, error):
    feed, source = feed_of(loop, [page(document(1)), error])
    with contextlib.closing(feed):
        pages = feed.pages((), ())
        assert [row["invoice_id"] for row in feed.documents(next(pages))] == [1]
        with pytest.raises(type(error)):
            next(pages)
    assert source.taken["pages"] == 2
    assert not feed.ended


def test_row_that_several_passes_bring_comes_once(loop):
    given = [page(document(1), document(2)), page(document(2), document(3)), page(document(1))]
    assert told(loop, given, reading=PASSES).rows == [1, 2, 3]


def test_rows_that_share_an_identifier_all_come_in_a_whole_read(loop):
    """A custom stream's key may not be one: what a server tells is passed on."""
    found = told(loop, [whole(document(1), document(1)), whole(document(1))])
    assert found.rows == [1, 1, 1]


def test_rows_without_an_identifier_all_come(loop):
    feed, _ = feed_of(loop, [page({"x": 1}, {"x": 1})], resource=replace(INVOICES, id=""))
    with contextlib.closing(feed):
        rows = [row for each in feed.pages((), ()) for row in feed.documents(each)]
    assert rows == [{"x": 1}, {"x": 1}]


def test_reading_ahead_is_bounded(loop):
    feed, source = feed_of(loop, [whole(document(number)) for number in range(1, 200)])
    with contextlib.closing(feed):
        pages = feed.pages((), ())
        for consumed in range(1, 20):
            next(pages)
            assert source.taken["pages"] <= consumed + 4
        assert len(list(pages)) == 180


def test_feed_that_is_started_before_reads_once(loop):
    feed, source = feed_of(loop, [whole(document(1))])
    with contextlib.closing(feed):
        for _ in range(3):
            feed.start()
        assert len(list(feed.pages((), ()))) == 1
    assert len(source.asked) == 1


def test_feed_left_early_closes_what_it_read(loop):
    bodies = [tempfile.TemporaryFile() for _ in range(5)]  # noqa: SIM115 - the feed closes them
    given = [page(document(number), body=body) for number, body in enumerate(bodies, 1)]
    feed, source = feed_of(loop, given)
    pages = feed.pages((), ())
    next(pages)
    pages.close()
    feed.close()
    assert all(body.closed for body in bodies[: source.taken["pages"]])
    for body in bodies:
        body.close()


def test_read_without_passes_keeps_what_may_be_new_since_the_bookmark(loop):
    given = [whole(document(1, day=3), document(2, day=9), {"invoice_id": 3})]
    since = datetime(2026, 1, 5, tzinfo=UTC)
    found = told(loop, given, reading=replace(WHOLE, since=since))
    assert found.rows == [2, 3]
    assert found.feed.outcome({}).documents == 3


def test_rows_that_stood_open_and_did_not_come_are_asked_for(loop):
    passes = [page(document(1), document(2)), page(document(3))]
    left = [page(document(7), document(8), document(9))]
    found = told(loop, passes, left, reading=PASSES, standing=["2", "7", "9"])
    assert found.asked == [(PASSES.scope, None), (PASSES.scope, {"7", "9"})]
    assert found.rows == [1, 2, 3, 7, 9]


def test_rows_that_others_name_are_asked_for_once(loop):
    left = [page(document(7)), page(document(7), document(9))]
    found = told(loop, [page(document(1))], left, reading=PASSES, named=["7", "1"], standing=["7"])
    assert found.asked[1:] == [(PASSES.scope, {"7"})]
    assert found.rows == [1, 7]


@pytest.mark.parametrize(
    ("named", "standing"), [((), ()), (("1",), ()), ((), ("1",)), (("1",), ("1",))]
)
def test_nothing_is_asked_for_that_came_already(loop, named, standing):
    found = told(loop, [page(document(1))], reading=PASSES, named=named, standing=standing)
    assert (found.rows, len(found.asked)) == ([1], 1)


def test_row_that_is_gone_is_asked_for_and_does_not_come(loop):
    found = told(loop, [page(document(1))], [page()], reading=PASSES, standing=["7"])
    assert (found.rows, found.feed.standing) == ([1], set())


def test_whole_read_asks_for_nothing_by_name(loop):
    found = told(loop, [whole(document(1))], named=["7"], standing=["8"])
    assert (found.rows, len(found.asked)) == ([1], 1)


OPEN = {"invoice_status_state": "o"}


def test_rows_that_stand_open_are_those_of_every_page(loop):
    passes = [page(document(1, **OPEN), document(2, invoice_status_state="c"))]
    left = [page(document(7, **OPEN), document(8, **OPEN), document(9))]
    found = told(loop, passes, left, reading=PASSES, named=["7", "9"])
    assert found.feed.standing == {"1", "7"}
    assert told(loop, [whole(document(4, **OPEN))]).feed.standing == {"4"}


def test_documents_name_the_rows_of_others(loop):
    path = ("applied_to", "invoice_id")
    rows = [
        {"transaction_id": 1, "applied_to": [{"invoice_id": 5}, {"invoice_id": "6"}]},
        {"transaction_id": 2, "applied_to": [], "customer_id": 9},
        {"transaction_id": 3, "applied_to": [{"invoice_id": None}], "customer_id": ""},
    ]
    watched = {path: SINCE, CUSTOMER: SINCE}
    for reading in (PASSES, WHOLE):
        found = told(loop, [page(*rows)], reading=reading, resource=TRANSACTIONS, watched=watched)
        assert (found.feed.named[path], found.feed.named[CUSTOMER]) == ({"5", "6"}, {"9"})


def test_documents_of_a_whole_read_name_others_only_if_they_are_recent(loop):
    rows = [document(n, day=day, customer_id=n) for n, day in ((1, 4), (2, 5), (3, 6))]
    undated = {"invoice_id": 4, "customer_id": 4}
    since = datetime(2026, 1, 5, tzinfo=UTC)
    found = told(loop, [whole(*rows, undated)], watched={CUSTOMER: since})
    assert found.feed.named[CUSTOMER] == {"2", "3", "4"}
    found = told(loop, [page(*rows, undated)], reading=PASSES, watched={CUSTOMER: since})
    assert found.feed.named[CUSTOMER] == {"1", "2", "3", "4"}


def test_whole_read_names_whom_rows_concern_that_stand_or_stood_open(loop):
    """A pass would bring them; of the others only what is recent might have come by one."""
    rows = [
        document(1, customer_id=1, **OPEN),
        document(2, customer_id=2, invoice_status_state="c"),
        document(3, customer_id=3, invoice_status_state="c"),
    ]
    since = datetime(2026, 1, 5, tzinfo=UTC)
    found = told(loop, [whole(*rows)], watched={CUSTOMER: since}, standing=["2"])
    assert found.feed.named[CUSTOMER] == {"1", "2"}
    assert found.feed.standing == {"1"}


def test_row_that_opens_while_it_is_read_comes_once_and_stands_all_the_same(loop):
    """Its payment was voided between the pass that saw it closed and the one of open rows."""
    first = document(1, customer_id=5, invoice_status_state="c")
    given = [page(first), page(document(1, customer_id=6, **OPEN))]
    found = told(loop, given, reading=PASSES, watched={CUSTOMER: SINCE})
    assert found.rows == [1]
    assert (found.feed.named[CUSTOMER], found.feed.standing) == ({"5", "6"}, {"1"})


def test_document_that_several_passes_bring_names_once_and_stands_once(loop):
    row = document(1, customer_id=5, **OPEN)
    given = [page(row), page(row)]
    feed = told(loop, given, reading=PASSES, watched={CUSTOMER: SINCE}).feed
    assert (feed.named[CUSTOMER], feed.standing) == ({"5"}, {"1"})


def started(loop, *reads, early, reading=PASSES, **given):
    """Return the rows of a feed that was started with rows asked for early, and what it asked."""
    feed, source = feed_of(loop, *reads, reading=reading)
    with contextlib.closing(feed):
        feed.start(early)
        begun = list(source.asked)
        pages = feed.pages(given.get("named", ()), given.get("standing", ()))
        rows = [row["invoice_id"] for each in pages for row in feed.documents(each)]
    return rows, begun, source.asked[len(begun) :], feed


def test_rows_that_are_asked_for_early_come_once_after_those_of_the_passes(loop):
    passes = [page(document(1), document(7)), page(document(2))]
    early = [page(document(7), document(8)), page(document(9, **OPEN))]
    rows, begun, later, feed = started(
        loop, passes, early, early=["7", "9"], standing=["7", "9"], named=["1", "9"]
    )
    # 8 stands between those that were wanted, and 7 came by a pass.
    assert rows == [1, 7, 2, 9]
    assert begun == [(PASSES.scope, None), (PASSES.scope, {"7", "9"})]
    assert later == []
    assert feed.standing == {"9"}


def test_row_that_was_asked_for_early_and_did_not_come_is_not_asked_for_again(loop):
    rows, begun, later, _ = started(
        loop, [page(document(1))], [page()], [page(document(5))], early=["7"], named=["7", "5"]
    )
    assert (len(begun), rows) == (2, [1, 5])
    assert later == [(PASSES.scope, {"5"})]


def test_row_that_is_early_and_changed_by_a_pass_names_as_both_tell_it(loop):
    """Its own stream writes it once; whoever it concerned at either time is read."""
    passes, early = [page(document(7, customer_id=1))], [page(document(7, customer_id=2, **OPEN))]
    feed, _ = feed_of(loop, passes, early, reading=PASSES, watched={CUSTOMER: SINCE})
    with contextlib.closing(feed):
        feed.start(["7"])
        rows = [row for each in feed.pages((), ()) for row in feed.documents(each)]
    assert [row["customer_id"] for row in rows] == [1]
    assert (feed.named[CUSTOMER], feed.standing) == ({"1", "2"}, {"7"})


@pytest.mark.parametrize(
    ("reading", "reads"),
    [
        (WHOLE, 1),
        (replace(PASSES, scope=Scope(since=SINCE, after=500)), 2),
    ],
    ids=["whole", "goes on"],
)
def test_nothing_is_asked_for_early_by_a_whole_read_or_one_that_goes_on(loop, reading, reads):
    pages = [[whole(document(1))], [whole(document(501))]]
    rows, begun, later, _ = started(loop, *pages[:reads], early=["7"], reading=reading)
    assert len(begun) == 1
    assert [ids for _, ids in begun + later] == [None] * reads
    assert rows == [1, 501][:reads]


def test_rows_named_in_a_read_that_goes_on_are_asked_for_although_they_were_to_come_early(loop):
    reading = replace(PASSES, scope=Scope(since=SINCE, after=500))
    reads = [page()], [page(document(7))], [whole(document(501))]
    rows, _, later, _ = started(loop, *reads, early=["7"], standing=["7"], reading=reading)
    assert rows == [7, 501]
    assert later[0][1] == {"7"}


def test_early_rows_that_nobody_takes_are_closed(loop):
    bodies = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - the feed closes them
    reads = [[page(document(number), body=body)] for number, body in enumerate(bodies)]
    feed, source = feed_of(loop, *reads, reading=PASSES)
    feed.start(["1"])
    loop.submit(settle()).result()
    feed.close()
    assert source.taken["pages"] == 2
    assert all(body.closed for body in bodies)
