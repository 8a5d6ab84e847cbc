"""max_records and max_runtime stop a run at a point from which the next one goes on."""

from __future__ import annotations

import json
import logging

import pytest
from aiohttp import web

from tap_billing.errors import BillingError
from tap_billing.sandbox import serve
from tests.commands import tap
from tests.states import Warehouse, aged, remembered
from tests.support import (
    NOW,
    catalog_of,
    config_of,
    keyed,
    paths,
    run,
    selecting,
    serving,
    without_authorities,
)

MOST_RUNS = 80
PASSES = {"transactedAfterDate", "canceledAfterDate"}
TELLS = "more to do: max_records or max_runtime has stopped the run; the next one goes on"


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


@pytest.fixture
def company(provider):
    with serve(provider, customers=20, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def short(monkeypatch):
    """Write after a few rows, as a run of many does."""
    monkeypatch.setattr("tap_billing.writing.CHUNK", 20)


def rows(done):
    return len(done.of("RECORD"))


def until_done(config, state=None, catalog=None):
    """Run again and again, each from the state of the last, until there is no more to do."""
    runs, unread = [], None
    while unread != set():
        assert len(runs) < MOST_RUNS, "the runs lead nowhere"
        done = run(config, state=state, catalog=catalog)
        assert done.error is None
        selected = {each.name: each.complete for each in done.tap.billing_streams if each.selected}
        unread = (selected.keys() if unread is None else unread) - {
            k for k, v in selected.items() if v
        }
        runs.append(done)
        state = done.state
    return runs


def loaded(runs):
    warehouse = Warehouse()
    for each in runs:
        warehouse.load(each.messages)
    return warehouse


@pytest.mark.parametrize("most", [1, 30, 150, 400])
@pytest.mark.usefixtures("short")
def test_limited_runs_end_with_everything(company, most):
    runs = until_done(config_of(company, page_size=25, max_records=most))
    assert len(runs) > 1
    warehouse = loaded(runs)
    assert warehouse.differences(company.world.truth()) == []
    assert warehouse.tables == loaded([run(config_of(company))]).tables


@pytest.mark.parametrize("most", [50, 300])
@pytest.mark.usefixtures("short")
def test_limited_run_keeps_to_its_limit_but_for_what_cannot_be_divided(company, most):
    first = run(config_of(company, page_size=25, max_records=most))
    # Rows of a page are written a few at a time; a resource without passes has no checkpoint.
    assert most <= rows(first) < most + 120


def test_limit_that_is_not_reached_changes_nothing(company, caplog):
    limited = run(config_of(company, max_records=10**9, max_runtime=3600))
    assert TELLS not in caplog.text
    plain = run(config_of(company))
    assert limited.counts == plain.counts
    assert not remembered(limited, "ended")
    assert not remembered(limited, "progress")


@pytest.mark.usefixtures("short")
def test_limited_run_ends_well_and_says_that_there_is_more_to_do(company, caplog):
    done = run(config_of(company, page_size=25, max_records=100))
    assert done.error is None
    assert done.messages[-1]["type"] == "STATE"
    (told,) = [each for each in caplog.records if each.getMessage() == TELLS]
    assert told.levelno == logging.WARNING
    streams = {each.name for each in done.tap.billing_streams if each.selected}
    complete = {each.name for each in done.tap.billing_streams if each.complete}
    assert complete < streams
    lines = [each.getMessage() for each in caplog.records if each.name == "tap-billing.closing"]
    assert {line.partition(":")[0] for line in lines if "more to do" in line} == streams - complete
    assert {line.partition(":")[0] for line in lines if ": complete" in line} == complete


@pytest.mark.usefixtures("short")
def test_limited_first_load_activates_at_its_end_only(company):
    runs = until_done(config_of(company, page_size=25, max_records=150))
    streams = [each["stream"] for one in runs for each in one.of("ACTIVATE_VERSION")]
    assert len(streams) == len(set(streams))
    assert set(streams) == run(config_of(company)).counts.keys()


def test_every_resource_gets_its_turn(company):
    """What had its turn comes last in the next runs, also if there is always more of it."""
    first = run(config_of(company))
    state, seen, customers = first.state, set(), first.bookmark("customers")
    for _ in range(8):
        company.world.advance(4)
        done = run(config_of(company, max_records=1), state=state)
        assert done.error is None
        state = done.state
        seen |= {each.resource.name for each in done.tap.billing_streams if each.complete}
    assert seen == {each.resource.name for each in done.tap.billing_streams if each.selected}
    assert done.bookmark("customers") > customers


@pytest.mark.usefixtures("short")
def test_limited_incremental_runs_end_with_everything(company):
    first = run(config_of(company))
    company.world.advance(30)
    runs = until_done(config_of(company, max_records=30), state=aged(first.state))
    assert len(runs) > 1
    warehouse = loaded([first, *runs])
    assert warehouse.differences(company.world.truth()) == []
    whole = run(config_of(company))
    for stream in whole.counts:
        assert warehouse.tables[stream].keys() == {
            tuple(map(str, key)) for key in keyed(whole, stream)
        }


@pytest.mark.usefixtures("short")
def test_customers_of_one_day_are_no_end_of_the_road_for_a_limit():
    """An import creates many customers on a day, and a position of Cheddar's is a day."""
    made = [f"2024-{1 + n // 40:02d}-15T09:{n % 60:02d}:00+00:00" for n in range(100)]

    async def handler(request):
        since = request.query.get("createdAfterDate", "")
        until = request.query.get("createdBeforeDate", "9")
        name = request.path.split("/")[1]
        told = "".join(
            f'<customer id="{n}" code="C{n}"><createdDatetime>{when}</createdDatetime></customer>'
            for n, when in enumerate(sorted(made))
            if since <= when[:10] <= until and not request.query.keys() & PASSES
        )
        body = told if name == "customers" else ""
        return web.Response(text=f"<{name}>{body}</{name}>", content_type="text/xml")

    with serving(handler) as url:
        config = {
            "provider": "cheddar", "api_url": url, "username": "u", "password": "p",
            "product_code": "X", "max_records": 30,
        }  # fmt: skip
        catalog = selecting(catalog_of(config), {"customers": None})
        runs = until_done(config, catalog=catalog)
    assert 1 < len(runs) < 6
    assert len(loaded(runs).tables["customers"]) == 100


@pytest.mark.usefixtures("short")
def test_limited_runs_do_not_read_again_what_they_have():
    with serve("chargeover", customers=60, now=NOW) as sandbox:
        config = config_of(sandbox, page_size=20)
        catalog = selecting(catalog_of(config), {"invoice_line_items": None})
        whole = run(config, catalog=catalog)
        runs = until_done({**config, "max_records": 60}, catalog=catalog)
    total = sum(map(rows, runs))
    # Open invoices come again, because they may have been paid between two runs.
    standing = len(runs[-1].records("invoice_line_items"))
    assert rows(whole) <= total <= rows(whole) + len(runs) * max(60, standing)


@pytest.mark.usefixtures("short")
def test_runtime_is_a_limit_too(company, monkeypatch):
    seconds = iter(range(10**6))
    monkeypatch.setattr("tap_billing.run.time.monotonic", lambda: next(seconds) / 10)
    limited = config_of(company, page_size=25, max_runtime=1)
    runs = until_done(limited)
    assert len(runs) > 1
    assert loaded(runs).differences(company.world.truth()) == []


def test_resource_that_had_no_turn_is_not_asked():
    with serve("chargeover", customers=40, now=NOW) as sandbox:
        first = run(config_of(sandbox, max_records=1))
        sandbox.world.requests.clear()
        second = run(config_of(sandbox, max_records=1), state=first.state)
        asked = paths(sandbox)
    done = {each.resource.path for each in first.tap.billing_streams if each.complete}
    assert done
    # Their turn is at the end, where this run does not come.
    assert [path for path in asked if path.split("?")[0].split("/")[3] in done] == []
    assert second.error is None


def test_failure_beside_a_limit_is_still_an_error(company, provider):
    broken = {
        "chargeover": {"contacts": [{"field": "user_id", "operator": "EQUALS", "value": "a" * 99}]},
        "cheddar": {"customers": {"code": "nobody"}},
    }[provider]
    done = run(config_of(company, filters=broken, max_records=1))
    assert isinstance(done.error, BillingError)


@pytest.mark.parametrize("settings", [{"max_records": 1}, {"max_runtime": 0.000001}])
def test_command_ends_with_zero_and_its_manifest_says_more_to_do(file, tmp_path, settings):
    manifest = tmp_path / "manifest.json"
    with serve("cheddar", customers=30, now=NOW) as sandbox:
        config = file(config_of(sandbox, **settings))
        done = tap("--config", config, "--manifest", str(manifest))
    assert done.returncode == 0, done.stderr
    assert TELLS in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "STATE"
    told = json.loads(manifest.read_bytes())
    assert told["stopped"] == "more to do"
    outcomes = {each["outcome"] for each in told["streams"]}
    assert "more to do" in outcomes
    assert outcomes <= {"more to do", "complete"}
