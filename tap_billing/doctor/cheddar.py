"""What Cheddar's API does with the tap's requests, never asking for all customers at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tap_billing import clock
from tap_billing.doctor import access, dates, estimate
from tap_billing.doctor.finding import FAILED, WARNING, failed, mishap, ok, warning
from tap_billing.errors import BillingError, NotFound
from tap_billing.providers.cheddar import EPOCH
from tap_billing.providers.cheddar_resources import CREATED, CUSTOMERS, LOOKUPS, PLANS
from tap_billing.spec import Request, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_billing.doctor.connection import Answer, Case
    from tap_billing.doctor.finding import Finding
    from tap_billing.spec import Document, Resource

# Further ahead than any zone.
AHEAD = timedelta(days=3)
# Days of a sample, and of those after one that was slow or large.
DAYS, FEW_DAYS = 30, 3
SLOW, LARGE = 5.0, 5_000_000
# Years before now at which samples are taken.
AGES = (1, 2, 4, 8, 12)
YEAR = timedelta(days=365)
PATHS = ("customers/get", "plans/get", "promotions/get")
# With slashes, so that it travels in the query: no code of a plan is like that.
NO_PLAN = "no/such/plan"
GATEWAY = "check whether something at api_url drops queries, else ask Cheddar"


def examine(case: Case) -> Iterator[Finding]:
    """Yield what is found; end early where nothing else can succeed."""
    known = [each for each in case.resources if each.path in PATHS]
    others = [each for each in case.resources if each not in known]
    small = [each for each in known if not each.created]
    yield from access.reach(case, [(each, _whole(case, each)) for each in small])
    for resource in others if case.answers else ():
        yield warning(
            f"access {resource.name}",
            "not asked: its answer may be of any size",
            "check it by a run with --test",
        )
    if not case.answers or not case.connection.left:
        return
    if PLANS.name not in case.answers:
        yield warning(
            "access customers",
            "not asked: only plans/get can show safely whether filters reach the API",
            "mend the access to plans first",
        )
        return
    query = _query(case)
    yield query
    if query.level == FAILED:
        return
    if any(key in (case.filters.get(CUSTOMERS.name) or ()) for key in LOOKUPS):
        yield from access.reach(case, [(CUSTOMERS, _whole(case, CUSTOMERS))])
        return
    yield from _customers(case)


def _whole(case: Case, resource: Resource) -> Request:
    return case.provider.plan(resource, Scope(filters=case.filters.get(resource.name)))[0]


def _query(case: Case) -> Finding:
    """Return whether parameters in the query reach the API: without them every customer comes."""
    request = case.provider.plan(PLANS, Scope(filters={"code": NO_PLAN}))[0]
    try:
        answer = case.connection.ask(request)
    except NotFound:
        return ok("query", "parameters reach the API")
    except BillingError as error:
        return mishap(FAILED, "query", error)
    return failed("query", f"{len(answer.rows)} plans came where none was asked for", GATEWAY)


def _customers(case: Case) -> Iterator[Finding]:
    now = case.server_time or clock.now()
    today = now.astimezone(ZoneInfo(case.settings.timezone)).date()
    before = (case.filters.get(CUSTOMERS.name) or {}).get("createdBeforeDate")
    if before:
        today = min(today, date.fromisoformat(before))
    first = today - timedelta(days=DAYS - 1)
    filters = list(_filters(case, today, first))
    yield from filters
    if not filters or filters[0].level == FAILED:
        return
    recent = _sample(case, first, today)
    if isinstance(recent, BillingError):
        yield mishap(
            WARNING, "customers", recent, "the tap waits longer (request_timeout) and divides"
        )
        return
    answer, sample = recent
    yield from _recent(case, answer, first, today)
    samples = [sample]
    wide = (sample.seconds or 0) < SLOW and sample.size < LARGE
    earliest = case.settings.start.date() if case.settings.start else EPOCH
    for age in AGES:
        start = today - age * YEAR
        if start < earliest or not case.connection.left:
            break
        older = _sample(case, start, start + timedelta(days=(DAYS if wide else FEW_DAYS) - 1))
        if isinstance(older, BillingError):
            break
        samples.append(older[1])
    yield from estimate.whole(samples, case.settings, today)


def _window(case: Case, first: date, last: date) -> Request:
    """Return the request for the customers created on these days, as the user filters them."""
    filters = {**(case.filters.get(CUSTOMERS.name) or {}), "createdBeforeDate": last.isoformat()}
    noon = datetime.combine(first, time(12), ZoneInfo(case.settings.timezone))
    return case.provider.plan(CUSTOMERS, Scope(start=noon, filters=filters))[0]


def _filters(case: Case, today: date, first: date) -> Iterator[Finding]:
    """Yield whether filters by days filter; none is asked alone, so that no answer is large."""
    check, future = "filters customers", today + AHEAD
    asked = [("createdAfterDate", _window(case, future, future))]
    for key in ("canceledAfterDate", "transactedAfterDate"):
        window = _window(case, first, today)
        params = tuple(each for each in window.params if each[0] != key)
        asked.append((key, replace(window, params=(*params, (key, future.isoformat())))))
    worked = []
    for key, request in asked:
        if not case.connection.left:
            return
        try:
            rows = case.connection.ask(request, _slim).rows
        except BillingError as error:
            yield mishap(FAILED, check, error)
            return
        if rows:
            found = f"{key}={future} brought {len(rows)} customers, although it is to come"
            yield failed(check, found, GATEWAY)
            return
        worked.append(key)
    yield ok(check, f"{', '.join(worked)} bring what was asked for, no more")


def _sample(case: Case, first: date, last: date) -> tuple[Answer, estimate.Sample] | BillingError:
    try:
        answer = case.connection.ask(_window(case, first, last), _slim)
    except BillingError as error:
        return error
    days = (last - first).days + 1
    return answer, estimate.Sample(first, days, len(answer.rows), answer.size, answer.seconds)


def _recent(case: Case, answer: Answer, first: date, last: date) -> Iterator[Finding]:
    """Yield what the latest customers show: how many, order, form and zone of datetimes."""
    yield ok("access customers", "readable")
    found = [when for row in answer.rows for when in dates.told(row)]
    yield dates.examine(found, case.settings.timezone, case.server_time)
    zone = ZoneInfo(case.settings.timezone)
    aware = [each if each.tzinfo else each.replace(tzinfo=zone) for each in found]
    if not aware:
        yield ok("rows customers", f"none created since {first}")
        return
    if aware == sorted(aware):
        yield ok("order customers", "by creation, as asked for")
    else:
        yield warning(
            "order customers",
            "not by creation, although that was asked for",
            "a first load that is cut off begins anew: divide it by start_date",
        )
    days = [each.astimezone(zone).date() for each in aware]
    outside = [each for each in days if not first <= each <= last]
    if outside:
        yield warning(
            "timezone",
            f"{len(outside)} customers of other days than {case.settings.timezone} has",
            "set timezone to that of the API user: filters take whole days in it",
        )
    yield ok(
        "rows customers",
        f"{len(aware)} created since {first}, the newest at {max(aware):%Y-%m-%d %H:%M %z}",
    )


def _slim(document: Document) -> Any:
    return {"id": document.get("id"), CREATED: document.get(CREATED)}
