"""What lies between the tap and a server in memory: time, faults, changes, and a limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

from tap_billing.errors import BrokenOff, TimedOut
from tap_billing.spec import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_billing.spec import Request
    from tap_billing.transport import Transport
    from tests.machine.clock import Clock

# An answer takes some of these turns of the loop, before and after the server gives it.
TURNS = 5
FAULTS = ("busy", "broken", "down", "cut", "page", "late", "lost")


class Api(Protocol):
    """A server that answers a GET: status, content type and body."""

    def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Answer a path and a query, as they are in the URL."""


@dataclass
class Network:
    """One run's way to a server, request after request.

    `faults` and `changes` happen at the requests of these numbers; each takes `tick` seconds. A
    URL that holds `dead` works for as many requests as are `left`, and never again; answers of more
    than `most` bytes are too much. `begun` is what the earlier clock told at the first request of
    each resource.
    """

    api: Api
    clock: Clock
    advance: Callable[[int], None]
    limit: int
    faults: dict[int, str] = field(default_factory=dict)
    changes: dict[int, Callable[[], None]] = field(default_factory=dict)
    tick: int = 0
    dead: str = ""
    left: int = 0
    most: int | None = None
    urls: list[str] = field(default_factory=list)
    begun: dict[str, datetime] = field(default_factory=dict)

    async def exchange(self, transport: Transport, request: Request) -> Reply:
        """Answer in the place of `Transport._exchange`, which uses sockets."""
        url = transport.provider.url(request)
        number = len(self.urls)
        self.urls.append(url)
        if number >= self.limit:
            raise AssertionError(f"more than {self.limit} requests: {self.urls[-20:]}")
        if number in self.changes:
            self.changes[number]()
        self.advance(self.tick)
        told = min(self.clock.now, self.clock.machine())
        self.begun.setdefault(request.resource.name, told)
        path, _, query = url.partition("?")
        await _pass(crc32(f"{number}{url}".encode()) % TURNS)
        dying = bool(self.dead) and self.dead in url
        self.left -= dying
        if dying and self.left < 0:
            return self._reply(500, "text/html", b"<html>out of order</html>")
        status, kind, body = self.api.answer(path, query)
        await _pass(crc32(f"{url}{number}".encode()) % TURNS)
        fault = self.faults.get(number)
        if self.most is not None and len(body) > self.most:
            fault = "late"
        return self._spoiled(fault, request, status, kind, body)

    def _spoiled(
        self, fault: str | None, request: Request, status: int, kind: str, body: bytes
    ) -> Reply:
        match fault:
            case "late":
                raise TimedOut(f"{request}: no complete answer in time")
            case "lost":
                raise BrokenOff(f"{request}: the answer broke off")
            case "busy":
                return self._reply(429, "text/plain", b"", {"Retry-After": "0"})
            case "broken":
                return self._reply(500, kind, b"")
            case "down":
                return self._reply(503, "text/html", b"<html><body>maintenance</body></html>")
            case "cut":
                return self._reply(status, kind, body[: len(body) // 2])
            case "page":
                return self._reply(200, "text/html", b"<html><body>Please log in</body></html>")
        return self._reply(status, kind, body)

    def _reply(
        self, status: int, kind: str, body: bytes, further: dict[str, str] | None = None
    ) -> Reply:
        server_time = self.clock.now.astimezone(UTC)
        headers = {"Content-Type": kind, **(further or {})}
        return Reply(status, headers, body, self.clock.machine(), server_time)


async def _pass(turns: int) -> None:
    """Let others go first: answers come in another order than they were asked for."""
    for _ in range(turns):
        await asyncio.sleep(0)
