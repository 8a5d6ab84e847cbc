"""Defects of paging, of errors, and of what is asked for; each function plants one."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_billing import clock, paging, transport
from tap_billing.errors import BillingError, Forbidden, NotFound, Unauthorized
from tap_billing.feed import Feed
from tap_billing.plans import Plan
from tap_billing.providers import chargeover
from tap_billing.providers.chargeover import ChargeOver
from tap_billing.providers.cheddar import Cheddar
from tap_billing.run import Run
from tap_billing.spec import Page
from tap_billing.transport import Transport

if TYPE_CHECKING:
    import pytest

    from tests.mutants.plants import Plant

REFUSALS = (Forbidden, NotFound, Unauthorized)


def swallowing(*passed: type[BillingError], ends: bool, kinds: Any = BillingError) -> Plant:
    """Swallow errors while paging but for those `passed`; the list `ends` there, or never."""

    original = Transport.fetch

    async def fetch(sender: Transport, request: Any) -> Any:
        while True:
            try:
                return await original(sender, request)
            except passed:
                raise
            except kinds:
                if ends:
                    return Page((), clock.now(), None, whole=True)

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Transport, "fetch", fetch)

    return plant


def details_swallowed(patch: pytest.MonkeyPatch) -> None:
    """Take an error in the request for a single object for an object without children."""

    async def single(sender: Any, request: Any, row: Any) -> Any:
        try:
            return next(iter((await sender.get(request)).documents), row)
        except BillingError:
            return row

    patch.setattr(paging, "_single", single)


def one_fails_all(patch: pytest.MonkeyPatch) -> None:
    """Let one stream's failure end the run."""

    def fail(_self: Run, _plan: Plan, error: BillingError) -> None:
        raise error

    patch.setattr(Run, "_fail", fail)


def impatient(patch: pytest.MonkeyPatch) -> None:
    """Do not read Retry-After."""
    patch.setattr(transport, "retry_after", lambda *_: None)


def offsets(order: str | None) -> Plant:
    """Page by offset, over an order that edits change, or over none."""

    def query(self: ChargeOver, resource: Any, position: Any) -> Any:
        told = order and order.format(id=resource.id)
        return [
            *self._where(position.where),
            *([("order", told)] if told else []),
            *([("expand", ",".join(position.expand))] if position.expand else []),
            ("limit", str(self.page_size)),
            ("offset", str(position.offset)),
        ]

    def proceed(request: Any, rows: Any, limit: int) -> Any:
        if len(rows) < limit:
            return rows, None
        ahead = replace(request.position, offset=request.position.offset + len(rows))
        return rows, replace(request, position=ahead)

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(ChargeOver, "_query", query)
        patch.setattr(chargeover, "by_key", proceed)

    return plant


def upper_bound(patch: pytest.MonkeyPatch) -> None:
    """Ask for rows modified before the read began, which edits take out of the list."""
    original = ChargeOver._clauses

    def clauses(self: ChargeOver, resource: Any, *args: Any) -> Any:
        until = (("mod_datetime", "LTE", clock.now().isoformat()),)
        return (*original(self, resource, *args), *(until if resource.name == "customers" else ()))

    patch.setattr(ChargeOver, "_clauses", clauses)


def same_page(patch: pytest.MonkeyPatch) -> None:
    """Ask for what follows without looking whether anything does."""

    def proceed(request: Any, rows: Any, limit: int) -> Any:
        if len(rows) < limit:
            return rows, None
        ahead = replace(request.position, last=rows[-1][request.resource.id])
        return rows, replace(request, position=ahead)

    patch.setattr(chargeover, "by_key", proceed)


def edges_left_out(patch: pytest.MonkeyPatch) -> None:
    """Begin a window a day after the edge of the one before."""
    original = Cheddar._page

    def page(self: Cheddar, *args: Any) -> Page:
        found = original(self, *args)
        if found.following is None:
            return found
        window = found.following.position
        later = replace(window, first=window.first + timedelta(days=1))
        return replace(found, following=replace(found.following, position=later))

    patch.setattr(Cheddar, "_page", page)


def children_of_edges_left_out(patch: pytest.MonkeyPatch) -> None:
    """Drop what is below a customer who was created on the first day of a window."""
    original = Cheddar._page

    def page(self: Cheddar, request: Any, reply: Any, documents: Any, body: Any) -> Page:
        edge = request.position.first
        kept = (
            {**each, "subscriptions": []}
            if edge and each["createdDatetime"].startswith(edge.isoformat())
            else each
            for each in documents
        )
        return original(self, request, reply, kept, body)

    patch.setattr(Cheddar, "_page", page)


def nothing_stood(patch: pytest.MonkeyPatch) -> None:
    """Do not remember which rows stood open or live."""
    patch.setattr(Plan, "standing", property(lambda _: frozenset()))


def nothing_named(patch: pytest.MonkeyPatch) -> None:
    """Do not fetch rows by identifier."""
    patch.setattr(Feed, "_left", lambda _self, _wanted: iter(()))


def named_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Do not remember which rows others have named."""
    patch.setattr(Plan, "named", property(lambda _: frozenset()))


def whole_names_nobody(patch: pytest.MonkeyPatch) -> None:
    """Let rows of a whole read name nobody."""
    original = Feed._watch

    def watch(self: Feed, document: Any, page: Page) -> None:
        named = self.named
        if page.whole:
            self.named = defaultdict(set)
        original(self, document, page)
        self.named = named

    patch.setattr(Feed, "_watch", watch)


def selected_only(patch: pytest.MonkeyPatch) -> None:
    """Do not read what is not selected, though it names rows."""
    patch.setattr(Run, "_look", lambda _self, _plan: None)


def look_swallowed(patch: pytest.MonkeyPatch) -> None:
    """Take an error in what names rows for no names."""
    original = Run._look

    def look(self: Run, plan: Plan) -> None:
        with contextlib.suppress(BillingError):
            original(self, plan)

    patch.setattr(Run, "_look", look)


def every_pass_anew(patch: pytest.MonkeyPatch) -> None:
    """Do not remember which rows have come already."""

    class Forgetful(set[str]):
        def __contains__(self, _: object) -> bool:
            return False

    original = Feed.start

    def start(self: Feed, *early: Any) -> None:
        if not self._seen:
            self._seen = Forgetful()
        original(self, *early)

    patch.setattr(Feed, "start", start)


def one_by_one(patch: pytest.MonkeyPatch) -> None:
    """Ask for each identifier alone."""
    patch.setattr(chargeover, "ranges", lambda ids, _: [(int(each), int(each)) for each in ids])
