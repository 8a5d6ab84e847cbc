"""What plants a defect in the tap, and the plants that are no more than a change of its data."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.singerlib import StateMessage

from tap_billing import tap as taps
from tap_billing.streams import BillingStream
from tap_billing.tap import TapBilling

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Plant = Callable[[pytest.MonkeyPatch], None]


def all_of(*plants: Plant) -> Plant:
    """Return a plant of several."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        for each in plants:
            each(patch)

    return plant


def setting(**wrong: Any) -> Plant:
    """Let settings be others than the user's; a function is told the user's."""
    original = taps.settings

    def settings(config: Any) -> Any:
        found = original(config)
        told = {
            name: each(getattr(found, name)) if callable(each) else each
            for name, each in wrong.items()
        }
        return replace(found, **told)

    return lambda patch: patch.setattr(taps, "settings", settings)


def without(name: str, provider: str = "chargeover") -> Plant:
    """Leave out a pass."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        other = tuple(
            replace(each, passes=tuple(one for one in each.passes if one.name != name))
            for each in taps.CATALOGUE[provider]
        )
        assert other != taps.CATALOGUE[provider], f"{provider} has no pass {name}"
        patch.setitem(taps.CATALOGUE, provider, other)

    return plant


def renamed(path: str, wrong: str) -> Plant:
    """Ask for an object that does not exist."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        known = taps.CATALOGUE["chargeover"]
        other = tuple(replace(each, path=wrong) if each.path == path else each for each in known)
        patch.setitem(taps.CATALOGUE, "chargeover", other)

    return plant


def schema_again(patch: pytest.MonkeyPatch) -> None:
    """Write a SCHEMA with every batch of rows."""
    patch.setattr(BillingStream, "_write_schema_message", Stream._write_schema_message)


def good_by_signal(patch: pytest.MonkeyPatch) -> None:
    """End with the exit code 0 at a signal, as the SDK does."""

    def stop(self: TapBilling, _: int) -> None:
        self.write_message(StateMessage(value=self.state))
        sys.exit(0)

    patch.setattr(TapBilling, "_stop", stop)
