"""Whole reads in parts: whatever a server is like, every row comes once, in order, and in time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import operator
import random
import re
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from tap_billing import transport, writing
from tap_billing.errors import NoReader
from tap_billing.tap import TapBilling
from tests.machine.harness import Pipe
from tests.states import Warehouse, aged, copied, versions
from tests.support import (
    ENVELOPE,
    PASSWORD,
    USER,
    catalog_of,
    run,
    selecting,
    serving,
    without_authorities,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tests.support import Run

    Row = dict[str, Any]
    Fault = Callable[[web.Request], web.Response | None]

WIDTHS = [2, 16]
SIZE = 10
THEN = "2026-01-05T00:00:00+00:00"
OPERATORS = {"GT": operator.gt, "GTE": operator.ge, "LTE": operator.le}
NUMBERS = {"customer": "customer_id", "invoice": "invoice_id"}
CUT = b'{"code":200,"status":"OK","resp'


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    without_authorities(monkeypatch)


@functools.cache
def catalogue(provider: str) -> str:
    config = {"provider": provider, "api_url": "http://localhost", "product_code": "SAMPLE"}
    return json.dumps(catalog_of({**config, "username": USER, "password": PASSWORD}))


def chosen(provider: str, streams: Collection[str]) -> dict[str, Any]:
    return selecting(json.loads(catalogue(provider)), dict.fromkeys(streams))


def config_of(provider: str, url: str, **settings: Any) -> dict[str, Any]:
    more = {"page_size": SIZE} if provider == "chargeover" else {"product_code": "SAMPLE"}
    config = {"provider": provider, "api_url": url, "username": USER, "password": PASSWORD}
    return {**config, **more, **settings}


async def dally(chance: random.Random) -> None:
    """Let others be answered before."""
    for _ in range(chance.randrange(20)):
        await asyncio.sleep(0)


@dataclass
class Books:
    """ChargeOver with one kind of rows, which answers in any order.

    `ignored` are operators and parameters that it does not mind; `tell` makes of a count, or of the
    highest identifier, what it tells. A `fault` may answer, and `event` happens, before it does.
    """

    numbers: Collection[int]
    path: str = "customer"
    ignored: frozenset[str] = frozenset()
    tell: Mapping[str, Callable[[int], Any]] = field(default_factory=dict)
    fault: Fault | None = None
    event: Callable[[], None] = lambda: None
    urls: list[str] = field(default_factory=list)
    rows: dict[int, Row] = field(init=False)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.rows = {number: self.row(number) for number in self.numbers}

    def row(self, number: int) -> Row:
        """Return a new row; every second invoice has a line."""
        row = {NUMBERS[self.path]: number, "write_datetime": THEN, "mod_datetime": THEN}
        lines = [{"line_item_id": number}] if number % 2 else []
        return {**row, "line_items": lines} if self.path == "invoice" else row

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for rows, for one of them, or for their number."""
        self.urls.append(request.path_qs)
        await dally(self.chance)
        told = self.fault(request) if self.fault else None
        if told is None:
            self.event()
            told = web.json_response({**ENVELOPE, "response": self.found(request)})
        await dally(self.chance)
        return told

    def found(self, request: web.Request) -> Any:
        _, path, *rest = request.path.split("/")
        if path != self.path:
            return 0 if rest else []
        if rest and rest[0].isdecimal():
            return self.rows[int(rest[0])]
        found = [each for each in self.rows.values() if self.fits(each, request.query)]
        if rest:
            return self.tell.get("count", int)(len(found))
        key = NUMBERS[self.path]
        if request.query["order"].endswith("DESC"):
            return [{key: self.tell.get("highest", int)(max(self.rows, default=0))}]
        found.sort(key=lambda row: row[key])
        expanded = "expand" in request.query and "expand" not in self.ignored
        return [
            {name: value for name, value in row.items() if expanded or name != "line_items"}
            for row in found[: int(request.query["limit"])]
        ]

    def fits(self, row: Row, query: Mapping[str, str]) -> bool:
        clauses = re.findall(r"(\w+):(\w+):((?:[^,\\]|\\.)+)", query.get("where", ""))
        return all(
            OPERATORS[sign](str(row[name]) if name.endswith("e") else row[name], self.value(value))
            for name, sign, value in clauses
            if sign not in self.ignored
        )

    def value(self, text: str) -> Any:
        if text.isdecimal():
            return int(text)
        return datetime.fromisoformat(text.replace("\\", "")).astimezone(UTC).isoformat()


STREAMS = {"customer": ["customers"], "invoice": ["invoices", "invoice_line_items"]}


def read(books: Books, width: int, state: dict[str, Any] | None = None, **settings: Any) -> Run:
    catalog = chosen("chargeover", STREAMS[books.path])
    with serving(books.answer) as url:
        config = config_of("chargeover", url, max_concurrency=width, **settings)
        return run(config, catalog=catalog, state=copied(state) if state else None)


