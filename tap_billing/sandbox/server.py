"""The server of a sandbox: one provider's API and the control routes over one world."""

from __future__ import annotations

import asyncio
import importlib
import socket
import threading
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web

from tap_billing.sandbox import control
from tap_billing.sandbox.faults import Broken, middleware
from tap_billing.sandbox.world import TELLERS, Options, Teller, World

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from aiohttp.typedefs import Handler, Middleware

__all__ = ["TELLERS", "Options", "Sandbox", "Teller", "World", "application", "serve"]

HOST: Final = "127.0.0.1"
CLOSING_SECONDS: Final = 2.0
TURNS: Final = 5


class Sandbox:
    """A world served on loopback by a background thread, until closed."""

    def __init__(self, options: Options) -> None:
        """Build the world and start to serve it; raise ValueError or OSError when impossible."""
        self.world = World(options)
        self._app = application(self.world)
        self._line = socket.create_server((HOST, options.port))
        self.port: int = self._line.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        """Return scheme, host and port: `http://127.0.0.1:PORT`."""
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Return the base URL of the provider's API."""
        return self.origin + TELLERS[self.world.options.provider].path

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings with which the tap reads this sandbox."""
        told = {
            "provider": self.world.options.provider,
            "api_url": self.url,
            "username": self.world.username,
            "password": self.world.password,
        }
        if self.world.options.provider == "cheddar":
            told["product_code"] = self.world.product_code
        if self.world.options.timezone is not None:
            told["timezone"] = self.world.timezone
        return told

    def close(self) -> None:
        """Stop serving and wait until every connection is closed; a second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        """Return the running sandbox."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self._app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=CLOSING_SECONDS,
        )
        await runner.setup()
        await web.SockSite(runner, self._line).start()
        await self._stop.wait()
        # A connection accepted while asyncio's server is being closed would never be closed itself
        # (CPython up to 3.11): accept no more, then let those just accepted become known.
        self._loop.remove_reader(self._line)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await runner.cleanup()


def serve(provider: str, **options: Any) -> Sandbox:
    """Serve a sample company as the provider tells it; the options are those of `Options`.

    Returns when it answers; a context manager. Raises ValueError for a wrong option and OSError
    when the port is taken.
    """
    return Sandbox(Options(provider, **options))


def application(world: World) -> web.Application:
    """Return the provider's API and the control routes over one world."""
    plan = world.faults
    app = web.Application(
        middlewares=[
            _signer(world),
            _apart(_recorder(world)),
            _apart(_delayer(world.options.latency)),
            _apart(middleware(plan, world.now, world.options.pause)),
            _liver(world),
        ]
    )
    teller = importlib.import_module(TELLERS[world.options.provider].module)
    app.add_routes(control.routes(world))
    app.add_routes(teller.routes(world))

    async def closing(_: web.Application) -> None:
        plan.closing.set()

    app.on_shutdown.append(closing)
    return app


def _apart(inner: Middleware) -> Middleware:
    """Return the middleware for the provider's routes only: control routes pass it by."""

    @web.middleware
    async def outer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(control.PREFIX):
            return await handler(request)
        return await inner(request, handler)

    return outer


def _recorder(world: World) -> Middleware:
    """Return the middleware that remembers what was asked, as sent, and what was answered."""

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        entry: dict[str, object] = {
            "method": request.method,
            "path_qs": request.raw_path,
            "status": None,
        }
        world.requests.append(entry)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            entry["status"] = error.status
            raise
        if not isinstance(response, Broken):
            entry["status"] = response.status
        return response

    return record


def _signer(world: World) -> Middleware:
    """Return the middleware that dates every answer by the sandbox's time."""

    @web.middleware
    async def sign(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            _date(error, world.now())
            raise
        if not response.prepared:
            _date(response, world.now())
        return response

    return sign


def _date(response: web.StreamResponse, now: datetime) -> None:
    response.headers.setdefault("Date", format_datetime(now, usegmt=True))
    response.headers.setdefault("Server", "Apache")


def _delayer(latency: float) -> Middleware:
    @web.middleware
    async def delay(request: web.Request, handler: Handler) -> web.StreamResponse:
        if latency:
            await asyncio.sleep(latency)
        return await handler(request)

    return delay


def _liver(world: World) -> Middleware:
    """Return the middleware that brings the company up to now and answers from that state."""

    @web.middleware
    async def live(request: web.Request, handler: Handler) -> web.StreamResponse:
        with world.lock:
            now = world.live()
            response = await handler(request)
        # The time of the state that was told, not the later one at which it is sent.
        _date(response, now)
        if world.options.gzip and not response.prepared:
            response.enable_compression()
        return response

    return live
