"""The server that the benchmarks read from: one provider's API in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import signal
import stat
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from benchmarks.answers import CHUNK, Cost, exporting, invoicing
from tap_billing.sandbox import World
from tap_billing.sandbox.world import TELLERS, Options

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

HOST: Final = "127.0.0.1"
CLOSING_SECONDS: Final = 1.0
# The small company that tells everything else: two years of business, then none any more, so that
# a second run finds nothing that was not there in the first.
CUSTOMERS: Final = 40
LIVED: Final = timedelta(days=730)
QUIET_DAYS: Final = 60
REAL_TIME: Final = 60 / 86_400  # days per minute


def quiet_world(provider: str) -> World:
    """Return the world of a small company in which nothing has happened for QUIET_DAYS."""
    then = datetime.now(UTC) - timedelta(days=QUIET_DAYS)
    world = World(
        Options(provider, customers=CUSTOMERS, founded=then - LIVED, now=then, speed=REAL_TIME)
    )
    world.company.pause()
    world.advance(QUIET_DAYS)
    return world


def application(world: World, latency: float, cost: Cost) -> web.Application:
    """Return the application without routes; each answer is awaited for `latency` seconds."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith("/_cost"):
            return await handler(request)
        if latency:
            await asyncio.sleep(latency)
        world.live()
        cost.requests += 1
        response = await handler(request)
        if not response.prepared:
            response.headers["Date"] = formatdate(usegmt=True)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            cost.sent += len(response.body)
        return response

    async def costs(_: web.Request) -> web.Response:
        told = {
            "cpu_seconds": time.process_time(),
            "requests": cost.requests,
            "bytes": cost.sent,
        }
        return web.json_response(told)

    app = web.Application(middlewares=[answer])
    app.add_routes([web.get(f"{prefix}/_cost", costs) for prefix in ("", _path(world))])
    return app


def _path(world: World) -> str:
    return TELLERS[world.options.provider].path


async def serve(app: web.Application, world: World, port: int) -> None:
    """Serve on loopback, say so on stdout, and end on a signal or when stdin is closed."""
    stopped = asyncio.Event()
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=CLOSING_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        told = {
            "provider": world.options.provider,
            "api_url": f"http://{HOST}:{runner.addresses[0][1]}{_path(world)}",
            "username": world.username,
            "password": world.password,
        }
        if world.options.provider == "cheddar":
            told["product_code"] = world.product_code
        _stop_by(stopped)
        print(json.dumps(told), flush=True)  # noqa: T201 - for whoever started it
        await stopped.wait()
    finally:
        await runner.cleanup()


def _stop_by(stopped: asyncio.Event) -> None:
    """Stop on SIGTERM or Ctrl-C, and when what a pipe on stdin comes from is gone."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    source = sys.stdin.fileno()
    kind = os.fstat(source).st_mode
    polled = select.poll()
    polled.register(source)
    gone = any(events & select.POLLHUP for _, events in polled.poll(0))
    # A terminal and /dev/null say nothing about whoever started this, nor does a pipe that was
    # closed before.
    if gone or not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return

    def read() -> None:
        if not os.read(source, CHUNK):
            stopped.set()
            loop.remove_reader(source)

    loop.add_reader(source, read)


def main(argv: list[str] | None = None) -> int:
    """Serve until stopped; print one line of JSON, the settings of a client, when ready.

    Returns the exit code. Wrong values end in one line and exit code 2 (SystemExit, by argparse).
    """
    parser = _parser()
    given = parser.parse_args(argv)
    if given.provider == "cheddar" and not (given.document and given.document.is_file()):
        parser.error("--document: cheddar's customers come from a file that exists")
    world, cost = quiet_world(given.provider), Cost()
    app = application(world, given.latency / 1000, cost)
    if given.provider == "chargeover":
        app.add_routes(invoicing(world, given.rows, given.small))
    else:
        app.add_routes(exporting(world, given.document, cost))
    asyncio.run(serve(app, world, given.port))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    add = parser.add_argument
    add("--provider", choices=tuple(TELLERS), default="chargeover")
    add("--port", type=int, default=0, help="default: a free one")
    add("--latency", type=float, default=0.0, metavar="MS", help="before every answer")
    add(
        "--rows",
        type=int,
        default=100_000,
        help="of chargeover's invoices, 0: the company's own; default: %(default)s",
    )
    add("--small", type=_small, default=(0, 0), metavar="LISTSxPAGES", help="as in 20x2")
    add("--document", type=Path, help="cheddar's customers, see benchmarks.documents")
    return parser


def _small(text: str) -> tuple[int, int]:
    lists, _, pages = text.partition("x")
    return int(lists), int(pages)


if __name__ == "__main__":
    raise SystemExit(main())
