from __future__ import annotations

from datetime import date, datetime

import pytest

from tap_billing.doctor import dates, estimate, hurts
from tap_billing.doctor.finding import about
from tap_billing.settings import settings
from tests.support import NOW


def made(provider="chargeover", **given):
    return settings({"provider": provider, "sandbox": True, **given})


def checks(chosen, filters=None):
    return [each.check for each in hurts.examine(chosen, filters or {}, NOW) if each.level != "ok"]


@pytest.mark.parametrize("provider", ["chargeover", "cheddar"])
def test_defaults_do_not_hurt(provider):
    assert checks(made(provider)) == []
    assert [each.level for each in hurts.examine(made(provider), {}, NOW)] == ["ok"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page_size", 10),
        ("requests_per_second", 0.2),
        ("max_concurrency", 1),
        ("max_concurrency", 64),
        ("request_timeout", 5),
        ("lookback", 0),
        ("lookback", 30 * 86_400),
        ("transaction_window", 0),
        ("transaction_window", 3),
        ("transaction_window", 4000),
        ("full_sweep_every", 0),
        ("full_sweep_every", 90),
        ("emit_activate_version_messages", False),
        ("max_deletions", 0),
        ("max_deletions", 100),
        ("max_runtime", 10),
        ("start_date", "2026-03-01"),
    ],
)
def test_setting_that_hurts_has_a_line_with_advice(name, value):
    chosen = made(**{name: value})
    found = [each for each in hurts.examine(chosen, {}, NOW) if each.level == "warning"]

    assert {each.check for each in found} == {name}
    assert all(each.advice for each in found)


@pytest.mark.parametrize(("sweeps", "when"), [(7, "at the next sweep"), (0, "never")])
@pytest.mark.parametrize("window", [0, 3])
def test_what_a_short_window_leaves_out_comes_with_a_sweep(window, sweeps, when):
    chosen = made(transaction_window=window, full_sweep_every=sweeps)
    (told,) = (each for each in hurts.examine(chosen, {}, NOW) if "window" in each.check)

    assert when in told.found


def test_one_provider_s_settings_do_not_hurt_the_other():
    assert checks(made("cheddar", page_size=10, transaction_window=0)) == []
    assert checks(made("chargeover", request_timeout=200)) == []
    assert len(checks(made("chargeover", start_date="2024-01-01"))) == 1
    assert len(checks(made("cheddar", start_date="2024-01-01"))) == 2


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ((("total", "GT", "0"),), 1),
        ((("write_datetime", "LT", "2026-01-01"),), 2),
        ({"planCode": "A"}, 1),
        ({"subscriptionStatus": "activeOnly"}, 2),
        ({"canceledBeforeDate": "2026-01-01"}, 2),
    ],
)
def test_filters_that_hide_deletions_or_the_future_are_told(wanted, number):
    assert checks(made(), {"invoices": wanted}) == ["filters.invoices"] * number


def test_first_load_is_as_long_as_its_longest_list():
    found = next(estimate.paged({"a": 500_000, "b": 500}, 3.6, made()))

    assert found.found.startswith("about 60 min")
    assert "500,500 rows, 1,001 pages of 500, 3.60 s a page, 8 at once" in found.found


def test_first_load_is_bounded_by_rate_and_concurrency():
    rows = dict.fromkeys("abcdefghijklmnop", 50_000)

    assert next(estimate.paged(rows, 1.8, made())).found.startswith("about 6 min")
    slow = next(estimate.paged(rows, 1.8, made(requests_per_second=0.5)))
    assert slow.found.startswith("about 53 min")


@pytest.mark.parametrize("limit", [{"max_runtime": 600}, {"max_records": 100_000}])
def test_first_load_beyond_a_limit_is_a_warning(limit):
    found = next(estimate.paged({"a": 500_000}, 3.6, made(**limit)))

    assert found.level == "warning"
    assert f"{6 if 'max_runtime' in limit else 5} runs" in found.found


def test_samples_spread_over_the_years():
    today = date(2026, 1, 31)
    recent = estimate.Sample(date(2026, 1, 2), 30, 30, 3_000_000, 3.0)
    older = estimate.Sample(date(2025, 1, 31), 30, 30, 3_000_000, None)
    none = estimate.Sample(date(2024, 2, 1), 30, 0, 0, 0.5)

    assert estimate.spread([recent, older], today) == pytest.approx(365)
    assert estimate.spread([recent, older, none], today) == pytest.approx(365 + 364.5 / 2, abs=1)
    assert "1.00 MB/s" in next(estimate.whole([recent, older], made("cheddar"), today)).found


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.1, "less than a second"), (90, "about 90 s"), (600, "about 10 min"), (9e4, "about 25 h")],
)
def test_durations_are_told_for_people(seconds, told):
    assert about(seconds) == told


@pytest.mark.parametrize(
    ("texts", "zone", "level"),
    [
        (["2026-01-10T08:00:00-06:00", "2025-07-10T08:00:00-05:00"], "America/Chicago", "ok"),
        (["2026-01-10T08:00:00+00:00"], "America/Chicago", "ok"),
        (["2026-01-10T08:00:00-05:00"], "America/Chicago", "warning"),
        (["2026-01-10 08:00:00"], "America/Chicago", "ok"),
        (["2026-01-31 23:00:00"], "America/Chicago", "failed"),
        (["2026-01-31 23:00:00"], "Europe/Berlin", "ok"),
        ([], "UTC", "ok"),
    ],
)
def test_zone_is_compared_with_what_rows_tell(texts, zone, level):
    values = [datetime.fromisoformat(text) for text in texts]

    assert dates.examine(values, zone, NOW).level == level


def test_only_datetimes_are_read_as_such():
    assert dates.told({"write_datetime": "", "mod_datetime": None, "company": "2026-01-01"}) == []
