from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from tap_billing.bridge import Loop
from tap_billing.cut import cutter
from tap_billing.errors import LocalError, Overload, Refused, Retry
from tap_billing.feed import Feed, pages
from tap_billing.providers.chargeover_resources import CUSTOMERS, INVOICES, PLANS
from tap_billing.providers.cheddar import EPOCH
from tap_billing.providers.cheddar_resources import CUSTOMERS as CHEDDAR
from tap_billing.spec import Page, Scope
from tap_billing.transport import Limits, Transport
from tests.support import PASSWORD, USER, provider_of, serving, without_authorities

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


@pytest.fixture
def loop():
    with contextlib.closing(Loop()) as made:
        yield made


def document(number, day=1, lines=2):
    return {
        "invoice_id": number,
        "mod_datetime": f"2026-01-{day:02d}T00:00:00Z",
        "write_datetime": None,
        "line_items": [{"line_item_id": 10 * number + each} for each in range(lines)],
    }


def page(*documents, server_time=None, received=NOON):
    return Page(list(documents), received, server_time)


def feed_of(loop, given, resource=INVOICES, scope=None, streams=("invoices", "invoice_line_items")):
    """Return a feed that reads these pages; an exception among them is raised at its place."""
    read = Counter()

    async def source():
        for each in given:
            read["pages"] += 1
            if isinstance(each, BaseException):
                raise each
            yield each

    cuts = {spec.name: cutter(spec) for spec in resource.streams if spec.name in streams}
    made = Feed(resource, scope or Scope(), "UTC", lambda *_: loop.start(source, 2), cuts)
    return made, read


def test_every_stream_gets_its_records_in_order_whoever_comes_first(loop):
    given = [page(document(1), document(2)), page(document(3))]
    for order in itertools.permutations(("invoices", "invoice_line_items")):
        feed, _ = feed_of(loop, given)
        with contextlib.closing(feed):
            got = {name: [row for _, row in feed.records(name)] for name in order}
        assert [row["invoice_id"] for row in got["invoices"]] == [1, 2, 3]
        assert [row["line_item_id"] for row in got["invoice_line_items"]] == [
            10, 11, 20, 21, 30, 31,
        ]  # fmt: skip


def test_replayed_records_keep_the_time_of_their_response(loop):
    later = NOON + timedelta(microseconds=1)
    given = [page(document(1)), page(document(2), received=later)]
    feed, _ = feed_of(loop, given)
    with contextlib.closing(feed):
        parents = [when for when, _ in feed.records("invoices")]
        children = [when for when, _ in feed.records("invoice_line_items")]
    assert parents == [NOON, later]
    assert children == [NOON, NOON, later, later]


def test_bookmark_is_set_by_a_complete_read_only(loop):
    feed, _ = feed_of(loop, [page(document(1, day=3)), page(document(2, day=9))])
    with contextlib.closing(feed):
        records = feed.records("invoices")
        next(records)
        assert feed.bookmark is None
        list(records)
        assert feed.bookmark == datetime(2026, 1, 9, tzinfo=UTC)


def test_bookmark_is_the_largest_not_the_last(loop):
    feed, _ = feed_of(loop, [page(document(1, day=9)), page(document(2, day=3))])
    with contextlib.closing(feed):
        list(feed.records("invoices"))
    assert feed.bookmark == datetime(2026, 1, 9, tzinfo=UTC)


def test_bookmark_stops_at_the_servers_clock_at_the_first_answer(loop):
    clock = datetime(2026, 1, 5, tzinfo=UTC)
    now = datetime.now(UTC) + timedelta(seconds=1)
    given = [
        page(document(1, day=3), server_time=clock, received=now),
        page(document(2, day=9), server_time=clock + timedelta(days=30), received=now),
    ]
    feed, _ = feed_of(loop, given)
    with contextlib.closing(feed):
        list(feed.records("invoices"))
    assert feed.bookmark is not None
    assert feed.bookmark <= clock


