"""What ChargeOver's API does with the tap's requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tap_billing.doctor import access, dates, estimate, rows
from tap_billing.doctor.finding import FAILED, WARNING, failed, mishap, ok, warning
from tap_billing.doctor.questions import Wish, first, listing
from tap_billing.errors import BillingError, Refused
from tap_billing.providers.chargeover_paging import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_billing.doctor.connection import Case
    from tap_billing.doctor.finding import Finding
    from tap_billing.spec import Resource

ACCOUNT = "set timezone to the account's (in ChargeOver: Settings, Company)"


def examine(case: Case) -> Iterator[Finding]:
    """Yield what is found; end early where nothing else can succeed."""
    chosen = [each for each in case.resources if access.selected(each)]
    yield from access.reach(case, [(each, first(case, each)) for each in chosen])
    known = [each for each in chosen if each.name in case.answers]
    if not known:
        return
    counts: dict[str, int] = {}
    for resource in known:
        if case.connection.left and _is_object(resource):
            yield from rows.counted(case, resource, counts)
        if resource.keyset and case.answers[resource.name].rows:
            if case.connection.left:
                yield from rows.paging(case, resource)
            yield from rows.filters(case, resource)
    yield from _zone(case, known)
    yield from _load(case, known, counts)
    others = [each for each in case.resources if not access.selected(each)]
    yield from access.survey(case, [(each, first(case, each)) for each in others])


def _is_object(resource: Resource) -> bool:
    """Whether a path is that of an object, which all have `_count`: a custom one may not be."""
    return "/" not in resource.path and not resource.path.startswith("_")


def _zone(case: Case, known: Sequence[Resource]) -> Iterator[Finding]:
    """Yield in which form and zone datetimes come, and how the server reads those it is asked."""
    answers = [case.answers[each.name] for each in known]
    values = [when for answer in answers for row in answer.rows for when in dates.told(row)]
    yield dates.examine(values, case.settings.timezone, case.server_time)
    for resource in known:
        newest = next(iter(case.answers[resource.name].rows), None)
        field = resource.created
        when = dates.parsed(newest.get(field)) if newest and field else None
        if when is not None and when.tzinfo is None and case.connection.left > 1:
            yield from _reading(case, resource)
            return


def _reading(case: Case, resource: Resource) -> Iterator[Finding]:
    """Yield whether the server reads an instant as the tap reads the server's naive datetimes.

    The newest row was created at, and not after, the instant that its text means.
    """
    newest = case.answers[resource.name].rows[0]
    field, number = resource.created or "", str(whole(newest[resource.id]))
    zone = ZoneInfo(case.settings.timezone)
    when = dates.parsed(newest[field])
    if when is None or _offset(when, zone, 0) != _offset(when, zone, 1):
        # Told in the hour that comes twice: nothing follows from it.
        return
    instant = when.replace(tzinfo=zone).astimezone(UTC)
    came = []
    for later in (timedelta(0), timedelta(seconds=1)):
        text = (instant + later).astimezone(zone).isoformat(timespec="seconds")
        clauses = ((resource.id, "EQUALS", number), (field, "GTE", text))
        try:
            came.append(bool(case.connection.ask(listing(case, resource, Wish(clauses))).rows))
        except BillingError as error:
            yield mishap(FAILED, "timezone", error)
            return
    told = f"{resource.name} created at {when:%Y-%m-%d %H:%M} (no offset)"
    if came == [True, False]:
        yield ok("timezone", f"the server finds {told} as {case.settings.timezone}")
    else:
        side = "later" if came[0] else "earlier"
        found = f"the server takes {told} for {side} than {case.settings.timezone} does"
        yield failed("timezone", found, ACCOUNT)


def _offset(when: datetime, zone: ZoneInfo, fold: int) -> timedelta | None:
    return when.replace(tzinfo=zone, fold=fold).utcoffset()


def _load(case: Case, known: Sequence[Resource], counts: Mapping[str, int]) -> Iterator[Finding]:
    """Measure a page of the longest list, and yield how long a first load takes."""
    largest = max(
        (each for each in known if counts.get(each.name)),
        key=lambda each: counts[each.name],
        default=None,
    )
    if largest is None or not case.connection.left:
        return
    wish = Wish(
        order="ASC" if largest.keyset else "",
        limit=case.settings.page_size,
        expand=largest.expand if largest.keyset else (),
    )
    try:
        answer = case.connection.ask(listing(case, largest, wish))
    except Refused as error:
        yield mishap(WARNING, "first load", error, rows.ROW_BY_ROW)
        return
    except BillingError as error:
        yield mishap(FAILED, "first load", error)
        return
    given, wanted = len(answer.rows), case.settings.page_size
    if not given or answer.seconds is None:
        yield warning("first load", "not estimated: its page had to be repeated", "run again later")
        return
    if wish.expand and not any(key in row for row in answer.rows for key in wish.expand):
        found = f"not estimated: it takes a request for each of {counts[largest.name]:,} rows"
        yield warning("first load", found, rows.ROW_BY_ROW)
        return
    page_size = wanted
    if given < min(wanted, counts[largest.name]):
        page_size = given
        yield ok("page_size", f"the server gives {given} rows a page where {wanted} are asked for")
    settings = replace(case.settings, page_size=page_size)
    yield from estimate.paged(counts, answer.seconds, settings)
