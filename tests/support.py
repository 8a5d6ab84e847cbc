"""What the tests share: servers to read from, runs of the tap, and what they told."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import queue
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tap_billing.errors import BillingError
from tap_billing.providers.chargeover import ChargeOver, Position
from tap_billing.providers.chargeover_resources import CUSTOMERS as CHARGEOVER_CUSTOMERS
from tap_billing.providers.cheddar import Cheddar, Window
from tap_billing.providers.cheddar_resources import CUSTOMERS as CHEDDAR_CUSTOMERS
from tap_billing.providers.cheddar_resources import PLANS as CHEDDAR_PLANS
from tap_billing.spec import Page, Request
from tap_billing.tap import TapBilling
from tap_billing.transport import Limits, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    import pytest

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOW = datetime(2026, 2, 1, tzinfo=UTC)
USER, PASSWORD = "user-of-the-test", "p4ss:w0rd-of-the-test"
QUICK = Limits(attempt=5, concurrency=4, first_wait=0.0001)

ENVELOPE = {"code": 200, "status": "OK", "message": "", "details": {}}
CHEDDAR_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<plans><plan id="1" code="A"><name>Basic</name></plan></plans>'
)
CHARGEOVER = ChargeOver(500, "America/Chicago")
CHEDDAR = Cheddar("SAMPLE", "UTC")
PROVIDERS: Mapping[str, Any] = {"chargeover": CHARGEOVER, "cheddar": CHEDDAR}
# A request of each provider that cannot be divided, one that can, and a good answer to it.
REQUESTS: Mapping[str, Request] = {
    "chargeover": Request(CHARGEOVER_CUSTOMERS, "/customer", position=Position((), ())),
    "cheddar": Request(CHEDDAR_PLANS, "/plans/get/productCode/SAMPLE"),
    "divisible": Request(CHEDDAR_CUSTOMERS, "/customers/get/productCode/SAMPLE", position=Window()),
}


def without_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare tests that talk plain HTTP the reading of hundreds of certificates."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, os.devnull)


def provider_of(kind: str) -> Any:
    """Return the provider of a request's kind, see REQUESTS."""
    return CHARGEOVER if kind == "chargeover" else CHEDDAR


def good(kind: str, rows: int = 1) -> bytes:
    """Return a good body for a request of a kind, with so many documents."""
    numbers = range(1, rows + 1)
    if kind == "chargeover":
        customers = [{"customer_id": n, "company": f"Company {n}"} for n in numbers]
        return json.dumps({**ENVELOPE, "response": customers}).encode()
    root = "plan" if kind == "cheddar" else "customer"
    each = "".join(f'<{root} id="{n}" code="C{n}"><name>N{n}</name></{root}>' for n in numbers)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}s>{each}</{root}s>'.encode()


def ids(page: Page) -> list[str]:
    """Return the identifiers of a page's documents, and close it."""
    with contextlib.closing(page):
        return [str(each.get("customer_id") or each.get("id")) for each in page.documents]


