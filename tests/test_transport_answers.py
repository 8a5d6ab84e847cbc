from __future__ import annotations

import asyncio
import json
import logging

import pytest
from aiohttp import web

from tap_billing import pacing
from tap_billing.errors import BillingError, Overload, Refused, Retry, advised
from tests.answers import KINDS, LOGIN
from tests.support import PASSWORD, REQUESTS, USER, fetch, raw, transport, without_authorities


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Let pacing hold requests back for milliseconds, as the rest of these tests."""
    without_authorities(monkeypatch)
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.001)


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


def test_vendors_words_are_shortened():
    async def handler(_):
        body = json.dumps({"code": 400, "status": "Error", "message": "too long " * 1000})
        return web.Response(status=400, text=body, content_type="application/json")

    with pytest.raises(Refused, match="too long") as stopped:
        fetch(handler)
    assert len(str(stopped.value)) < 1000


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
