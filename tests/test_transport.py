from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
from aiohttp import web

from tap_billing import pacing
from tap_billing.errors import (
    ADVICE,
    Forbidden,
    Garbled,
    Overload,
    RateLimited,
    Refused,
    ServerFailed,
    Unauthorized,
    Unreachable,
    advised,
)
from tap_billing.retries import TRIES
from tap_billing.transport import Limits
from tests.answers import KINDS, PASSING, answer, failing, page
from tests.support import REQUESTS, fetch, good, raw, served, transport, without_authorities


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Let pacing hold requests back for milliseconds, as the rest of these tests."""
    without_authorities(monkeypatch)
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.001)


@pytest.mark.parametrize("kind", ["chargeover", "cheddar"])
@pytest.mark.parametrize("name", PASSING)
def test_passing_failure_is_survived(kind, name):
    handler, seen = failing(kind, 3, PASSING[name])
    assert fetch(handler, kind) == ["1"]
    assert seen["requests"] == 4


@pytest.mark.parametrize("name", ["429", "429-after", "html", "malformed", "empty"])
def test_divisible_request_survives_what_division_does_not_help(name):
    handler, seen = failing("divisible", 4, PASSING[name])
    assert fetch(handler, "divisible") == ["1"]
    assert seen["requests"] == 5


@pytest.mark.parametrize("name", ["500", "504", "cut", "cut-chunked"])
def test_divisible_request_that_breaks_the_server_is_to_be_divided(name):
    handler, seen = failing("divisible", 1000, PASSING[name])
    with pytest.raises(Overload, match="GET /customers/get/productCode/SAMPLE"):
        fetch(handler, "divisible")
    assert seen["requests"] < TRIES


def test_divisible_request_that_times_out_is_to_be_divided_at_once():
    seen = Counter()

    async def hang(_):
        seen["requests"] += 1
        await asyncio.Event().wait()

    with pytest.raises(Overload, match=r"no complete answer within 0\.05 s"):
        fetch(hang, "divisible", Limits(0.05, 1, first_wait=0.0001))
    assert seen["requests"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_server_that_is_not_there_is_no_reason_to_divide(kind):
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]

    async def go():
        async with transport(f"http://127.0.0.1:{port}", kind) as client:
            return await client.get(REQUESTS[kind])

    with pytest.raises(Unreachable, match="Cannot connect"):
        asyncio.run(go())


@pytest.mark.parametrize("kind", ["chargeover", "cheddar"])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("429", RateLimited),
        ("500", ServerFailed),
        ("502", ServerFailed),
        ("503", ServerFailed),
        ("504", ServerFailed),
        ("html", Garbled),
        ("malformed", Garbled),
        ("empty", Garbled),
        ("cut", Unreachable),
        ("reset", Unreachable),
    ],
)
def test_lasting_failure_ends_with_what_it_was(kind, name, error):
    handler, seen = failing(kind, 1000, PASSING[name])
    with pytest.raises(error) as stopped:
        fetch(handler, kind)
    # The client asks once more by itself when a connection that was kept open is reset.
    assert TRIES <= seen["requests"] <= 2 * TRIES
    line = advised(stopped.value)
    assert len(line.splitlines()) == 1
    assert REQUESTS[kind].path in line
    assert ADVICE[error] in line


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Refused), (401, Unauthorized), (403, Forbidden), (404, Refused), (410, Refused)],
)
def test_refusal_is_asked_once(kind, status, error):
    handler, seen = failing(kind, 1000, page(status))
    with pytest.raises(error, match=f"HTTP {status}"):
        fetch(handler, kind)
    assert seen["requests"] == 1


def test_hanging_server_ends_in_time():
    seen = Counter()

    async def hang(_):
        seen["requests"] += 1
        await asyncio.Event().wait()

    with pytest.raises(Unreachable, match=r"no complete answer within 0\.05 s"):
        fetch(hang, limits=Limits(0.05, 1, first_wait=0.0001))
    assert seen["requests"] == TRIES


def test_body_that_never_ends_is_given_up_in_time():
    async def dribble(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0)  # lets the client read

    began = time.monotonic()
    with pytest.raises(Unreachable, match="no complete answer"):
        fetch(dribble, limits=Limits(0.05, 1, first_wait=0.0001))
    assert time.monotonic() - began < 5


def test_headers_that_never_end_are_given_up():
    async def go():
        head = b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n"
        async with raw(head) as url, transport(url) as client:
            await client.get(REQUESTS["chargeover"])

    with pytest.raises(Unreachable):
        asyncio.run(go())


@pytest.mark.parametrize("kind", KINDS)
def test_compressed_body_is_read(kind):
    async def handler(request):
        assert "gzip" in request.headers["Accept-Encoding"]
        packed = gzip.compress(good(kind, 3))
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    assert fetch(handler, kind) == ["1", "2", "3"]


@pytest.mark.parametrize("kind", KINDS)
def test_compressed_body_cut_off_is_not_taken_for_whole(kind):
    async def half(_):
        packed = gzip.compress(good(kind, 300))
        return web.Response(body=packed[: len(packed) // 2], headers={"Content-Encoding": "gzip"})

    handler, seen = failing(kind, 1, half)
    assert len(fetch(handler, kind)) == 1
    assert seen["requests"] == 2


def test_large_body_travels_as_a_file_that_is_closed(monkeypatch):
    monkeypatch.setattr("tap_billing.transport.IN_MEMORY", 1000)

    async def handler(_):
        return answer("cheddar", 2000)

    assert len(fetch(handler, "cheddar")) == 2000


@pytest.mark.parametrize("name", ["500", "html", "malformed", "cut"])
def test_large_body_that_is_no_answer_is_closed_too(monkeypatch, name):
    monkeypatch.setattr("tap_billing.transport.IN_MEMORY", 1)
    handler, _ = failing("cheddar", 2, PASSING[name])
    assert fetch(handler, "cheddar") == ["1"]


def test_page_tells_the_servers_clock_and_when_it_was_received():
    async def handler(_):
        return answer("chargeover", headers={"Date": "Sun, 01 Feb 2026 00:00:00 GMT"})

    async def go():
        async with served(handler) as url, transport(url) as client:
            return await client.get(REQUESTS["chargeover"])

    before = datetime.now(UTC)
    told = asyncio.run(go())
    assert told.server_time == datetime(2026, 2, 1, tzinfo=UTC)
    assert before <= told.received <= datetime.now(UTC)


@pytest.mark.parametrize("date", ["nonsense", "Sun, 99 Feb 2026 00:00:00 GMT"])
def test_wrong_date_header_is_no_clock(date):
    async def handler(_):
        return answer("chargeover", headers={"Date": date})

    async def go():
        async with served(handler) as url, transport(url) as client:
            return await client.get(REQUESTS["chargeover"])

    assert asyncio.run(go()).server_time is None
