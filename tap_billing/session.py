"""A run's connection: the loop, the transport and, if it is to be read, the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.bridge import Ahead, Loop
from tap_billing.errors import Forbidden, NotFound, Refused, Retry, Unauthorized
from tap_billing.paging import Asking, complete, counted, pages
from tap_billing.providers.chargeover import ChargeOver
from tap_billing.providers.cheddar import Cheddar
from tap_billing.spec import Answer, Page
from tap_billing.transport import Limits, Traffic, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

    from tap_billing.sandbox import Sandbox
    from tap_billing.settings import Settings
    from tap_billing.spec import Provider, Request, Resource, Scope

    Source = Callable[[Asking], AsyncGenerator[Page | Answer, None]]

# Pages of each request of a read that wait for a consumer who has not begun, and beyond those in
# flight for one who has.
AHEAD = 2
# Requests of a read that are sent before its consumer has begun.
MOST_EARLY = 8


class Pages:
    """Pages of a read in order, decoded by their consumer where that can wait.

    It begins with so many `requests`, some of which are sent before the consumer begins. `idle` is
    called when the consumer has waited for a while.
    """

    idle: Callable[[], None] | None = None

    def __init__(self, session: Session, source: Source, requests: int = 1) -> None:
        self._session = session
        self._first = AHEAD * min(max(requests, 1), MOST_EARLY)
        self._has_begun = False
        self._left: Pages | None = None
        self._ahead = session.begin(source, self._width)

    def _width(self) -> int:
        return self._session.concurrency + AHEAD if self._has_begun else self._first

    def __iter__(self) -> Iterator[Page]:
        self._has_begun = True
        self._ahead.idle = self.idle
        for found in self._ahead:
            page = found if isinstance(found, Page) else self._session.decode(found)
            yield page
            if isinstance(found, Answer) and page.following is not None:
                self._left = self._session.parts(page.following)
                self._left.idle = self.idle
                yield from self._left

    def cancel(self) -> list[Page]:
        """Stop reading; return what was read and not consumed."""
        left = self._left.cancel() if self._left else []
        return left + [each for each in self._ahead.cancel() if isinstance(each, Page)]


class Session:
    """Everything that a run holds open; must be closed."""

    def __init__(self, settings: Settings) -> None:
        self._sandbox = _serve(settings) if settings.sandbox else None
        given = self._sandbox.settings if self._sandbox else {}
        product_code = given.get("product_code", settings.product_code)
        self._provider: Provider = (
            ChargeOver(settings.page_size, settings.timezone)
            if settings.provider == "chargeover"
            else Cheddar(product_code, settings.timezone, settings.max_concurrency > 1)
        )
        self._transport = Transport(
            self._provider,
            given.get("api_url", settings.api_url or ""),
            (given["username"], given["password"]) if given else settings.credentials,
            Limits(
                attempt=settings.request_timeout,
                concurrency=settings.max_concurrency,
                per_second=settings.requests_per_second,
                proxies=not settings.sandbox,
            ),
        )
        self.concurrency = settings.max_concurrency
        self._loop = Loop(settings.max_concurrency)

    @property
    def traffic(self) -> Traffic:
        """What was requested so far."""
        return self._transport.traffic

    @property
    def provider(self) -> Provider:
        """What turns requests into URLs and answers into documents."""
        return self._provider

    def read(self, resource: Resource, scope: Scope, ids: Iterable[str] | None = None) -> Pages:
        """Begin to read a resource, a few pages ahead of the consumer.

        With `ids` only the documents with these identifiers are asked for, and others beside them.
        """
        if ids is None:
            requests = self._provider.plan(resource, scope)
            return Pages(self, lambda asking: counted(asking, resource, scope), len(requests))
        requests = self._provider.among(resource, scope, ids)
        return Pages(self, lambda asking: pages(asking, requests), len(requests))

    def parts(self, request: Request) -> Pages:
        """Begin to read what a part of a whole read has left, itself in parts."""
        requests = self._provider.parts(request, None)
        return Pages(self, lambda asking: pages(asking, requests))

    def begin(self, source: Source, width: Callable[[], int]) -> Ahead[Page | Answer]:
        """Begin to read a source, at most `width()` pages in advance of the consumer."""
        asking = Asking(self._transport, self._provider, width, parted=self.concurrency > 1)
        return self._loop.start(lambda: source(asking), 1)

    def decode(self, answer: Answer) -> Page:
        """Return the page of an answer; raises what `Transport.get` raises."""
        try:
            page = self._transport.decode(answer)
        except Retry:
            page = self.get(answer.request)
        except (Forbidden, NotFound, Unauthorized):
            raise
        except Refused:
            simpler = self._provider.simplify(answer.request)
            if simpler is None:
                raise
            page = self.get(simpler)
        if not self._provider.details(answer.request, list(page.documents)):
            return page
        whence = self._transport, self._provider
        return self._loop.submit(complete(*whence, answer.request, page)).result()

    def get(self, request: Request) -> Page:
        """Ask one request and wait for its page; raises what `Transport.get` raises."""
        return self._loop.submit(self._transport.get(request)).result()

    def close(self) -> None:
        """End connections and threads."""
        self._loop.close(self._transport.close)
        if self._sandbox:
            self._sandbox.close()


def _serve(settings: Settings) -> Sandbox:
    from tap_billing.sandbox import serve  # noqa: PLC0415 - a real account does not need it

    return serve(settings.provider, now=settings.sandbox_now)
