from __future__ import annotations

import logging

import pytest

from tap_billing import pacing
from tap_billing.sandbox import serve
from tap_billing.sandbox.faults import NAMES
from tests.support import NOW, config_of, run, without_authorities

PROVIDERS = ("chargeover", "cheddar")
SLOW = 0.0005
# What a run needs of the settings so that a server that never answers is given up soon.
PATIENCE = {"hang": {"request_timeout": 0.25}, "slow": {"request_timeout": 30}}
# A date ends like a number of seconds, after as long a wait.
LASTING = tuple(name for name in NAMES if name not in {"slow", "429-date"})


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Let pacing hold requests back for milliseconds, as the rest of these tests."""
    without_authorities(monkeypatch)
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.001)
    monkeypatch.setattr(pacing, "MOST_INTERVAL", 0.002)


@pytest.fixture(params=PROVIDERS)
def provider(request):
    return request.param


def company(provider, **options):
    return serve(provider, **{"customers": 25, "now": NOW, "pause": SLOW, **options})


def complete(run, truth):
    """Return the counts of a run and of the truth, for the streams that the run selected."""
    return run.counts, {stream: truth[stream]["count"] for stream in run.counts}


@pytest.mark.parametrize("name", NAMES)
def test_first_requests_that_fail_cost_no_row(provider, name):
    # A hanging request costs its whole time-out, a wish for a pause a second.
    limit = 2 if name in {"hang", "429-after", "429-date"} else 6
    with company(provider, faults={name: f"1@{limit}"}) as sandbox:
        done = run(config_of(sandbox, page_size=50, **PATIENCE.get(name, {})))
        got, expected = complete(done, sandbox.world.truth())
    assert done.error is None
    assert got == expected
    assert len(got) > 10


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in {"hang", "429-after", "429-date"}]
)
def test_fault_now_and_then_costs_no_row(provider, name):
    with company(provider, faults={name: 0.3}) as sandbox:
        done = run(config_of(sandbox, page_size=20))
        got, expected = complete(done, sandbox.world.truth())
    assert done.error is None
    assert got == expected


def test_all_faults_together_cost_no_row(provider):
    some = {name: 0.04 for name in NAMES if name not in {"hang", "429-after", "429-date"}}
    with company(provider, faults=some) as sandbox:
        done = run(config_of(sandbox, page_size=20))
        got, expected = complete(done, sandbox.world.truth())
    assert done.error is None
    assert got == expected


@pytest.mark.parametrize("name", LASTING)
def test_lasting_fault_is_one_line_a_resource_and_no_row(provider, name, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("tap_billing.retries.TRIES", 2)
    patience = {"request_timeout": 0.1} if name == "hang" else {}
    with company(provider, faults={name: 1}) as sandbox:
        config = config_of(sandbox, **patience)
        if provider == "cheddar":
            # A single customer cannot be divided.
            config["filters"] = {"customers": {"code": "nobody"}}
        done = run(config)
    assert done.error is not None
    assert str(done.error).startswith("incomplete: ")
    assert all(stream in str(done.error) for stream in done.counts)
    assert set(done.counts.values()) == {0}
    assert done.messages[-1]["type"] == "STATE"
    assert not any(done.bookmark(stream) for stream in done.counts)
    told = [each for each in caplog.records if each.name.startswith("tap")]
    lines = [each.getMessage() for each in told if each.levelno >= logging.ERROR]
    resources = {each.resource.name for each in done.tap.billing_streams if each.selected}
    assert len(lines) == len(resources)
    assert all(len(line.splitlines()) == 1 and "GET /" in line for line in lines)


def test_hanging_server_that_could_divide_is_given_up_soon():
    with company("cheddar", faults={"hang": 1}) as sandbox:
        done = run(config_of(sandbox, request_timeout=0.1))
        asked = len(sandbox.world.requests)
    assert done.error is not None
    assert set(done.counts.values()) == {0}
    assert asked < 60


def test_document_too_large_for_the_server_is_read_in_parts():
    with company("cheddar", customers=120, max_customers_per_document=7) as sandbox:
        done = run(config_of(sandbox))
        got, expected = complete(done, sandbox.world.truth())
        ids = [row["id"] for row in done.records("customers")]
    assert done.error is None
    assert got == expected
    assert len(set(ids)) == len(ids)


def test_incremental_document_too_large_is_read_in_parts():
    with company("cheddar", customers=120) as sandbox:
        first = run(config_of(sandbox))
        sandbox.world.advance(40)
        expected = run(config_of(sandbox), state=first.state).counts
    with company("cheddar", customers=120, max_customers_per_document=5) as sandbox:
        sandbox.world.advance(40)
        done = run(config_of(sandbox), state=first.state)
    assert done.error is None
    assert done.counts == expected


def test_fault_in_the_middle_leaves_the_other_resources(provider):
    with company(provider, customers=40) as sandbox:
        whole = run(config_of(sandbox))
        sandbox.world.requests.clear()
        state = whole.state
        sandbox.world.advance(30)
        done = run(config_of(sandbox, filters=BROKEN[provider]), state=state)
    assert done.error is not None
    broken = {
        each.name for each in done.tap.billing_streams if each.resource.name in BROKEN[provider]
    }
    for stream in done.counts:
        if stream in broken:
            assert done.bookmark(stream) == whole.bookmark(stream)
        else:
            assert stream not in str(done.error).split(";")[0].removeprefix("incomplete: ").split(
                ", "
            )
    assert done.messages[-1]["type"] == "STATE"


# A filter that the settings allow and the server refuses.
BROKEN = {
    "chargeover": {"invoices": [{"field": "invoice_id", "operator": "EQUALS", "value": "a" * 100}]},
    "cheddar": {"customers": {"code": "nobody"}},
}
