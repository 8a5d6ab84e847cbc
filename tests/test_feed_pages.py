"""The pages of requests over HTTP: all of them, in order, divided and counted as need be."""

from __future__ import annotations

import contextlib
import itertools
import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import unquote

import pytest
from aiohttp import web

from tap_billing.bridge import Loop
from tap_billing.errors import Overload, Retry, Unauthorized
from tap_billing.feed import Feed
from tap_billing.paging import Asking, counted, pages
from tap_billing.providers.cheddar import EPOCH
from tap_billing.spec import Census, Scope
from tap_billing.sweeps import Policy, Reading, Swept, proven
from tap_billing.transport import Transport
from tests.bodies import resource_of
from tests.support import PASSWORD, QUICK, USER, provider_of, serving, without_authorities

CUSTOMERS = resource_of("chargeover", "customers")
PLANS = resource_of("chargeover", "plans")
PROMOTIONS = resource_of("chargeover", "promotions")
CHEDDAR = resource_of("cheddar", "customers")
POLICY = Policy(datetime(2026, 2, 1, tzinfo=UTC), timedelta(days=7), 0.2, versions=True)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


@pytest.fixture
def loop():
    with contextlib.closing(Loop()) as made:
        yield made


@contextlib.contextmanager
def connected(loop, url, kind):
    """Yield a transport in the loop, and the provider of a request's kind."""
    provider = provider_of(kind)
    client = Transport(provider, url, (USER, PASSWORD), QUICK)
    try:
        yield client, provider
    finally:
        loop.submit(client.close()).result()


def read_all(loop, url, resource, kind="chargeover", scope=None):
    """Return the documents of a resource, read over HTTP."""
    with connected(loop, url, kind) as (client, provider):
        requests = provider.plan(resource, scope or Scope())
        rows = []
        for each in loop.start(lambda: pages(Asking(client, provider), requests), 2):
            with contextlib.closing(each):
                rows.extend(each.documents)
        return rows


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
        rows = read_all(loop, url, CHEDDAR, "divisible")
    assert sorted(row["id"] for row in rows) == sorted(str(day) for day in days)
    # From the first day to the last, so that a read can go on where it was stopped.
    assert all(one[1] < two[0] for one, two in itertools.pairwise(windows))


def test_day_that_is_too_large_for_the_server_is_an_error(loop):
    async def handler(_):
        return web.Response(status=500, text="<html>Out of memory</html>")

    with serving(handler) as url, pytest.raises((Retry, Overload), match="HTTP 500"):
        read_all(loop, url, CHEDDAR, "divisible")


@pytest.mark.parametrize("size", [0, 1, 9, 10, 499, 500, 501, 1234])
def test_keyset_paging_reads_every_row_once(loop, size):
    async def handler(request):
        where = request.query.get("where", "customer_id:GT:0")
        last = int(where.rsplit(":", 1)[1])
        limit = int(request.query["limit"])
        rows = [{"customer_id": n} for n in range(1, size + 1) if n > last][:limit]
        return web.json_response({"code": 200, "status": "OK", "response": rows})

    with serving(handler) as url:
        rows = read_all(loop, url, CUSTOMERS)
    assert [row["customer_id"] for row in rows] == list(range(1, size + 1))


def test_server_that_allows_smaller_pages_than_asked_for_costs_no_row(loop):
    async def handler(request):
        last = int(request.query.get("where", "0").rsplit(":", 1)[-1])
        rows = [{"item_id": n} for n in range(1, 96) if n > last][:25]
        return web.json_response({"code": 200, "status": "OK", "response": rows})

    with serving(handler) as url:
        rows = read_all(loop, url, PLANS)
    assert [row["item_id"] for row in rows] == list(range(1, 96))


def test_rows_deleted_while_reading_shift_nothing(loop):
    there = list(range(1, 101))

    async def handler(request):
        last = int(request.query.get("where", "0").rsplit(":", 1)[-1])
        rows = [{"customer_id": n} for n in there if n > last][:20]
        there.remove(rows[0]["customer_id"] if rows else there[0])
        return web.json_response({"code": 200, "status": "OK", "response": rows})

    with serving(handler) as url:
        rows = read_all(loop, url, CUSTOMERS)
    assert {row["customer_id"] for row in rows} >= set(there)


class Server:
    """Rows by number, told and counted as asked; some `changes` happen before some requests."""

    def __init__(self, numbers, changes=None, page_size=20, refusal=None):
        self.numbers = set(numbers)
        self.changes = changes or {}
        self.page_size = page_size
        self.refusal = refusal
        self.asked = []

    async def answer(self, request):
        added, gone = self.changes.get(len(self.asked), ((), ()))
        self.numbers = (self.numbers | set(added)) - set(gone)
        self.asked.append(request.path_qs)
        where = re.findall(r":(GTE|LTE|GT):(\d+)", request.query.get("where", ""))
        found = sorted(self.numbers)
        for sign, value in where:
            found = [n for n in found if (n <= int(value) if sign == "LTE" else n > int(value))]
        if request.path.endswith("/_count"):
            if self.refusal:
                return web.json_response({"status": "Error", "message": "x"}, status=self.refusal)
            return web.json_response({"code": 200, "status": "OK", "response": len(found)})
        if ":DESC" in request.query.get("order", ""):
            found = found[::-1][: int(request.query["limit"])]
        rows = [{"customer_id": n} for n in found[: self.page_size]]
        return web.json_response({"code": 200, "status": "OK", "response": rows})


