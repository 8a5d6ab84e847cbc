"""Defects of bookmarks, cursors and watermarks; each function plants one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_billing import clock, plans, streams
from tap_billing.horizon import Horizon
from tap_billing.instants import moment
from tap_billing.plans import OLDEST
from tap_billing.providers.chargeover import ChargeOver
from tap_billing.providers.cheddar import Cheddar
from tap_billing.streams import BillingStream

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.mutants.plants import Plant


def strictly_after(patch: pytest.MonkeyPatch) -> None:
    """Ask for rows after the bookmark only."""
    original = ChargeOver._clauses

    def clauses(self: ChargeOver, *args: Any) -> Any:
        return tuple(
            (name, "GT" if op == "GTE" else op, v) for name, op, v in original(self, *args)
        )

    patch.setattr(ChargeOver, "_clauses", clauses)


def bookmark_later(patch: pytest.MonkeyPatch) -> None:
    """Go on one second after the bookmark."""
    original = plans.effective_since

    def since(found: Any) -> Any:
        when = original(found)
        return when and when + timedelta(seconds=1)

    patch.setattr(plans, "effective_since", since)


def now_without_a_bookmark(patch: pytest.MonkeyPatch) -> None:
    """Begin now where nothing says from when on."""
    original = plans.effective_since
    patch.setattr(plans, "effective_since", lambda found: original(found) or clock.now())


def comparing_while_iterating(patch: pytest.MonkeyPatch) -> None:
    """Compare with the bookmark that every row moves."""
    original = Horizon.note

    def note(self: Horizon, document: Any) -> bool:
        original(self, document)
        latest = max((moment(each, self._zone) for each in self._texts), default=None)
        if latest is None or self.since is None:
            return True
        fresh = latest > self.since
        self.since = max(self.since, latest)
        return fresh

    patch.setattr(Horizon, "note", note)


def null_resets(patch: pytest.MonkeyPatch) -> None:
    """Forget what was seen at a row without a cursor."""
    original = Horizon.note

    def note(self: Horizon, document: Any) -> bool:
        fresh = original(self, document)
        if not self._texts:
            self._seen, self._latest = None, ""
        return fresh

    patch.setattr(Horizon, "note", note)


def nulls_filtered(patch: pytest.MonkeyPatch) -> None:
    """Ask every list for modified times, which leaves out rows that have none."""
    original = ChargeOver._clauses

    def clauses(self: ChargeOver, resource: Any, *args: Any) -> Any:
        dated = resource.name != "transactions" and resource.keyset and resource.passes
        since = (("mod_datetime", "GTE", OLDEST.isoformat()),) if dated else ()
        return (*original(self, resource, *args), *since)

    patch.setattr(ChargeOver, "_clauses", clauses)


def bookmark(value: Callable[[Horizon], Any]) -> Plant:
    """Let the bookmark be another than what was seen up to the watermark."""
    return lambda patch: patch.setattr(Horizon, "bookmark", property(value))


def claimed_by_the_bookmark(patch: pytest.MonkeyPatch) -> None:
    """Let a read that has ended claim to have seen everything up to its bookmark."""
    original = BillingStream.told

    def told(self: BillingStream, memory: Any, when: Any = None) -> Any:
        return original(self, replace(memory, watermark=when) if when else memory, when)

    patch.setattr(BillingStream, "told", told)


def own_clock(patch: pytest.MonkeyPatch) -> None:
    """Do not look at the server's clock."""
    patch.setattr(Horizon, "begin", lambda _self, _page: None)


def refresh_with_a_cursor(patch: pytest.MonkeyPatch) -> None:
    """Go on from the bookmark although a full refresh is wanted."""

    def since(self: BillingStream) -> Any:
        value = self.stream_state.get("replication_key_value")
        return value and streams.moment(str(value), "UTC")

    patch.setattr(BillingStream, "since", since)
    patch.setattr(plans, "FULL_TABLE", "of no stream")


def same_filters(patch: pytest.MonkeyPatch) -> None:
    """Go on from a bookmark that other filters have left."""
    patch.setattr(plans, "_fingerprint", lambda _: "all")


def no_day_before(patch: pytest.MonkeyPatch) -> None:
    """Trust the zone that whole days are told in."""
    original = Cheddar._day
    patch.setattr(Cheddar, "_day", lambda self, when: original(self, when) + timedelta(days=1))
