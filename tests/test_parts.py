"""ChargeOver in parts: ranges of identifiers that leave nothing out, whatever a server claims."""

from __future__ import annotations

import bisect
import itertools
import math
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_billing.providers.chargeover import Position
from tap_billing.spec import Extent, Scope
from tests.bodies import chargeover, first, resource_of, rows

CUSTOMERS = resource_of("chargeover", "customers")
MOST_REQUESTS = 3000


def bounds(request):
    """Return the identifiers between which a request asks, as its URL says: above, and up to."""
    where = dict(parse_qsl(urlsplit(chargeover().url(request)).query)).get("where", "")
    told = re.findall(r"customer_id:(GT|LTE):(-?\d+)", where)
    above = [int(value) for sign, value in told if sign == "GT"]
    upto = [int(value) for sign, value in told if sign == "LTE"]
    return max(above, default=-math.inf), min(upto, default=math.inf)


def standing(last, size=0, upto=None, span=0, page_size=500):
    """Return the request for what follows a page of a whole read."""
    request = first(chargeover(page_size), "customers")
    position = replace(request.position, last=last, size=size, upto=upto, span=span)
    return replace(request, position=position)


NUMBERS = st.integers(0, 300) | st.integers(0, 10**9)
SIZES = st.sampled_from([1, 2, 10, 100, 500])


@settings(deadline=None)
@given(
    last=NUMBERS,
    beyond=st.integers(-50, 300),
    count=st.integers(0, 400) | st.just(10**12),
    size=SIZES,
    steps=st.sets(st.integers(-10, 400), max_size=20),
)
@example(last=0, beyond=0, count=0, size=1, steps={0, 1})
def test_ranges_hold_everything_behind_the_position_once(last, beyond, count, size, steps):
    """A highest identifier or a number of rows that is wrong costs requests and no rows."""
    extent = Extent(max(0, last + beyond), count)
    ranges = [bounds(each) for each in chargeover().parts(standing(last, size), extent)]
    assert ranges[0][0] == last
    assert ranges[-1][1] == math.inf
    assert all(one[1] == two[0] for one, two in itertools.pairwise(ranges))
    assert all(low < high for low, high in ranges)
    for step in steps:
        assert sum(low < last + step <= high for low, high in ranges) == (step > 0)


@settings(deadline=None)
@given(last=NUMBERS, length=st.integers(1, 500), size=SIZES, span=st.integers(0, 600))
def test_ranges_of_a_part_end_where_it_ends(last, length, size, span):
    part = standing(last, size, last + length, span)
    ranges = [bounds(each) for each in chargeover().parts(part, None)]
    assert (ranges[0][0], ranges[-1][1]) == (last, last + length)
    assert all(one[1] == two[0] for one, two in itertools.pairwise(ranges))
    assert all(low < high for low, high in ranges)


@settings(deadline=None)
@given(
    last=NUMBERS,
    ids=st.integers(0, 5000),
    share=st.floats(0.001, 1),
    size=st.sampled_from([10, 100, 500]),
)
def test_ranges_are_about_as_many_as_pages(last, ids, share, size):
    count = int(ids * share)
    extent = Extent(last + ids, count + size)
    ranges = list(chargeover().parts(standing(last, size), extent))
    assert len(ranges) <= 2 * count / size + 3


@pytest.mark.parametrize("last", [None, 7])
def test_list_that_is_paged_by_offset_has_no_parts(last):
    request = first(chargeover(), "promotions")
    request = replace(request, position=replace(request.position, last=last))
    assert list(chargeover().parts(request, Extent(900, 900))) == [request]


def test_read_whose_extent_is_unknown_goes_on_in_one_line():
    request = standing(500, 500)
    assert list(chargeover().parts(request, None)) == [request]


def test_parts_ask_for_all_that_the_read_wants_of_each_row():
    scope = Scope(filters=(("company", "EQUALS", "a:b"),), expand=("line_items",))
    request = chargeover().plan(CUSTOMERS, scope)[0]
    request = replace(request, position=replace(request.position, last=500, size=500))
    *parts, last = chargeover().parts(request, Extent(2000, 2000))
    asked = [dict(parse_qsl(urlsplit(chargeover().url(each)).query)) for each in (*parts, last)]
    assert [each["where"] for each in asked] == [
        rf"company:EQUALS:a\:b,customer_id:GT:{low},customer_id:LTE:{low + 500}"
        for low in (500, 1000, 1500)
    ] + [r"company:EQUALS:a\:b,customer_id:GT:2000"]
    assert {(each["order"], each["expand"], each["limit"]) for each in asked} == {
        ("customer_id:ASC", "line_items", "500")
    }
    assert all(each.position.whole for each in (*parts, last))
    # What is beyond the highest may go on for ever: its decoding tells whether it does.
    assert [chargeover().late(each) for each in (*parts, last)] == [True, True, True, False]


@dataclass
class Server:
    """Rows by number; `most` on a page, and it may ignore where a range ends."""

    ids: list[int]
    most: int = 500
    endless: bool = False
    asked: int = 0

    def answer(self, request, page_size):
        self.asked += 1
        assert self.asked < MOST_REQUESTS, "reading does not end"
        above, upto = bounds(request)
        begin = bisect.bisect_right(self.ids, above)
        end = len(self.ids) if self.endless else bisect.bisect_right(self.ids, upto)
        found = self.ids[begin : min(end, begin + page_size, begin + self.most)]
        return rows(*({"customer_id": number} for number in found))


