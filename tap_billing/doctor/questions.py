"""Requests to ChargeOver that show whether it does what the tap asks it to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_billing.providers.chargeover import escape
from tap_billing.providers.chargeover_paging import Position
from tap_billing.spec import Request, Scope

if TYPE_CHECKING:
    from tap_billing.doctor.connection import Case
    from tap_billing.spec import Resource

Clause = tuple[str, str, str]
FEW = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """A list request: further clauses, the order's direction (none: no order), rows, expansion."""

    clauses: tuple[Clause, ...] = ()
    order: str = ""
    limit: int = FEW
    expand: tuple[str, ...] = ()


def first(case: Case, resource: Resource) -> Request:
    """Return the cheapest request for a row of a resource, the newest if that can be told."""
    newest = case.provider.highest(resource, scope(case, resource))
    return newest or listing(case, resource, Wish())


def scope(case: Case, resource: Resource) -> Scope:
    """Return what a first load reads of a resource."""
    return Scope(start=case.settings.start, filters=case.filters.get(resource.name))


def count(case: Case, resource: Resource, clauses: tuple[Clause, ...] = ()) -> Request:
    """Return the request for the number of rows that a first load would read."""
    told = _where(case, resource, clauses)
    path = f"/{resource.path}/_count"
    return _single(resource, path, (("where", told),) if told else ())


def everything(resource: Resource) -> Request:
    """Return the request for the number of rows without filters and start date."""
    return _single(resource, f"/{resource.path}/_count", ())


def listing(case: Case, resource: Resource, wish: Wish) -> Request:
    """Return a request for some rows of those that a first load would read, as they come."""
    params = {
        "where": _where(case, resource, wish.clauses),
        "order": f"{resource.id}:{wish.order}" if wish.order else "",
        "expand": ",".join(wish.expand),
        "limit": str(wish.limit),
    }
    told = tuple((key, value) for key, value in params.items() if value)
    return _single(resource, f"/{resource.path}", told)


def _single(resource: Resource, path: str, params: tuple[tuple[str, str], ...]) -> Request:
    return Request(resource, path, params, Position((), (), single=True))


def _where(case: Case, resource: Resource, clauses: tuple[Clause, ...]) -> str:
    base = case.provider.count(resource, scope(case, resource), None)
    given = dict(base.params).get("where", "") if base else ""
    told = [f"{name}:{operator}:{escape(value)}" for name, operator, value in clauses]
    return ",".join(each for each in (given, *told) if each)
