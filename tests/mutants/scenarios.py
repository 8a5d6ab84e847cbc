"""All scenarios: what must hold of the tap; each raises AssertionError if it does not.

The message begins with what went wrong: missing, stale, deleted, surplus, repeated, claimed, ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutants import changes, failing, killing, reading, sweeping

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS: tuple[Callable[[], None], ...] = tuple(
    scenario
    for module in (reading, changes, failing, killing, sweeping)
    for name, scenario in vars(module).items()
    if getattr(scenario, "__module__", "") == module.__name__ and not name.startswith("_")
)