@contextlib.asynccontextmanager
async def served(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """Serve every path by one handler on loopback, in the running loop; yield the origin."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, **options)
    await site.start()
    scheme = "https" if options.get("ssl_context") else "http"
    try:
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def serving(handler: Handler, **options: Any) -> Iterator[str]:
    """Serve every path by one handler on loopback, in a thread; yield the origin."""
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def work() -> None:
        stop = asyncio.Event()
        async with served(handler, **options) as url:
            ready.put((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(work(),), daemon=True)
    thread.start()
    url, loop, stop = ready.get(timeout=10)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextlib.asynccontextmanager
async def raw(answer: bytes, *, seen: list[bytes] | None = None) -> AsyncIterator[str]:
    """Answer each request with these bytes, whatever they are, and close; yield the origin."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if seen is not None:
                seen.append(head)
            writer.write(answer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def transport(
    url: str, kind: str = "chargeover", limits: Limits = QUICK
) -> AsyncIterator[Transport]:
    """Yield a transport to a base URL for the provider of a request's kind."""
    made = Transport(provider_of(kind), url, (USER, PASSWORD), limits)
    try:
        yield made
    finally:
        await made.close()


def fetch(handler: Handler, kind: str = "chargeover", limits: Limits = QUICK) -> list[str]:
    """Ask a handler for one request; return the identifiers of its documents."""

    async def go() -> list[str]:
        async with served(handler) as url, transport(url, kind, limits) as client:
            return ids(await client.get(REQUESTS[kind]))

    return asyncio.run(go())


@dataclass
class Run:
    """What a run of the tap wrote, and what stopped it."""

    messages: list[dict[str, Any]]
    error: BillingError | None
    tap: TapBilling = field(repr=False)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type."""
        return [each for each in self.messages if each["type"] == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return a stream's records."""
        return [each["record"] for each in self.of("RECORD") if each["stream"] == stream]

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of records of each stream with a SCHEMA."""
        return {each["stream"]: len(self.records(each["stream"])) for each in self.of("SCHEMA")}

    @property
    def state(self) -> dict[str, Any]:
        """Return the last state."""
        return self.of("STATE")[-1]["value"]

    def bookmark(self, stream: str) -> str | None:
        """Return a stream's bookmark in the last state."""
        return self.state["bookmarks"].get(stream, {}).get("replication_key_value")


def config_of(sandbox: Any, **settings: Any) -> dict[str, Any]:
    """Return the settings that reach a sandbox, with further ones."""
    return {**sandbox.settings, **settings}


def quickened(tap: TapBilling, first_wait: float = 0.0001) -> TapBilling:
    """Shorten a tap's waiting between attempts, which is no setting."""
    transport = tap.session._transport
    transport._limits = replace(transport._limits, first_wait=first_wait)
    return tap


def run(
    config: Mapping[str, Any],
    *,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
) -> Run:
    """Run the tap in this process, with short waits between attempts."""
    tap = TapBilling(config=dict(config), state=state, catalog=catalog, parse_env_config=False)
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    error = None
    with contextlib.redirect_stdout(out):
        try:
            quickened(tap).sync_all()
        except BillingError as stopped:
            error = stopped
        finally:
            tap.close()
    out.flush()
    lines = out.buffer.getvalue().splitlines()
    return Run([json.loads(line) for line in lines], error, tap)


def catalog_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the catalog that discovery writes, as plain JSON."""
    tap = TapBilling(config=dict(config), parse_env_config=False, validate_config=False)
    with contextlib.closing(tap):
        return json.loads(json.dumps(tap.catalog_dict))


def selecting(
    catalog: dict[str, Any], streams: Mapping[str, set[str] | None], method: str | None = None
) -> dict[str, Any]:
    """Select these streams only, each with these columns only (None: as they are)."""
    for entry in catalog["streams"]:
        wanted = streams.get(entry["stream"], ...)
        if method:
            entry["replication_method"] = method
        for item in entry["metadata"]:
            told = item["metadata"]
            if not item["breadcrumb"]:
                told["selected"] = wanted is not ...
                if method:
                    told["forced-replication-method"] = method
            elif isinstance(wanted, set) and told.get("inclusion") != "automatic":
                told["selected"] = item["breadcrumb"][-1] in wanted
    return catalog


def paths(sandbox: Any) -> list[str]:
    """Return path and query of every request that a sandbox was asked."""
    return [str(each["path_qs"]) for each in sandbox.world.requests]


def keyed(done: Run, stream: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return a stream's records by key."""
    schema = next(each for each in done.of("SCHEMA") if each["stream"] == stream)
    return {
        tuple(row[key] for key in schema["key_properties"]): row for row in done.records(stream)
    }


def when(text: str) -> datetime:
    """Return the instant of a date-time."""
    return datetime.fromisoformat(text)
