"""The rules that both machines share: runs in all weathers, kills, and what must hold at the end.

Every number is drawn before anything happens, so that examples do not depend on the tap's timing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.machine.network import FAULTS
from tests.machine.world import Event, Otherwise, Weather, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBERS = st.integers(0, 11)
LINES = st.integers(0, 80)
PAUSES = st.sampled_from([0, 1, 59, 60, 299, 300, 301, 3600, 7200, 86_400, 200_000])
SKEWS = st.sampled_from([0, -1, 1, -7200, 7200, -18_000, 18_000])
# Days after which everything is read whole again.
SWEEP = 7

settings.register_profile(
    "machine-ci",
    max_examples=120,
    stateful_step_count=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Making a failing example small takes minutes: the nightly profile does it.
    phases=(Phase.explicit, Phase.generate),
)
settings.register_profile(
    "machine-nightly",
    max_examples=5000,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
PROFILE = settings.get_profile("machine-nightly" if NIGHTLY else "machine-ci")
# Seconds for pytest, none for a night.
TIMEOUT = 0 if NIGHTLY else 300


def events(names: Mapping[str, object]) -> st.SearchStrategy[Event]:
    """Return a strategy for changes by name."""
    return st.tuples(st.sampled_from(sorted(names)), NUMBERS, NUMBERS)


def weathers(names: Mapping[str, object]) -> st.SearchStrategy[Weather]:
    """Return a strategy for what a run meets on its way."""
    return st.builds(
        Weather,
        faults=st.dictionaries(st.integers(0, 30), st.sampled_from(FAULTS), max_size=4),
        events=st.dictionaries(st.integers(0, 30), events(names), max_size=6),
        tick=st.sampled_from([0, 1, 2, 61]),
    )


def _drawn(name: str) -> st.SearchStrategy[Any]:
    """Return the strategy that a machine has under a name."""
    return st.runner().flatmap(lambda machine: getattr(machine, name))


EVENT, WEATHER, NEWS, OTHER = map(_drawn, ("events", "weathers", "news", "others"))
RESOURCE: st.SearchStrategy[str] = st.runner().flatmap(
    lambda machine: st.sampled_from(sorted(machine.paths))
)


def others(owners: Mapping[str, str], filters: Sequence[Any]) -> st.SearchStrategy[Otherwise]:
    """Return a strategy for runs with one of these filters, or with other streams."""
    children = [name for name, owner in owners.items() if name != owner]
    return st.one_of(
        st.builds(lambda each: Otherwise({"filters": each}), st.sampled_from(filters)),
        st.builds(Otherwise, without=st.sampled_from(children)),
        st.builds(Otherwise, full=st.sampled_from(sorted(owners))),
        st.just(Otherwise({"full_sweep_every": 0})),
    )


class Machine(RuleBasedStateMachine):
    """What both providers' machines do with a world that they make."""

    events: ClassVar[st.SearchStrategy[Event]]
    weathers: ClassVar[st.SearchStrategy[Weather]]
    paths: ClassVar[Mapping[str, str]]
    news: ClassVar[st.SearchStrategy[str]]
    others: ClassVar[st.SearchStrategy[Otherwise]]
    world: World

    @rule(event=EVENT)
    def happens(self, event: Event) -> None:
        self.world.happen(event)

    @rule(found=st.lists(EVENT, min_size=2, max_size=8))
    def much_happens(self, found: list[Event]) -> None:
        for each in found:
            self.world.happen(each)

    @rule(seconds=PAUSES)
    def wait(self, seconds: int) -> None:
        self.world.advance(seconds)

    @rule(seconds=SKEWS)
    def set_clock(self, seconds: int) -> None:
        """Set the machine's clock wrong, or right."""
        self.world.server.clock.skew = timedelta(seconds=seconds)

    @rule()
    def sync_quietly(self) -> None:
        assert self.world.sync()

    @rule()
    def sync_again(self) -> None:
        """Nothing changes between runs: the last repeats little.

        The second may ask once more for what was named at the first.
        """
        for _ in range(3):
            assert self.world.sync()
        self.world.check_repeats()

    @rule()
    def sweep(self) -> None:
        self.world.advance(86_400 * (SWEEP + 1))
        assert self.world.sync()

    @rule(weather=WEATHER)
    def sync(self, weather: Weather) -> None:
        self.world.sync(weather)

    @rule(
        picks=st.lists(NUMBERS, min_size=4, max_size=20),
        kind=NUMBERS,
        tick=st.sampled_from([61, 301]),
    )
    def sync_among_edits(self, picks: list[int], kind: int, tick: int) -> None:
        """Between any two requests a row of one kind is edited."""
        edits = {place: ("edit", pick, kind) for place, pick in enumerate(picks)}
        self.world.sync(Weather(events=edits, tick=tick))

    @rule(
        new=NEWS,
        pick=NUMBERS,
        delay=st.integers(1, 3),
        pause=st.sampled_from([1, 90]),
    )
    def sync_before_late_row(self, new: str, pick: int, delay: int, pause: int) -> None:
        """A row is not visible yet, later ones are."""
        self.world.happen((new, pick, delay))
        self.world.advance(pause)
        self.world.happen((new, pick, 0))
        self.world.sync()

    @rule(weather=WEATHER, resource=RESOURCE)
    def sync_with_outage(self, weather: Weather, resource: str) -> None:
        """One resource cannot be read: the run fails, its bookmarks stay, the others are read."""
        before = self.world.bookmarks(resource)
        assert not self.world.sync(replace(weather, dead=self.paths[resource]))
        assert self.world.bookmarks(resource) == before

    @rule(resource=RESOURCE, number=st.integers(1, 12), event=EVENT)
    def sweep_with_outage(self, resource: str, number: int, event: Event) -> None:
        """One resource breaks off in the middle of its sweep, and then something happens."""
        self.world.advance(86_400 * (SWEEP + 1))
        self.world.sync(Weather(dead=self.paths[resource], left=number))
        self.world.happen(event)
        assert self.world.sync()

    @rule(weather=WEATHER, other=OTHER, limit=st.none() | st.integers(1, 30))
    def sync_otherwise(self, weather: Weather, other: Otherwise, limit: int | None) -> None:
        """Run once with other filters, another selection, or without sweeps."""
        self.world.sync(replace(weather, limit=limit), other)

    @rule(weather=WEATHER, lines=LINES)
    def sync_cut(self, weather: Weather, lines: int) -> None:
        """Kill the run: only so many lines arrive."""
        self.world.sync(replace(weather, cut=lines))

    @rule(weather=WEATHER, lines=LINES)
    def sync_broken(self, weather: Weather, lines: int) -> None:
        """Let the reader go away in the middle of a line."""
        self.world.sync(replace(weather, broken=lines))

    @rule(weather=WEATHER, number=st.integers(0, 12))
    def sync_to_state(self, weather: Weather, number: int) -> None:
        """Kill the run right after a STATE: it claims no more than was emitted before it."""
        self.world.sync(replace(weather, state=number))
        assert self.world.sync()

    @rule(weather=WEATHER, limit=st.integers(1, 30))
    def sync_in_parts(self, weather: Weather, limit: int) -> None:
        """Stop the run after about so many records."""
        self.world.sync(replace(weather, limit=limit))

    def teardown(self) -> None:
        """After some quiet runs everything owed is there; after a sweep all of it, and no more."""
        if not hasattr(self, "world"):
            return
        self.world.advance(301)
        for _ in range(2):
            assert self.world.sync()
        self.world.advance(86_400 * (SWEEP + 1))
        assert self.world.sync()
        assert not self.world.ledger.dirty
        self.world.check(deleted=True)