def test_bookmark_is_not_later_than_the_servers_clock_when_the_read_began(loop):
    """The first answer may take minutes, in which rows appear that it does not show."""
    began = datetime.now(UTC)
    clock = began + timedelta(hours=-2, minutes=10)
    row = {**document(1), "mod_datetime": (clock - timedelta(minutes=1)).isoformat()}
    first = page(row, server_time=clock, received=began + timedelta(minutes=10))
    feed, _ = feed_of(loop, [first])
    with contextlib.closing(feed):
        list(feed.records("invoices"))
    assert feed.bookmark <= began - timedelta(hours=2) + timedelta(seconds=5)


def test_stream_that_is_read_twice_gets_its_records_twice(loop):
    feed, _ = feed_of(loop, [page(document(1), document(2))])
    with contextlib.closing(feed):
        counts = [
            len(list(feed.records(name)))
            for name in ("invoices", "invoice_line_items", "invoices", "invoice_line_items")
        ]
    assert counts == [2, 4, 2, 4]


def test_read_that_saw_nothing_has_no_bookmark(loop):
    feed, _ = feed_of(loop, [page()])
    with contextlib.closing(feed):
        assert list(feed.records("invoices")) == []
    assert feed.bookmark is None


@pytest.mark.parametrize("error", [Refused("no"), Retry("not now"), Overload("too much")])
def test_failure_comes_at_its_place_and_to_every_stream(loop, error):
    feed, read = feed_of(loop, [page(document(1)), error])
    with contextlib.closing(feed):
        got = []
        for name in ("invoices", "invoice_line_items", "invoices"):
            feed.start()  # as every stream of the run does for every resource
            with pytest.raises(type(error)):
                got.extend(row for _, row in feed.records(name))
    assert [row["invoice_id"] for row in got] == [1]
    assert feed.bookmark is None
    assert read["pages"] == 2


def test_row_that_several_passes_bring_comes_once(loop):
    given = [page(document(1), document(2)), page(document(2), document(3)), page(document(1))]
    feed, _ = feed_of(loop, given, scope=Scope(since=SINCE))
    with contextlib.closing(feed):
        got = [row["invoice_id"] for _, row in feed.records("invoices")]
        lines = [row["line_item_id"] for _, row in feed.records("invoice_line_items")]
    assert got == [1, 2, 3]
    assert len(lines) == len(set(lines)) == 6


def test_reading_ahead_is_bounded(loop):
    given = [page(document(number)) for number in range(1, 200)]
    feed, read = feed_of(loop, given)
    with contextlib.closing(feed):
        records = feed.records("invoices")
        for consumed in range(1, 20):
            next(records)
            assert read["pages"] <= consumed + 4
        assert len(list(records)) == 180


def test_feed_left_early_closes_what_it_read(loop):
    bodies = [tempfile.TemporaryFile() for _ in range(5)]  # noqa: SIM115 - the feed closes them
    given = [
        Page([document(number)], NOON, None, body=body) for number, body in enumerate(bodies, 1)
    ]
    feed, read = feed_of(loop, given)
    records = feed.records("invoices")
    next(records)
    records.close()
    feed.close()
    assert all(body.closed for body in bodies[: read["pages"]])
    for body in bodies:
        body.close()


def test_full_disk_is_an_error_of_this_machine(loop, monkeypatch):
    def full():
        return Path("/dev/full").open("r+b")

    monkeypatch.setattr("tap_billing.spool.tempfile.TemporaryFile", full)
    given = [page(*(document(n, lines=50) for n in range(300)))]
    feed, _ = feed_of(loop, given)
    streams = ("invoices", "invoice_line_items")
    with contextlib.closing(feed), pytest.raises(LocalError, match="No space left on device"):
        list(itertools.chain.from_iterable(map(feed.records, streams)))


