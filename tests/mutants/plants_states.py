"""Defects of checkpoints, sweeps and deletions; each function plants one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tap_billing import clock, paging, plans, run, saving, sweeps
from tap_billing.plans import Plan
from tap_billing.providers import cheddar
from tap_billing.run import Run
from tap_billing.streams import BillingStream
from tap_billing.sweeps import Swept

if TYPE_CHECKING:
    from tap_billing.feed import Feed
    from tap_billing.writing import Writing


def state_per_page(patch: pytest.MonkeyPatch) -> None:
    """Save bookmark and watermark with every page, whatever is still to come."""
    original = Run._pause

    def pause(self: Run, plan: Plan, feed: Feed, writing: Writing) -> bool:
        self._written += writing.write()
        for stream in plan.streams:
            stream.remember(replace(stream.memory, watermark=feed.watermark), feed.bookmark)
        plan.streams[0].save()
        return original(self, plan, feed, writing)

    patch.setattr(Run, "_pause", pause)


def checkpoint_first(patch: pytest.MonkeyPatch) -> None:
    """Save how far a read is before its rows are written."""

    def pause(self: Run, plan: Plan, feed: Feed, writing: Writing) -> bool:
        saving.checkpoint(plan, feed, writing, self._policy)
        self._written += writing.write()
        return False

    patch.setattr(Run, "_pause", pause)


def checkpoint_of_now(patch: pytest.MonkeyPatch) -> None:
    """Let a read that goes on look for changes since its checkpoint, not since its beginning."""
    original = saving.Progress

    def progress(after: Any, _since: Any, *further: Any) -> Any:
        return original(after, clock.now(), *further)

    patch.setattr(saving, "Progress", progress)


def always_in_order(patch: pytest.MonkeyPatch) -> None:
    """Believe that customers come by creation."""
    patch.setattr(cheddar, "ordered", lambda _: True)


def always_proven(patch: pytest.MonkeyPatch) -> None:
    """Let every read that ended well delete what it did not bring."""

    def proven(reading: Any, *_: Any) -> Any:
        return Swept(reading.version, sweeps._SEAL) if reading.sweep else None

    patch.setattr(saving, "proven", proven)


def never_proven(patch: pytest.MonkeyPatch) -> None:
    """Let nothing be deleted."""
    patch.setattr(saving, "proven", lambda *_: None)


def any_share(patch: pytest.MonkeyPatch) -> None:
    """Believe that everything may be gone."""
    original = run.policy_of
    patch.setattr(run, "policy_of", lambda given: replace(original(given), most=1.0))


def filters_count_as_whole(patch: pytest.MonkeyPatch) -> None:
    """Take a filtered read for a complete one."""
    original = plans.decide

    def decide(resource: Any, memories: Any, since: Any, scope: Any, policy: Any) -> Any:
        bare = replace(scope, filters=None, start=None)
        found = original(resource, memories, since, bare, policy)
        told = replace(found.scope, filters=scope.filters, start=scope.start)
        return replace(found, scope=told)

    patch.setattr(plans, "decide", decide)


def activated_first(patch: pytest.MonkeyPatch) -> None:
    """Write ACTIVATE_VERSION before the rows, as the SDK does."""
    original = Run._write

    def write(self: Run, plan: Plan, named: Any) -> None:
        for stream in plan.streams:
            if plan.reading.sweep and plan.reading.version:
                stream.activate(Swept(plan.reading.version, sweeps._SEAL))
        original(self, plan, named)

    patch.setattr(Run, "_write", write)


def never_due(patch: pytest.MonkeyPatch) -> None:
    """Believe that what was read whole once stays known."""
    original = sweeps._due
    patch.setattr(
        sweeps, "_due", lambda memory, policy: not memory.sweep and original(memory, policy)
    )


def days_half_read(patch: pytest.MonkeyPatch) -> None:
    """Take the day of the last customer for read to its end."""
    patch.setattr(cheddar, "_settled", lambda customer: customer["createdDatetime"][:10])


def progress_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Begin a first load anew in every run."""
    original = plans.recall
    patch.setattr(plans, "recall", lambda state: replace(original(state), progress=None))


def one_by_one(patch: pytest.MonkeyPatch) -> None:
    """Put the states of a resource's streams one after the other; a STATE may come in between."""
    original = BillingStream.put

    def put(self: BillingStream, states: Any) -> None:
        for stream, state in states.items():
            original(self, {stream: state})
            self.save()

    patch.setattr(BillingStream, "put", put)


def parts_believed(patch: pytest.MonkeyPatch) -> None:
    """Believe the bookmarks of streams of which only some have ended a whole read."""
    patch.setattr(plans, "common", lambda known: known)


def standing_so_far(patch: pytest.MonkeyPatch) -> None:
    """Let a checkpoint remember only what stood up to it."""
    original = run.checkpoint

    def checkpoint(*args: Any) -> bool:
        with pytest.MonkeyPatch.context() as during:
            during.setattr(Plan, "stood", property(lambda _: frozenset()))
            return original(*args)

    patch.setattr(run, "checkpoint", checkpoint)


def second_part_counted(patch: pytest.MonkeyPatch) -> None:
    """Count only what the run that ends a sweep has read."""
    original = paging._census

    async def census(*args: Any) -> Any:
        found = await original(*args)
        return found and replace(found, earlier=0)

    patch.setattr(paging, "_census", census)
