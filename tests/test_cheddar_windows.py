"""Cheddar: which days are asked for, how they are divided, and how parameters travel."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_billing.custom import resources
from tap_billing.filters import parameters
from tap_billing.paging import MOST_FAILURES
from tap_billing.providers.cheddar import Cheddar
from tap_billing.spec import Scope
from tests.bodies import cheddar, first, reply, resource_of

CUSTOMERS = resource_of("cheddar", "customers")
DAYS = st.dates(date(2005, 1, 1), date(2032, 1, 1))
MOST_PARTS = 50_000
BY_CREATION = {"orderBy": "createdDatetime", "orderByDirection": "asc"}


def asked(request, provider=None):
    query = urlsplit((provider or cheddar()).url(request)).query
    return parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))


def plans(zone="UTC", **scope):
    provider = cheddar(zone)
    return [dict(asked(each, provider)) for each in provider.plan(CUSTOMERS, Scope(**scope))]


def brought(request, created):
    """Return whom the vendor tells of, by the days on which they were created, both included."""
    told = dict(asked(request))
    after, before = told.get("createdAfterDate"), told.get("createdBeforeDate")
    return [
        number
        for number, day in enumerate(created)
        if (not after or day >= date.fromisoformat(after))
        and (not before or day <= date.fromisoformat(before))
    ]


def following(request):
    """Return the request after a part that a server could tell."""
    with contextlib.closing(cheddar().decode(request, reply("<customers/>"))) as page:
        return page.following


def divided(request, created, most):
    """Return whom a server brings that fails on more than `most` customers, and the parts."""
    provider, waiting, found, parts = cheddar(), [request], [], []
    for _ in range(MOST_PARTS):
        if not waiting:
            return found, parts
        part = waiting.pop()
        here = brought(part, created)
        halves = provider.halve(part)
        if len(here) > most and halves:
            waiting += halves
        else:
            found += here
            parts.append(part)
            waiting += filter(None, [following(part)])
    pytest.fail("dividing does not end")


@given(
    created=st.lists(DAYS, max_size=40),
    most=st.integers(0, 5),
    start=st.none() | DAYS,
    before=st.none() | DAYS,
)
def test_divided_request_brings_everybody_once(created, most, start, before):
    scope = Scope(
        start=datetime(start.year, start.month, start.day, tzinfo=UTC) if start else None,
        filters={"createdBeforeDate": before.isoformat()} if before else None,
    )
    [whole] = cheddar().plan(CUSTOMERS, scope)
    found, parts = divided(whole, created, most)
    assert sorted(found) == brought(whole, created)
    days = [part.position.first or date.min for part in parts]
    assert days == sorted(set(days))
    assert all(part.position.whole and part.position.ordered for part in parts)


@given(start=DAYS, length=st.integers(0, 400))
def test_halves_are_disjoint_and_complete(start, length):
    days = [start + timedelta(days=number) for number in range(length + 1)]
    [whole] = cheddar().plan(
        CUSTOMERS,
        Scope(
            start=datetime(start.year, start.month, start.day, tzinfo=UTC),
            filters={"createdBeforeDate": days[-1].isoformat()},
        ),
    )
    halves = cheddar().halve(whole)
    assert bool(halves) == (length > 0)
    if halves:
        [half] = halves
        rest = following(half)
        assert brought(half, days) + brought(rest, days) == list(range(length + 1))
        assert brought(half, days)
        assert brought(rest, days)
        assert following(rest) is None


def test_single_day_is_not_divided():
    created = [date(2020, 5, 5)] * 3
    found, parts = divided(first(cheddar(), "customers"), created, 1)
    assert sorted(found) == [0, 1, 2]
    assert ("createdAfterDate", "2020-05-05") in [x for part in parts for x in asked(part)]


@pytest.mark.parametrize("name", ["plans", "promotions"])
def test_resource_without_creation_filter_is_not_divided(name):
    assert not cheddar().halve(first(cheddar(), name))


def test_single_customer_is_not_divided():
    assert not cheddar().halve(first(cheddar(), "customers", filters={"code": "A"}))


@pytest.mark.parametrize("name", ["plans", "promotions"])
def test_full_read_sends_no_parameter(name):
    request = first(cheddar(), name)
    assert cheddar().url(request) == f"/{name}/get/productCode/SAMPLE"


def test_full_read_of_customers_asks_for_their_order_of_creation_only():
    assert plans() == [BY_CREATION]


def test_order_that_the_user_wants_holds():
    filters = {"orderBy": "name", "orderByDirection": "desc"}
    [request] = cheddar().plan(CUSTOMERS, Scope(filters=filters))
    assert dict(asked(request)) == filters
    assert not request.position.ordered


def test_incremental_read_is_a_union_from_the_day_before_on():
    assert plans(since=datetime(2026, 3, 1, 12, tzinfo=UTC), whole=False) == [
        {"createdAfterDate": "2026-02-28"},
        {"transactedAfterDate": "2026-02-28"},
        {"canceledAfterDate": "2026-02-28"},
    ]


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", "2026-02-28"), ("Pacific/Auckland", "2026-03-01"), ("America/Chicago", "2026-02-28")],
)
def test_days_are_those_of_the_api_users_zone(zone, day):
    asked_for = plans(zone, since=datetime(2026, 3, 1, 18, tzinfo=UTC), whole=False)
    assert [list(each.values()) for each in asked_for] == [[day]] * 3


@given(
    when=st.datetimes(datetime(2009, 1, 2), datetime(2035, 1, 1)),  # noqa: DTZ001 - made aware below
    zone=st.sampled_from(["UTC", "America/Chicago", "Asia/Kolkata", "Pacific/Kiritimati"]),
)
def test_first_day_is_before_the_bookmark_in_every_zone(when, zone):
    """A zone that is set wrongly costs a day more, never a customer: 24 hours are covered."""
    since = when.replace(tzinfo=UTC)
    for each in plans(zone, since=since, whole=False):
        [day] = each.values()
        begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
        assert begin <= since - timedelta(hours=10)


def test_start_date_bounds_every_pass():
    start, since = datetime(2026, 3, 15, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    assert plans(start=start, since=since, whole=False) == [
        {"createdAfterDate": "2026-03-15"},
        {"transactedAfterDate": "2026-02-28", "createdAfterDate": "2026-03-15"},
        {"canceledAfterDate": "2026-02-28", "createdAfterDate": "2026-03-15"},
    ]
    assert plans(start=start) == [{"createdAfterDate": "2026-03-15", **BY_CREATION}]


def test_resumed_read_asks_its_passes_up_to_the_position_and_the_rest_after_it():
    since = datetime(2026, 3, 1, 12, tzinfo=UTC)
    upto = {"createdBeforeDate": "2026-02-10"}
    assert plans(since=since, after="2026-02-10") == [
        {"createdAfterDate": "2026-02-28", **upto},
        {"transactedAfterDate": "2026-02-28", **upto},
        {"canceledAfterDate": "2026-02-28", **upto},
        {"createdAfterDate": "2026-02-11", **BY_CREATION},
    ]


@given(
    created=st.lists(DAYS, max_size=40),
    after=DAYS,
    start=st.none() | DAYS,
    before=st.none() | DAYS,
)
def test_resumed_read_asks_nobody_twice_and_leaves_nobody_out(created, after, start, before):
    """With the same bounds, a first part up to the position and the rest are the whole."""
    bounds = {
        "start": datetime(start.year, start.month, start.day, tzinfo=UTC) if start else None,
        "filters": {"createdBeforeDate": before.isoformat()} if before else None,
    }
    [everybody] = cheddar().plan(CUSTOMERS, Scope(**bounds))
    since = datetime(2000, 1, 1, tzinfo=UTC)
    scope = Scope(since=since, after=after.isoformat(), **bounds)
    *passes, rest = cheddar().plan(CUSTOMERS, scope)
    assert [each.position.whole for each in (*passes, rest)] == [False, False, False, True]
    upto = brought(passes[0], created)
    assert sorted(upto + brought(rest, created)) == brought(everybody, created)
    assert all(created[one] <= after for one in upto)


@pytest.mark.parametrize(
    ("given_day", "sent"), [("2026-03-20", "2026-03-20"), ("2020-01-01", "2026-02-28")]
)
def test_of_two_bounds_on_one_date_the_later_holds(given_day, sent):
    filters = {"canceledAfterDate": given_day}
    found = plans(since=datetime(2026, 3, 1, tzinfo=UTC), filters=filters, whole=False)
    assert found[2] == {"canceledAfterDate": sent}
    assert found[0] == {"createdAfterDate": "2026-02-28", "canceledAfterDate": given_day}


def test_several_plans_are_an_array_of_php():
    filters = parameters(CUSTOMERS, {"planCode": ["A B", "C&D"], "search": "x=y"})
    request = first(cheddar(), "customers", filters=filters)
    assert asked(request) == [
        *(("planCode[]", "A B"), ("planCode[]", "C&D"), ("search", "x=y")),
        *BY_CREATION.items(),
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.mark.parametrize("name", ["customers", "promotions"])
@given(code=TEXT | st.text("./+%?#&=@: ", min_size=1, max_size=4))
def test_code_travels_whole_in_path_or_query(name, code):
    request = first(cheddar(), name, filters={"code": code})
    url = cheddar().url(request)
    path, _, query = url.partition("?")
    base = f"/{name}/get/productCode/SAMPLE"
    assert url.isascii()
    assert "#" not in url
    if query:
        assert (path, parse_qsl(query, keep_blank_values=True)) == (base, [("code", code)])
    else:
        assert path.startswith(f"{base}/code/")
        assert "/" not in path.removeprefix(f"{base}/code/")
        assert unquote(path.removeprefix(f"{base}/code/")) == code
        assert code.strip(".")


@given(code=TEXT)
def test_product_code_is_one_step_of_the_path(code):
    provider = Cheddar(code, "UTC")
    path = provider.url(first(provider, "plans"))
    assert unquote(path.removeprefix("/plans/get/productCode/")) == code
    assert path.count("/") == 4


def custom(**given):
    row = {"name": "x", "path": "customers/list", "records_path": "customers.customer"}
    found, filters = resources("cheddar", [{**row, "primary_keys": ["id"], **given}], [])
    return cheddar().plan(found[0], Scope(filters=filters.get("x")))


def test_custom_stream_sends_all_its_parameters():
    [request] = custom(filters={"code": "A", "status": "B", "createdBeforeDate": "2026-01-01"})
    assert sorted(asked(request)) == [
        ("code", "A"),
        ("createdBeforeDate", "2026-01-01"),
        ("status", "B"),
    ]


def test_custom_stream_is_not_divided():
    [request] = custom()
    assert not cheddar().halve(request)


@pytest.mark.parametrize("side", [0, -1])
def test_divisions_that_fail_in_a_row_may_go_down_to_a_single_day(side):
    part, divisions = first(cheddar(), "customers"), 0
    while halves := cheddar().halve(part):
        [half] = halves
        part, divisions = following(half) if side else half, divisions + 1
    assert divisions <= MOST_FAILURES


def test_part_of_a_divided_read_is_followed_by_the_rest_with_all_its_parameters():
    request = first(cheddar(), "customers", filters={"planCode": "A"})
    [half] = cheddar().halve(request)
    rest = following(half)
    assert dict(asked(rest)) == {
        "planCode": "A",
        "createdAfterDate": (half.position.last + timedelta(days=1)).isoformat(),
        **BY_CREATION,
    }
    assert following(rest) is None


PARTED = Cheddar("SAMPLE", "UTC", parted=True)


def page_of(request, *created):
    """Return the page of customers who were created on these days."""
    told = "".join(
        f'<customer id="{number}" code="c"><createdDatetime>{day.isoformat()}T12:00:00+00:00'
        "</createdDatetime></customer>"
        for number, day in enumerate(created)
    )
    return PARTED.decode(request, reply(f"<customers>{told}</customers>"))


def years(**scope):
    """Return the requests that a whole read consists of after a trial that brought nobody."""
    trial = PARTED.plan(CUSTOMERS, Scope(**scope))[-1]
    assert trial.trial
    with contextlib.closing(page_of(trial)) as page:
        assert page.full
        return list(PARTED.parts(page.following, None))


@settings(deadline=None)
@given(
    created=st.lists(DAYS, max_size=40),
    start=st.none() | DAYS,
    before=st.none() | DAYS,
    after=st.none() | DAYS,
)
def test_years_bring_everybody_and_share_no_day_but_the_first_of_january(
    created, start, before, after
):
    scope = {
        "start": datetime(start.year, start.month, start.day, tzinfo=UTC) if start else None,
        "filters": {"createdBeforeDate": before.isoformat()} if before else None,
        "after": after.isoformat() if after else None,
    }
    whole = cheddar().plan(CUSTOMERS, Scope(**scope))[-1]
    parts = years(**scope)
    assert {number for part in parts for number in brought(part, created)} == set(
        brought(whole, created)
    )
    windows = [part.position for part in parts]
    assert (windows[0].first, windows[-1].last) == (whole.position.first, whole.position.last)
    for one, two in itertools.pairwise(windows):
        assert one.last == two.first == date(two.first.year, 1, 1)
        assert one.first is None or one.first < one.last
    assert all(each.whole and each.ordered for each in windows)
    assert all(page_of(part).overlapping for part in parts)
    assert not any(following(part) for part in parts)


@settings(deadline=None)
@given(created=st.lists(DAYS, max_size=40), most=st.integers(0, 5))
def test_year_that_is_too_large_is_divided_within_itself(created, most):
    for part in years():
        window = part.position
        found, within = divided(part, created, most)
        assert sorted(found) == brought(part, created)
        assert within[0].position.first == window.first
        assert (within[-1].position.last, within[-1].position.until) == (window.last, window.until)
        assert all(each.position.part for each in within)


@pytest.mark.parametrize(
    ("scope", "first_day"),
    [
        ({}, None),
        ({"since": datetime(2026, 3, 1, tzinfo=UTC)}, None),
        ({"start": datetime(2024, 5, 6, tzinfo=UTC)}, "2024-05-06"),
        ({"after": "2025-06-30"}, "2025-07-01"),
    ],
    ids=str,
)
def test_trial_asks_for_days_before_the_first_there_can_be(scope, first_day):
    """Within the read's own lower bound: a server may mind that one only."""
    *passes, trial = PARTED.plan(CUSTOMERS, Scope(**scope))
    bound = {"createdAfterDate": first_day} if first_day else {}
    assert dict(asked(trial)) == {**bound, "createdBeforeDate": "2008-12-31", **BY_CREATION}
    assert [each.trial for each in passes] == [False] * (3 if "since" in scope else 0)


