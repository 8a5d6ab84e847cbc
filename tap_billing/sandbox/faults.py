"""Faults on demand, as a middleware: what goes wrong between a tap and a provider."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.payload import Payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from aiohttp.typedefs import Handler, Middleware

    Clock = Callable[[], datetime]

STATUSES: Final = {
    "429": HTTPStatus.TOO_MANY_REQUESTS,
    "429-after": HTTPStatus.TOO_MANY_REQUESTS,
    "429-date": HTTPStatus.TOO_MANY_REQUESTS,
    "500": HTTPStatus.INTERNAL_SERVER_ERROR,
    "502": HTTPStatus.BAD_GATEWAY,
    "503": HTTPStatus.SERVICE_UNAVAILABLE,
    "504": HTTPStatus.GATEWAY_TIMEOUT,
    "html": HTTPStatus.OK,
}
NAMES: Final = (*STATUSES, "cut", "reset", "slow", "hang", "malformed")

# Breaks JSON and XML alike, wherever it falls: inside a string, a name or between two tokens.
RUBBISH: Final = b'<<{"'
PIECES: Final = 10
RETRY_SECONDS: Final = 1


class Broken(web.StreamResponse):
    """What is returned after the connection was broken off: it reaches nobody."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: how often (0 to 1), and at most how many times."""

    name: str
    rate: float
    limit: int | None = None


class Faults:
    """The faults in force, drawn per request from a counter, so that a run can be repeated."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 1) -> None:
        """Start with these faults; the same seed draws the same sequence."""
        self.seed = seed
        self.closing = asyncio.Event()
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Put these faults in force instead of the present ones and start counting anew."""
        self._drawn = 0
        self._hits: Counter[str] = Counter()
        self.active = tuple(faults)

    def draw(self) -> str | None:
        """Return the name of the fault that the next request meets, or None."""
        self._drawn += 1
        for fault in self.active:
            if fault.limit is not None and self._hits[fault.name] >= fault.limit:
                continue
            dice = random.Random(f"{self.seed}:{fault.name}:{self._drawn}")  # noqa: S311
            if dice.random() < fault.rate:
                self._hits[fault.name] += 1
                return fault.name
        return None


def fault(name: str, value: float | str) -> Fault:
    """Return the fault of a name and `RATE` or `RATE@N`; raise ValueError with one clear line."""
    if name not in NAMES:
        message = f"unknown fault {name!r}: use one of {', '.join(NAMES)}"
        raise ValueError(message)
    rate, at, limit = str(value).partition("@")
    try:
        parsed = Fault(name, float(rate), int(limit) if at else None)
    except ValueError as error:
        message = f"fault {name}={value}: expected RATE or RATE@N, such as 0.1 or 1@2"
        raise ValueError(message) from error
    if not 0 <= parsed.rate <= 1 or (parsed.limit is not None and parsed.limit < 0):
        message = f"fault {name}={value}: the rate is between 0 and 1, the count not negative"
        raise ValueError(message)
    return parsed


def faults(given: Mapping[str, float | str]) -> tuple[Fault, ...]:
    """Return the faults of a mapping from name to `RATE` or `RATE@N`; raise ValueError."""
    return tuple(fault(name, value) for name, value in given.items())


def middleware(plan: Faults, clock: Clock, pause: float) -> Middleware:
    """Return the middleware that lets requests meet the plan's faults.

    `pause` is the wait in seconds between the pieces of a slow body.
    """

    @web.middleware
    async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = plan.draw()
        if name is None:
            return await handler(request)
        if name in STATUSES:
            return _page(name, clock())
        if name == "reset":
            return _reset(request)
        if name == "hang":
            await plan.closing.wait()
            return _reset(request)
        response = await handler(request)
        if not isinstance(response, web.Response):
            message = "faults need a response that was not started"
            raise TypeError(message)
        if name == "malformed":
            return await _malform(response)
        return await _dribble(request, response, pause if name == "slow" else None)

    return meet


def _page(name: str, now: datetime) -> web.Response:
    """Answer with an HTML page, as proxies and load balancers in front of an API do."""
    status = STATUSES[name]
    title = f"{status.value} {status.phrase}" if status != HTTPStatus.OK else "Please sign in"
    response = web.Response(
        status=status,
        text=f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1><p>A page, not an answer.<br></p></body></html>\n",
        content_type="text/html",
    )
    if name == "429-after":
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    if name == "429-date":
        # Told in the server's clock, as its Date header is (RFC 9110, section 10.2.3).
        at = now + timedelta(seconds=RETRY_SECONDS)
        response.headers["Retry-After"] = format_datetime(at, usegmt=True)
    return response


def _reset(request: web.Request) -> Broken:
    """Break the connection off with a TCP reset."""
    transport = request.transport
    if transport is not None:
        line = transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return Broken()


async def _body(response: web.Response) -> bytes:
    """Return the whole body of a response that was not started."""
    body = response.body
    if isinstance(body, Payload):
        return await body.as_bytes()
    return bytes(body or b"")


async def _malform(response: web.Response) -> web.Response:
    """Return the response with a body that is neither JSON nor XML any more."""
    body = await _body(response)
    half = len(body) // 2
    response.body = body[:half] + RUBBISH + body[half:]
    return response


async def _dribble(
    request: web.Request, response: web.Response, pause: float | None
) -> web.StreamResponse:
    """Send the body in pieces, `pause` seconds apart, or only its first half when None."""
    body = await _body(response)
    told = web.StreamResponse(status=response.status)
    told.content_type = response.content_type
    told.charset = response.charset
    told.headers.update({name: response.headers[name] for name in ("Date", "Server")})
    if isinstance(response.body, Payload):
        told.enable_chunked_encoding()
    else:
        told.content_length = len(body)
    await told.prepare(request)
    if pause is None:
        await told.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return told
    size = max(1, -(-len(body) // PIECES))
    for start in range(0, len(body), size):
        await told.write(body[start : start + size])
        await asyncio.sleep(pause)
    return told
