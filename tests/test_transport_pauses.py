from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tap_billing import pacing, retries
from tap_billing.errors import RateLimited, Retry
from tap_billing.headers import http_date, retry_after
from tap_billing.retries import TRIES
from tap_billing.transport import Limits
from tests.answers import KINDS, answer, failing, page
from tests.support import REQUESTS, fetch, good, ids, served, transport, without_authorities

PAST = "Sat, 31 Jan 2026 23:59:00 GMT"


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Let pacing hold requests back for milliseconds, as the rest of these tests."""
    without_authorities(monkeypatch)
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.001)


class Announced(logging.Handler):
    """Sets an event when the transport has told that it makes another attempt."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.event = asyncio.Event()

    def emit(self, record):
        if "next attempt in" in record.msg:
            self.event.set()


@pytest.fixture
def announced(caplog):
    caplog.set_level(logging.INFO, retries.logger.name)
    handler = Announced()
    retries.logger.addHandler(handler)
    yield handler.event
    retries.logger.removeHandler(handler)


def waits(caplog):
    """Return the seconds before each further attempt, as they were told."""
    return [each.args[1] for each in caplog.records if "next attempt in" in each.msg]


@pytest.mark.parametrize("wish", ["seconds", "date"])
def test_retry_after_is_obeyed(wish, caplog):
    caplog.set_level(logging.INFO)
    moments = []

    async def handler(_):
        moments.append(time.monotonic())
        if len(moments) > 1:
            return answer("chargeover")
        now = datetime.now(UTC).replace(microsecond=0)
        told = (
            "1" if wish == "seconds" else format_datetime(now + timedelta(seconds=1), usegmt=True)
        )
        date = {"Date": format_datetime(now, usegmt=True)}
        return web.Response(status=429, headers={"Retry-After": told, **date})

    assert fetch(handler) == ["1"]
    assert waits(caplog) == [1]
    assert moments[1] - moments[0] >= 0.99


def test_other_requests_wait_with_the_limited_one(announced):
    moments = []

    async def handler(_):
        moments.append(time.monotonic())
        if len(moments) > 1:
            return answer("chargeover")
        return web.Response(status=429, headers={"Retry-After": "1"})

    async def go():
        async with served(handler) as url, transport(url) as client:
            first = asyncio.create_task(client.get(REQUESTS["chargeover"]))
            await announced.wait()
            await asyncio.gather(first, client.get(REQUESTS["chargeover"]))

    asyncio.run(go())
    assert len(moments) == 3
    assert min(moments[1:]) - moments[0] >= 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_wish_beyond_all_patience_ends_the_request_and_those_behind_it(kind):
    handler, seen = failing(kind, 1000, page(429, Retry_After="86400"))

    async def go():
        async with served(handler) as url, transport(url, kind) as client:
            for words in ("HTTP 429", "the server asked for a pause of 86400 s"):
                with pytest.raises(RateLimited, match=words):
                    # Otherwise it would be a day.
                    await asyncio.wait_for(client.get(REQUESTS[kind]), 30)

    asyncio.run(go())
    assert seen["requests"] == 1


def test_burst_of_refusals_slows_down_once():
    """Whoever was on the way before the first refusal tells nothing new."""
    seen = Counter()
    intervals = []

    async def go():
        together = asyncio.Barrier(8)

        async def handler(_):
            seen["requests"] += 1
            if seen["requests"] <= 8:
                await together.wait()
                return web.Response(status=429)
            intervals.append(client.traffic.pacing.interval)
            return answer("chargeover")

        async with (
            served(handler) as url,
            transport(url, limits=Limits(5, 8, None, 0.0001)) as client,
        ):
            await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(8)))

    asyncio.run(go())
    assert len(intervals) == 8
    assert max(intervals) <= pacing.LEAST_INTERVAL


def test_wait_for_a_rate_limit_is_told_and_counts_down(announced):
    async def go():
        async def handler(_):
            return web.Response(status=429, headers={"Retry-After": "60"})

        async with served(handler) as url, transport(url) as client:
            told = [client.traffic.waiting]
            asking = asyncio.create_task(client.get(REQUESTS["chargeover"]))
            await announced.wait()
            for _ in range(3):
                told.append(client.traffic.waiting)
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            return told

    before, *during = asyncio.run(go())
    assert before == 0
    assert 60 >= during[0] > during[1] > during[2] > 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 01 Feb 2026 00:00:30 GMT", 30),
        ("Sunday, 01-Feb-26 00:00:30 GMT", 30),
        ("Sun, 01 Feb 2026 01:00:30 +0100", 30),
        ("Sat, 31 Jan 2026 23:59:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("\u00b2", None),
    ],
)
def test_retry_after_is_understood(text, seconds):
    now = datetime(2026, 2, 1, tzinfo=UTC)
    assert retry_after({"Retry-After": text}, now) == seconds


