"""The parameters of Cheddar's customers/get: which customers it tells, and in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Customer, Phase, Subscription

DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
EVER: Final = datetime.max.replace(tzinfo=UTC)
NEVER: Final = datetime.min.replace(tzinfo=UTC)
STATUSES: Final = ("activeOnly", "canceledOnly")
ORDERS: Final = ("name", "company", "plan", "billingDatetime", "createdDatetime")
DIRECTIONS: Final = ("asc", "desc")
CHOICES: Final = {
    "subscriptionStatus": STATUSES,
    "orderBy": ORDERS,
    "orderByDirection": DIRECTIONS,
}
RANGES: Final = ("created", "canceled", "transacted")
DATES: Final = tuple(f"{what}{side}Date" for what in RANGES for side in ("After", "Before"))
PARAMETERS: Final = frozenset({*CHOICES, *DATES, "planCode[]", "search"})


@dataclass(frozen=True)
class Sieve:
    """What customers/get was asked for; ranges are half-open, in UTC, by what they look at."""

    ranges: Mapping[str, tuple[datetime, datetime]] = field(default_factory=dict)
    status: str = ""
    plan_codes: tuple[str, ...] = ()
    search: str = ""
    order: str = "name"
    descending: bool = False


def sieve(given: Mapping[str, list[str]], zone: tzinfo) -> Sieve:
    """Return the sieve of the parameters; raise ValueError with the reason for a refusal.

    Days are whole days of the API user's zone, the last one included.
    """
    single = {name: values[-1] for name, values in given.items()}
    for name, value in single.items():
        if name not in PARAMETERS:
            message = f"Unknown parameter: {name}"
            raise ValueError(message)
        if name in CHOICES and value not in CHOICES[name]:
            message = f"'{value}' was not found in the haystack: {name}"
            raise ValueError(message)
    days = {name: _day(name, single[name]) for name in DATES if name in single}
    ranges = {
        what: (
            _midnight(days.get(f"{what}AfterDate"), zone, NEVER),
            _midnight(days.get(f"{what}BeforeDate"), zone, EVER, timedelta(days=1)),
        )
        for what in RANGES
        if f"{what}AfterDate" in days or f"{what}BeforeDate" in days
    }
    return Sieve(
        ranges=ranges,
        status=single.get("subscriptionStatus", ""),
        plan_codes=tuple(given.get("planCode[]", ())),
        search=single.get("search", "").casefold(),
        order=single.get("orderBy", "name"),
        descending=single.get("orderByDirection") == "desc",
    )


def sift(company: Company, wanted: Sieve) -> list[Customer]:
    """Return the customers that pass the sieve, in its order."""
    found = [one for one in told(company) if _passes(company, one, wanted)]
    found.sort(key=lambda one: (_rank(company, one, wanted.order), one.id))
    if wanted.descending:
        found.reverse()
    return found


def told(company: Company) -> Iterable[Customer]:
    """Return the customers that Cheddar knows: those that have ever had a subscription."""
    return [one for one in company.customers.values() if one.subscription_ids]


def _day(name: str, value: str) -> date:
    try:
        if DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    message = f"'{value}' does not appear to be a valid date: {name}"
    raise ValueError(message)


def _midnight(
    day: date | None, zone: tzinfo, otherwise: datetime, later: timedelta = timedelta()
) -> datetime:
    if day is None:
        return otherwise
    try:
        return datetime.combine(day + later, time(), zone).astimezone(UTC)
    except OverflowError:
        return otherwise


def _passes(company: Company, one: Customer, wanted: Sieve) -> bool:
    subscription, phase = current(company, one)
    if wanted.status and (subscription.cancelled is None) != (wanted.status == "activeOnly"):
        return False
    if wanted.plan_codes and company.plan(phase.plan_id).code not in wanted.plan_codes:
        return False
    if wanted.search and not _mentions(one, phase, wanted.search):
        return False
    return all(
        any(after <= at < before for at in _instants(company, one, what))
        for what, (after, before) in wanted.ranges.items()
    )


def current(company: Company, one: Customer) -> tuple[Subscription, Phase]:
    """Return the customer's current subscription: the newest one, as it is now."""
    subscription = company.subscriptions[one.subscription_ids[-1]]
    return subscription, subscription.phases[-1]


def _instants(company: Company, one: Customer, what: str) -> Iterable[datetime]:
    if what == "created":
        return [one.created]
    if what == "canceled":
        cancelled = current(company, one)[0].cancelled
        return [] if cancelled is None else [cancelled]
    return [
        transaction.created
        for _, phase in company.phases(one)
        for invoice in company.phase_invoices.get(phase.id, ())
        for number in invoice.transaction_ids
        for transaction in [company.transactions[number]]
        if transaction.kind != "cre"
    ]


def _mentions(one: Customer, phase: Phase, search: str) -> bool:
    name = f"{one.first_name} {one.last_name}"
    last_four = phase.card.last_four if phase.card else ""
    return any(
        search in text.casefold() for text in (name, one.company, one.email, last_four) if text
    )


def _rank(company: Company, one: Customer, order: str) -> tuple[str, ...] | datetime:
    ranks: dict[str, Callable[[], tuple[str, ...] | datetime]] = {
        "name": lambda: (one.last_name.casefold(), one.first_name.casefold()),
        "company": lambda: (one.company.casefold(),),
        "plan": lambda: (company.plan(current(company, one)[1].plan_id).name,),
        "billingDatetime": lambda: _billing(current(company, one)[0]),
        "createdDatetime": lambda: one.created,
    }
    return ranks[order]()


def _billing(subscription: Subscription) -> datetime:
    return subscription.pending.billing_at if subscription.pending else EVER
