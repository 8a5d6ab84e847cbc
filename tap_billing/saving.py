"""What a read leaves in the state, on its way and at its end."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_billing.errors import TooManyDeletions
from tap_billing.memory import NEVER, Progress, Sweep, Tried
from tap_billing.sweeps import Doubt, Swept, proven

if TYPE_CHECKING:
    from tap_billing.feed import Feed
    from tap_billing.plans import Plan
    from tap_billing.streams import BillingStream
    from tap_billing.sweeps import Outcome, Policy
    from tap_billing.writing import Writing

logger = logging.getLogger("tap-billing")


def checkpoint(plan: Plan, feed: Feed, writing: Writing, policy: Policy) -> bool:
    """Save from where a whole read can go on; return whether there is such a place.

    Everything that was taken must have been written.
    """
    writing.saved()
    if writing.position is None:
        return False
    former = plan.reading.progress
    outcome, again = feed.outcome(writing.rows), writing.again
    # Not yet known of what is beyond the position.
    standing, named = plan.stood | feed.standing, plan.named | writing.named | feed.own
    states = {}
    for stream in plan.streams:
        progress = Progress(
            writing.position,
            feed.watermark,
            former.began if former else policy.now,
            plan.reading.sweep,
            plan.reading.version,
            feed.seen,
            writing.rows[stream.name] - again[stream.name],
            outcome.documents - again[None],
            outcome.kept - again[None],
        )
        memory = replace(
            stream.memory,
            progress=progress,
            scope=plan.scope,
            standing=standing,
            named=named,
        )
        states[stream] = stream.told(memory)
    plan.streams[0].put(states)
    plan.streams[0].save()
    return True


def complete(plan: Plan, feed: Feed, writing: Writing, policy: Policy) -> None:
    """Save what a read has reached, and delete what a sweep did not bring.

    Everything that was taken must have been written. Raises TooManyDeletions.
    """
    outcome = feed.outcome(writing.rows)
    try:
        found = proven(plan.reading, outcome, policy)
    except TooManyDeletions:
        # Not to be gone on with: what lacked may be back.
        for stream in plan.streams:
            standing = plan.stood | feed.standing
            stream.remember(replace(stream.memory, progress=None, standing=standing))
        plan.streams[0].save()
        raise
    if isinstance(found, Doubt):
        logger.warning(
            "%s: nothing is deleted, the read cannot be shown to be complete: %s",
            plan.resource.name, found.why,
        )  # fmt: skip
    states = {}
    for stream in plan.streams:
        if isinstance(found, Swept):
            stream.activate(found)
        memory = replace(
            stream.memory,
            progress=None,
            scope=plan.scope,
            watermark=min([feed.watermark, *plan.marks]),
            standing=frozenset(feed.standing),
            named=writing.named | feed.own,
        )
        if plan.reading.scope.whole and plan.reading.since is None:
            sweep, tried = _swept(plan, stream, found, outcome, policy)
            memory = replace(memory, sweep=sweep, tried=tried)
        states[stream] = stream.told(memory, feed.bookmark)
        stream.complete = True
    plan.streams[0].put(states)
    plan.streams[0].save()
    logger.info("%s: complete, bookmark %s", plan.resource.name, feed.bookmark or "none")


def _swept(
    plan: Plan,
    stream: BillingStream,
    found: Swept | Doubt | None,
    outcome: Outcome,
    policy: Policy,
) -> tuple[Sweep | None, Tried | None]:
    """Return what a stream is to remember of a complete read."""
    reading, former = plan.reading, stream.memory.sweep
    tried = None if reading.sweep else stream.memory.tried
    began = reading.progress.began if reading.progress else policy.now
    sweep = Sweep(
        began, outcome.rows[stream.name], outcome.documents, reading.version, outcome.highest
    )
    if isinstance(found, Swept):
        return sweep, tried
    doubtful = isinstance(found, Doubt) and found.again
    if doubtful and reading.version is not None:
        tried = Tried(policy.now, reading.version)
    if former is None:
        # A count to compare the first sweep with, which is no less due for it.
        swept = reading.sweep and not doubtful
        return replace(sweep, at=began if swept else NEVER, version=None), tried
    # The measure of what may be gone only grows, but by a proven read; and what filters leave out
    # is none at all.
    at = began if reading.sweep and not doubtful else former.at
    if reading.scope.filters or reading.scope.start:
        return replace(former, at=at), tried
    more = sweep if sweep.documents >= former.documents else former
    rows = max(sweep.rows, former.rows)
    return replace(more, at=at, rows=rows, version=former.version), tried