@pytest.mark.parametrize(
    ("provider", "resource", "scope"),
    [
        (cheddar(), CUSTOMERS, {}),
        (PARTED, CUSTOMERS, {"large": False}),
        (PARTED, CUSTOMERS, {"filters": {"code": "A"}}),
        (PARTED, resource_of("cheddar", "plans"), {}),
    ],
    ids=["one at a time", "small", "single customer", "plans"],
)
def test_what_is_not_worth_dividing_is_asked_for_without_a_trial(provider, resource, scope):
    [request] = provider.plan(resource, Scope(**scope))
    assert not request.trial
    assert "createdBeforeDate" not in dict(asked(request))
    with contextlib.closing(provider.decode(request, reply(f"<{resource.name}/>"))) as page:
        assert (page.full, page.following) == (False, None)


def test_trial_that_brings_customers_of_later_days_is_the_whole_document():
    trial = first(PARTED, "customers")
    with contextlib.closing(page_of(trial, date(2008, 5, 1), date(2024, 5, 1))) as page:
        assert [row["id"] for row in page.documents] == ["0", "1"]
        assert (page.following, page.full, page.whole) == (None, False, True)
        assert not page.overlapping


def test_customer_of_an_earlier_day_is_no_proof_and_nobody_is_left_out():
    """Whether the server minds days or has nobody else: the whole document tells."""
    trial = first(PARTED, "customers")
    with contextlib.closing(page_of(trial, date(2008, 5, 1))) as page:
        assert (list(page.documents), page.full) == ([], False)
        assert page.following == first(cheddar(), "customers")
    assert list(PARTED.parts(page.following, None)) == [page.following]


@pytest.mark.parametrize(
    ("body", "status"),
    [("<customers/>", 200)]
    + [
        (f'<error id="1" code="{code}" auxCode="">No customers found.</error>', status)
        for code, status in ((404, 404), (400, 400), (404, 200))
    ],
)
def test_trial_that_brings_nobody_leads_to_years(body, status):
    page = PARTED.decode(first(PARTED, "customers"), reply(body, status))
    with contextlib.closing(page):
        assert (list(page.documents), page.full) == ([], True)
    assert len(list(PARTED.parts(page.following, None))) == datetime.now(UTC).year - 2009 + 1


def test_trial_that_fails_is_simplified_or_halved_into_what_it_was_to_try_out():
    trial = first(PARTED, "customers")
    whole = first(cheddar(), "customers")
    assert PARTED.simplify(trial) == whole
    assert PARTED.simplify(whole) is None
    assert PARTED.halve(trial) == cheddar().halve(whole)
