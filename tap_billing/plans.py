"""What a run reads of each resource: decided before the first request, from settings and state."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from tap_billing import clock
from tap_billing.errors import BillingError, SettingsError
from tap_billing.memory import Memory, recall
from tap_billing.spec import Scope
from tap_billing.streams import FULL_TABLE, BillingStream, effective_since
from tap_billing.sweeps import Policy, Reading, common, decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_billing.horizon import Since
    from tap_billing.settings import Settings
    from tap_billing.spec import Related, Resource

logger = logging.getLogger("tap-billing")

BOOKMARK = "replication_key_value"
# Neither provider is older; a bookmark that is would leave the calendar below.
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
# A resource that has had fewer documents is read in one piece.
LARGE = 500


@dataclass(slots=True)
class Plan:
    """A resource with its selected streams, and how it is read.

    `watched` are the paths along which it names rows of others, with the instant since when that
    matters, or the time before its latest row. One without streams is read for that alone. `marks`
    are the watermarks of the reads that have named its own rows.
    """

    resource: Resource
    streams: list[BillingStream]
    reading: Reading = field(default_factory=lambda: Reading(Scope()))
    memories: Mapping[str, Memory] = field(default_factory=dict)
    scope: str = ""
    lookback: timedelta = timedelta()
    known: frozenset[str] = frozenset()
    watched: dict[tuple[str, ...], Since] = field(default_factory=dict)
    failure: BillingError | None = None
    marks: list[datetime] = field(default_factory=list)

    @property
    def since(self) -> datetime | None:
        """Since when others' documents matter to it, None if it is read whole.

        That is when it was read last: a bookmark is older the less there is of it.
        """
        since, lookback = self.reading.scope.since, self.lookback
        marks = [each.watermark for each in self.memories.values()]
        known = [each - lookback for each in marks if each]
        if since is None or self.reading.progress or not marks or len(known) < len(marks):
            return since
        return max(since, min(known))

    @property
    def standing(self) -> frozenset[str]:
        """The rows that stood open or live at the last run, or were named by others."""
        return self.known | self.stood | self.named

    @property
    def stood(self) -> frozenset[str]:
        """The rows that stood open or live at the last run."""
        return frozenset().union(*(each.standing for each in self.memories.values()))

    @property
    def named(self) -> frozenset[str]:
        """The rows that others named at the last run."""
        return frozenset().union(*(each.named for each in self.memories.values()))

    @property
    def last(self) -> bool:
        """Whether the run before had its turn with it, and was stopped before others had theirs."""
        return any(each.ended for each in self.memories.values())


def policy_of(settings: Settings) -> Policy:
    """Return what the settings say of complete reads, as of now: the sandbox has its own time."""
    return Policy(
        settings.sandbox_now or clock.now(),
        settings.full_sweep_every,
        settings.max_deletions / 100,
        settings.versions,
    )


def plans(
    settings: Settings,
    filters: Mapping[str, Any],
    streams: Sequence[BillingStream],
    resources: Iterable[Resource],
    policy: Policy,
) -> tuple[dict[str, Plan], dict[str, Plan]]:
    """Return the plans of the selected streams' resources, and of those read for others only.

    `filters` are the user's per resource. What is wrong with a state is the failure of its plan.
    """
    groups: dict[str, Plan] = {}
    for stream in streams:
        name = stream.resource.name
        groups.setdefault(name, Plan(stream.resource, [])).streams.append(stream)
    for plan in groups.values():
        _decide(plan, settings, filters.get(plan.resource.name), policy)
    further: dict[str, Plan] = {}
    # Those that name come after those that are named, in the catalogue.
    for resource in resources:
        needed = _needed(resource, [*groups.values(), *further.values()])
        if not needed:
            continue
        earliest = min(needed.values())
        serving = groups.get(resource.name)
        if serving is None or serving.reading.scope.filters or serving.last or serving.failure:
            scope = Scope(since=earliest, whole=False, window=settings.transaction_window)
            known = serving.standing if serving else frozenset()
            serving = further[resource.name] = Plan(resource, [], Reading(scope), known=known)
        _serve(serving, needed, earliest)
    for plan in groups.values():
        # What is named now may matter to the next run, which is to know what is named no more.
        for related in _related(plan) if plan.since is None else ():
            if related.resource in groups:
                watched = groups[related.resource].watched
                watched.setdefault(related.path, settings.transaction_window)
    return groups, further


def _decide(plan: Plan, settings: Settings, filters: Any, policy: Policy) -> None:
    streams, resource = plan.streams, plan.resource
    full = any(stream.replication_method == FULL_TABLE for stream in streams)
    since = None
    try:
        since = None if full else effective_since(streams)
    except SettingsError as error:
        plan.failure = error
    scope = Scope(
        start=None if full else settings.start,
        filters=filters,
        expand=tuple(k for k in resource.expand if any(each.needs(k) for each in streams)),
        window=settings.transaction_window,
    )
    plan.scope = _fingerprint(scope)
    plan.lookback = timedelta(seconds=settings.lookback)
    plan.memories = {stream.name: recall(stream.stream_state) for stream in streams}
    scope = replace(scope, large=_may_be_large(plan.memories.values()))
    if any(each.scope not in (None, plan.scope) for each in plan.memories.values()):
        # Rows that the former filters left out have no other way to come.
        plan.memories = {
            name: replace(each, progress=None, tried=None) for name, each in plan.memories.items()
        }
        since = None
    marks = [each.watermark for each in plan.memories.values() if each.watermark]
    if since is not None and since > policy.now and not marks:
        logger.warning("%s: the bookmark lies in the future; reading everything", resource.name)
        since = None
    if since is not None:
        since = max(OLDEST, min(since, policy.now, *marks)) - plan.lookback
    plan.memories = {name: _fitting(each, resource) for name, each in plan.memories.items()}
    for stream in streams:
        stream.memory = plan.memories[stream.name]
    known = list(plan.memories.values())
    if common(known) is None and any(each.progress for each in known):
        # A whole read that some streams ended without the others: their bookmarks are of before.
        since = None
    reading = decide(resource, plan.memories, since, scope, policy)
    loaded = [s.name for s in streams if s.memory.watermark or s.stream_state.get(BOOKMARK)]
    reading = replace(reading, loaded=frozenset(loaded))
    if reading.progress:
        back = max(OLDEST, reading.progress.since) - plan.lookback
        reading = replace(reading, scope=replace(reading.scope, since=back))
    plan.reading = reading
    for stream in streams:
        stream.version = reading.version


def _may_be_large(memories: Iterable[Memory]) -> bool:
    """Whether it had many documents at the last complete read, or nobody knows."""
    counts = [each.sweep.documents for each in memories if each.sweep]
    return not counts or max(counts) >= LARGE


def _fitting(memory: Memory, resource: Resource) -> Memory:
    """Return a memory without a position that is none of this provider's."""
    progress = memory.progress
    if progress is None or isinstance(progress.after, int) == resource.keyset:
        return memory
    return replace(memory, progress=None)


