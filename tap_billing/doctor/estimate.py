"""How long a first load takes, from what was measured: an estimate, said with its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

from tap_billing.doctor.finding import Finding, about, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from tap_billing.settings import Settings

LONG = 12 * 3600


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents created in some days from `first`: how many, their bytes, the seconds it took.

    A sample that had to be asked for again has no `seconds`.
    """

    first: date
    days: int
    documents: int
    size: int
    seconds: float | None


def paged(rows: Mapping[str, int], seconds: float, settings: Settings) -> Iterator[Finding]:
    """Estimate a first load of rows by resource, when a whole page takes so many seconds.

    A resource's pages follow each other; resources are read at the same time.
    """
    pages = {name: ceil(number / settings.page_size) or 1 for name, number in rows.items()}
    total = sum(pages.values())
    rate = settings.requests_per_second
    load = max(
        max(pages.values(), default=0) * seconds,
        total * seconds / settings.max_concurrency,
        total / rate if rate else 0.0,
    )
    number = sum(rows.values())
    told = (
        f"{about(load)} by estimate: {number:,} rows, {total:,} pages of"
        f" {settings.page_size}, {seconds:.2f} s a page, {settings.max_concurrency} at once"
    )
    if rate:
        told += f", {rate:g} requests a second at most"
    yield from _judged(told, load, number, settings)


def whole(samples: Sequence[Sample], settings: Settings, today: date) -> Iterator[Finding]:
    """Estimate a first load of Cheddar's customers from samples, the latest first."""
    asked = sum(each.documents for each in samples)
    size = sum(each.size for each in samples)
    timed = [each for each in samples if each.seconds]
    speed = sum(each.size for each in timed) / (sum(each.seconds or 0 for each in timed) or 1)
    if not asked or not speed:
        yield ok("first load", "nothing to estimate from in any sample")
        return
    number = round(spread(samples, today))
    total = number * size / asked
    load = total / speed
    told = (
        f"{about(load)} by estimate: {number:,} customers, {total / 1e6:,.1f} MB at"
        f" {speed / 1e6:.2f} MB/s, from {len(samples)} samples of {asked} customers"
    )
    yield from _judged(told, load, number, settings)


def spread(samples: Sequence[Sample], today: date) -> float:
    """Return how many documents there are, if their number a day changes evenly between samples.

    Before the earliest sample there are taken to be none.
    """
    points = sorted(((today - each.first).days, each.documents / each.days) for each in samples)
    found = points[0][0] * points[0][1] if points else 0.0
    for (age, rate), (older, before) in pairwise(points):
        found += (older - age) * (rate + before) / 2
    return found


def _judged(told: str, load: float, number: int, settings: Settings) -> Iterator[Finding]:
    most = settings.max_runtime
    if most is not None and load > most:
        yield warning(
            "first load",
            f"{told}; with max_runtime about {ceil(load / most)} runs",
            "raise or leave out max_runtime for the first load",
        )
    elif settings.max_records is not None and number > settings.max_records:
        yield warning(
            "first load",
            f"{told}; with max_records about {ceil(number / settings.max_records)} runs",
            "raise or leave out max_records for the first load",
        )
    elif load > LONG:
        yield warning(
            "first load",
            told,
            "it goes on after an interruption; a later start_date or deselected streams shorten it",
        )
    else:
        yield ok("first load", told)
