"""Credentials, permission per resource, the server's clock: what first answers say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.doctor.finding import FAILED, WARNING, mishap, ok, warning
from tap_billing.errors import (
    BillingError,
    Forbidden,
    LocalError,
    NotFound,
    Refused,
    Retry,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_billing.doctor.connection import Answer, Case
    from tap_billing.doctor.finding import Finding
    from tap_billing.spec import Request, Resource

# Seconds between two clocks. An instant of the Date header is a whole second, and late by a trip.
NOTICEABLE, FAR = 60, 300
# An answer to a request that cannot be right says that there is no API where one was expected.
NO_API = (Retry, LocalError, NotFound)
DESELECT = {
    "chargeover": "give this API key the permission, or deselect the streams",
    "cheddar": "check product_code, and which products this user may read",
}
UNKNOWN = "this account does not have it: deselect its streams"


def reach(case: Case, requests: Iterable[tuple[Resource, Request]]) -> Iterator[Finding]:
    """Ask a first request of each resource, keep the answers in the case, yield what they say.

    Ends without an answer where the first request shows that no other can succeed.
    """
    reached = dated = doubted = False
    for resource, request in requests:
        if not case.connection.left:
            return
        check = f"access {resource.name}"
        level = FAILED if selected(resource) else WARNING
        try:
            answer = case.connection.ask(request)
        except Unauthorized as error:
            yield mishap(FAILED, "credentials", error)
            return
        except BillingError as error:
            if not reached and (doubted or isinstance(error, NO_API)):
                yield mishap(FAILED, "server", error)
                return
            if isinstance(error, Forbidden) and not reached:
                reached = True
                yield ok("credentials", "accepted")
            # One thing may be refused for itself; two say that nothing is answered at all.
            doubted = True
            yield mishap(level, check, error, _advice(case, error))
            continue
        if not reached:
            yield ok("credentials", "accepted")
        reached = True
        case.answers[resource.name] = answer
        if not dated and not case.settings.sandbox:
            dated = True
            yield clocks(answer)
        yield ok(check, "readable")


def survey(case: Case, requests: Iterable[tuple[Resource, Request]]) -> Iterator[Finding]:
    """Ask for resources that are not read by default, and yield what answered."""
    for resource, request in requests:
        check = f"access {resource.name}"
        if not case.connection.left:
            return
        try:
            case.connection.ask(request)
        except BillingError as error:
            yield mishap(WARNING, check, error, _advice(case, error))
        else:
            yield ok(check, "readable, not selected by default")


def selected(resource: Resource) -> bool:
    """Whether a resource is read by default."""
    return any(spec.selected for spec in resource.streams)


def clocks(answer: Answer) -> Finding:
    """Compare this machine's clock with the server's, as an answer told it."""
    if answer.server_time is None:
        return warning(
            "clock",
            "the server does not tell its time (no Date header)",
            "keep this machine's clock right: bookmarks rely on it alone",
        )
    skew = (answer.received - answer.server_time).total_seconds()
    found = f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server"
    if abs(skew) <= NOTICEABLE:
        return ok("clock", found)
    if abs(skew) <= FAR:
        return warning("clock", found, "set this machine's clock (NTP)")
    return warning(
        "clock",
        f"{found}: far too much",
        "set this machine's clock (NTP) before the first run; no row is lost, because bookmarks"
        " never pass the earlier of the two, but runs read more than they need",
    )


def _advice(case: Case, error: BillingError) -> str:
    if isinstance(error, Forbidden):
        return DESELECT[case.settings.provider]
    return UNKNOWN if isinstance(error, Refused) else ""