def test_retry_after_date_is_measured_by_the_servers_clock():
    headers = {
        "Retry-After": "Sun, 01 Feb 2026 00:00:30 GMT",
        "Date": "Sun, 01 Feb 2026 00:00:20 GMT",
    }
    assert retry_after(headers, datetime(2020, 1, 1, tzinfo=UTC)) == 10


@given(
    st.text()
    | st.from_regex(r"(Mon, )?\d{1,3} (Jan|Feb) \d{1,6} \d{1,3}:\d\d(:\d\d)? [-+A-Z]\w{0,9}")
)
def test_headers_never_break_the_reading_of_dates(text):
    now = datetime(2026, 2, 1, tzinfo=UTC)
    when = http_date(text)
    assert when is None or when.tzinfo is not None
    wish = retry_after({"Retry-After": text, "Date": text}, now)
    assert wish is None or wish >= 0


def test_requests_in_flight_never_exceed_the_limit():
    running = Counter()
    most = []

    async def go():
        full, released = asyncio.Event(), asyncio.Event()

        async def handler(_):
            running["now"] += 1
            most.append(running["now"])
            if running["now"] == 3:
                full.set()
            await released.wait()
            running["now"] -= 1
            return answer("chargeover")

        async with served(handler) as url, transport(url, limits=Limits(5, 3)) as client:
            asked = [asyncio.create_task(client.get(REQUESTS["chargeover"])) for _ in range(20)]
            await full.wait()
            for _ in range(500):  # everything that can come in comes in
                await asyncio.sleep(0)
            released.set()
            await asyncio.gather(*asked)

    asyncio.run(go())
    assert max(most) == 3
    assert len(most) == 20


def test_requests_per_second_are_a_ceiling():
    moments = []

    async def handler(_):
        moments.append(time.monotonic())
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url, limits=Limits(5, 8, 50)) as client:
            began = time.monotonic()
            await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(11)))
            return began

    began = asyncio.run(go())
    assert moments[-1] - began >= 0.99 * 10 / 50


def test_requests_per_second_of_the_user_fail_nothing_however_long_the_line(monkeypatch):
    """Standing in line is no time that the server takes."""
    monkeypatch.setattr("tap_billing.transport.LONGEST_WAIT", 0.0)
    limits = Limits(0.35, 8, 5)
    assert limits.total < 6 / 5

    async def handler(_):
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url, limits=limits) as client:
            pages = await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(7)))
            return [ids(page) for page in pages]

    assert asyncio.run(go()) == [["1"]] * 7


@pytest.mark.parametrize("kind", ["chargeover", "cheddar"])
@pytest.mark.parametrize("wish", [{}, {"Retry_After": "0"}, {"Retry_After": PAST}], ids=str)
@pytest.mark.parametrize("status", [429, 503])
def test_waits_grow_and_stay_bounded(kind, wish, status, monkeypatch, caplog):
    """A server that wishes for no pause gets the usual one: the attempts must last."""
    monkeypatch.setattr("tap_billing.retries.LONGEST_WAIT", 0.004)
    monkeypatch.setattr("random.uniform", lambda _, high: high)
    caplog.set_level(logging.INFO)
    handler, _ = failing(kind, 1000, page(status, **wish))
    with pytest.raises(Retry, match=f"HTTP {status}"):
        fetch(handler, kind, Limits(5, 4, first_wait=0.001))
    assert waits(caplog) == [0.001, 0.002, *[0.004] * (TRIES - 3)]


@pytest.mark.parametrize(
    ("slow", "slows_down"), [("head", True), ("body", False)], ids=["head", "body"]
)
def test_server_is_under_strain_if_its_headers_are_late_not_if_the_line_is_slow(
    monkeypatch, slow, slows_down
):
    """The clock is put forward while the second answer is on its way."""
    seen = Counter()
    passed = [0.0]

    async def go():
        loop = asyncio.get_running_loop()
        clock = loop.time
        monkeypatch.setattr(loop, "time", lambda: clock() + passed[0])

        async def handler(request):
            seen["requests"] += 1
            late = 10.0 if seen["requests"] == 2 else 0.0
            if slow == "head":
                passed[0] += late
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            await response.write(b" ")
            for _ in range(100):  # the headers arrive
                await asyncio.sleep(0)
            if slow == "body":
                passed[0] += late
            await response.write(good("chargeover"))
            return response

        async with served(handler) as url, transport(url, limits=Limits(60, 1)) as client:
            for _ in range(2):
                await client.get(REQUESTS["chargeover"])
            return client.traffic.pacing.interval

    assert (asyncio.run(go()) > 0) is slows_down
    assert seen["requests"] == 2
