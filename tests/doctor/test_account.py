"""What the doctor tells of a ChargeOver account: rows, zones, filters, custom streams."""

from __future__ import annotations

import pytest

from tap_billing.sandbox import serve
from tests.support import config_of


@pytest.fixture(scope="module")
def company():
    with serve("chargeover", customers=40) as sandbox:
        yield sandbox


def test_more_questions_than_allowed_are_left_out_and_told(diagnose):
    custom = [
        {"name": f"reports_{number}", "path": "_report", "primary_keys": ["report_id"]}
        for number in range(30)
    ]
    with serve("chargeover", customers=20) as sandbox:
        done = diagnose(config_of(sandbox, custom_streams=custom))

        assert len(sandbox.world.requests) == 60
    assert done.code == 0
    assert done.wrong == {"requests"}


def test_row_counts_and_ends_are_the_sandbox_s(company, diagnose):
    done = diagnose(config_of(company))
    invoices = company.world.company.invoices

    assert str(len(invoices)) in done.of("count invoices")[0][1].replace(",", "")
    assert f"{min(invoices)} (" in done.of("rows invoices")[0][1]
    assert f"{max(invoices)} (" in done.of("rows invoices")[0][1]


def test_naive_datetimes_in_the_right_zone_are_ok(diagnose):
    with serve("chargeover", customers=30, era="2015", timezone="America/New_York") as sandbox:
        done = diagnose(config_of(sandbox))

    assert done.code == 0
    assert done.level("timezone") == done.level("datetimes") == "ok"
    assert "without offset" in done.of("datetimes")[0][1]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles"])
def test_naive_datetimes_of_another_zone_fail(diagnose, zone):
    with serve("chargeover", customers=30, era="2015", timezone="America/New_York") as sandbox:
        done = diagnose(config_of(sandbox, timezone=zone))

    assert done.code == 1
    assert done.level("timezone") == "failed"


def test_offsets_of_another_zone_are_a_warning(diagnose):
    with serve("chargeover", customers=30, timezone="America/New_York") as sandbox:
        done = diagnose(config_of(sandbox, timezone="Europe/Berlin"))

    assert done.code == 0
    assert done.wrong == {"datetimes"}


@pytest.mark.parametrize(
    ("value", "level"), [("-1", "warning"), ("999999999", "warning"), ("100", "warning")]
)
def test_filters_are_counted_with(company, diagnose, value, level):
    wanted = {"invoices": [{"field": "total", "operator": "GT", "value": value}]}
    done = diagnose(config_of(company, filters=wanted))
    total = len(company.world.company.invoices)

    assert f"of {total:,} rows pass filters.invoices" in done.of("count invoices")[0][1]
    assert (done.level("count invoices") == level) == (value != "100")
    assert done.level("filters.invoices") == "warning"


def test_start_date_narrows_what_is_counted(company, diagnose):
    done = diagnose(config_of(company, start_date="2030-01-01"))

    assert done.level("start_date") == "warning"
    assert done.of("count invoices") == [("ok", "0 rows", "")]
    assert done.level("filters invoices") is None


def test_custom_streams_are_asked_for_as_well(company, diagnose):
    custom = [
        {"name": "reports", "path": "_report", "primary_keys": ["report_id"]},
        {"name": "wrong", "path": "nothing", "primary_keys": ["id"]},
    ]
    done = diagnose(config_of(company, custom_streams=custom))

    assert done.code == 1
    assert done.level("access reports") == "ok"
    assert done.level("access wrong") == "failed"


def test_empty_account_is_ok(diagnose):
    with serve("chargeover", customers=0) as sandbox:
        done = diagnose(config_of(sandbox))

    assert done.code == 0
    assert done.wrong == set()
    assert done.of("count invoices") == [("ok", "0 rows", "")]
