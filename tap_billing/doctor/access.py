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
# Every URL of Cheddar names the product, so that a wrong one is refused whatever is asked for.
PRODUCT = "check product_code, and api_url if it is set"


def reach(case: Case, requests: Iterable[tuple[Resource, Request]]) -> Iterator[Finding]:
    """Ask a first request of each resource, keep the answers in the case, yield what they say.

    Ends without an answer where the first requests show that no other can succeed.
    """
    reached = bool(case.answers)
    # One thing may be refused for itself; two say that nothing is answered at all.
    doubts: list[tuple[Resource, BillingError]] = []
    for resource, came in _outcomes(case, requests):
        if isinstance(came, Unauthorized):
            yield mishap(FAILED, "credentials", came)
            return
        if isinstance(came, BillingError) and not reached:
            if doubts or isinstance(came, NO_API):
                yield from (_refused(case, *each) for each in doubts)
                yield mishap(FAILED, "server", came, _nowhere(case, came))
                return
            if not isinstance(came, Forbidden):
                doubts.append((resource, came))
                continue
        if not reached:
            reached = True
            yield ok("credentials", "accepted")
        if isinstance(came, BillingError):
            yield _refused(case, resource, came)
            continue
        dated = bool(case.answers) or case.settings.sandbox
        case.answers[resource.name] = came
        yield from (_refused(case, *each) for each in doubts)
        doubts.clear()
        if not dated:
            yield clocks(came)
        yield ok(f"access {resource.name}", "readable")
    yield from (_refused(case, *each) for each in doubts)


def _outcomes(
    case: Case, requests: Iterable[tuple[Resource, Request]]
) -> Iterator[tuple[Resource, Answer | BillingError]]:
    for resource, request in requests:
        if not case.connection.left:
            return
        came: Answer | BillingError
        try:
            came = case.connection.ask(request)
        except BillingError as error:
            came = error
        yield resource, came


def _refused(case: Case, resource: Resource, error: BillingError) -> Finding:
    """Return what an error says of a resource, with advice by what has been answered so far."""
    level = FAILED if selected(resource) else WARNING
    known = case.answers or isinstance(error, Forbidden)
    advice = _advice(case, error) if known else _nowhere(case, error)
    return mishap(level, f"access {resource.name}", error, advice)


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
    provider = case.settings.provider
    if isinstance(error, Forbidden):
        return DESELECT[provider]
    if isinstance(error, NotFound) and provider == "cheddar":
        # A code that the user's filter asks for.
        return ""
    return UNKNOWN if isinstance(error, Refused) else ""


def _nowhere(case: Case, error: BillingError) -> str:
    """Return what to do about a refusal where nothing was answered at all."""
    refused = isinstance(error, Refused) and case.settings.provider == "cheddar"
    return PRODUCT if refused else ""