def test_missing_temporary_directory_is_an_error_of_this_machine(loop, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/no/such/directory")
    feed, _ = feed_of(loop, [page(document(1))])
    with contextlib.closing(feed), pytest.raises(LocalError, match="/no/such/directory"):
        list(feed.records("invoices"))


def read_all(loop, url, resource, scope, kind):
    """Return the documents of a resource, read over HTTP."""
    limits = Limits(5, 4, first_wait=0.0001)
    client = Transport(provider_of(kind), url, (USER, PASSWORD), limits)
    try:
        ahead = loop.start(lambda: pages(client, provider_of(kind), resource, scope), 2)
        rows = []
        for each in ahead:
            with contextlib.closing(each):
                rows.extend(each.documents)
        return rows
    finally:
        loop.submit(client.close()).result()


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_divided_read_is_complete_and_asks_for_no_day_twice(loop, most):
    days = [EPOCH, date(2015, 3, 9), date(2024, 2, 29), datetime.now(UTC).date()]
    days += [date(2020, 1, 1) + timedelta(days=number) for number in range(20)]
    windows = []

    async def handler(request):
        first = date.fromisoformat(request.query.get("createdAfterDate", "2000-01-01"))
        last = date.fromisoformat(request.query.get("createdBeforeDate", "2100-01-01"))
        found = [day for day in days if first <= day <= last]
        if len(found) > most:
            return web.Response(status=500, text="<html>Out of memory</html>")
        windows.append((first, last))
        if not found:
            body = '<error id="1" code="404" auxCode="">No customers found.</error>'
            return web.Response(status=404, text=body, content_type="text/xml")
        rows = "".join(f'<customer id="{day}" code="c"/>' for day in found)
        return web.Response(text=f"<customers>{rows}</customers>", content_type="text/xml")

    with serving(handler) as url:
        rows = read_all(loop, url, CHEDDAR, Scope(), "divisible")
    assert sorted(row["id"] for row in rows) == sorted(str(day) for day in days)
    assert all(one[1] < two[0] for one, two in itertools.pairwise(sorted(windows)))


def test_day_that_is_too_large_for_the_server_is_an_error(loop):
    async def handler(_):
        return web.Response(status=500, text="<html>Out of memory</html>")

    with serving(handler) as url, pytest.raises((Retry, Overload), match="HTTP 500"):
        read_all(loop, url, CHEDDAR, Scope(), "divisible")


@pytest.mark.parametrize("size", [0, 1, 9, 10, 499, 500, 501, 1234])
def test_keyset_paging_reads_every_row_once(loop, size):
    async def handler(request):
        where = request.query.get("where", "customer_id:GT:0")
        last = int(where.rsplit(":", 1)[1])
        limit = int(request.query["limit"])
        rows = [{"customer_id": n} for n in range(1, size + 1) if n > last][:limit]
        return web.json_response({"code": 200, "status": "OK", "response": rows})

    with serving(handler) as url:
        rows = read_all(loop, url, CUSTOMERS, Scope(), "chargeover")
    assert [row["customer_id"] for row in rows] == list(range(1, size + 1))


def test_server_that_allows_smaller_pages_than_asked_for_costs_no_row(loop):
    async def handler(request):
        last = int(request.query.get("where", "0").rsplit(":", 1)[-1])
        rows = [{"item_id": n} for n in range(1, 96) if n > last][:25]
        return web.json_response({"code": 200, "status": "OK", "response": rows})

    with serving(handler) as url:
        rows = read_all(loop, url, PLANS, Scope(), "chargeover")
    assert [row["item_id"] for row in rows] == list(range(1, 96))


def test_rows_deleted_while_reading_shift_nothing(loop):
    there = list(range(1, 101))

    async def handler(request):
        last = int(request.query.get("where", "0").rsplit(":", 1)[-1])
        rows = [{"customer_id": n} for n in there if n > last][:20]
        there.remove(rows[0]["customer_id"] if rows else there[0])
        return web.json_response({"code": 200, "status": "OK", "response": rows})

    with serving(handler) as url:
        rows = read_all(loop, url, CUSTOMERS, Scope(), "chargeover")
    assert {row["customer_id"] for row in rows} >= set(there)