def _needed(resource: Resource, known: Sequence[Plan]) -> dict[tuple[str, ...], datetime]:
    """Return the paths along which incremental reads want this resource's documents to name rows.

    With each the instant since when.
    """
    found: dict[tuple[str, ...], datetime] = {}
    for plan in known:
        since = plan.since if plan.resource is not resource else None
        named = [each.path for each in _related(plan) if each.resource == resource.name]
        if named and since is not None and plan.failure is None:
            since = min([since, *_needed(plan.resource, known).values()])
            found |= {path: min(since, found.get(path, since)) for path in named}
    return found


def _related(plan: Plan) -> Iterable[Related]:
    return (each for one in plan.resource.passes for each in one.of)


def _serve(plan: Plan, needed: Mapping[tuple[str, ...], datetime], earliest: datetime) -> None:
    """Let a plan bring what others need of it."""
    scope = plan.reading.scope
    # What was open before, and is not any more, is known of a resource that was read before only.
    unknown = scope.since is None and any(each.where for each in plan.resource.passes)
    unknown = unknown and not any(each.watermark for each in plan.memories.values())
    plan.watched |= {
        path: None if unknown else since - scope.window for path, since in needed.items()
    }
    expand = {path[0] for path in needed if len(path) > 1} & set(plan.resource.expand)
    scope = replace(scope, expand=(*scope.expand, *sorted(expand - set(scope.expand))))
    if scope.since is not None:
        scope = replace(scope, since=min(scope.since, earliest))
    plan.reading = replace(plan.reading, scope=scope)


def _fingerprint(scope: Scope) -> str:
    """Return what tells these filters from others, but not what they are."""
    if not scope.filters and scope.start is None:
        return "all"
    told = orjson.dumps([scope.filters, scope.start], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(told, digest_size=8).hexdigest()
