"""What can go wrong, sorted by what the caller should do about it.

BillingError
├── SettingsError       mend the settings or the state
├── Refused             mend the request, the filter or the account; trying again changes nothing
│   ├── Unauthorized    the credentials are wrong: no stream of this run can work
│   ├── Forbidden       the credentials are right and may not read this
│   └── NotFound        there is no such thing
├── Retry               try again, after `retry_after` seconds if it says so
│   ├── RateLimited     the server asks for fewer requests
│   ├── Unreachable     no answer
│   │   ├── TimedOut    or not in time
│   │   └── BrokenOff   or not to its end
│   ├── ServerFailed    the server broke down
│   │   └── Overburdened    perhaps over the size of the answer
│   └── Garbled         an answer, but not the one that was asked for: cut, HTML, malformed
├── Overload            the request asks for more than the server can tell: ask for less at a time
├── Stalled             the answers do not lead anywhere: reading on would never end or lose rows
├── TooManyDeletions    a complete read lacks more rows than is believable
└── LocalError          this machine failed: a full disk, for instance
    └── NoReader        nobody reads the messages any more
"""

from __future__ import annotations


class BillingError(Exception):
    """Base of everything this package raises on purpose; the text is one line for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class SettingsError(BillingError):
    """A setting, or the state that was given, is missing, unknown or wrong."""


class Refused(BillingError):
    """The server understood the request and will not fulfil it."""


class Unauthorized(Refused):
    """The credentials were not accepted."""


class Forbidden(Refused):
    """The credentials were accepted, but may not read this."""


class NotFound(Refused):
    """There is no such thing (404)."""


class Retry(BillingError):
    """The same request may succeed later; `retry_after` is the server's own wish in seconds.

    A `heavy` one may have failed for its size, so that a smaller request may succeed at once.
    """

    heavy = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(Retry):
    """Too many requests (429)."""


class Unreachable(Retry):
    """No answer, or not in time."""


class TimedOut(Unreachable):
    """An answer was not complete in time."""

    heavy = True


class BrokenOff(Unreachable):
    """An answer ended before its end."""

    heavy = True


class ServerFailed(Retry):
    """The server broke down (502, 503)."""


class Overburdened(ServerFailed):
    """The server broke down, perhaps over the size of the answer (500, 504)."""

    heavy = True


class Garbled(Retry):
    """The body is not what the API documents: cut off, HTML, malformed."""


class Overload(BillingError):
    """The answer is too large for the server; it can be asked for in parts."""


class Stalled(BillingError):
    """Paging does not progress, or its completeness cannot be shown."""


class TooManyDeletions(BillingError):
    """More rows would be deleted than `max_deletions` allows."""


class LocalError(BillingError):
    """This machine cannot go on."""


class NoReader(LocalError):
    """The messages have nowhere to go: the run cannot go on."""


# The lowest HTTP status that is an error.
ERRORS_FROM = 400

BY_STATUS: dict[int, type[BillingError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    429: RateLimited,
    500: Overburdened,
    502: ServerFailed,
    503: ServerFailed,
    504: Overburdened,
}

ADVICE: dict[type[BillingError], str] = {
    Unauthorized: "check username and password",
    Forbidden: "give this API user the permission, or deselect the stream",
    NotFound: "check api_url, and the code or path that was asked for",
    RateLimited: "lower requests_per_second or run at another time",
    ServerFailed: "the provider has a problem: run again later",
    Unreachable: "check api_url or site, the network and the proxy",
    TooManyDeletions: "look at the account; if they are gone indeed, raise max_deletions for a run",
    Garbled: "check that api_url is the API and no proxy or login page answers in its place",
}


def for_status(status: int, message: str) -> BillingError:
    """Return the error for an HTTP status (every one of 400 and above has one)."""
    return BY_STATUS.get(status, Refused)(message)


def advised(error: BillingError) -> str:
    """Return an error's line with what the user can do about it."""
    advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), None)
    return f"{error}; {advice}" if advice and advice not in str(error) else str(error)
