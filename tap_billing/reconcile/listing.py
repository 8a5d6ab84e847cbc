"""ChargeOver listed in the order of its identifiers, and counted, without a run's paging."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tap_billing import clock
from tap_billing.errors import Forbidden, NotFound, Refused, Unauthorized
from tap_billing.reconcile.layout import NO_MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_billing.session import Session
    from tap_billing.spec import Document, Page, Request, Resource, Scope

# ChargeOver began in 2011; a month before is none that needs a request of its own.
FIRST, LAST = "2011-01", "9999-01"
ASKED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """How many documents the server counts by month of creation; why not, if it does not."""

    months: Mapping[str, int]
    unknown: str = ""


def listed(session: Session, resource: Resource, scope: Scope) -> Iterator[Page]:
    """Yield pages by identifier until one is empty; each is asked for when it is wanted.

    Objects whose identifier cannot be searched by are listed by offset until nothing new comes.
    Raises what `Session.get` raises.
    """
    request = session.provider.plan(resource, scope)[-1]
    known: set[str] = set()
    while True:
        page, request = _asked(session, request)
        rows = list(page.documents)
        new = {str(row.get(resource.id)) for row in rows} - known
        if not new:
            return
        known = new if resource.keyset else known | new
        yield replace(page, documents=_whole(session, request, rows), following=None)
        position = request.position
        position = (
            replace(position, last=int(rows[-1][resource.id]))
            if resource.keyset
            else replace(position, offset=position.offset + len(rows))
        )
        request = replace(request, position=position)


def _asked(session: Session, request: Request) -> tuple[Page, Request]:
    """Return a page, and the request that brought it: the first one that is not refused."""
    while True:
        try:
            return session.get(request), request
        except (Forbidden, NotFound, Unauthorized):
            raise
        except Refused:
            simpler = session.provider.simplify(request)
            if simpler is None:
                raise
            request = simpler


def _whole(session: Session, request: Request, rows: list[Document]) -> list[Document]:
    """Return the rows with the nested lists that the listing left out."""
    missing = session.provider.details(request, rows)
    found = []
    for row, detail in zip(rows, missing, strict=True) if missing else ():
        try:
            found.append(next(iter(session.get(detail).documents), row))
        except NotFound:
            continue
    return found if missing else rows


def counted(
    session: Session, resource: Resource, scope: Scope, zone: str, months: Iterable[str]
) -> Counts:
    """Return the server's `_count` of each of these months, and of what is left in no month.

    Months are those of the creation in UTC, bounds are told in `zone`.
    """
    wanted = sorted(set(months) - {NO_MONTH}) if resource.created else []
    scopes = [scope, *(within(resource, scope, month, zone) for month in wanted)]
    requests = [session.provider.count(resource, each, None) for each in scopes]
    try:
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            pages = list(pool.map(session.get, [each for each in requests if each]))
    except (Forbidden, Unauthorized):
        raise
    except Refused as error:
        return Counts({}, str(error))
    total, *numbers = [int(next(iter(page.documents))["count"]) for page in pages]
    found = dict(zip(wanted, numbers, strict=True))
    return Counts({**found, NO_MONTH: total - sum(numbers)})


def within(resource: Resource, scope: Scope, month: str, zone: str) -> Scope:
    """Return the scope of the documents that were created in a month (UTC), or have no time.

    Raises ValueError for a resource without a time of creation.
    """
    if resource.created is None:
        raise ValueError(resource.name)
    if month == NO_MONTH:
        clauses = [(resource.created, "IS", "NULL")]
    else:
        first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
        clauses = [
            (resource.created, operator, bound.astimezone(ZoneInfo(zone)).isoformat())
            for operator, bound in (("GTE", first), ("LT", _next(first)))
        ]
    return replace(scope, filters=(*(scope.filters or ()), *clauses))


def _next(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def calendar(months: Iterable[str]) -> list[str]:
    """Return every month from the first of these to the present one, and later ones of these."""
    known = set(months) - {NO_MONTH}
    present = clock.now()
    place = datetime.fromisoformat(f"{max(min(known, default=LAST), FIRST)}-01").replace(tzinfo=UTC)
    while place <= present:
        known.add(place.strftime("%Y-%m"))
        place = _next(place)
    return sorted(known)


def differences(listed_rows: Iterable[str], counts: Counts) -> dict[str, tuple[int, int]]:
    """Return the months in which the number of rows listed and the server's count differ."""
    found = Counter(listed_rows)
    return {
        month: (found[month], number)
        for month, number in counts.months.items()
        if found[month] != number
    }