def numbers_of(done: Run, stream: str = "customers", key: str = "customer_id") -> list[int]:
    assert done.error is None
    return [each[key] for each in done.records(stream)]


def spread(seed: int, most: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(1, most), 200))


IDS: dict[str, Collection[int]] = {
    "none": [],
    "one": [9],
    "a page": range(1, SIZE + 1),
    "dense": range(1, 301),
    "dense from a million": range(7_000_000, 7_000_300),
    "half missing": spread(1, 400),
    "sparse": spread(2, 10**7),
    "a gap": [*range(1, 150), *range(1_000_000, 1_000_150)],
    "gaps": [block * 10_000 + each for block in range(10) for each in range(1, 31)],
    "one far away": [*range(1, 300), 10**9],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", IDS)
def test_every_row_comes_once_in_order_and_in_few_requests(name, width):
    books = Books(IDS[name])
    bound = 10 * (len(books.rows) // SIZE + 10)

    def refuse(_: web.Request) -> web.Response | None:
        return web.Response(status=403) if len(books.urls) > bound else None

    books.fault = refuse
    assert numbers_of(read(books, width)) == list(IDS[name])


@pytest.mark.parametrize(
    ("ignored", "tell"),
    [
        ({"LTE"}, {}),
        ((), {"count": lambda number: number // 50}),
        ((), {"count": lambda number: number * 5}),
        ((), {"count": lambda _: "many"}),
        ((), {"count": str, "highest": str}),
        ((), {"highest": lambda number: number // 3}),
        ((), {"highest": lambda number: number * 1000}),
        ((), {"highest": lambda _: 0}),
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_counted_wrong_costs_requests_and_no_rows(ignored, tell, width):
    books = Books(range(1, 301), ignored=frozenset(ignored), tell=tell)
    assert numbers_of(read(books, width)) == list(range(1, 301))


@pytest.mark.parametrize("highest", [None, "", "many"])
def test_highest_row_without_an_identifier_ends_no_run(highest):
    books = Books(range(1, 301), tell={"highest": lambda _: highest})
    assert numbers_of(read(books, 8)) == list(range(1, 301))


FAULTS = {
    "cut": lambda: web.Response(body=CUT, content_type="application/json"),
    "page": lambda: web.Response(text="<html>Please log in</html>", content_type="text/html"),
    "broken inside": lambda: web.json_response({"code": 500, "status": "Error", "message": "x"}),
    "broken": lambda: web.Response(status=500),
}


@pytest.mark.parametrize("name", FAULTS)
def test_spoiled_part_is_asked_again(name):
    spoiled: Counter[str] = Counter()

    def spoil(request: web.Request) -> web.Response | None:
        spoiled[request.path_qs] += 1
        return FAULTS[name]() if "LTE" in request.path_qs and spoiled[request.path_qs] < 3 else None

    assert numbers_of(read(Books(range(1, 201), fault=spoil), 8)) == list(range(1, 201))
    assert {2, 3} & set(spoiled.values())


def unknown(request: web.Request) -> web.Response | None:
    return web.Response(status=400) if "expand" in request.query else None


@pytest.mark.parametrize(
    ("ignored", "fault"), [({"expand"}, None), ((), unknown)], ids=["ignored", "refused"]
)
def test_lines_that_lists_leave_out_are_read_row_by_row(ignored, fault):
    books = Books(range(1, 61), "invoice", frozenset(ignored), fault=fault)
    done = read(books, 8)
    assert numbers_of(done, "invoices", "invoice_id") == list(range(1, 61))
    lines = numbers_of(done, "invoice_line_items", "line_item_id")
    assert lines == list(range(1, 61, 2))


@pytest.mark.parametrize("width", [1, *WIDTHS])
def test_rows_that_stand_come_while_others_come_and_go(width):
    books = Books(range(1, 301))
    gone: set[int] = set()

    def happen() -> None:
        match books.chance.randrange(4):
            case 0:
                # At the edge of a part, or anywhere.
                number = books.chance.choice([SIZE * books.chance.randrange(30), min(books.rows)])
                gone.update({number} & books.rows.keys())
                books.rows.pop(number, None)
            case 1:
                new = max(books.rows) + 1
                books.rows[new] = books.row(new)

    books.event = happen
    found = numbers_of(read(books, width))
    assert set(range(1, 301)) - gone <= set(found)
    assert found == sorted(set(found))


@pytest.mark.parametrize("width", [1, 16])
def test_run_that_is_killed_after_any_state_is_gone_on_with_by_another(monkeypatch, width):
    monkeypatch.setattr(writing, "CHUNK", 7)
    monkeypatch.setattr(writing, "CHECKPOINT_ROWS", 25)
    books = Books(spread(3, 900)[:120])
    done = read(books, width)
    places = [place for place, each in enumerate(done.messages) if each["type"] == "STATE"]
    assert len(places) > 5
    for place, another in zip(places, [16, 8, 2, 1] * len(places), strict=False):
        held = Warehouse()
        # More may have been written than the last state tells of.
        held.load(done.messages[: place + 6])
        again = read(books, another, done.messages[place]["value"], full_sweep_every=0)
        held.load(again.messages)
        assert {int(key) for (key,) in held.tables["customers"]} == set(books.rows)


@pytest.mark.parametrize("width", [1, *WIDTHS])
def test_sweep_in_parts_is_proven_and_deletes_what_is_gone_alone(width):
    books, held = Books(spread(4, 2000)), Warehouse()
    first = read(books, width)
    for number in spread(4, 2000)[::10]:
        del books.rows[number]
    second = read(books, width, aged(first.state), max_deletions=50)
    assert set(versions(first)) == set(versions(second)) == {"customers"}
    held.load(first.messages)
    held.load(second.messages)
    assert {int(key) for (key,) in held.tables["customers"]} == set(books.rows)


@dataclass
class Clients:
    """Cheddar with customers by identifier, each with the time of creation (None: without one).

    Days are those of a `zone`. Answers for more than `most` customers never come. It may bring
    customers without a time in every `window`.
    """

    created: Mapping[int, str | None]
    zone: str = "UTC"
    most: int = 10**6
    window: bool = False
    urls: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for customers."""
        self.urls.append(request.path_qs)
        await dally(self.chance)
        after = request.query.get("createdAfterDate", "0001-01-01")
        before = request.query.get("createdBeforeDate", "9999-12-31")
        found = [n for n, told in self.created.items() if self.fits(told, after, before)]
        if len(found) > self.most:
            return web.Response(status=500)
        if not found:
            body = '<error id="1" code="404">No customers found.</error>'
            return web.Response(status=404, text=body, content_type="text/xml")
        body = "".join(map(self.told, found))
        return web.Response(text=f"<customers>{body}</customers>", content_type="text/xml")

    def fits(self, told: str | None, after: str, before: str) -> bool:
        if told is None:
            return self.window
        local = datetime.fromisoformat(told).astimezone(ZoneInfo(self.zone))
        return date.fromisoformat(after) <= local.date() <= date.fromisoformat(before)

    def told(self, number: int) -> str:
        when = self.created[number]
        time = f"<createdDatetime>{when}</createdDatetime>" if when else ""
        return f'<customer id="{number}" code="C{number}">{time}</customer>'


EDGES = {
    10 * year + place: f"{year}-{told}"
    for year in range(2009, 2027)
    for place, told in enumerate(
        ("01-01T12:00:00+00:00", "06-30T10:00:00+00:00", "12-31T10:30:00-04:00")
    )
}


def met(clients: Clients, width: int) -> list[str]:
    with serving(clients.answer) as url:
        config = config_of("cheddar", url, max_concurrency=width)
        done = run(config, catalog=chosen("cheddar", ["customers"]))
    assert done.error is None
    return [each["id"] for each in done.records("customers")]


@pytest.mark.parametrize(
    ("zone", "most"), [("UTC", 10**6), ("America/New_York", 10**6), ("Pacific/Auckland", 1)]
)
def test_customers_at_the_edges_of_years_come_once_each(zone, most):
    clients = Clients(EDGES, zone, most)
    assert met(clients, 8) == list(map(str, EDGES))
    assert len(clients.urls) > 18


@pytest.mark.parametrize(
    ("created", "zone"),
    [
        ("2008-06-01T00:00:00+00:00", "UTC"),
        ("2009-01-01T02:00:00+00:00", "America/Chicago"),
        (None, "UTC"),
    ],
    ids=["before 2009", "before 2009 in its zone", "without a time"],
)
def test_customer_whom_the_trial_brings_keeps_nobody_away(created, zone):
    clients = Clients({1: created, **EDGES}, zone, window=True)
    assert set(met(clients, 8)) == {"1", *map(str, EDGES)}


def test_reader_that_goes_away_leaves_no_request_thread_or_file(monkeypatch):
    files: list[Any] = []
    spooled = tempfile.SpooledTemporaryFile

    def made(size: int) -> Any:
        files.append(spooled(size))
        return files[-1]

    monkeypatch.setattr(transport, "IN_MEMORY", 100)
    monkeypatch.setattr(writing, "CHUNK", 2)
    before = threading.active_count()
    clients = Clients(EDGES)
    with serving(clients.answer) as url:
        config = config_of("cheddar", url, max_concurrency=8)
        monkeypatch.setattr(tempfile, "SpooledTemporaryFile", made)
        out = io.TextIOWrapper(Pipe(4), encoding="utf-8")
        catalog = chosen("cheddar", ["customers"])
        tap = TapBilling(config=config, catalog=catalog, parse_env_config=False)
        with contextlib.redirect_stdout(out), contextlib.closing(tap), pytest.raises(NoReader):
            tap.sync_all()
    assert threading.active_count() == before
    assert files
    assert all(each.closed for each in files)
