"""The company told as Cheddar tells it: `/xml/...`, one XML document an answer, strictly."""

from __future__ import annotations

import hmac
import itertools
import re
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote_plus
from zoneinfo import ZoneInfo

from aiohttp import web

from tap_billing.sandbox import accounts, tariff
from tap_billing.sandbox.markup import DECLARATION, View, error, identity
from tap_billing.sandbox.sieve import sieve, sift, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from tap_billing.sandbox.model import Customer, Product, Promotion
    from tap_billing.sandbox.server import World

CONTENT_TYPE: Final = "text/xml"
CHUNK: Final = 65_536
PRODUCT: Final = frozenset({"productCode", "productId"})
LOOKUPS: Final = {
    "plans": ("code", "id"),
    "customers": ("code", "id", "invoiceNumber"),
    "promotions": ("code", "id"),
}
# PHP reads name[], name[0], name[1]... as one array.
ARRAY: Final = re.compile(r"(\w+)\[\d*\]")
# The vendor's own spelling (client RUBY, aux codes 1000 to 1003).
UNEXPECTED: Final = "An unexpected error occured.  Please try again later."

Parameters = dict[str, list[str]]


class Refusal(Exception):
    """Why there is no document: an HTTP status, a message, an auxiliary code."""

    def __init__(self, status: HTTPStatus, message: str, aux: str = "") -> None:
        """Keep the three, which make the error document."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.aux = aux


def routes(world: World) -> list[web.RouteDef]:
    """Return the one route of the API: everything below `/xml` and everything unknown."""
    serials = itertools.count(73_542)

    async def answer(request: web.Request) -> web.Response:
        try:
            body = _answer(world, request)
        except Refusal as refusal:
            document = error(next(serials), refusal.status, refusal.message, refusal.aux)
            response = _response(document.encode(), refusal.status)
            if refusal.status == HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="CheddarGetter API"'
            return response
        return _response(body)

    return [web.route("*", "/{path:.*}", answer)]


def _response(body: bytes | AsyncIterator[bytes], status: int = 200) -> web.Response:
    headers = {"Content-Type": f"{CONTENT_TYPE}; charset=UTF-8"}
    return web.Response(status=status, body=body, headers=headers)


def _answer(world: World, request: web.Request) -> bytes | AsyncIterator[bytes]:
    """Return the body of the document asked for, or raise why there is none."""
    if request.method != "GET":
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{request.method} is not served here, only GET is")
    path, _, query = request.raw_path.partition("?")
    controller, given = _route(path)
    _authenticate(world, request)
    for name, value in parse_qsl(query, keep_blank_values=True):
        array = ARRAY.fullmatch(name)
        if array:
            given.setdefault(f"{array[1]}[]", []).append(value)
        else:
            given[name] = [value]
    _check_product(world, given)
    zone = ZoneInfo(world.timezone)
    view = View(world.company, zone, world.company.now, f"secret of {world.product_code}")
    asked = {name: values for name, values in given.items() if name not in PRODUCT}
    if controller == "customers":
        return _customers(world, view, asked)
    elements = _plans(world, view, asked) if controller == "plans" else _promotions(view, asked)
    return f"{DECLARATION}<{controller}>{elements}</{controller}>".encode()


def _route(path: str) -> tuple[str, Parameters]:
    """Return the controller and the parameters of a path; raise Refusal for an unknown one."""
    parts = path.strip("/").split("/")
    # Apache refuses an encoded slash in a path (AllowEncodedSlashes is off by default).
    if parts[0] != "xml" or "%2f" in path.lower():
        raise Refusal(HTTPStatus.NOT_FOUND, "Resource not found")
    controller, action = (*parts[1:3], "", "")[:2]
    if controller in LOOKUPS and not action:
        message = "No action selected. Need an action such as get."
        raise Refusal(HTTPStatus.BAD_REQUEST, message)
    if controller not in LOOKUPS or action != "get":
        raise Refusal(HTTPStatus.NOT_FOUND, "Resource not found")
    names, values = parts[3::2], parts[4::2]
    given = dict(zip(names, (*values, ""), strict=False))
    return controller, {unquote_plus(key): [unquote_plus(one)] for key, one in given.items()}


def _authenticate(world: World, request: web.Request) -> None:
    expected = b64encode(f"{world.username}:{world.password}".encode())
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic" or not hmac.compare_digest(sent.strip().encode(), expected):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "Authentication required")


def _check_product(world: World, given: Mapping[str, list[str]]) -> None:
    """Raise Refusal unless the product is named and is the one there is (client RUBY)."""
    if not PRODUCT & given.keys():
        message = "No product selected. Need a productId or productCode."
        raise Refusal(HTTPStatus.BAD_REQUEST, message)
    code = given.get("productCode", [world.product_code])[0]
    if code != world.product_code:
        message = f"User {world.username} does not have access to productCode={code}"
        raise Refusal(HTTPStatus.FORBIDDEN, message)
    own = identity("account", world.product_code)
    number = given.get("productId", [own])[0]
    if number != own:
        message = f"User does not have access to productId={number}"
        raise Refusal(HTTPStatus.FORBIDDEN, message)


def _lookup(controller: str, asked: Parameters) -> tuple[str, str] | None:
    """Return how a single entity is asked for, or None; raise Refusal for unknown parameters."""
    for name in LOOKUPS[controller]:
        if name in asked:
            return name, asked[name][0]
    if controller != "customers" and asked:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"Unknown parameter: {next(iter(asked))}")
    return None


def _plans(world: World, view: View, asked: Parameters) -> str:
    plans = [one for one in view.company.products.values() if one.kind == "plan"]
    lookup = _lookup("plans", asked)
    if lookup:
        name, value = lookup
        plans = [one for one in plans if _known(one, name) == value]
        if not plans:
            message = f"Plan not found for {name}={value} within productCode={world.product_code}"
            raise Refusal(HTTPStatus.NOT_FOUND, message)
    return "".join(tariff.plan(view, one) for one in plans)


def _known(plan: Product, name: str) -> str:
    return plan.code if name == "code" else identity("product", plan.id)


def _promotions(view: View, asked: Parameters) -> str:
    found: list[Promotion] = list(view.company.promotions.values())
    lookup = _lookup("promotions", asked)
    if lookup:
        name, value = lookup
        found = [
            one
            for one in found
            if (value in {coupon.code for coupon in one.coupons} if name == "code" else False)
            or (name == "id" and identity("promotion", one.id) == value)
        ]
    if not found:
        message = "Promotion not found" if lookup else "No promotions found."
        raise Refusal(HTTPStatus.NOT_FOUND, message)
    return "".join(tariff.promotion(view, one) for one in found)


def _customers(world: World, view: View, asked: Parameters) -> AsyncIterator[bytes]:
    """Return the document of the customers asked for, rendered while it is being sent."""
    lookup = _lookup("customers", asked)
    if lookup:
        found = [one for one in told(view.company) if _is(view, one, *lookup)]
        if not found:
            raise Refusal(HTTPStatus.NOT_FOUND, "Customer not found")
    else:
        try:
            wanted = sieve(asked, view.zone)
        except ValueError as refused:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(refused)) from refused
        found = sift(view.company, wanted)
        if not found:
            raise Refusal(HTTPStatus.NOT_FOUND, "No customers found.")
    most = world.max_customers_per_document
    if most is not None and len(found) > most:
        raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED, "1000")
    return _stream(world, _document(view, found))


def _is(view: View, one: Customer, name: str, value: str) -> bool:
    if name == "code":
        return one.code == value
    if name == "id":
        return identity("customer", one.id) == value
    return any(
        str(invoice.number) == value
        for subscription, phase in view.company.phases(one)
        for invoice in (
            *view.company.phase_invoices.get(phase.id, ()),
            *([subscription.pending] if subscription.pending else ()),
        )
    )


def _document(view: View, found: list[Customer]) -> Iterator[str]:
    yield f"{DECLARATION}<customers>"
    for one in found:
        # Business may go on while a long document is being sent, deletions included.
        if one.id in view.company.customers:
            yield accounts.customer(view, one)
    yield "</customers>"


async def _stream(world: World, parts: Iterator[str]) -> AsyncIterator[bytes]:
    held = bytearray()
    while True:
        with world.lock:
            part = next(parts, None)
        if part is None:
            break
        held += part.encode()
        if len(held) >= CHUNK:
            yield bytes(held)
            held.clear()
    yield bytes(held)
