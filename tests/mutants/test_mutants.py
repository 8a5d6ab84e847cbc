"""Every defect that is planted is found, and without one nothing is."""

from __future__ import annotations

import pytest

from tap_billing.errors import BillingError
from tap_billing.tap import CATALOGUE
from tests.mutants.mutants import DEFECTS, ELSEWHERE, MUTANTS
from tests.mutants.own import PASSES
from tests.mutants.scenarios import SCENARIOS

KILLS = [
    pytest.param(mutant, scenario, words, id=f"{mutant.name}-{scenario.__name__}")
    for mutant in MUTANTS
    for scenario, words in mutant.found.items()
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_tap_itself_has_no_defect(scenario):
    scenario()


@pytest.mark.parametrize(("mutant", "scenario", "words"), KILLS)
def test_defect_is_found(mutant, scenario, words, monkeypatch):
    mutant.plant(monkeypatch)
    # Nothing else, so that a patch that only breaks the tap does not pass for a defect.
    with pytest.raises((AssertionError, BillingError), match=f"^(?:{words})"):
        scenario()


@pytest.mark.parametrize("defect", DEFECTS, ids=": ".join)
def test_defect_of_a_peer_is_planted(defect):
    by_name = {mutant.name: mutant for mutant in MUTANTS}
    for name in DEFECTS[defect]:
        assert defect[0] in by_name[name].peers
        assert by_name[name].found


def test_table_is_complete_and_says_what_it_leaves_out():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))
    assert all(mutant.found for mutant in MUTANTS)
    assert not ELSEWHERE.keys() & DEFECTS.keys()
    assert all(ELSEWHERE.values())


def test_every_pass_is_left_out_once():
    passes = {
        (provider, each.name)
        for provider, resources in CATALOGUE.items()
        for resource in resources
        for each in resource.passes
    }
    assert {(provider, name) for provider, name, _ in PASSES} == passes


def test_every_scenario_finds_something():
    assert set(SCENARIOS) == {each for mutant in MUTANTS for each in mutant.found}
