"""A session's reads over HTTP: parts side by side, in order, and what happens when one fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date
from urllib.parse import unquote

import pytest
from aiohttp import web

from tap_billing import bridge, clock
from tap_billing.errors import Refused, Stalled
from tap_billing.providers.cheddar import EPOCH
from tap_billing.session import AHEAD, MOST_EARLY, Session
from tap_billing.settings import settings
from tap_billing.spec import Scope
from tests.bodies import CATALOGUE, resource_of
from tests.support import ENVELOPE, PASSWORD, USER, serving, without_authorities

CUSTOMERS = resource_of("chargeover", "customers")
INVOICES = resource_of("chargeover", "invoices")
CHEDDAR = resource_of("cheddar", "customers")
IDS = {each.path: each.id for each in CATALOGUE["chargeover"]}
PAGE = 10
PATIENCE = 10


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def json_of(rows, **further):
    return web.json_response({**ENVELOPE, "response": rows, **further})


def between(where):
    """Return above which identifier and up to which a request asks for rows."""
    told = re.findall(r"_id:(GT|GTE|LTE):(\d+)", unquote(where))
    above = [int(value) - (sign == "GTE") for sign, value in told if sign != "LTE"]
    upto = [int(value) for sign, value in told if sign == "LTE"]
    return max(above, default=0), min(upto, default=10**9)


def never(_):
    return False


@dataclass
class Server:
    """Rows from 1 to `last` of every object, told as asked but for one answer of each `spoiled`.

    It may tell that another number was `counted`.
    Requests that are `held` wait until it is `open`; `reached` is set when so many are in flight.
    """

    last: int = 95
    counted: int | None = None
    spoiled: dict = field(default_factory=dict)
    held: object = never
    crowd: int = 1
    asked: list = field(default_factory=list)
    busy: int = 0
    most: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    is_open: bool = False
    loop: object = None
    gate: object = None

    async def answer(self, request):
        if self.gate is None:
            self.gate = asyncio.Event()
            self.loop = asyncio.get_running_loop()
        if self.is_open:
            self.gate.set()
        self.asked.append(request.path_qs)
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            if self.held(request):
                if self.busy >= self.crowd:
                    self.reached.set()
                await asyncio.wait_for(self.gate.wait(), PATIENCE)
            return await self._answer(request)
        except asyncio.CancelledError:
            self.left.set()
            raise
        finally:
            self.busy -= 1

    def open(self):
        """Let the requests go on that were held; from any thread."""
        self.is_open = True
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.gate.set)

    async def _answer(self, request):
        above, upto = between(request.path_qs)
        made = self.spoiled.pop(above, None) if is_part(request) else None
        if made is not None:
            return await made(request)
        name, _, number = request.path.strip("/").partition("/")
        numbers = range(max(above, 0) + 1, min(self.last, upto) + 1)
        if number == "_count":
            return json_of(len(numbers) if self.counted is None else self.counted)
        if number:
            return json_of({IDS[name]: int(number), "line_items": []})
        if ":DESC" in request.query["order"]:
            numbers = numbers[::-1]
        nested = {"line_items": []} if "expand" in request.query else {}
        return json_of([{IDS[name]: n, **nested} for n in numbers[: int(request.query["limit"])]])


def is_part(request):
    return "LTE" in request.query.get("where", "") and not request.path.endswith("_count")


@contextlib.contextmanager
def connected(server, provider="chargeover", concurrency=4):
    """Yield a session of a server, with short waits between attempts."""
    with serving(server.answer) as url:
        made = Session(
            settings(
                {
                    "provider": provider,
                    "api_url": url,
                    "username": USER,
                    "password": PASSWORD,
                    "product_code": "SAMPLE",
                    "page_size": PAGE,
                    "max_concurrency": concurrency,
                }
            )
        )
        made._transport._limits = replace(made._transport._limits, first_wait=0.0001)
        with contextlib.closing(made):
            yield made


def numbers(pages, resource=CUSTOMERS):
    """Return the identifiers that pages bring, each page closed."""
    found = []
    for page in pages:
        with contextlib.closing(page):
            found += [row[resource.id] for row in page.documents]
    return found


def read(server, resource=CUSTOMERS, **scope):
    with connected(server) as session:
        return numbers(session.read(resource, Scope(**scope)), resource)


def arrived(server, session):
    """Return how many requests have come, once what was on its way before is there."""
    [fence] = session.provider.among(CUSTOMERS, Scope(), ["99"])
    for _ in range(10):
        session.get(fence)
    return sum(between(each) != (98, 99) for each in server.asked)


@pytest.mark.parametrize("last", [0, 1, 9, 10, 11, 20, 95, 400])
@pytest.mark.parametrize("counted", [False, True])
def test_rows_come_once_and_in_order(last, counted):
    server = Server(last)
    assert read(server, counted=counted) == list(range(1, last + 1))
    # Only the rows up to the highest are counted twice, before and after.
    assert len(server.asked) == len(set(server.asked)) + counted


def test_parts_are_what_a_large_read_is_made_of():
    server = Server(95)
    read(server)
    assert sum("LTE" in each for each in server.asked) == 9


async def garbled(_):
    return web.Response(text='{"code": 200, "status": "OK", "resp', content_type="application/json")


async def cut(request):
    body = json.dumps({**ENVELOPE, "response": [{"customer_id": 31}]}).encode()
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[:20])
    request.transport.close()
    return response


async def page_of_a_proxy(_):
    return web.Response(text="<html>Please log in</html>", content_type="text/html")


async def failed(_):
    return web.Response(status=503, text="<html>Service Unavailable</html>")


@pytest.mark.parametrize("made", [garbled, cut, page_of_a_proxy, failed])
def test_part_without_a_good_answer_is_asked_again(made):
    server = Server(spoiled={30: made})
    assert read(server) == list(range(1, 96))
    [again] = [each for each, count in Counter(server.asked).items() if count > 1]
    assert "GT%3A30" in again


async def refused_with_200(_):
    return web.json_response({"code": 400, "status": "Error", "message": "No, thank you"})


async def refused_with_400(_):
    told = {"code": 400, "status": "Error", "message": "No, thank you"}
    return web.json_response(told, status=400)


async def repeating(_):
    return json_of([{"customer_id": 29}, {"customer_id": 31}])


@pytest.mark.parametrize(
    ("made", "error"),
    [(refused_with_200, Refused), (refused_with_400, Refused), (repeating, Stalled)],
)
def test_error_of_a_part_is_raised_at_its_place(made, error):
    server = Server(spoiled={30: made})
    found = []
    with connected(server) as session:
        pages = session.read(CUSTOMERS, Scope())
        with pytest.raises(error):
            found.extend(numbers([page])[-1] for page in pages)
        pages.cancel()
    assert found == [10, 20, 30]


async def without_lines(request):
    above, upto = between(request.path_qs)
    return json_of([{"invoice_id": number} for number in range(above + 1, upto + 1)])


def test_part_whose_list_left_out_what_was_asked_for_is_completed_row_by_row():
    server = Server(spoiled={30: without_lines})
    with connected(server) as session:
        scope = Scope(expand=("line_items",))
        rows = [row for page in session.read(INVOICES, scope) for row in page.documents]
    assert [row["invoice_id"] for row in rows] == list(range(1, 96))
    assert all("line_items" in row for row in rows)
    singles = [each for each in server.asked if re.match(r"/invoice/\d", each)]
    assert sorted(singles) == [f"/invoice/{number}" for number in range(31, 41)]


def test_part_that_is_refused_what_may_not_be_known_is_asked_without_it():
    server = Server(spoiled={30: refused_with_200})
    with connected(server) as session:
        scope = Scope(expand=("line_items",))
        rows = [row for page in session.read(INVOICES, scope) for row in page.documents]
    assert [row["invoice_id"] for row in rows] == list(range(1, 96))
    assert all("line_items" in row for row in rows)


def test_part_with_more_rows_than_a_page_is_read_to_its_end():
    server = Server(400, counted=50)
    assert read(server) == list(range(1, 401))


@pytest.mark.parametrize("concurrency", [2, 5])
def test_requests_in_flight_reach_their_limit_and_never_pass_it(concurrency):
    server = Server(150, held=lambda _: True, crowd=concurrency)
    resources = [each for each in CATALOGUE["chargeover"] if each.keyset][:4]
    with connected(server, concurrency=concurrency) as session:
        reads = [(each, session.read(each, Scope(counted=True))) for each in resources]
        assert server.reached.wait(PATIENCE)
        server.open()
        for resource, pages in reads:
            assert numbers(pages, resource) == list(range(1, 151))
    assert server.most == concurrency


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_consumer_that_stops_taking_holds_up_the_requests(taken):
    concurrency = 3
    server = Server(2000)
    with connected(server, concurrency=concurrency) as session:
        pages = session.read(CUSTOMERS, Scope())
        reading = iter(pages)
        for _ in range(taken):
            next(reading)
        asked = arrived(server, session)
        # One page waits for the consumer, those asked behind it stand in line; beside them the
        # highest row, and how many there are.
        ahead = 1 + concurrency + AHEAD if taken else 1 + AHEAD
        assert asked <= taken + ahead + 2
        assert arrived(server, session) == asked
        pages.cancel()


def test_requests_that_are_sent_before_the_consumer_begins_are_bounded():
    server = Server(2000)
    wanted = {100 * number for number in range(1, 21)}
    with connected(server) as session:
        pages = session.read(CUSTOMERS, Scope(), map(str, wanted))
        # A page that waits for the consumer is out of the line.
        assert arrived(server, session) <= AHEAD * MOST_EARLY + 1
        assert numbers(pages) == sorted(wanted)


def test_cancel_ends_what_is_in_flight_and_nothing_is_asked_after_it():
    server = Server(2000, held=lambda request: is_part(request) and "GTE" not in request.path_qs)
    server.crowd = 4
    with connected(server) as session:
        pages = session.read(CUSTOMERS, Scope())
        assert numbers([next(iter(pages))]) == list(range(1, 11))
        assert server.reached.wait(PATIENCE)
        asked = len(server.asked)
        assert pages.cancel() == []
        assert server.left.wait(PATIENCE)
        server.open()
        assert arrived(server, session) == asked


def test_cancel_returns_the_pages_that_came_and_were_not_taken():
    server = Server(5)
    with connected(server) as session:
        pages = session.read(CUSTOMERS, Scope())
        arrived(server, session)
        assert [numbers([page]) for page in pages.cancel()] == [[1, 2, 3, 4, 5]]


@pytest.mark.parametrize("what", ["first page", "part", "part of a part"])
def test_idle_is_called_when_nothing_comes(monkeypatch, what):
    monkeypatch.setattr(bridge, "IDLE", 0.01)
    held = {
        "first page": lambda request: not request.path.endswith("_count"),
        "part": is_part,
        "part of a part": lambda request: between(request.path_qs) == (30, 40),
    }
    server = Server(400, held=held[what], counted=50 if what == "part of a part" else None)
    called = []

    def idle():
        called.append(what)
        server.open()

    with connected(server) as session:
        pages = session.read(CUSTOMERS, Scope())
        pages.idle = idle
        assert numbers(pages) == list(range(1, 401))
    assert called


@dataclass
class Customers:
    """Cheddar's customers, one a year; days before the first of them are an error if `refused`."""

    refused: int | None = None
    asked: list = field(default_factory=list)

    async def answer(self, request):
        days = request.query.get("createdAfterDate"), request.query.get("createdBeforeDate")
        self.asked.append(days)
        first, last = (date.fromisoformat(day) if day else None for day in days)
        if self.refused and last and last < EPOCH:
            body = f'<error id="1" code="{self.refused}" auxCode="">Invalid date</error>'
            return web.Response(status=self.refused, text=body, content_type="text/xml")
        told = "".join(
            f'<customer id="{year}" code="{year}"><createdDatetime>{year}-07-01T00:00:00+00:00'
            "</createdDatetime></customer>"
            for year in YEARS
            if (not first or date(year, 7, 1) >= first) and (not last or date(year, 7, 1) <= last)
        )
        return web.Response(text=f"<customers>{told}</customers>", content_type="text/xml")


YEARS = range(2009, 2026)
LATER = range(2010, clock.now().year + 1)


def read_years(refused=None):
    server = Customers(refused)
    with connected(server, "cheddar") as session:
        found = numbers(session.read(CHEDDAR, Scope()), replace(CHEDDAR, id="id"))
    assert found == [str(year) for year in YEARS]
    return server.asked


def test_customers_are_asked_for_by_years_once_the_server_was_seen_to_mind_them():
    trial, *years = read_years()
    assert trial == (None, "2008-12-31")
    assert sorted(first for first, _ in years if first) == [f"{year}-01-01" for year in LATER]
    assert sorted(last for _, last in years if last) == [f"{year}-01-01" for year in LATER]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_trial_that_fails_costs_no_customer(status):
    trial, *asked = read_years(status)
    assert trial == (None, "2008-12-31")
    assert len(asked) <= 3
