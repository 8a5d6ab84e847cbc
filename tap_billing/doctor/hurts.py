"""Settings that are allowed and will hurt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_billing.doctor.finding import about, days, ok, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from tap_billing.doctor.finding import Finding
    from tap_billing.settings import Settings


@dataclass(frozen=True, slots=True)
class Hurt:
    """When a setting hurts, how, and what to do; of one provider or both."""

    setting: str
    when: Callable[[Settings], bool]
    how: Callable[[Settings], str]
    advice: str
    provider: str = ""


SMALL_PAGE, MANY, BRIEF, SHORT, MINUTE, WEEK, ALL = 100, 32, 30, 300, 60, 7 * 86_400, 100
NEVER, FEW_DAYS, MONTH, YEAR = (timedelta(days=each) for each in (0, 7, 31, 366))


def _later(settings: Settings) -> str:
    """Return when a change that no pass brings is seen."""
    never = settings.full_sweep_every == NEVER
    return "never (full_sweep_every is 0)" if never else "at the next sweep only"


HURTS: tuple[Hurt, ...] = (
    Hurt(
        "page_size",
        lambda s: s.page_size < SMALL_PAGE,
        lambda s: (
            f"{s.page_size} rows a request make up to {500 / s.page_size:.0f} times the requests"
        ),
        "leave it at 500 unless pages time out",
        "chargeover",
    ),
    Hurt(
        "requests_per_second",
        lambda s: bool(s.requests_per_second and s.requests_per_second < 1),
        lambda s: f"a request every {1 / (s.requests_per_second or 1):g} s",
        "leave it out: the tap slows down by itself when the server asks for it",
    ),
    Hurt(
        "max_concurrency",
        lambda s: s.max_concurrency == 1,
        lambda _: "streams are read one after the other",
        "allow a few, 8 is the default",
    ),
    Hurt(
        "max_concurrency",
        lambda s: s.max_concurrency > MANY,
        lambda s: f"{s.max_concurrency} requests at once may end in rate limits",
        "8 is the default",
    ),
    Hurt(
        "request_timeout",
        lambda s: s.request_timeout < BRIEF,
        lambda s: f"answers that take longer than {s.request_timeout:g} s are cut off",
        "300 is the default",
        "chargeover",
    ),
    Hurt(
        "request_timeout",
        lambda s: s.request_timeout < SHORT,
        lambda s: f"{s.request_timeout:g} s are short for all customers in one document",
        "1800 is the default; requests that time out are divided, which takes longer",
        "cheddar",
    ),
    Hurt(
        "lookback",
        lambda s: s.lookback < MINUTE,
        lambda s: (
            f"rows that become visible more than {s.lookback:g} s late are missed until the"
            " next complete read"
        ),
        "300 is the default",
    ),
    Hurt(
        "lookback",
        lambda s: s.lookback > WEEK,
        lambda s: f"every run reads {about(s.lookback)} again",
        "300 s is the default; full_sweep_every sees what is older",
    ),
    Hurt(
        "transaction_window",
        lambda s: s.transaction_window == NEVER,
        lambda s: f"what becomes of transactions after their own time is seen {_later(s)}",
        "30 days is the default: voids and re-applied payments have no time of their own",
        "chargeover",
    ),
    Hurt(
        "transaction_window",
        lambda s: NEVER < s.transaction_window < FEW_DAYS,
        lambda s: (
            f"voids and re-applied payments of transactions that are older than"
            f" {days(s.transaction_window)} are seen {_later(s)}"
        ),
        "30 days is the default: take as long as payments are voided after they were made",
        "chargeover",
    ),
    Hurt(
        "transaction_window",
        lambda s: s.transaction_window > YEAR,
        lambda s: f"every run reads {days(s.transaction_window)} of transactions again",
        "30 days is the default",
        "chargeover",
    ),
    Hurt(
        "full_sweep_every",
        lambda s: s.full_sweep_every == NEVER,
        lambda _: "deletions, and changes that no filter of the API sees, are never noticed",
        "7 days is the default",
    ),
    Hurt(
        "full_sweep_every",
        lambda s: s.full_sweep_every > MONTH,
        lambda s: f"deletions are noticed up to {days(s.full_sweep_every)} late",
        "7 days is the default",
    ),
    Hurt(
        "emit_activate_version_messages",
        lambda s: not s.versions,
        lambda _: "the target is never told which rows are gone",
        "leave it on unless the target cannot take ACTIVATE_VERSION",
    ),
    Hurt(
        "max_deletions",
        lambda s: s.max_deletions == 0,
        lambda _: "a single deleted row makes the run fail, and nothing is deleted",
        "20 per cent is the default",
    ),
    Hurt(
        "max_deletions",
        lambda s: s.max_deletions >= ALL,
        lambda _: (
            "an account that was emptied, or a permission that was withdrawn, empties the target"
        ),
        "set it so for a single run, when so much is gone indeed; 20 per cent is the default",
    ),
    Hurt(
        "max_runtime",
        lambda s: s.max_runtime is not None and s.max_runtime < MINUTE,
        lambda s: f"runs end after {s.max_runtime:g} s",
        "give them at least some minutes",
    ),
    Hurt(
        "start_date",
        lambda s: s.start is not None,
        lambda _: "deleted rows stay in the target: no read with a start date is complete",
        "leave it out if deletions matter",
    ),
    Hurt(
        "start_date",
        lambda s: s.start is not None,
        lambda _: "what happens to customers that were created before it is never read",
        "leave it out, or keep a day before the first customer",
        "cheddar",
    ),
)


def examine(settings: Settings, filters: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    """Yield what will hurt of valid settings and checked filters; `now` is aware."""
    found = False
    for hurt in HURTS:
        if hurt.provider in ("", settings.provider) and hurt.when(settings):
            found = True
            yield warning(hurt.setting, hurt.how(settings), hurt.advice)
    if settings.start is not None and settings.start > now:
        found = True
        yield warning(
            "start_date",
            f"{settings.start:%Y-%m-%d} is in the future: incremental streams stay empty",
            "take an earlier date, or leave it out",
        )
    for name, wanted in filters.items():
        for each in _filtered(f"filters.{name}", wanted):
            found = True
            yield each
    if not found:
        yield ok("settings", "none of them will hurt")


def _filtered(check: str, wanted: Any) -> Iterator[Finding]:
    yield warning(
        check,
        "rows that are deleted, or do not match any more, stay in the target: a filtered read"
        " cannot tell them apart",
        "take the filter out if deletions matter, and filter in the warehouse",
    )
    clauses = wanted if isinstance(wanted, (list, tuple)) else ()
    ends = [c[0] for c in clauses if c[1] in ("LT", "LTE") and c[0].endswith(("datetime", "date"))]
    ends += [key for key in wanted if str(key).endswith("BeforeDate")] if not clauses else []
    for name in ends:
        yield warning(check, f"{name} has an end: nothing after it is ever read", "take it out")
    if not clauses and "subscriptionStatus" in wanted:
        yield warning(
            check,
            f"with subscriptionStatus {wanted['subscriptionStatus']} a customer comes or goes with"
            " each cancellation",
            "take it out",
        )
