"""The API's side: a resource read whole, told as the tap's own streams would tell it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_billing.cast import moment, render
from tap_billing.codec import encode
from tap_billing.reconcile.comparison import Proof, account, enter, forget, outcome
from tap_billing.reconcile.layout import NO_MONTH, layout
from tap_billing.reconcile.listing import calendar, counted, differences, listed, within
from tap_billing.spec import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_billing.reconcile.comparison import Account, Outcome
    from tap_billing.reconcile.layout import Layout
    from tap_billing.reconcile.listing import Counts
    from tap_billing.reconcile.repair import Drafts
    from tap_billing.reconcile.stores import Store
    from tap_billing.spec import Document, Page, Resource
    from tap_billing.streams import BillingStream
    from tap_billing.tap import TapBilling

    Records = Callable[[Document], Iterable[Any]]

FULL_TABLE = "FULL_TABLE"
# From so many on, one listing of everything takes fewer requests.
MOST_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Group:
    """The streams that are cut from one resource: their layouts and SCHEMA lines by name."""

    resource: Resource
    streams: tuple[BillingStream, ...]
    layouts: tuple[Layout, ...]
    schemas: dict[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a resource works with."""

    tap: TapBilling
    group: Group
    scope: Scope
    accounts: dict[str, Account]
    cuts: tuple[tuple[BillingStream, Records], ...]
    drafts: Drafts | None


def groups(streams: Sequence[BillingStream]) -> list[Group]:
    """Return the streams by resource, in order."""
    found: dict[str, list[BillingStream]] = {}
    for stream in streams:
        found.setdefault(stream.resource.name, []).append(stream)
    return [_group(tuple(each)) for each in found.values()]


def _group(streams: tuple[BillingStream, ...]) -> Group:
    layouts: dict[str, Layout] = {}
    schemas: dict[str, list[bytes]] = {}
    for stream in streams:
        # Stream maps may rename a stream, or tell it several times.
        for message in stream._generate_schema_messages():  # noqa: SLF001 - the SDK's only way
            told = message.to_dict()
            layouts[told["stream"]] = layout(told["stream"], told["schema"], told["key_properties"])
            schemas.setdefault(told["stream"], []).append(encode(told))
    return Group(streams[0].resource, streams, tuple(layouts.values()), schemas)


def compared(tap: TapBilling, group: Group, store: Store, drafts: Drafts | None) -> list[Outcome]:
    """Return what comparing a resource's streams shows; rows to be mended go to the drafts.

    Raises BillingError where one of both sides cannot be read.
    """
    scope = _scope(tap, group)
    start = render(scope.start) if scope.start else ""
    tables = store.tables(group.layouts, start)
    accounts = {each.stream: account(each, tables[each.stream], start) for each in group.layouts}
    zone = tap.settings.timezone
    cuts = tuple((stream, stream.cut(zone)) for stream in group.streams)
    reading = Reading(tap, group, scope, accounts, cuts, drafts)
    own = tap.settings.provider == "chargeover" and not any(
        stream.spec.schema is not None for stream in group.streams
    )
    proof = _listed(reading) if own else _read(reading)
    return [outcome(each, proof) for each in accounts.values()]


def _scope(tap: TapBilling, group: Group) -> Scope:
    """Return the scope of what a run would have delivered, whatever it knew before."""
    whole = any(stream.replication_method == FULL_TABLE for stream in group.streams)
    resource = group.resource
    return Scope(
        start=None if whole or not resource.created else tap.settings.start,
        filters=tap.filters.get(resource.name),
        expand=tuple(k for k in resource.expand if any(each.needs(k) for each in group.streams)),
    )


def _read(reading: Reading) -> Proof:
    """Read a resource that is told whole, or a custom one by its own paging."""
    ahead = reading.tap.session.read(reading.group.resource, reading.scope)
    try:
        for page in ahead:
            with contextlib.closing(page):
                for document in page.documents:
                    _take(reading, page, document, NO_MONTH)
    finally:
        for page in ahead.cancel():
            page.close()
    return Proof()


def _listed(reading: Reading) -> Proof:
    """List a resource of ChargeOver's, and prove with its counts that the listing is complete.

    Months whose count differs, because something changed meanwhile, are listed once more.
    """
    origins: dict[str, str] = {}
    _list(reading, reading.scope, origins)
    counts = _counts(reading, origins)
    if counts.unknown:
        return Proof(notes=(f"not proven by a count: {counts.unknown}",))
    different = differences(origins.values(), counts)
    if different:
        _again(reading, origins, different)
        different = differences(origins.values(), _counts(reading, origins))
    return Proof(
        tuple(
            f"{month}: {found:,} rows were listed, the server counts {number:,}"
            for month, (found, number) in different.items()
        )
    )


def _list(reading: Reading, scope: Scope, origins: dict[str, str]) -> None:
    """Take all documents of a scope; note the month of each."""
    session, resource = reading.tap.session, reading.group.resource
    for page in listed(session, resource, scope):
        for document in page.documents:
            month = _month(resource, document, reading.tap.settings.timezone)
            origins[str(document[resource.id])] = month
            _take(reading, page, document, month)


def _counts(reading: Reading, origins: Mapping[str, str]) -> Counts:
    zone, months = reading.tap.settings.timezone, calendar(origins.values())
    return counted(reading.tap.session, reading.group.resource, reading.scope, zone, months)


def _again(reading: Reading, origins: dict[str, str], different: Iterable[str]) -> None:
    """List once more what was created in these months, or everything where they are many."""
    months, zone = tuple(different), reading.tap.settings.timezone
    resource, scope = reading.group.resource, reading.scope
    scopes = [scope]
    if resource.created is None or len(months) > MOST_MONTHS:
        months = tuple(dict.fromkeys(origins.values()))
    else:
        scopes = [within(resource, scope, month, zone) for month in months]
    for number in [each for each, origin in origins.items() if origin in months]:
        del origins[number]
    for entered in reading.accounts.values():
        forget(entered, months)
    for each in scopes:
        _list(reading, each, origins)


def _month(resource: Resource, document: Document, zone: str) -> str:
    """Return the month (UTC) in which a document was created, if it tells."""
    told = document.get(resource.created) if resource.created else None
    try:
        return render(moment(str(told), zone))[:7] if told else NO_MONTH
    except ValueError:
        return NO_MONTH


def _take(reading: Reading, page: Page, document: Document, origin: str) -> None:
    """Enter the rows of a document, and keep the messages of those that are to be mended."""
    for stream, cut in reading.cuts:
        for record in cut(document):
            for message in stream._generate_record_messages(record):  # noqa: SLF001 - as above
                told = reading.accounts[message.stream]
                key = enter(told, message.record, origin)
                if key is not None and reading.drafts is not None:
                    message.time_extracted = page.received
                    # The warehouse's own, so that a later sweep finds the row among the others.
                    message.version = told.theirs.version
                    reading.drafts.put(message.stream, key, encode(message.to_dict()))
