"""Whatever the README says is captured at once, or at the next sweep, is: neither later nor sooner.

Each change is made between two runs, of a row that little else reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tap_billing.sandbox import serve
from tap_billing.tap import CATALOGUE
from tests import readme
from tests.behavior import bills, cheddar, customers, packages, whole
from tests.support import NOW, Run, catalog_of, config_of, keyed, run, selecting
from tests.support import without_authorities as plain_http

if TYPE_CHECKING:
    from tests.behavior import Made

NAMES = {"ChargeOver": "chargeover", "Cheddar": "cheddar"}
CHANGES = {
    "chargeover": {**customers.CHANGES, **packages.CHANGES, **bills.CHANGES},
    "cheddar": cheddar.CHANGES,
}
# Of small tables a large share is gone with one row.
SETTINGS = {"max_deletions": 100}
# Enough for every change to find a row that little else reads.
SIZE = 60
LONG_AGO = "2026-01-01T00:00:00Z"
ROWS = [
    (NAMES[name], row) for name, found in readme.PROVIDERS.items() for row in readme.changes(found)
]
IDS = [f"{provider}-{row.resource}-{row.name}" for provider, row in ROWS]
CLAIMS = [
    pytest.param(provider, row.resource, row.name, name, id=f"{place}-{name}")
    for place, (provider, row) in zip(IDS, ROWS, strict=True)
    for name in row.passes
]
WHOLE = [
    pytest.param(provider, each, id=f"{provider}-{each.name}")
    for provider, resources in CATALOGUE.items()
    for each in resources
    if not each.passes
]


def makers(provider, resource, change):
    """Return what makes a change, in all its ways; the change of a list is made in one."""
    found = next(each for each in CATALOGUE[provider] if each.name == resource)
    if not found.passes:
        return (whole.CHANGES[change](found),) if change in whole.CHANGES else ()
    return CHANGES[provider].get((resource, change), ())


CASES = [
    pytest.param(provider, maker, row.captured, id=f"{place}-{number}")
    for place, (provider, row) in zip(IDS, ROWS, strict=True)
    for number, maker in enumerate(CHANGES[provider].get((row.resource, row.name), ()), 1)
]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    plain_http(monkeypatch)


@dataclass(frozen=True)
class Story:
    """Changes that were made between two runs; a sweep follows, which reads everything."""

    made: list[Made]
    first: Run
    second: Run
    sweep: Run

    def capture(self, made: Made) -> str:
        """Return when a change was captured. Raises AssertionError if it is not what it says."""
        before, after = told(self.first, made), told(self.sweep, made)
        if made.gone:
            assert before is not None
            assert after is None
            at_once, at_last = (not survives(each, made) for each in (self.second, self.sweep))
            assert at_last
        else:
            assert after is not None
            assert (before is None) == (not made.columns)
            for each in made.columns:
                assert before[each] != after[each], f"{each} is as before"
            at_once = told(self.second, made) == after
        return readme.AT_ONCE if at_once else readme.AT_SWEEP


def changed(sandbox, config, catalog, *ways):
    """Run for the first time, and return that run and the changes that were made after it."""
    company = sandbox.world.company
    with sandbox.world.lock:
        company.pause()
        tales = [maker(company) for maker in ways]
        for each in tales:
            next(each)
        company.pause()
    first = run(config, catalog=catalog)
    with sandbox.world.lock:
        sandbox.world.advance(4)
        made = [next(each) for each in tales]
        company.pause()
    return first, made


def story(provider, *ways, alone=None):
    """Make changes between two runs over all streams, or over those of a resource alone."""
    with serve(provider, customers=SIZE, now=NOW) as sandbox:
        config = config_of(sandbox, **SETTINGS)
        catalog = only(config, alone) if alone else None
        first, made = changed(sandbox, config, catalog, *ways)
        second = run(config, catalog=catalog, state=first.state)
        sweep = run(config, catalog=catalog, state=due(second.state))
    assert [each.error for each in (first, second, sweep)] == [None] * 3
    return Story(made, first, second, sweep)


def only(config, resource):
    """Select the streams of a resource only."""
    return selecting(catalog_of(config), dict.fromkeys(each.name for each in resource.streams))


def due(state):
    """Return a state whose last complete reads were long ago."""
    bookmarks = {
        stream: {**kept, "sweep": {**kept["sweep"], "at": LONG_AGO}}
        for stream, kept in state["bookmarks"].items()
    }
    return {**state, "bookmarks": bookmarks}


def survives(done, made):
    """Whether a row is still there in a target that honours ACTIVATE_VERSION."""
    mine = [each for each in done.messages if each.get("stream") == made.stream]
    if "ACTIVATE_VERSION" not in [each["type"] for each in mine]:
        return True
    assert mine[-1]["type"] == "ACTIVATE_VERSION", "rows come after the deletions"
    versions = {each["version"] for each in mine if each["type"] != "SCHEMA"}
    assert len(versions) == 1
    return told(done, made) is not None


def told(done, made):
    """Return what a run tells of a row, None if nothing."""
    streams = {each["stream"] for each in done.of("SCHEMA")}
    return keyed(done, made.stream).get(made.key) if made.stream in streams else None


@pytest.mark.parametrize(("provider", "row"), ROWS, ids=IDS)
def test_every_row_of_the_tables_has_a_change(provider, row):
    assert makers(provider, row.resource, row.name)


def test_every_change_has_a_row_in_the_tables():
    known = {(provider, row.resource, row.name) for provider, row in ROWS}
    made = {(provider, *names) for provider, found in CHANGES.items() for names in found}
    assert made <= known


@pytest.mark.parametrize(("provider", "maker", "captured"), CASES)
def test_change_is_captured_when_the_table_says(provider, maker, captured):
    found = story(provider, maker)
    assert found.capture(*found.made) == captured


@pytest.mark.parametrize(("provider", "resource"), WHOLE)
def test_list_that_is_read_whole_brings_what_the_table_says(provider, resource):
    rows = [row for where, row in ROWS if (where, row.resource) == (provider, resource.name)]
    ways = [way for row in rows for way in makers(provider, resource.name, row.name)]
    found = story(provider, *ways, alone=resource)
    assert [found.capture(made) for made in found.made] == [row.captured for row in rows]


@pytest.mark.parametrize(("provider", "resource", "change", "name"), CLAIMS)
def test_pass_brings_what_it_says_it_sees(provider, resource, change, name, monkeypatch):
    known = CATALOGUE[provider]
    plan = next(each for each in known if each.name == resource)

    def comes(maker, passes):
        left = replace(plan, passes=tuple(passes))
        monkeypatch.setitem(CATALOGUE, provider, [left if each is plan else each for each in known])
        with serve(provider, customers=SIZE, now=NOW) as sandbox:
            config = config_of(sandbox, **SETTINGS)
            catalog = only(config, plan)
            first, (made,) = changed(sandbox, config, catalog, maker)
            second = run(config, catalog=catalog, state=first.state)
        return told(second, made) not in (None, told(first, made))

    others = [each for each in plan.passes if change not in each.sees]
    alone = [each for each in plan.passes if change not in each.sees or each.name == name]
    ways = makers(provider, resource, change)
    assert any(not comes(way, others) and comes(way, alone) for way in ways)
