"""The sandbox's own routes, beside the provider's API: its truth, its clock, its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from tap_billing.sandbox.faults import faults

if TYPE_CHECKING:
    from tap_billing.sandbox.world import World

PREFIX: Final = "/_sandbox/"
DAYS: Final = 36_525


def routes(world: World) -> list[web.RouteDef]:
    """Return the control routes of a world; they ask for no credentials and meet no fault."""

    async def truth(_: web.Request) -> web.Response:
        return web.json_response(world.truth())

    async def now(_: web.Request) -> web.Response:
        return web.json_response({"now": world.now().isoformat()})

    async def requests(_: web.Request) -> web.Response:
        return web.json_response(list(world.requests))

    async def advance(request: web.Request) -> web.Response:
        try:
            days = float(request.query["days"])
        except (KeyError, ValueError):
            return _refuse("days: expected a number, as in /_sandbox/advance?days=3")
        if not 0 <= days <= DAYS:
            return _refuse(f"days: expected a number from 0 to {DAYS}")
        world.advance(days)
        return await now(request)

    async def set_faults(request: web.Request) -> web.Response:
        try:
            world.faults.replace(faults(dict(request.query)))
        except ValueError as error:
            return _refuse(str(error))
        return web.json_response({one.name: one.rate for one in world.faults.active})

    return [
        web.get(PREFIX + "truth", truth),
        web.get(PREFIX + "now", now),
        web.get(PREFIX + "requests", requests),
        web.post(PREFIX + "advance", advance),
        web.post(PREFIX + "faults", set_faults),
    ]


def _refuse(message: str) -> web.Response:
    return web.json_response({"error": message}, status=400)
