"""A run's connection: the loop, the transport and, if it is to be read, the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.bridge import Ahead, Loop
from tap_billing.paging import counted, pages
from tap_billing.providers.chargeover import ChargeOver
from tap_billing.providers.cheddar import Cheddar
from tap_billing.transport import Limits, Traffic, Transport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_billing.sandbox import Sandbox
    from tap_billing.settings import Settings
    from tap_billing.spec import Page, Provider, Request, Resource, Scope

# Pages that wait for the consumer, the one in flight included: enough to keep both sides busy.
AHEAD = 3


class Session:
    """Everything that a run holds open; must be closed."""

    def __init__(self, settings: Settings) -> None:
        self._sandbox = _serve(settings) if settings.sandbox else None
        given = self._sandbox.settings if self._sandbox else {}
        product_code = given.get("product_code", settings.product_code)
        self._provider: Provider = (
            ChargeOver(settings.page_size, settings.timezone)
            if settings.provider == "chargeover"
            else Cheddar(product_code, settings.timezone)
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
        self._loop = Loop(settings.max_concurrency)

    @property
    def traffic(self) -> Traffic:
        """What was requested so far."""
        return self._transport.traffic

    @property
    def provider(self) -> Provider:
        """What turns requests into URLs and answers into documents."""
        return self._provider

    def read(
        self, resource: Resource, scope: Scope, ids: Iterable[str] | None = None
    ) -> Ahead[Page]:
        """Begin to read a resource, a few pages ahead of the consumer.

        With `ids` only the documents with these identifiers are asked for, and others beside them.
        """
        whence = self._transport, self._provider
        if ids is None:
            return self._loop.start(lambda: counted(*whence, resource, scope), AHEAD)
        requests = self._provider.among(resource, scope, ids)
        return self._loop.start(lambda: pages(*whence, requests), AHEAD)

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
