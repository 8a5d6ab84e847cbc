"""Which read a run makes of a resource, and what a complete one permits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_billing.errors import TooManyDeletions
from tap_billing.memory import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tap_billing.memory import Memory, Progress, Sweep
    from tap_billing.spec import Census, Resource, Scope

# A schedule may run a little earlier than the last time.
EARLY = 0.98
# A read that could not be shown to be complete is not tried again at once.
AGAIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say of complete reads; `most` is the share that may be gone, 0 to 1."""

    now: datetime
    every: timedelta
    most: float
    versions: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run does with a resource.

    `scope` is what is requested; its rows carry `version`. A `sweep` may end with deletions if it
    is counted. `progress` is that of the read it goes on with, `former` are the streams' last
    sweeps, `loaded` the streams that were read before. `since` is the bookmark where the API has no
    filter for it.
    """

    scope: Scope
    version: int | None = None
    sweep: bool = False
    progress: Progress | None = None
    former: Mapping[str, Sweep] = field(default_factory=dict)
    since: datetime | None = None
    loaded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a complete read brought: documents, those `kept` since the last sweep, rows per stream.

    `numbered` are the documents up to the highest identifier that the server counted.
    """

    documents: int
    kept: int
    rows: Mapping[str, int]
    highest: int | None = None
    numbered: int = 0
    census: Census | None = None


_SEAL = object()


@dataclass(frozen=True, slots=True)
class Swept:
    """The permission to delete what a version lacks; only `proven` gives it."""

    version: int
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("only a complete read that is proven permits deletions")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a complete read permits no deletions, and whether another one soon may."""

    why: str
    again: bool


def decide(
    resource: Resource,
    memories: Mapping[str, Memory],
    since: datetime | None,
    scope: Scope,
    policy: Policy,
) -> Reading:
    """Return the read for what the state remembers of a resource's selected streams.

    `since` is the bookmark, None if there is none or none is wanted; `scope` holds the filters.
    """
    known = list(memories.values())
    former = {name: each.sweep for name, each in memories.items() if each.sweep}
    versions = [each.version for each in former.values() if each.version]
    last = max(versions, default=None)
    progress = common(known)
    if progress is not None:
        scope = replace(scope, since=progress.since, after=progress.after)
        counted = progress.sweep and policy.versions and progress.version not in (None, last)
        # Rows of a run without versions have none: the whole read may not end with one.
        version = progress.version if policy.versions else last
        return Reading(replace(scope, counted=counted), version, progress.sweep, progress, former)
    sweep = bool(policy.every) and any(_due(each, policy) for each in known)
    if since is not None and not sweep:
        if resource.passes:
            return Reading(replace(scope, since=since, whole=False), last, former=former)
        return Reading(scope, last, former=former, since=since)
    if not (sweep and policy.versions and resource.provable and not (scope.filters or scope.start)):
        return Reading(scope, last, sweep, former=former)
    tried = [each.tried.version for each in known if each.tried]
    version = max(int(policy.now.timestamp()), *(each + 1 for each in (*versions, *tried)), 0)
    return Reading(replace(scope, counted=True), version, sweep, former=former)


def common(known: Sequence[Memory]) -> Progress | None:
    """Return the progress that all streams share but for their rows, None if they do not."""
    found = [each.progress and replace(each.progress, rows=0) for each in known]
    return found[0] if found and all(each == found[0] for each in found) else None


def _due(memory: Memory, policy: Policy) -> bool:
    if memory.tried and abs(policy.now - memory.tried.at) < min(policy.every, AGAIN):
        return False
    if memory.sweep is None or memory.sweep.at <= NEVER:
        return True
    return abs(policy.now - memory.sweep.at) >= policy.every * EARLY


def proven(reading: Reading, outcome: Outcome, policy: Policy) -> Swept | Doubt | None:
    """Return the permission to delete what a sweep did not bring, None if none was wanted.

    Raises TooManyDeletions if more would be gone than is believable.
    """
    if not (reading.sweep and reading.scope.counted and reading.version is not None):
        return None
    census = outcome.census
    if census is not None and census.unknown:
        return Doubt(f"the server does not count its rows ({census.unknown})", again=False)
    if census is not None:
        low = min(census.before, census.after)
        high = max(census.before, census.after, census.most)
        if not low <= outcome.numbered <= high:
            told = f"{outcome.numbered} rows came, the server counts {low} to {high}"
            return Doubt(told, again=True)
        progress = reading.progress
        if progress is not None and census.earlier > progress.documents:
            told = f"{progress.documents} rows came before, the server counts {census.earlier}"
            return Doubt(told, again=True)
    for name, rows in outcome.rows.items():
        sweep = reading.former.get(name)
        if sweep is None and name in reading.loaded:
            return Doubt(f"how many rows {name} had before was never counted", again=False)
        if sweep is None:
            continue
        counts = ((sweep.rows, rows), (sweep.documents, outcome.kept))
        total, left = max(counts, key=lambda each: (each[0] - each[1]) / max(each[0], 1))
        gone = total - left
        if gone > policy.most * total:
            when = f" at {sweep.at:%Y-%m-%d %H:%M} UTC" if sweep.at > NEVER else " before"
            raise TooManyDeletions(
                f"{gone} of the {total} rows that {name} had{when} are gone, more than"
                f" max_deletions ({policy.most:.0%}) allows; nothing is deleted"
            )
    return Swept(reading.version, _SEAL)
