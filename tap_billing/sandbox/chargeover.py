"""The sample company told as ChargeOver's REST API v3, strictly."""

from __future__ import annotations

import base64
import hmac
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from tap_billing.sandbox import books, clients, fields, lists, packages
from tap_billing.sandbox.telling import Row, Telling, telling
from tap_billing.sandbox.where import (
    Clause,
    Field,
    Query,
    RefusedError,
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
GONE: Final = 404
UNAUTHORIZED: Final = "Invalid or incorrect authorization [{}]"


@dataclass(frozen=True)
class Resource:
    """An object of the API: where its rows are, how they are told, what they are filtered by."""

    key: str  # the name of its id
    books: str  # attribute of Company
    render: Callable[[Telling, Any], Row]
    fields: Mapping[str, Field] = field(default_factory=dict)
    more: Callable[[Telling, Any], Row] = lambda *_: {}  # what the single form has more
    nested: str | None = None  # the array that single forms have, and lists with expand=
    expand: Callable[[Telling, Any], list[Row]] = lambda *_: []


RESOURCES: Final[Mapping[str, Resource]] = {
    "customer": Resource(
        "customer_id", "customers", clients.customer, fields.CUSTOMER, clients.customer_more
    ),
    "user": Resource("user_id", "contacts", clients.user, fields.USER, clients.user_more),
    "package": Resource(
        "package_id",
        "subscriptions",
        packages.package,
        fields.PACKAGE,
        nested="line_items",
        expand=packages.package_lines,
    ),
    "invoice": Resource(
        "invoice_id",
        "invoices",
        books.invoice,
        fields.INVOICE,
        nested="line_items",
        expand=books.invoice_lines,
    ),
    "transaction": Resource(
        "transaction_id",
        "transactions",
        books.transaction,
        fields.TRANSACTION,
        books.transaction_more,
        nested="applied_to",
        expand=books.applications,
    ),
    "item": Resource("item_id", "products", packages.item, fields.ITEM, packages.item_more),
    "coupon": Resource("coupon_id", "coupons", lists.coupon),
    "quote": Resource("quote_id", "quotes", lists.quote, fields.QUOTE, lists.quote_lines),
    "note": Resource("note_id", "notes", lists.note, fields.NOTE),
    "usage": Resource("usage_history_id", "usages", lists.usage, fields.USAGE),
    "creditcard": Resource("creditcard_id", "cards", lists.creditcard, fields.PAYMETHOD),
    "tokenized": Resource("tokenized_id", "tokens", lists.tokenized, fields.PAYMETHOD),
    "ach": Resource("ach_id", "achs", lists.ach, fields.PAYMETHOD),
    "item_category": Resource("item_category_id", "categories", lists.item_category),
    "admin": Resource("admin_id", "admins", lists.admin),
    "brand": Resource("brand_id", "brands", lists.brand),
    "campaign": Resource("campaign_id", "campaigns", lists.campaign),
    "class": Resource("class_id", "classes", lists.klass),
    "country": Resource("country_id", "countries", lists.country),
    "currency": Resource("currency_id", "currencies", lists.currency),
    "language": Resource("language_id", "languages", lists.language),
    "terms": Resource("terms_id", "terms", lists.terms),
}
UNPAGED: Final[Mapping[str, Callable[[Telling], list[Row]]]] = {
    "_report": lambda _: lists.REPORTS,
    "_customfield": lambda _: lists.CUSTOM_FIELDS,
    "_log_system": lists.system_log,
}


def routes(world: World) -> list[web.RouteDef]:
    """Return the one route below /api/v3; the company must be at the world's time already."""

    async def answer(request: web.Request) -> web.Response:
        told = telling(world.company, ZoneInfo(world.timezone), world.era, world.company.now)
        path = [part for part in request.match_info["tail"].split("/") if part]
        try:
            _authorize(request.headers.get("Authorization"), world)
            found = respond(told, request.method, path, request.query)
        except RefusedError as error:
            return _reply(told, error.code, None if error.code == GONE else False, str(error))
        return _reply(told, 200, found)

    return [web.route("*", BASE + "/{tail:.*}", answer)]


def respond(told: Telling, method: str, path: list[str], params: Mapping[str, str]) -> object:
    """Return what `response` tells of a request by path (below /api/v3) and query parameters.

    Raises RefusedError with the vendor's status and text.
    """
    name, *rest = path or [""]
    if method not in ("GET", "HEAD"):
        command = f"{COMMANDS.get(method, method.lower())}({', '.join([name, *rest])})"
        raise RefusedError(f"The command requested is not supported: {command}")
    if name in UNPAGED and not rest:
        where(params.get("where", ""), {}, told.zone)
        return UNPAGED[name](told)
    name = ALIASES.get(name, name)
    if name not in RESOURCES or rest[1:]:
        command = f"{'get' if rest else 'list'}({name}, {'/'.join(rest)})"
        raise RefusedError(f"The object type requested is not supported: {command}")
    resource = RESOURCES[name]
    if not rest:
        return page(told, resource, params)
    if rest == ["_count"]:
        return count(told, resource, params)
    found = single(told, resource, rest[0])
    if found is None:
        raise RefusedError(f"This {name} does not exist.", GONE)
    return found


def page(told: Telling, resource: Resource, params: Mapping[str, str]) -> list[Row]:
    """Return one page of the list form; raise RefusedError for parameters it refuses."""
    expandable = frozenset({resource.nested} if resource.nested else ())
    query = parse(params, resource.fields, expandable, told.zone, resource.key)
    found: Iterable[Any] = matching(told, resource, query.clauses)
    for by, descending in reversed(query.order):
        if descending or not by.key:
            found = sorted(found, key=lambda row: sort_key(by.get(told, row)), reverse=descending)
    return [
        _listed(told, resource, row, query)
        for row in islice(found, query.offset, query.offset + query.limit)
    ]


def count(told: Telling, resource: Resource, params: Mapping[str, str]) -> int:
    """Return how many rows a where selects; raise RefusedError when it is refused."""
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
    if row is None:
        return None
    found = resource.render(told, row) | resource.more(told, row)
    if resource.nested:
        found[resource.nested] = resource.expand(told, row)
    return found


def _listed(told: Telling, resource: Resource, row: object, query: Query) -> Row:
    found = resource.render(told, row)
    if resource.nested in query.expand:
        found[resource.nested] = resource.expand(told, row)
    return found


def _authorize(header: str | None, world: World) -> None:
    """Check Basic authorization by the world's username and password; raise RefusedError."""
    kind, _, value = (header or "").partition(" ")
    if kind.lower() != "basic":
        raise RefusedError(UNAUTHORIZED.format("Missing (basic) authorization header."), 401)
    given = base64.b64encode(f"{world.username}:{world.password}".encode()).decode()
    if not hmac.compare_digest(value.strip().encode(), given.encode()):
        raise RefusedError(UNAUTHORIZED.format("Unknown public key or wrong private key."), 401)


def _reply(told: Telling, code: int, response: object, message: str = "") -> web.Response:
    envelope: Row = {"code": code, "status": "Error" if message else "OK", "message": message}
    if told.modern:
        envelope["details"] = {}
    envelope["response"] = response
    body = orjson.dumps(envelope)
    return web.Response(body=body, status=code, content_type="application/json")
