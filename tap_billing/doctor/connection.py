"""The doctor's connection: one request at a time, few of them, none waited for long."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tap_billing.bridge import Loop
from tap_billing.errors import RateLimited, Retry, Unreachable
from tap_billing.providers.chargeover import ChargeOver
from tap_billing.providers.cheddar import Cheddar
from tap_billing.transport import Limits, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tap_billing.sandbox import Sandbox
    from tap_billing.settings import Settings
    from tap_billing.spec import Document, Page, Provider, Request, Resource

MOST_REQUESTS = 60
# With a low requests_per_second fewer are asked, so that the doctor is done in about so many
# seconds.
PATIENCE = 120
LEAST_REQUESTS = 12
# Seconds for an attempt, and for a request with all of them.
ATTEMPT = 20.0
TOTAL = 35.0
# Eight attempts take about three seconds: what fails for longer is what the user wants to know.
FIRST_WAIT = 0.05
# A server that left so many requests without a good answer, one after the other or in all, is not
# asked any more.
MOST_IN_A_ROW = 2
MOST_IN_ALL = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: rows (or what was kept of them), bytes where the body was a file, and when.

    `seconds` are those of the only attempt, None if there were several; the instants are aware.
    """

    rows: list[Any]
    size: int
    seconds: float | None
    received: datetime
    server_time: datetime | None


@dataclass(frozen=True, slots=True)
class Case:
    """What is examined: valid settings, all resources, the checked filters by resource name."""

    settings: Settings
    resources: tuple[Resource, ...]
    filters: Mapping[str, Any]
    connection: Connection
    provider: Provider
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def server_time(self) -> datetime | None:
        """The server's clock as its first answer told it."""
        return next((each.server_time for each in self.answers.values() if each.server_time), None)


class Connection:
    """A loop, a transport and the sandbox, if it is to be examined; must be closed."""

    def __init__(self, settings: Settings) -> None:
        self._sandbox = _serve(settings) if settings.sandbox else None
        self.settings = _sandboxed(settings, self._sandbox.settings) if self._sandbox else settings
        self.provider = _provider(self.settings)
        rate = settings.requests_per_second
        self._spacing = 1 / rate if rate else 0.0
        affordable = int(PATIENCE * rate) if rate else MOST_REQUESTS
        self.most = min(MOST_REQUESTS, max(LEAST_REQUESTS, affordable))
        self._in_a_row = self._in_all = 0
        self._began = float("-inf")
        self._transport = Transport(
            self.provider,
            self.settings.api_url or "",
            self.settings.credentials,
            Limits(
                attempt=min(settings.request_timeout, ATTEMPT),
                concurrency=1,
                per_second=rate,
                first_wait=FIRST_WAIT,
                proxies=not settings.sandbox,
            ),
        )
        self._loop = Loop(2)

    @property
    def asked(self) -> int:
        """How many requests were sent, repeated ones included."""
        return self._transport.traffic.requests.total()

    @property
    def lost(self) -> bool:
        """Whether the server does not answer any more."""
        return self._in_a_row >= MOST_IN_A_ROW or self._in_all >= MOST_IN_ALL

    @property
    def left(self) -> int:
        """How many more requests may be asked."""
        return 0 if self.lost else max(0, self.most - self.asked)

    def ask(self, request: Request, keep: Callable[[Document], Any] = dict) -> Answer:
        """Return the answer to a request, with what is to be kept of each of its documents.

        Raises what `Transport.get` raises, Unreachable or RateLimited when that takes too long.
        """
        before, began = self.asked, time.monotonic()
        begin = max(began, self._began + self._spacing)
        self._began = begin
        future = self._loop.submit(self._transport.get(request))
        try:
            page = future.result(TOTAL + begin - began)
        except concurrent.futures.TimeoutError:
            future.cancel()
            self._missed()
            raise self._late(request) from None
        except Retry:
            self._missed()
            raise
        self._in_a_row = 0
        ended = time.monotonic()
        alone = self.asked == before + 1
        return _answer(page, keep, ended - begin if alone else None)

    def _missed(self) -> None:
        self._in_a_row += 1
        self._in_all += 1

    def _late(self, request: Request) -> Retry:
        pause = self._transport.traffic.waiting
        if pause:
            return RateLimited(f"{request}: the server asks for a pause of {pause:.0f} s", pause)
        return Unreachable(f"{request}: no good answer within {TOTAL:.0f} s")

    def close(self) -> None:
        """End connections and threads."""
        self._loop.close(self._transport.close)
        if self._sandbox:
            self._sandbox.close()


def _answer(page: Page, keep: Callable[[Document], Any], seconds: float | None) -> Answer:
    with contextlib.closing(page):
        began = time.monotonic()
        rows = [keep(document) for document in page.documents]
        size = page.body.seek(0, os.SEEK_END) if page.body else 0
    if seconds is not None:
        seconds += time.monotonic() - began
    return Answer(rows, size, seconds, page.received, page.server_time)


def _provider(settings: Settings) -> Provider:
    if settings.provider == "chargeover":
        return ChargeOver(settings.page_size, settings.timezone)
    return Cheddar(settings.product_code, settings.timezone)


def _sandboxed(settings: Settings, given: Mapping[str, str]) -> Settings:
    return replace(
        settings,
        api_url=given["api_url"],
        credentials=(given["username"], given["password"]),
        product_code=given.get("product_code", settings.product_code),
    )


def _serve(settings: Settings) -> Sandbox:
    from tap_billing.sandbox import serve  # noqa: PLC0415 - a real account does not need it

    return serve(settings.provider, now=settings.sandbox_now)
