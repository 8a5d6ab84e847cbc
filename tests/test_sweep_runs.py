"""Complete reads in whole runs: when they are due, and which versions they leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tap_billing import clock
from tests.states import Warehouse, aged, copied, remembered, versions
from tests.support import (
    catalog_of,
    config_of,
    run,
    selecting,
    when,
    without_authorities,
)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def loaded(*runs):
    warehouse = Warehouse()
    for each in runs:
        warehouse.load(each.messages)
    return warehouse


def test_first_load_activates_each_stream_once_after_its_rows(full, provider):
    done = full[provider]
    for stream in done.counts:
        told = [each for each in done.messages if each.get("stream") == stream]
        kinds = [each["type"] for each in told]
        assert kinds == ["SCHEMA", *["RECORD"] * done.counts[stream], "ACTIVATE_VERSION"], stream
        assert len({each["version"] for each in told[1:]}) == 1
    assert {each["version"] for each in remembered(done, "sweep").values()} == set(
        versions(done).values()
    )


def test_state_knows_of_a_sweep_only_after_its_version_was_activated(full, provider):
    activated = set()
    for message in full[provider].messages:
        if message["type"] == "ACTIVATE_VERSION":
            activated.add(message["stream"])
        if message["type"] == "STATE":
            told = message["value"]["bookmarks"]
            assert {name for name, each in told.items() if "sweep" in each} <= activated


def test_rows_between_two_sweeps_carry_the_version_of_the_first(company):
    first = run(config_of(company))
    company.world.advance(3)
    second = run(config_of(company), state=first.state)
    assert second.of("ACTIVATE_VERSION") == []
    assert second.counts["transactions"] > 0
    known = versions(first)
    assert all(each["version"] == known[each["stream"]] for each in second.of("RECORD"))
    assert remembered(second, "sweep") == remembered(first, "sweep")


@pytest.mark.parametrize(("days", "due"), [(0.5, False), (2.8, False), (3, True), (400, True)])
def test_sweep_is_due_again_after_so_many_days(company, monkeypatch, days, due):
    config = config_of(company, full_sweep_every=3)
    first = run(config)
    later = datetime.now(UTC) + timedelta(days=days)
    monkeypatch.setattr(clock, "now", lambda: later)
    second = run(config, state=first.state)
    assert second.error is None
    assert bool(second.of("ACTIVATE_VERSION")) == due
    if due:
        known = versions(first)
        assert all(version > known[name] for name, version in versions(second).items())
        assert versions(second).keys() == known.keys()
        assert second.counts == first.counts
        assert {when(each["at"]) for each in remembered(second, "sweep").values()} == {later}


def test_clock_that_was_set_back_leaves_no_version_behind(company, monkeypatch):
    """A version must grow whatever the clock says, or what vanished would stay for ever."""
    first = run(config_of(company))
    earlier = datetime.now(UTC) - timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: earlier)
    second = run(config_of(company), state=first.state)
    known = versions(first)
    assert versions(second).keys() == known.keys()
    assert all(version > known[name] for name, version in versions(second).items())


SOME = {
    "chargeover": {
        "customers": [{"field": "customer_id", "operator": "GT", "value": "5"}],
    },
    "cheddar": {"customers": {"subscriptionStatus": "activeOnly"}},
}


def test_filtered_read_never_activates(company, provider):
    config = config_of(company, filters=SOME[provider])
    first = run(config)
    second = run(config, state=aged(first.state))
    plain = run(config_of(company), state=aged(second.state))
    theirs = {each.name for each in first.tap.billing_streams if each.resource.name == "customers"}
    for done in (first, second):
        assert done.error is None
        assert versions(done).keys() == done.counts.keys() - theirs
    assert versions(plain).keys() == plain.counts.keys()
    assert loaded(first, second, plain).differences(company.world.truth()) == []


def test_filter_that_is_set_later_deletes_nothing(company, provider):
    first = run(config_of(company))
    second = run(config_of(company, filters=SOME[provider]), state=aged(first.state))
    assert "customers" not in versions(second)
    assert loaded(first, second).differences(company.world.truth()) == []


def test_start_date_never_activates_what_it_bounds(company):
    config = config_of(company, start_date="2025-06-01T00:00:00Z")
    first = run(config)
    second = run(config, state=aged(first.state))
    bounded = {each.name for each in first.tap.billing_streams if each.replication_key}
    for done in (first, second):
        assert done.error is None
        assert not versions(done).keys() & bounded


def test_no_version_at_all_when_none_is_wanted(company):
    config = config_of(company, emit_activate_version_messages=False)
    first = run(config)
    company.world.advance(5)
    second = run(config, state=aged(first.state))
    for done in (first, second):
        assert done.error is None
        assert done.of("ACTIVATE_VERSION") == []
        assert [each for each in done.of("RECORD") if "version" in each] == []
        assert all("version" not in each for each in remembered(done, "sweep").values())
    found = loaded(first, second).differences(company.world.truth())
    assert [line for line in found if "missing []" not in line] == []


def test_sweep_without_versions_reads_everything_when_it_is_due(company):
    config = config_of(company, emit_activate_version_messages=False)
    first = run(config)
    second = run(config, state=first.state)
    third = run(config, state=aged(first.state))
    assert second.counts["transactions"] < first.counts["transactions"]
    assert third.counts == first.counts


def test_no_sweep_is_ever_due_with_zero_days(company):
    config = config_of(company, full_sweep_every=0)
    first = run(config)
    second = run(config, state=aged(first.state, 4000))
    assert first.of("ACTIVATE_VERSION") == second.of("ACTIVATE_VERSION") == []
    # What came is a count to compare a sweep with, should one ever be wanted; and only once.
    known = remembered(first, "sweep")
    assert {stream: each["rows"] for stream, each in known.items()} == first.counts
    assert all("version" not in each for each in known.values())
    assert remembered(second, "sweep") == {
        stream: told["sweep"] for stream, told in aged(first.state, 4000)["bookmarks"].items()
    }
    assert second.counts["transactions"] < first.counts["transactions"]
    assert loaded(first).differences(company.world.truth()) == []


def test_zero_days_after_a_sweep_keep_its_version(company):
    first = run(config_of(company))
    second = run(config_of(company, full_sweep_every=0), state=aged(first.state, 4000))
    known = versions(first)
    assert second.of("ACTIVATE_VERSION") == []
    assert all(each["version"] == known[each["stream"]] for each in second.of("RECORD"))


def test_stream_that_is_selected_later_is_swept_with_its_resource(company, provider):
    child = {"chargeover": "invoice_line_items", "cheddar": "charges"}[provider]
    names = [each["stream"] for each in catalog_of(config_of(company))["streams"]]
    some = {name: None for name in ("customers", "invoices", child) if name in names}
    catalog = selecting(catalog_of(config_of(company)), {**some, child: ...})
    first = run(config_of(company), catalog=catalog)
    assert child not in first.counts
    catalog = selecting(catalog_of(config_of(company)), some)
    second = run(config_of(company), state=first.state, catalog=catalog)
    assert {child, "invoices"} <= versions(second).keys()
    assert versions(second)["invoices"] == versions(second)[child] > versions(first)["invoices"]
    assert loaded(first, second).differences(company.world.truth()) == []


@pytest.mark.parametrize("told", ["soon", {"at": "never"}, {"at": 5, "rows": "x"}, []])
def test_sweep_that_makes_no_sense_in_a_state_is_forgotten(company, told):
    first = run(config_of(company))
    state = copied(first.state)
    for each in state["bookmarks"].values():
        each["sweep"] = told
    done = run(config_of(company), state=state)
    assert done.error is None
    assert done.counts == first.counts
    # Nobody knows how many rows there were: this is the count for the next complete read.
    assert versions(done) == {}
    again = run(config_of(company), state=aged(done.state))
    assert versions(again).keys() == first.counts.keys()
    assert loaded(first, done, again).differences(company.world.truth()) == []
