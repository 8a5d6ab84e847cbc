"""The sample company told as ChargeOver's REST API v3, strictly."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from tap_billing.sandbox import books, fields, lists, rows
from tap_billing.sandbox.telling import Row, Telling, telling
from tap_billing.sandbox.where import (
    BadRequestError,
    Clause,
    Field,
    Query,
    parse,
    sort_key,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_billing.sandbox.world import World

BASE: Final = "/api/v3"
COMMANDS: Final = {"POST": "create", "PUT": "modify", "DELETE": "delete", "PATCH": "modify"}
ALIASES: Final = {"billing_package": "package"}
UNAUTHORIZED: Final = "Invalid or incorrect authorization [{}]"


@dataclass(frozen=True)
class Resource:
    """An object of the API: where its rows are, how they are told, what they are filtered by."""

    key: str  # the name of its id
    books: str  # attribute of Company
    render: Callable[..., Row]
    fields: Mapping[str, Field]
    nested: str | None = None  # the array that single forms and expand= add
    expand: Callable[[Telling, Any], list[Row]] | None = None


def _listed(key: str, attribute: str, render: Callable[..., Row]) -> Resource:
    """Return an object that refuses every filter, but can be ordered by its id."""
    return Resource(key, attribute, render, {})


RESOURCES: Final[Mapping[str, Resource]] = {
    "customer": Resource("customer_id", "customers", rows.customer, fields.CUSTOMER),
    "user": Resource("user_id", "contacts", rows.user, fields.USER),
    "package": Resource(
        "package_id", "subscriptions", rows.package, fields.PACKAGE, "line_items",
        rows.package_lines,
    ),
    "invoice": Resource(
        "invoice_id", "invoices", books.invoice, fields.INVOICE, "line_items", books.invoice_lines
    ),
    "transaction": Resource(
        "transaction_id", "transactions", books.transaction, fields.TRANSACTION, "applied_to",
        books.applications,
    ),
    "item": Resource("item_id", "products", rows.item, fields.ITEM),
    "coupon": _listed("coupon_id", "coupons", lists.coupon),
    "quote": Resource("quote_id", "quotes", lists.quote, fields.QUOTE),
    "note": Resource("note_id", "notes", lists.note, fields.NOTE),
    "usage": Resource("usage_history_id", "usages", lists.usage, fields.USAGE),
    "creditcard": Resource("creditcard_id", "cards", lists.creditcard, fields.PAYMETHOD),
    "tokenized": Resource("tokenized_id", "tokens", lists.tokenized, fields.PAYMETHOD),
    "ach": Resource("ach_id", "achs", lists.ach, fields.PAYMETHOD),
    "item_category": _listed("item_category_id", "categories", lists.item_category),
    "admin": _listed("admin_id", "admins", lists.admin),
    "brand": _listed("brand_id", "brands", lists.brand),
    "campaign": _listed("campaign_id", "campaigns", lists.campaign),
    "class": _listed("class_id", "classes", lists.klass),
    "country": _listed("country_id", "countries", lists.country),
    "currency": _listed("currency_id", "currencies", lists.currency),
    "language": _listed("language_id", "languages", lists.language),
    "terms": _listed("terms_id", "terms", lists.terms),
}  # fmt: skip
UNPAGED: Final[Mapping[str, Callable[[Telling], list[Row]]]] = {
    "_report": lambda _: lists.REPORTS,
    "_customfield": lambda _: lists.CUSTOM_FIELDS,
    "_log_system": lists.system_log,
}


def routes(world: World) -> list[web.RouteDef]:
    """Return the one route below /api/v3; the company must be at `world.now()` already."""

    async def answer(request: web.Request) -> web.Response:
        refusal = _unauthorized(request.headers.get("Authorization"), world)
        if refusal:
            return _reply(world.era, 401, False, refusal)
        told = telling(world.company, ZoneInfo(world.timezone), world.era, world.company.now)
        path = [part for part in request.match_info["tail"].split("/") if part]
        return respond(told, request.method, path, request.query)

    return [web.route("*", BASE + "/{tail:.*}", answer)]


def respond(told: Telling, method: str, path: list[str], params: Mapping[str, str]) -> web.Response:
    """Return the answer to a request by path (below /api/v3) and query parameters."""
    name, *rest = path or [""]
    if method not in ("GET", "HEAD"):
        arguments = ", ".join([name, *rest])
        command = f"{COMMANDS.get(method, method.lower())}({arguments})"
        return _reply(told.era, 400, False, f"The command requested is not supported: {command}")
    if name in UNPAGED and not rest:
        if "where" in params:
            return _reply(told.era, 400, False, _unfiltered(params["where"]))
        return _reply(told.era, 200, UNPAGED[name](told))
    resource = RESOURCES.get(ALIASES.get(name, name))
    if resource is None or len(rest) > 1:
        command = "get" if rest else "list"
        message = f"The object type requested is not supported: {command}({name}, {''.join(rest)})"
        return _reply(told.era, 400, False, message)
    try:
        if not rest:
            return _reply(told.era, 200, page(told, resource, params))
        if rest == ["_count"]:
            return _reply(told.era, 200, count(told, resource, params))
    except BadRequestError as error:
        return _reply(told.era, 400, False, str(error))
    found = single(told, resource, rest[0])
    if found is None:
        message = f"This {ALIASES.get(name, name)} does not exist."
        return _reply(told.era, 404, None, message)
    return _reply(told.era, 200, found)


def page(told: Telling, resource: Resource, params: Mapping[str, str]) -> list[Row]:
    """Return one page of the list form; raise BadRequestError for parameters it refuses."""
    expandable = frozenset({resource.nested} if resource.nested else ())
    query = parse(params, resource.fields, expandable, told.zone, resource.key)
    found: Iterable[Any] = matching(told, resource, query.clauses)
    for field, descending in reversed(query.order):
        if not (field.key and not descending):
            found = sorted(
                found, key=lambda row: sort_key(field.get(told, row)), reverse=descending
            )
    return [
        _render(told, resource, row, query)
        for row in islice(found, query.offset, query.offset + query.limit)
    ]


def count(told: Telling, resource: Resource, params: Mapping[str, str]) -> int:
    """Return how many rows a where selects; raise BadRequestError when it is refused."""
    clauses = where(params.get("where", ""), resource.fields, told.zone)
    return sum(1 for _ in matching(told, resource, clauses))


def matching(told: Telling, resource: Resource, clauses: tuple[Clause, ...]) -> Iterator[Any]:
    """Yield the rows that meet all clauses, in the order of their ids."""
    held = getattr(told.company, resource.books)
    found = list(held.values() if isinstance(held, dict) else held)
    for clause in clauses:
        if clause.name == resource.key and clause.command in ("GT", "GTE"):
            start = bisect_left(found, clause.value, key=lambda row: row.id)
            found = found[start:]
    return (row for row in found if all(clause.holds(told, row) for clause in clauses))


def single(told: Telling, resource: Resource, key: str) -> Row | None:
    """Return the single form of the row with that id, or `token:...`; None if there is none."""
    held = getattr(told.company, resource.books)
    by_id = held if isinstance(held, dict) else {row.id: row for row in held}
    row = by_id.get(int(key)) if key.isascii() and key.isdigit() else None
    kind, _, token = key.partition(":")
    if kind == "token" and "token" in resource.fields:
        row = next((each for each in by_id.values() if each.token == token), None)
    return None if row is None else _render(told, resource, row, None)


def _render(told: Telling, resource: Resource, row: object, query: Query | None) -> Row:
    found = resource.render(told, row, single=query is None)
    if resource.expand and resource.nested and (query is None or resource.nested in query.expand):
        found[resource.nested] = resource.expand(told, row)
    return found


def _unfiltered(text: str) -> str:
    return f"You cannot filter by: {text.partition(':')[0]}."


def _unauthorized(header: str | None, world: World) -> str | None:
    """Return why a request is refused, or None: Basic with the world's username and password."""
    kind, _, value = (header or "").partition(" ")
    if kind.lower() != "basic":
        return UNAUTHORIZED.format("Missing (basic) authorization header.")
    try:
        given = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        given = ""
    if given != f"{world.username}:{world.password}":
        return UNAUTHORIZED.format("Unknown public key or wrong private key.")
    return None


def _reply(era: str, code: int, response: object, message: str = "") -> web.Response:
    envelope: Row = {"code": code, "status": "OK" if code == 200 else "Error", "message": message}
    if era != "2015":
        envelope["details"] = {}
    envelope["response"] = response
    body = orjson.dumps(envelope)
    return web.Response(body=body, status=code, content_type="application/json")
