"""The aiohttp session: Request -> Page, paced, retried, with deadlines. Only GET is ever sent."""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import aiohttp
from yarl import URL

from tap_billing import clock
from tap_billing.disk import on_disk
from tap_billing.errors import (
    ADVICE,
    ERRORS_FROM,
    BillingError,
    BrokenOff,
    Overload,
    RateLimited,
    Refused,
    Retry,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from tap_billing.headers import http_date, retry_after
from tap_billing.pacing import Pacing
from tap_billing.retries import LONGEST_WAIT, persistent
from tap_billing.spec import Answer, Page, Reply
from tap_billing.tls import trusted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tap_billing.spec import Provider, Request

    Attempt = Callable[[Request, asyncio.Timeout], Awaitable[Page | Answer]]

logger = logging.getLogger(__name__)

# Shorter ones would blank out parts of other words.
SHORTEST_SECRET = 4
LONGEST = 500
# Seconds for a connection alone: a host that is not there must not cost a whole attempt.
CONNECTING = 30.0
CHUNK = 65536
# Bodies up to this size stay in memory, larger ones go to a temporary file: some may wait at once.
IN_MEMORY = 1024 * 1024
GOOD = 200
TOO_MANY = 429
BROKEN_OFF = (
    aiohttp.ClientPayloadError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientOSError,
    ConnectionError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one attempt, for a request with all its attempts, and what bounds their rate."""

    attempt: float
    concurrency: int
    per_second: float | None = None
    first_wait: float = 1.0
    proxies: bool = True

    @property
    def total(self) -> float:
        """Seconds for a request with all its attempts and the waiting in between."""
        return 3 * self.attempt + 2 * LONGEST_WAIT


@dataclass(slots=True)
class Traffic:
    """Counts for whoever reports progress; read from any thread."""

    pacing: Pacing
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def waiting(self) -> float:
        """Seconds until a rate limit allows the next request."""
        return self.pacing.waiting(time.monotonic())


class Transport:
    """One session and its pacing; must be closed. Everything but the constructor runs in a loop."""

    def __init__(
        self, provider: Provider, api_url: str, credentials: tuple[str, str], limits: Limits
    ) -> None:
        self.provider = provider
        self._api_url = api_url.rstrip("/")
        self._authorization = aiohttp.encode_basic_auth(*credentials, encoding="utf-8")
        told = (self._authorization.removeprefix("Basic "), credentials[1], credentials[0])
        self._secrets = [secret for secret in told if len(secret) >= SHORTEST_SECRET]
        self._limits = limits
        self._pacing = Pacing(limits.per_second)
        self.traffic = Traffic(self._pacing)
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._session: aiohttp.ClientSession | None = None
        self._unauthorized: Unauthorized | None = None

    async def get(self, request: Request) -> Page:
        """Return what the provider reads out of the answer, trying again where that may help.

        Raises Refused, Stalled or LocalError at once, Retry when every attempt failed, and Overload
        when the request failed and can be divided.
        """
        found = await self._persist(self._attempt, request)
        return found if isinstance(found, Page) else self.decode(found)

    async def fetch(self, request: Request) -> Page | Answer:
        """Return the same as `get`, but what can wait is left to its consumer to decode."""
        late = self.provider.late(request)
        return await self._persist(self._undecoded if late else self._attempt, request)

    async def _persist(self, attempt: Attempt, request: Request) -> Page | Answer:
        divisible = bool(self.provider.halve(request))
        attempt = persistent(
            attempt, self._limits.first_wait, self._limits.total, divisible=divisible
        )
        async with self._slots:
            if self._unauthorized is not None:
                # Every further try counts as a failed login at the vendor's.
                raise self._unauthorized
            try:
                async with asyncio.timeout(self._limits.total) as deadline:
                    return await attempt(request, deadline)
            except TimeoutError:
                raise Unreachable(
                    f"{request}: no complete answer within {self._limits.total:.0f} s and several"
                    f" attempts; {ADVICE[Unreachable]}"
                ) from None
            except Unauthorized as error:
                self._unauthorized = error
                raise
            except Retry as error:
                if divisible and error.heavy:
                    raise Overload(str(error)) from error
                raise

    async def _attempt(self, request: Request, deadline: asyncio.Timeout) -> Page:
        answer = await self._answer(request, deadline)
        return await self._aside(answer) if self.provider.spooled else self.decode(answer)

    async def _aside(self, answer: Answer) -> Page:
        """Decode in another thread; what nobody waits for any more is closed."""
        made: list[Answer | Page] = [answer]
        lock, is_wanted = threading.Lock(), True

        def work() -> Page:
            with lock:
                made.clear()
            page = self.decode(answer)
            with lock:
                if is_wanted:
                    made.append(page)
                    return page
            page.close()
            return page

        try:
            return await asyncio.to_thread(work)
        except asyncio.CancelledError:
            with lock:
                is_wanted = False
                for each in made:
                    each.close()
            raise

    async def _undecoded(self, request: Request, deadline: asyncio.Timeout) -> Page | Answer:
        answer = await self._answer(request, deadline)
        # What is no good answer may have to be asked again.
        return answer if answer.reply.status == GOOD else self.decode(answer)

    def decode(self, answer: Answer) -> Page:
        """Return what the provider reads out of an answer; runs in any thread.

        Raises Refused, Stalled, LocalError or Retry.
        """
        try:
            return self.provider.decode(answer.request, answer.reply)
        except BaseException as error:
            if isinstance(error, Retry):
                error.retry_after = retry_after(answer.reply.headers, answer.reply.received)
            if isinstance(error, BillingError):
                error.args = (self._redacted(str(error)),)
            answer.close()
            raise

    async def _answer(self, request: Request, deadline: asyncio.Timeout) -> Answer:
        loop = asyncio.get_running_loop()
        pause = self._pacing.waiting(loop.time())
        if pause > self._limits.total:
            raise RateLimited(f"{request}: the server asked for a pause of {pause:.0f} s", pause)
        wait = self._pacing.reserve(loop.time())
        if wait > 0:
            # Standing in line is the user's wish or ours, and no fault of the server.
            deadline.reschedule((deadline.when() or loop.time()) + wait)
            await asyncio.sleep(wait)
        self.traffic.requests[request.resource.name] += 1
        began = loop.time()
        reply = await self._exchange(request)
        wish = retry_after(reply.headers, reply.received)
        if reply.status == TOO_MANY:
            self._pacing.limited(loop.time(), began, wish)
        logger.debug("%s: HTTP %d in %.3f s", request, reply.status, loop.time() - began)
        return Answer(request, reply)

    def _redacted(self, text: str) -> str:
        """Return a vendor's words shortened, and without the credentials that they may repeat."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."

    async def _exchange(self, request: Request) -> Reply:
        url = self._api_url + self.provider.url(request)
        session = self._open()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with session.get(URL(url, encoded=True)) as response:
                if response.status < ERRORS_FROM:
                    # Up to the headers: how long the body takes tells of the line and of how busy
                    # this machine is, and nothing of a strain on the server.
                    self._pacing.answered(loop.time() - began)
                body = await self._body(response)
        except aiohttp.ConnectionTimeoutError:
            raise Unreachable(f"{request}: no connection within {CONNECTING:g} s") from None
        except TimeoutError:
            raise TimedOut(
                f"{request}: no complete answer within {self._limits.attempt:g} s"
            ) from None
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise Refused(f"{request}: TLS failed ({_cause(error)}); check SSL_CERT_FILE") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.TooManyRedirects):
            raise Refused(f"{request}: redirected to nowhere; check api_url") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"{request}: {_cause(error)}") from None
        except BROKEN_OFF as error:
            raise BrokenOff(f"{request}: the answer broke off ({_cause(error)})") from None
        except aiohttp.ClientResponseError as error:
            raise Unreachable(f"{request}: {error.message or 'no HTTP answer'}") from None
        except aiohttp.ClientError as error:
            raise Unreachable(f"{request}: {_cause(error)}") from None
        received = clock.now()
        return Reply(
            response.status,
            response.headers,
            body,
            received,
            http_date(response.headers.get("Date")),
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes | BinaryIO:
        if not self.provider.spooled:
            return await response.read()
        file: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - its reader closes it
        try:
            async for chunk in response.content.iter_chunked(CHUNK):
                with on_disk():
                    file.write(chunk)
        except BaseException:
            file.close()
            raise
        return cast("BinaryIO", file)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                trust_env=self._limits.proxies,
                timeout=aiohttp.ClientTimeout(self._limits.attempt, sock_connect=CONNECTING),
                connector=aiohttp.TCPConnector(
                    limit=self._limits.concurrency, ttl_dns_cache=300, ssl=trusted()
                ),
                headers={"Accept-Encoding": "gzip, deflate", "User-Agent": "tap-billing"},
                middlewares=(self._authorize,),
                raise_for_status=False,
            )
        return self._session

    async def _authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        # No header of the session: beside an entry for the host in ~/.netrc aiohttp refuses that.
        # Wherever a redirect leads, only the API itself gets the credentials.
        if request.url.origin() == URL(self._api_url).origin():
            request.headers["Authorization"] = self._authorization
        return await handler(request)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
