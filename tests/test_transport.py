from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import struct
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import encode_basic_auth, web
from hypothesis import given
from hypothesis import strategies as st

from tap_billing import pacing
from tap_billing.errors import (
    ADVICE,
    BillingError,
    Forbidden,
    Garbled,
    Overload,
    RateLimited,
    Refused,
    Retry,
    ServerFailed,
    Unauthorized,
    Unreachable,
)
from tap_billing.transport import TRIES, Limits, advised, http_date, retry_after
from tests.support import (
    PASSWORD,
    QUICK,
    REQUESTS,
    USER,
    fetch,
    good,
    ids,
    raw,
    served,
    transport,
)

KINDS = tuple(REQUESTS)
LOGIN = encode_basic_auth(USER, PASSWORD, encoding="utf-8")
HTML = "<!DOCTYPE html>\n<html><body><h1>A page</h1><br></body></html>"
TYPES = {"chargeover": "application/json", "cheddar": "text/xml", "divisible": "text/xml"}


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Let pacing hold requests back for milliseconds, as the rest of these tests."""
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.001)


def answer(kind, rows=1, **options):
    return web.Response(body=good(kind, rows), content_type=TYPES[kind], **options)


def failing(kind, times, make):
    """Return a handler that answers well after so many failures, and its count of requests."""
    seen = Counter()

    async def handler(request):
        seen["requests"] += 1
        if seen["requests"] <= times:
            return await make(request)
        return answer(kind)

    return handler, seen


def page(status, **headers):
    async def make(_):
        return web.Response(
            status=status,
            text=HTML,
            content_type="text/html",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return make


async def cut(request):
    response = web.StreamResponse()
    response.content_length = 1000
    await response.prepare(request)
    await response.write(b"half an answer")
    request.transport.close()
    return response


async def cut_chunked(request):
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"half an answer")
    request.transport.close()
    return response


async def reset(request):
    line = request.transport.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return web.Response()


async def closed(request):
    request.transport.close()
    return web.Response()


async def malformed(_):
    return web.Response(body=b'<plans><plan {"status": "OK", "response": [', content_type="text/xml")


async def empty(_):
    return web.Response(body=b"")


async def not_gzip(_):
    return web.Response(body=b"plain", headers={"Content-Encoding": "gzip"})


PASSING = {
    **{str(status): page(status) for status in (429, 500, 502, 503, 504)},
    "429-after": page(429, Retry_After="0"),
    "html": page(200),
    "cut": cut,
    "cut-chunked": cut_chunked,
    "reset": reset,
    "closed": closed,
    "malformed": malformed,
    "empty": empty,
    "not-gzip": not_gzip,
}


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
        fetch(hang, "divisible", Limits(0.05, 1, first_wait=0.001))
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
        fetch(hang, limits=Limits(0.05, 1, first_wait=0.001))
    assert seen["requests"] == TRIES


def test_body_that_never_ends_is_given_up_in_time():
    async def dribble(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.005)

    began = time.monotonic()
    with pytest.raises(Unreachable, match="no complete answer"):
        fetch(dribble, limits=Limits(0.05, 1, first_wait=0.001))
    assert time.monotonic() - began < 5


def test_headers_that_never_end_are_given_up():
    async def go():
        head = b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n"
        async with raw(head) as url, transport(url) as client:
            await client.get(REQUESTS["chargeover"])

    with pytest.raises(Unreachable):
        asyncio.run(go())


@pytest.mark.parametrize("wish", ["seconds", "date"])
def test_retry_after_is_obeyed(wish):
    moments = []

    async def handler(_):
        moments.append(time.monotonic())
        if len(moments) > 1:
            return answer("chargeover")
        now = datetime.now(UTC).replace(microsecond=0)
        told = "1" if wish == "seconds" else format_datetime(now + timedelta(seconds=1), usegmt=True)
        date = {"Date": format_datetime(now, usegmt=True)}
        return web.Response(status=429, headers={"Retry-After": told, **date})

    assert fetch(handler) == ["1"]
    assert 0.99 <= moments[1] - moments[0] < 3


def test_other_requests_wait_with_the_limited_one():
    moments = []

    async def handler(_):
        moments.append(time.monotonic())
        if len(moments) > 1:
            return answer("chargeover")
        return web.Response(status=429, headers={"Retry-After": "1"})

    async def go():
        async with served(handler) as url, transport(url) as client:
            first = asyncio.create_task(client.get(REQUESTS["chargeover"]))
            while not moments:
                await asyncio.sleep(0.001)
            while not client._pacing.paused_until:
                await asyncio.sleep(0.001)
            await asyncio.gather(first, client.get(REQUESTS["chargeover"]))

    asyncio.run(go())
    assert min(later - moments[0] for later in moments[1:]) >= 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_wish_beyond_all_patience_ends_the_request_and_those_behind_it(kind):
    handler, seen = failing(kind, 1000, page(429, Retry_After="86400"))

    async def go():
        async with served(handler) as url, transport(url, kind) as client:
            for _ in range(2):
                with pytest.raises(RateLimited):
                    await asyncio.wait_for(client.get(REQUESTS[kind]), 2)

    asyncio.run(go())
    assert seen["requests"] <= 2


def test_burst_of_refusals_slows_down_once(monkeypatch):
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.01)
    seen = Counter()

    async def handler(_):
        seen["requests"] += 1
        if seen["requests"] <= 8:
            await asyncio.sleep(0.02)
            return web.Response(status=429)
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url, limits=Limits(5, 8, None, 0.001)) as client:
            await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(8)))

    began = time.monotonic()
    asyncio.run(go())
    assert time.monotonic() - began < 1.5


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


@pytest.mark.parametrize("kind", KINDS)
def test_only_get_is_sent_with_credentials_and_no_body(kind):
    requests = []

    async def handler(request):
        requests.append((request.method, request.headers.get("Authorization"), await request.read()))
        return answer(kind) if len(requests) > 1 else web.Response(status=503)

    fetch(handler, kind)
    login = LOGIN
    assert requests == [("GET", login, b"")] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_origin_does_not_get_the_credentials(status):
    got = []

    async def elsewhere(request):
        got.append((request.method, request.headers.get("Authorization")))
        return answer("chargeover")

    async def go():
        async with served(elsewhere) as other:

            async def here(_):
                return web.Response(status=status, headers={"Location": f"{other}/customer"})

            async with served(here) as url, transport(url) as client:
                return ids(await client.get(REQUESTS["chargeover"]))

    assert asyncio.run(go()) == ["1"]
    assert got == [("GET", None)]


def test_redirect_within_the_origin_keeps_the_credentials():
    async def handler(request):
        if request.path == "/customer":
            return web.Response(status=302, headers={"Location": "/v3/customer"})
        assert request.headers["Authorization"].startswith("Basic ")
        return answer("chargeover")

    assert fetch(handler) == ["1"]


@pytest.mark.parametrize("location", ["/customer", "ftp://elsewhere/", "http://[", None])
def test_redirect_that_leads_nowhere_is_one_clear_line(location):
    async def handler(_):
        return web.Response(status=302, headers={"Location": location} if location else {})

    with pytest.raises(BillingError) as stopped:
        fetch(handler)
    line = advised(stopped.value)
    assert len(line.splitlines()) == 1
    assert line.startswith("GET /customer: ")
    assert "limit=500" not in line


@pytest.mark.parametrize("bypass", [False, True])
def test_proxy_of_the_environment_is_used(monkeypatch, bypass):
    seen = []

    async def proxy(request):
        seen.append(request.raw_path)
        return answer("chargeover")

    async def handler(_):
        return answer("chargeover", 2)

    async def go():
        async with served(proxy) as by, served(handler) as url:
            monkeypatch.setenv("http_proxy", by.replace("//", "//me:secret-of-the-proxy@"))
            monkeypatch.setenv("no_proxy", "127.0.0.1" if bypass else "")
            async with transport(url) as client:
                return ids(await client.get(REQUESTS["chargeover"]))

    assert asyncio.run(go()) == (["1", "2"] if bypass else ["1"])
    assert [path.startswith("http://127.0.0.1:") for path in seen] == ([] if bypass else [True])


def test_proxy_that_is_not_there_is_named_without_its_password(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://me:secret-of-the-proxy@127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "")

    async def go():
        async with transport("http://api.example/api/v3") as client:
            await client.get(REQUESTS["chargeover"])

    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}") as stopped:
        asyncio.run(go())
    assert "secret-of-the-proxy" not in advised(stopped.value)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02F",
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=nope\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_answer_that_is_no_http_is_an_error_of_ours(kind, head):
    async def go():
        async with raw(head) as url, transport(url, kind) as client:
            await client.get(REQUESTS[kind])

    with pytest.raises((Retry, Overload)) as stopped:
        asyncio.run(go())
    assert len(advised(stopped.value).splitlines()) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0" encoding="no-such-encoding"?><plans/>',
        b'<?xml version="1.0" encoding="gb18030"?><plans/>',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\x00" * 100,
        b"\xff\xfe\x00",
        b"null",
        b'"OK"',
        b'{"code":1e999,"status":"Error","message":[]}',
        b'{"code":200,"status":"OK","message":""}',
    ],
)
def test_body_that_is_no_answer_is_an_error_of_ours(kind, body):
    async def handler(_):
        return web.Response(body=body)

    with pytest.raises(BillingError) as stopped:
        fetch(handler, kind)
    assert len(advised(stopped.value).splitlines()) == 1


def test_vendors_words_stay_one_line_without_secrets():
    words = f"Bad things:\n  user {USER}\r\npassword {PASSWORD}"

    async def handler(request):
        told = f"{words} {request.headers['Authorization']}"
        body = json.dumps({"code": 400, "status": "Error", "message": told})
        return web.Response(status=400, text=body, content_type="application/json")

    with pytest.raises(Refused, match="Bad things") as stopped:
        fetch(handler)
    line = advised(stopped.value)
    assert len(line.splitlines()) == 1
    for secret in (PASSWORD, LOGIN.removeprefix("Basic ")[:20]):
        assert secret not in line


@pytest.mark.parametrize("kind", KINDS)
def test_page_that_echoes_the_credentials_does_not_get_them_into_the_log(kind, caplog):
    async def handler(request):
        return web.Response(text=f"{request.headers['Authorization']} {PASSWORD} is not known")

    caplog.set_level(logging.DEBUG)
    with pytest.raises(BillingError) as stopped:
        fetch(handler, kind)
    login = LOGIN.removeprefix("Basic ")
    for secret in (PASSWORD, login[:20]):
        assert secret not in caplog.text
        assert secret not in advised(stopped.value)


def test_requests_in_flight_never_exceed_the_limit():
    running = Counter()
    most = []

    async def handler(_):
        running["now"] += 1
        most.append(running["now"])
        await asyncio.sleep(0.01)
        running["now"] -= 1
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url, limits=Limits(5, 3)) as client:
            await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(20)))

    asyncio.run(go())
    assert max(most) == 3


def test_requests_per_second_are_a_ceiling():
    moments = []

    async def handler(_):
        moments.append(time.monotonic())
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url, limits=Limits(5, 8, 50)) as client:
            await client.get(REQUESTS["chargeover"])
            await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(10)))

    asyncio.run(go())
    assert moments[-1] - moments[1] >= 8 / 50


def test_connections_are_used_again():
    peers = set()

    async def handler(request):
        peers.add(request.transport.get_extra_info("peername"))
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url) as client:
            for _ in range(5):
                await client.get(REQUESTS["chargeover"])

    asyncio.run(go())
    assert len(peers) == 1


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


def test_waits_grow_and_stay_bounded():
    from tap_billing.transport import LONGEST_WAIT, _waits  # noqa: PLC0415

    waits = _waits(1.0)
    next(waits)
    told = [waits.send(Retry("again")) for _ in range(20)]
    assert all(0 <= wait <= min(2**n, LONGEST_WAIT) for n, wait in enumerate(told))
    assert waits.send(Retry("again", retry_after=7)) == 7


@pytest.mark.parametrize("base", ["", "/", "/gateway/billing", "/gateway/billing/"])
def test_base_path_is_kept(base):
    seen = []

    async def handler(request):
        seen.append(request.path)
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url + base) as client:
            await client.get(REQUESTS["chargeover"])

    asyncio.run(go())
    assert seen == [base.rstrip("/") + "/customer"]
