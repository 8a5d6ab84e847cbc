"""ChargeOver: rows by their identifiers in few requests, the highest one, and their number."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.errors import Garbled
from tap_billing.providers.chargeover_paging import ranges
from tap_billing.spec import Scope
from tests.bodies import chargeover, reply, resource_of, rows
from tests.support import ENVELOPE

NUMBERS = st.lists(st.integers(0, 40) | st.integers(0, 10**9), max_size=30)


def fewest(numbers, span):
    """Return the least number of ranges of a length that hold all numbers, by trying them all."""
    best = [0]
    for end, high in enumerate(numbers, 1):
        begins = [start for start in range(end) if high - numbers[start] < span]
        best.append(1 + min(best[start] for start in begins))
    return best[-1]


@given(numbers=NUMBERS, span=st.integers(1, 50))
def test_ranges_hold_all_numbers_in_the_fewest_pages(numbers, span):
    found = ranges(numbers, span)
    assert all(0 <= high - low < span for low, high in found)
    assert all(one[1] < two[0] for one, two in itertools.pairwise(found))
    assert {end for each in found for end in each} <= set(numbers)
    assert all(any(low <= each <= high for low, high in found) for each in numbers)
    assert len(found) == fewest(sorted(set(numbers)), span)


@pytest.mark.parametrize(
    ("given_ids", "found"),
    [
        ([], []),
        (["7", 5, "6"], [(5, 7)]),
        (["1", "10", "11"], [(1, 10), (11, 11)]),
        (["x", None, "", "8"], [(8, 8)]),
    ],
    ids=str,
)
def test_ranges_take_identifiers_as_they_are_told(given_ids, found):
    assert ranges(given_ids, 10) == found


def asked(request):
    """Return the parameters of a request."""
    return dict(parse_qsl(urlsplit(chargeover().url(request)).query, strict_parsing=True))


AWKWARD = (("company", "EQUALS", "a:b, c%5C & é"),)
START = datetime(2026, 1, 31, 18, 0, 5, tzinfo=UTC)
ESCAPED = "company%3AEQUALS%3Aa%5C%3Ab%5C%2C%20c%255C%20%26%20%C3%A9"


def test_rows_are_asked_for_by_ranges_within_all_that_the_user_wants():
    scope = Scope(filters=AWKWARD, start=START, expand=("line_items",), since=START)
    invoices = resource_of("chargeover", "invoices")
    one, two = chargeover(100).among(invoices, scope, ["5", "7", "104", "105", "7"])
    for request, low, high in ((one, "5", "104"), (two, "105", "105")):
        told = asked(request)
        assert told["where"].split("EQUALS:")[1] == (
            r"a\:b\, c%5C & é,write_datetime:GTE:2026-01-31T12\:00\:05-06\:00,"
            f"invoice_id:GTE:{low},invoice_id:LTE:{high}"
        )
        assert (told["order"], told["expand"]) == ("invoice_id:ASC", "line_items")
        assert not request.position.whole
    assert chargeover().among(invoices, scope, []) == []


@given(ids=st.sets(st.integers(1, 400), min_size=1), page_size=st.integers(1, 15) | st.just(500))
def test_each_range_is_one_page_that_ends_the_reading(ids, page_size):
    provider = chargeover(page_size)
    customers = resource_of("chargeover", "customers")
    found = []
    for request in provider.among(customers, Scope(), ids):
        told = re.fullmatch(r"customer_id:GTE:(\d+),customer_id:LTE:(\d+)", asked(request)["where"])
        low, high = map(int, told.groups())
        there = [{"customer_id": number} for number in range(low, high + 1)]
        page = provider.decode(request, rows(*there[:page_size]))
        assert page.following is None
        assert len(there) <= page_size
        found += [row["customer_id"] for row in page.documents]
    assert ids <= set(found)
    assert len(found) == len(set(found))


def test_highest_row_is_asked_for_alone():
    request = chargeover().highest(resource_of("chargeover", "customers"), Scope(filters=AWKWARD))
    assert chargeover().url(request) == (
        f"/customer?where={ESCAPED}&order=customer_id%3ADESC&limit=1"
    )
    page = chargeover().decode(request, rows({"customer_id": 9}))
    assert (page.documents, page.following, page.whole) == ([{"customer_id": 9}], None, False)


@pytest.mark.parametrize("name", ["promotions", "notes"])
def test_list_without_a_keyset_has_no_highest_row(name):
    assert chargeover().highest(resource_of("chargeover", name), Scope()) is None


@pytest.mark.parametrize(
    ("scope", "highest", "query"),
    [
        (Scope(), None, ""),
        (Scope(), 0, "?where=customer_id%3ALTE%3A0"),
        (Scope(), 700, "?where=customer_id%3ALTE%3A700"),
        (Scope(after=5), 700, "?where=customer_id%3AGT%3A5%2Ccustomer_id%3ALTE%3A700"),
        (Scope(filters=AWKWARD), 700, f"?where={ESCAPED}%2Ccustomer_id%3ALTE%3A700"),
    ],
)
def test_count_is_asked_for_what_a_read_brings(scope, highest, query):
    request = chargeover().count(resource_of("chargeover", "customers"), scope, highest)
    assert chargeover().url(request) == f"/customer/_count{query}"


@pytest.mark.parametrize("told", [12, "12"], ids=repr)
def test_count_is_a_number_or_text_that_is_one(told):
    request = chargeover().count(resource_of("chargeover", "customers"), Scope(), 700)
    page = chargeover().decode(request, reply({**ENVELOPE, "response": told}))
    assert list(page.documents) == [{"count": 12}]
    assert page.following is None


@pytest.mark.parametrize(
    "told", [None, "many", [], {}, [{"count": 1}], {"count": 1}, "", [12]], ids=repr
)
def test_count_that_is_no_number_is_garbled_never_nothing(told):
    request = chargeover().count(resource_of("chargeover", "customers"), Scope(), 700)
    with pytest.raises(Garbled):
        chargeover().decode(request, reply({**ENVELOPE, "response": told}))