def read(server, page_size, extent, position=None):
    """Return the numbers that a whole read brings, divided wherever a page says that it can be."""
    provider = chargeover(page_size)
    waiting = [provider.plan(CUSTOMERS, Scope(after=position))[0]]
    found = []
    while waiting:
        request = waiting.pop(0)
        page = provider.decode(request, server.answer(request, page_size))
        found += [row["customer_id"] for row in page.documents]
        following = page.following
        if following is None:
            continue
        if provider.late(request):
            waiting[:0] = provider.parts(following, None)
        else:
            waiting[:0] = provider.parts(following, extent) if page.full else [following]
    return found


CLUSTERS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(1, 60), st.integers(1, 9)), min_size=1, max_size=6
)


def clustered(clusters):
    """Return identifiers: after each gap so many, so far from one another."""
    found, last = [], 0
    for gap, count, step in clusters:
        found += range(last + gap, last + gap + count * step, step)
        last = found[-1]
    return found


@settings(deadline=None)
@given(
    clusters=CLUSTERS,
    page_size=st.integers(1, 15) | st.just(50),
    most=st.sampled_from([10, 12, 500]),
    endless=st.booleans(),
    wrong=st.tuples(st.floats(0.1, 1.5), st.floats(0, 3)),
)
def test_server_is_read_whole_and_once(clusters, page_size, most, endless, wrong):
    """Whether it cuts pages short, ignores the end of a range, or tells wrong numbers."""
    ids = clustered(clusters)
    extent = Extent(int(ids[-1] * wrong[0]), int(len(ids) * wrong[1]))
    assert read(Server(ids, most, endless), page_size, extent) == ids


@settings(deadline=None)
@given(clusters=CLUSTERS, page_size=st.sampled_from([1, 5, 10, 50]), after=st.integers(0, 800))
def test_read_that_goes_on_brings_what_is_behind_its_position(clusters, page_size, after):
    ids = clustered(clusters)
    left = [number for number in ids if number > after]
    extent = Extent(ids[-1], len(left))
    assert read(Server(ids), page_size, extent, after) == left


@pytest.mark.parametrize(
    ("ids", "requests"),
    [
        (range(1, 100_001), 201),
        (range(1, 400_001, 4), 280),
        ([*range(1, 5001), *range(10_000_000, 10_050_000)], 330),
        ([block * 40_000 + number for block in range(20) for number in range(1, 2001)], 320),
        ([*range(1, 5001), 2_000_000_000], 100),
    ],
    ids=["dense", "every fourth", "far apart", "clusters", "one alone"],
)
def test_few_requests_bring_little(ids, requests):
    server = Server(list(ids))
    assert read(server, 500, Extent(ids[-1], len(ids))) == list(ids)
    assert server.asked <= requests


def test_rows_behind_the_end_of_a_part_are_left_to_the_next():
    part = standing(10, 10, upto=20, page_size=10)
    page = chargeover(10).decode(part, rows(*({"customer_id": n} for n in (12, 20, 21, 25))))
    assert [row["customer_id"] for row in page.documents] == [12, 20]
    assert page.following is None
    page = chargeover(10).decode(part, rows(*({"customer_id": n} for n in range(21, 31))))
    assert (list(page.documents), page.following) == ([], None)


def following(count, size, page_size=100):
    """Return what follows a page of so many rows, after pages of at most `size`."""
    answer = rows(*({"customer_id": number} for number in range(1, count + 1)))
    return chargeover(page_size).decode(standing(0, size, page_size=page_size), answer).following


@pytest.mark.parametrize(
    ("count", "size", "ends"),
    [
        (0, 0, True),
        (9, 0, True),
        (10, 0, False),
        (99, 0, False),
        (99, 99, False),
        (99, 100, True),
        (10, 100, True),
        (100, 100, False),
    ],
)
def test_short_page_ends_a_read_where_the_server_has_filled_one(count, size, ends):
    assert (following(count, size) is None) == ends


def test_parts_know_that_the_server_fills_its_pages():
    provider = chargeover(100)
    answer = rows(*({"customer_id": number} for number in range(1, 101)))
    page = provider.decode(first(provider, "customers"), answer)
    assert page.full
    one, *_ = provider.parts(page.following, Extent(1000, 1000))
    answer = rows(*({"customer_id": number} for number in range(101, 151)))
    assert provider.decode(one, answer).following is None


@pytest.mark.parametrize(("count", "full"), [(100, True), (99, False)])
def test_page_is_full_with_as_many_rows_as_were_asked_for(count, full):
    answer = rows(*({"customer_id": number} for number in range(1, count + 1)))
    page = chargeover(100).decode(first(chargeover(100), "customers"), answer)
    assert page.full == full
    # What a pass brings is not parted: its rows are where the others are, too.
    part = Position((("customer_id", "LTE", "900"),), ())
    request = replace(first(chargeover(100), "customers"), position=part)
    assert not chargeover(100).decode(request, answer).full


def test_part_with_more_rows_than_a_page_is_divided_again():
    provider = chargeover(10)
    part = standing(100, 10, upto=200, page_size=10)
    page = provider.decode(part, rows(*({"customer_id": n} for n in range(102, 122, 2))))
    assert provider.late(part)
    assert [bounds(each) for each in provider.parts(page.following, None)] == [
        (120, 136), (136, 152), (152, 168), (168, 184), (184, 200),
    ]  # fmt: skip


def test_part_that_is_full_to_its_end_is_at_its_end():
    part = standing(100, 10, upto=110, page_size=10)
    answer = rows(*({"customer_id": number} for number in range(101, 111)))
    assert chargeover(10).decode(part, answer).following is None