def swept(loop, server, scope=None):
    """Return the numbers that a counted read brings, what it counted, and what that proves."""
    scope = scope or Scope(counted=True)
    with serving(server.answer) as url, connected(loop, url, "chargeover") as (client, provider):

        class Source:
            def read(self, resource, scope, _=None):
                return loop.start(lambda: counted(Asking(client, provider), resource, scope), 2)

        reading = Reading(scope, 17, sweep=True)
        with contextlib.closing(Feed(CUSTOMERS, reading, "UTC", Source(), {})) as feed:
            rows = [
                row["customer_id"] for each in feed.pages((), ()) for row in feed.documents(each)
            ]
            outcome = feed.outcome({"customers": len(rows)})
    return rows, outcome, proven(reading, outcome, POLICY)


def test_counted_read_asks_for_the_highest_row_and_for_the_number_before_and_after(loop):
    server = Server(range(1, 31))
    rows, outcome, permission = swept(loop, server)
    assert rows == list(range(1, 31))
    assert outcome.census == Census(30, 30, 30)
    assert isinstance(permission, Swept)
    kinds = ["count" if "_count" in each else "rows" for each in server.asked]
    assert kinds == ["rows", "count", *["rows"] * (len(kinds) - 3), "count"]
    assert "DESC" in server.asked[0]


def test_account_without_rows_is_proven_to_be_empty(loop):
    rows, outcome, permission = swept(loop, Server([]))
    assert (rows, outcome.census) == ([], Census(0, 0, 0))
    assert isinstance(permission, Swept)


@pytest.mark.parametrize("at", range(8))
def test_rows_inserted_meanwhile_come_and_cast_no_doubt(loop, at):
    server = Server(range(1, 61), {at: (range(61, 71), ())})
    rows, _, permission = swept(loop, server)
    assert set(rows) >= set(range(1, 61))
    assert isinstance(permission, Swept)


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("gone", [range(1, 4), range(30, 33), [60]], ids=str)
def test_rows_deleted_meanwhile_cast_no_doubt(loop, at, gone):
    server = Server(range(1, 61), {at: ((), gone)})
    rows, _, permission = swept(loop, server)
    assert set(rows) >= set(range(1, 61)) - set(gone)
    assert isinstance(permission, Swept)


@pytest.mark.parametrize("at", range(8))
def test_rows_inserted_and_deleted_at_once_cast_no_doubt(loop, at):
    server = Server(range(1, 61), {at: (range(61, 66), (2, 40, 59))})
    rows, _, permission = swept(loop, server)
    assert set(rows) >= set(range(1, 61)) - {2, 40, 59}
    assert isinstance(permission, Swept)


def test_server_that_leaves_out_a_row_permits_nothing(loop):
    class Lossy(Server):
        async def answer(self, request):
            if len(self.asked) == 3 and "_count" not in request.path:
                self.numbers.discard(25)
                answer = await super().answer(request)
                self.numbers.add(25)
                return answer
            return await super().answer(request)

    rows, _, permission = swept(loop, Lossy(range(1, 61)))
    assert 25 not in rows
    assert not isinstance(permission, Swept)
    assert permission.again


@pytest.mark.parametrize("status", [400, 403, 404])
def test_server_that_does_not_count_is_read_whole_all_the_same(loop, status):
    server = Server(range(1, 31), refusal=status)
    rows, outcome, permission = swept(loop, server)
    assert rows == list(range(1, 31))
    assert f"HTTP {status}" in outcome.census.unknown or ": x" in outcome.census.unknown
    assert not isinstance(permission, Swept)
    assert not permission.again
    assert sum("_count" in each for each in server.asked) == 1


def test_wrong_credentials_are_no_missing_count(loop):
    with pytest.raises(Unauthorized):
        swept(loop, Server(range(1, 31), refusal=401))


def test_resumed_read_counts_what_is_left_and_what_came_before(loop):
    server = Server(range(1, 61))
    rows, outcome, permission = swept(loop, server, Scope(after=45, counted=True))
    assert rows == list(range(46, 61))
    assert outcome.census == Census(15, 15, 60, earlier=45)
    assert isinstance(permission, Swept)
    counts = [unquote(each) for each in server.asked if "_count" in each]
    assert [sorted(re.findall(r":(GT|LTE):(\d+)", each)) for each in counts] == [
        [("GT", "45"), ("LTE", "60")],
        [("LTE", "45")],
        [("GT", "45"), ("LTE", "60")],
    ]


def test_read_that_is_not_counted_asks_for_no_number(loop):
    server = Server(range(1, 31))
    rows, outcome, permission = swept(loop, server, Scope())
    assert (rows, outcome.census, permission) == (list(range(1, 31)), None, None)
    assert not any("_count" in each or "DESC" in each for each in server.asked)
