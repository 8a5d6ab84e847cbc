"""What the benchmark server answers: ChargeOver's lists by page, Cheddar's document from a file."""

from __future__ import annotations

import itertools
from base64 import b64encode
from dataclasses import dataclass
from datetime import date
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from benchmarks import data, documents
from tap_billing.sandbox import World, chargeover, cheddar
from tap_billing.sandbox.markup import error
from tap_billing.sandbox.where import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from aiohttp.typedefs import Handler

CHUNK: Final = 262_144
REFUSED: Final = "Invalid or incorrect authorization"
XML: Final = {"Content-Type": "text/xml; charset=UTF-8"}
# As the sandbox writes it, for a code, a status, a message and a response that are JSON already.
ENVELOPE: Final = b'{"code":%d,"status":"%b","message":%b,"details":{},"response":%b}'


@dataclass
class Cost:
    """What the server has done since it started; bytes are those of bodies, uncompressed."""

    requests: int = 0
    sent: int = 0


def invoicing(world: World, rows: int, small: tuple[int, int]) -> list[web.RouteDef]:
    """Return ChargeOver's routes: so many invoices, (number, pages) small lists, the company.

    Without a number of invoices they are the company's own.
    """
    tables = {"invoice": data.invoices(rows)} if rows else {}
    tables |= {f"list{n:02}": data.small(n, small[1]) for n in range(1, small[0] + 1)}
    found: list[web.RouteDef] = []
    for name, table in tables.items():
        path = f"{chargeover.BASE}/{name}"
        found += [
            web.get(path, _list(world, table)),
            web.get(f"{path}/_count", _count(world, table)),
        ]
    return found + chargeover.routes(world)


def _list(world: World, table: data.Table) -> Handler:
    """Return the handler of a table's list form, which tells lines whether expanded or not."""
    page = data.pages(table)
    return _answering(world, lambda asked: page(data.select(table, asked)))


def _count(world: World, table: data.Table) -> Handler:
    return _answering(world, lambda asked: b"%d" % data.count(table, asked))


def _answering(world: World, response: Callable[[Mapping[str, str]], bytes]) -> Handler:
    """Return the handler that answers with JSON in the vendor's envelope, or refuses."""
    signed = _signed(world)

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != signed:
            return _reply(401, REFUSED)
        try:
            return _reply(200, "", response(request.query))
        except RefusedError as error:
            return _reply(error.code, str(error))

    return handle


def envelope(response: bytes, status: int = 200, text: str = "") -> bytes:
    """Return an answer of the API around JSON; with a text it is an error."""
    return ENVELOPE % (status, b"Error" if text else b"OK", orjson.dumps(text), response)


def _reply(status: int, text: str, found: bytes = b"false") -> web.Response:
    body = envelope(found, status, text)
    return web.Response(body=body, status=status, content_type="application/json")


def exporting(world: World, document: Path, cost: Cost) -> list[web.RouteDef]:
    """Return Cheddar's routes: a file of customers by creation, and the company's catalogue.

    Of all filters, those of the day of creation are applied, which is a day in UTC.
    """
    signed, serials = _signed(world), itertools.count(1)

    async def customers(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != signed:
            return _problem(next(serials), 401, REFUSED)
        try:
            first, last = documents.between(document, *_days(request.query))
        except ValueError:
            return _problem(next(serials), 400, "That does not appear to be a valid date")
        if first == last:
            return _problem(next(serials), 404, "No customers found.")
        response = web.StreamResponse(headers={**XML, "Date": formatdate(usegmt=True)})
        await response.prepare(request)
        for chunk in _chunks(document, first, last):
            cost.sent += len(chunk)
            await response.write(chunk)
        return response

    return [web.get("/xml/customers/get{tail:.*}", customers), *cheddar.routes(world)]


def _days(asked: Mapping[str, str]) -> tuple[date | None, date | None]:
    after, before = (asked.get(f"created{side}Date") for side in ("After", "Before"))
    return (
        date.fromisoformat(after) if after else None,
        date.fromisoformat(before) if before else None,
    )


def _chunks(document: Path, first: int, last: int) -> Iterator[bytes]:
    """Yield a document of the customers that are between two offsets of a larger one."""
    yield documents.OPENING
    with document.open("rb") as file:
        file.seek(first)
        while first < last:
            chunk = file.read(min(CHUNK, last - first))
            first += len(chunk)
            yield chunk
    yield documents.CLOSING


def _problem(serial: int, status: int, text: str) -> web.Response:
    return web.Response(body=error(serial, status, text).encode(), status=status, headers=XML)


def _signed(world: World) -> str:
    """Return the header of Basic authorization by the world's username and password."""
    return f"Basic {b64encode(f'{world.username}:{world.password}'.encode()).decode()}"
