"""A ChargeOver resource in particular: its rows, its paging, and whether its filters filter."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from tap_billing import clock
from tap_billing.doctor import dates
from tap_billing.doctor.finding import FAILED, WARNING, failed, mishap, ok, warning
from tap_billing.doctor.questions import FEW, Wish, count, everything, listing
from tap_billing.errors import BillingError, Refused
from tap_billing.providers.chargeover_paging import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_billing.doctor.connection import Answer, Case
    from tap_billing.doctor.finding import Finding
    from tap_billing.doctor.questions import Clause
    from tap_billing.spec import Document, Resource

# Further ahead than any zone, and than clocks that differ by a day.
AHEAD = timedelta(days=2)
GATEWAY = "check whether something at api_url drops or caches queries, else ask ChargeOver"
UNPROVEN = "deletions of these rows cannot be proven and are not told: ask ChargeOver about _count"
ROW_BY_ROW = "the tap reads each row by itself, which takes a request a row: ask ChargeOver"
NO_FILTER = "incremental runs need this filter: ask ChargeOver to allow it"
# Rows to look at behind a filter: the first ones may match by chance.
SOME = 20


class Asked(NamedTuple):
    """Clauses, what the rows that they bring are like, and whether there must be some."""

    clauses: tuple[Clause, ...]
    fits: Callable[[Document], bool]
    some: bool = False


def counted(case: Case, resource: Resource, counts: dict[str, int]) -> Iterator[Finding]:
    """Yield how many rows `_count` tells, and keep the number in `counts`."""
    check = f"count {resource.name}"
    try:
        number = int(case.connection.ask(count(case, resource)).rows[0]["count"])
    except BillingError as error:
        yield mishap(WARNING, check, error, UNPROVEN)
        return
    if number < len(case.answers[resource.name].rows):
        yield warning(check, f"_count says {number}, but rows come", UNPROVEN)
        return
    counts[resource.name] = number
    if not case.filters.get(resource.name) or not case.connection.left:
        yield ok(check, f"{number:,} rows")
        return
    try:
        total = int(case.connection.ask(everything(resource)).rows[0]["count"])
    except BillingError as error:
        yield mishap(WARNING, check, error, UNPROVEN)
        return
    found = f"{number:,} of {total:,} rows pass filters.{resource.name}"
    if number == total and total:
        yield warning(check, found, "the filter leaves out nothing: check its field and value")
    elif not number and total:
        yield warning(check, found, "nothing would be read: check the filter's field and value")
    else:
        yield ok(check, found)


def paging(case: Case, resource: Resource) -> Iterator[Finding]:
    """Yield the oldest and the newest row, and whether limit, order and expand are honoured."""
    check = f"rows {resource.name}"
    wish = Wish(order="ASC", expand=resource.expand)
    expanding = bool(resource.expand)
    try:
        answer = case.connection.ask(listing(case, resource, wish))
    except Refused as error:
        if not expanding:
            yield mishap(FAILED, check, error)
            return
        yield mishap(WARNING, f"expand {resource.name}", error, ROW_BY_ROW)
        expanding = False
        try:
            answer = case.connection.ask(listing(case, resource, Wish(order="ASC")))
        except BillingError as again:
            yield mishap(FAILED, check, again)
            return
    except BillingError as error:
        yield mishap(FAILED, check, error)
        return
    if expanding:
        yield _expanded(resource, answer)
    newest = case.answers[resource.name].rows[0]
    yield _ordered(resource, [*answer.rows[:FEW], newest], case.settings.timezone, answer)


def _expanded(resource: Resource, answer: Answer) -> Finding:
    check, names = f"expand {resource.name}", ", ".join(resource.expand)
    if any(key in row for row in answer.rows for key in resource.expand):
        return ok(check, f"{names} in the list")
    return warning(check, f"no {names} in the list", ROW_BY_ROW)


def _ordered(resource: Resource, rows: list[Any], zone: str, answer: Answer) -> Finding:
    check, key = f"rows {resource.name}", resource.id
    ids = [whole(row.get(key)) for row in rows]
    numbers = [each for each in ids if each is not None]
    if len(numbers) < len(ids):
        return failed(check, f"rows without {key}", "check that api_url is ChargeOver's API")
    if len(answer.rows) > FEW:
        found = f"{len(answer.rows)} rows came where limit={FEW} was asked for"
        return failed(check, found, GATEWAY)
    if numbers != sorted(numbers):
        found = f"order={key}:ASC and :DESC bring {', '.join(map(str, numbers))}"
        return failed(check, found, GATEWAY)
    oldest, newest = (_identity(resource, row, zone) for row in (rows[0], rows[-1]))
    return ok(check, f"{key} {oldest} to {newest}, in order")


def _identity(resource: Resource, row: Any, zone: str) -> str:
    when = dates.parsed(row.get(resource.created or "write_datetime"))
    number = whole(row[resource.id])
    if when is None:
        return str(number)
    known = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))
    return f"{number} ({known:%Y-%m-%d %H:%M %z})"


def filters(case: Case, resource: Resource) -> Iterator[Finding]:
    """Yield whether the filters that runs rely on bring what they must, and nothing else."""
    check = f"filters {resource.name}"
    worked, wrong = [], False
    for clauses, fits, some in _asked(case, resource):
        if not case.connection.left:
            break
        try:
            answer = case.connection.ask(listing(case, resource, Wish(clauses, limit=SOME)))
        except BillingError as error:
            wrong = True
            yield mishap(FAILED, check, error, NO_FILTER if isinstance(error, Refused) else "")
            continue
        strange = sum(not fits(row) for row in answer.rows)
        if strange or (some and not answer.rows):
            wrong = True
            told = ",".join(":".join(clause) for clause in clauses)
            brought = f"{strange} rows that do not match" if strange else "nothing"
            yield failed(check, f"where={told} brought {brought}", GATEWAY)
        else:
            worked += [name for name, _, _ in clauses]
    if worked and not wrong:
        yield ok(check, f"{', '.join(dict.fromkeys(worked))} bring what was asked for, no more")


def _asked(case: Case, resource: Resource) -> Iterator[Asked]:
    """Yield what to ask for: identifiers, times to come, and the states that passes ask for."""
    newest = case.answers[resource.name].rows[0]
    highest = _number(resource, newest)
    states = dict.fromkeys(each.where for each in resource.passes if each.where)
    # Pages go on with GT; rows that others name are asked for by GTE and LTE. With the newest row's
    # own state, for no row may be open or live.
    bounds = (("GT", highest - 1), ("GTE", highest), ("LTE", highest))
    used = bounds if resource.passes else bounds[:1]
    told = {name: newest.get(name) for name, _ in states}
    own = tuple((name, "EQUALS", str(value)) for name, value in told.items() if value)
    clauses = tuple((resource.id, operator, str(number)) for operator, number in used)
    yield Asked((*clauses, *own), lambda row: _number(resource, row) >= highest, some=True)
    tomorrow = (case.server_time or clock.now()) + AHEAD
    text = tomorrow.astimezone(ZoneInfo(case.settings.timezone)).isoformat(timespec="seconds")
    for each in resource.passes:
        if each.since:
            yield Asked(((each.since, "GTE", text),), lambda _: False)
    for name, value in states:
        yield Asked(((name, "EQUALS", value),), _has(name, value))


def _number(resource: Resource, row: Document) -> int:
    return whole(row.get(resource.id)) or 0


def _has(name: str, value: str) -> Callable[[Document], bool]:
    return lambda row: str(row.get(name)) == value
