"""Good and bad answers of a server, for the tests of the transport."""

from __future__ import annotations

import socket
import struct
from collections import Counter

from aiohttp import encode_basic_auth, web

from tests.support import PASSWORD, REQUESTS, USER, good

KINDS = tuple(REQUESTS)
LOGIN = encode_basic_auth(USER, PASSWORD, encoding="utf-8")
HTML = "<!DOCTYPE html>\n<html><body><h1>A page</h1><br></body></html>"
TYPES = {"chargeover": "application/json", "cheddar": "text/xml", "divisible": "text/xml"}


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
    return web.Response(
        body=b'<plans><plan {"status": "OK", "response": [', content_type="text/xml"
    )


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
