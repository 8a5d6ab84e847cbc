"""ChargeOver: paging and the search language, against a server and a parser written here."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.custom import resources
from tap_billing.errors import SettingsError, Stalled
from tap_billing.filters import clauses
from tap_billing.spec import Scope
from tests.bodies import chargeover, first, resource_of, rows

MOST_REQUESTS = 500


def parse(where: str) -> list[list[str]]:
    r"""Read a where clause as the vendor documents it: `\:` and `\,` are literal, AND by commas."""
    found: list[list[str]] = [[""]]
    position = 0
    while position < len(where):
        if where[position] == "\\" and where[position + 1 : position + 2] in (":", ","):
            found[-1][-1] += where[position + 1]
            position += 1
        elif where[position] == ",":
            found.append([""])
        elif where[position] == ":":
            found[-1].append("")
        else:
            found[-1][-1] += where[position]
        position += 1
    return found


@dataclass
class Server:
    """A list of rows, told strictly as asked; some `changes` happen before each answer."""

    ids: list[int]
    most: int = 500
    changes: list[list[tuple[str, int]]] = field(default_factory=list)
    asked: int = 0
    newest: int = 0

    def __post_init__(self):
        self.newest = max(self.ids, default=0)

    def answer(self, request, provider):
        for kind, number in self.changes[self.asked] if self.asked < len(self.changes) else ():
            self._change(kind, number)
        self.asked += 1
        assert self.asked < MOST_REQUESTS, "paging does not end"
        asked = dict(parse_qsl(urlsplit(provider.url(request)).query))
        found = sorted(self.ids)
        for name, operator, value in parse(asked["where"]) if "where" in asked else []:
            assert (name, operator) == (request.resource.id, "GT")
            found = [each for each in found if each > int(value)]
        offset, limit = int(asked.get("offset", 0)), min(int(asked["limit"]), self.most)
        return rows(*({request.resource.id: each} for each in found[offset : offset + limit]))

    def _change(self, kind, number):
        if kind == "insert":
            # Identifiers are never used again (recorded: customer 3, after its deletion).
            self.newest += 1
            self.ids.append(self.newest)
        elif self.ids:
            self.ids.remove(self.ids[number % len(self.ids)])


def read(server, name, page_size):
    provider = chargeover(page_size)
    waiting = list(provider.plan(resource_of("chargeover", name), Scope()))
    found = []
    while waiting:
        request = waiting.pop(0)
        page = provider.decode(request, server.answer(request, provider))
        found += [row[request.resource.id] for row in page.documents]
        if page.following:
            waiting.append(page.following)
    return found


SIZES = st.one_of(st.integers(1, 15), st.just(500))
CHANGE = st.tuples(st.sampled_from(["insert", "delete"]), st.integers(0, 1000))
CHANGES = st.lists(st.lists(CHANGE, max_size=6), max_size=20)


@pytest.mark.parametrize("name", ["customers", "promotions"])
@given(count=st.integers(0, 60), page_size=SIZES)
def test_quiet_list_is_delivered_whole_and_once(name, count, page_size):
    ids = list(range(1, count + 1))
    assert read(Server(ids), name, page_size) == ids


@given(count=st.integers(0, 80), page_size=SIZES, changes=CHANGES)
def test_keyset_reading_delivers_every_row_that_stays(count, page_size, changes):
    server = Server(list(range(1, count + 1)), changes=changes)
    found = read(server, "customers", page_size)
    assert set(range(1, count + 1)) & set(server.ids) <= set(found)
    assert len(found) == len(set(found))


@given(count=st.integers(0, 80), page_size=SIZES, changes=CHANGES)
def test_overlapping_reading_delivers_every_row_that_stays(count, page_size, changes):
    server = Server(list(range(1, count + 1)), changes=changes)
    found = read(server, "promotions", page_size)
    assert set(range(1, count + 1)) & set(server.ids) <= set(found)


@pytest.mark.parametrize("name", ["customers", "promotions"])
@pytest.mark.parametrize("deleted", range(1, 16))
def test_rows_deleted_between_two_pages_hide_no_other(name, deleted):
    changes = [[], [("delete", 0)] * deleted]
    server = Server(list(range(1, 41)), changes=changes)
    assert set(server.ids[deleted:]) <= set(read(server, name, 10))


@pytest.mark.parametrize("name", ["customers", "promotions"])
@pytest.mark.parametrize("most", [10, 11, 100])
def test_server_that_gives_fewer_rows_than_asked_is_read_whole(name, most):
    ids = list(range(1, 251))
    assert read(Server(ids, most), name, 500) == ids


@pytest.mark.parametrize("page_size", [1, 2, 10, 499, 500])
@pytest.mark.parametrize("pages", [1, 2])
@pytest.mark.parametrize("name", ["customers", "promotions"])
def test_list_that_ends_with_a_full_page_is_read_whole(name, pages, page_size):
    ids = list(range(1, min(pages * page_size, 300) + 1))
    assert read(Server(ids), name, page_size) == ids


def test_server_that_ignores_the_filter_is_stalled_not_endless():
    provider = chargeover(10)
    answer = rows(*({"customer_id": number} for number in range(1, 11)))
    following = provider.decode(first(provider, "customers"), answer).following
    assert following
    with pytest.raises(Stalled, match="customer_id:GT"):
        provider.decode(following, answer)


def test_server_that_ignores_the_order_is_stalled():
    with pytest.raises(Stalled, match="order=customer_id:ASC"):
        chargeover().decode(
            first(chargeover(), "customers"), rows({"customer_id": 2}, {"customer_id": 1})
        )


def test_server_that_ignores_the_offset_ends_with_what_it_has():
    provider = chargeover(10)
    answer = rows(*({"coupon_id": number} for number in range(1, 31)))
    page = provider.decode(first(provider, "promotions"), answer)
    again = provider.decode(page.following, answer)
    assert (len(list(page.documents)), list(again.documents), again.following) == (30, [], None)


def test_identifiers_as_text_are_ordered_as_numbers():
    provider = chargeover(2)
    page = provider.decode(
        first(provider, "customers"), rows({"customer_id": "9"}, {"customer_id": "10"})
    )
    assert parse(dict(parse_qsl(urlsplit(provider.url(page.following)).query))["where"]) == [
        ["customer_id", "GT", "10"]
    ]


def test_server_that_ignores_the_offset_of_the_smallest_page_is_stalled():
    """A page of one row is asked for as two, because pages overlap."""
    provider = chargeover(1)
    answer = rows(*({"coupon_id": number} for number in range(1, 3)))
    page = provider.decode(first(provider, "promotions"), answer)
    assert len(list(page.documents)) == 2
    with pytest.raises(Stalled, match="offset=1 is not applied"):
        provider.decode(page.following, answer)


def test_list_that_never_settles_is_stalled_not_endless():
    def turns():
        request = first(provider, "promotions")
        for turn in range(10 * MOST_REQUESTS):
            told = [{"coupon_id": f"{turn}-{number}"} for number in range(20)]
            request = provider.decode(request, rows(*told)).following
            assert request

    provider = chargeover(10)
    with pytest.raises(Stalled, match="changes its order"):
        turns()


def read_repeating(keys, told, page_size):
    """Read a list in which rows repeat, as a custom stream with these primary keys."""
    provider = chargeover(page_size)
    given = {"name": "log", "path": "_log", "primary_keys": keys}
    (resource,), _ = resources("chargeover", [given], [])
    request, found = provider.plan(resource, Scope())[0], []
    for _ in range(MOST_REQUESTS):
        asked = dict(parse_qsl(urlsplit(provider.url(request)).query))
        offset, limit = int(asked["offset"]), int(asked["limit"])
        page = provider.decode(request, rows(*told[offset : offset + limit]))
        found += page.documents
        if not page.following:
            return found
        request = page.following
    pytest.fail("paging does not end")


@given(numbers=st.lists(st.integers(0, 3), max_size=60), page_size=SIZES)
def test_rows_that_repeat_without_a_key_are_all_delivered(numbers, page_size):
    told = [{"a": number} for number in numbers]
    assert read_repeating([], told, page_size) == told


@given(numbers=st.lists(st.integers(0, 3), max_size=60), page_size=SIZES)
def test_rows_that_share_a_key_are_all_delivered(numbers, page_size):
    told = [{"customer_id": number, "row": row} for row, number in enumerate(sorted(numbers))]
    assert read_repeating(["customer_id"], told, page_size) == told


@pytest.mark.parametrize("keys", [[], ["customer_id"], ["customer_id", "what"]])
@pytest.mark.parametrize("page_size", [10, 11, 20])
def test_log_of_a_hundred_rows_is_delivered_whole(keys, page_size):
    told = [{"customer_id": number // 7, "what": "x"} for number in range(100)]
    assert read_repeating(keys, told, page_size) == told


VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
LANGUAGE = st.text(":,\\%&=+ aé\"'\n", min_size=1, max_size=8)


@given(values=st.lists(st.one_of(VALUES, LANGUAGE), min_size=1, max_size=3))
def test_where_round_trips_through_the_vendors_language_or_is_refused(values):
    resource = resource_of("chargeover", "customers")
    wanted = [{"field": "company", "operator": "NOTEQUALS", "value": value} for value in values]
    try:
        filters = clauses(resource, wanted)
    except SettingsError:
        assert any("\\" in value for value in values)
        return
    url = chargeover().url(first(chargeover(), "customers", filters=filters))
    asked = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert parse(dict(asked)["where"]) == [["company", "NOTEQUALS", value] for value in values]


@given(value=VALUES)
def test_url_is_plain_ascii_without_blanks(value):
    filters = (("company", "EQUALS", value),)
    url = chargeover().url(first(chargeover(), "customers", filters=filters))
    assert url.isascii()
    assert not any(each.isspace() for each in url)


@pytest.mark.parametrize("operator", ["IS:NULL", "ISNOT:NULL"])
def test_null_operators_keep_their_own_colon(operator):
    filters = clauses(
        resource_of("chargeover", "customers"), [{"field": "company", "operator": operator}]
    )
    url = chargeover().url(first(chargeover(), "customers", filters=filters))
    assert dict(parse_qsl(urlsplit(url).query))["where"] == f"company:{operator}"


@given(
    count=st.integers(0, 300),
    most=st.sampled_from([10, 20, 100]),
    changes=st.lists(
        st.lists(st.tuples(st.just("delete"), st.integers(0, 1000)), max_size=2), max_size=40
    ),
)
def test_pages_that_the_server_cuts_short_hide_no_row(count, most, changes):
    server = Server(list(range(1, count + 1)), most=most, changes=changes)
    found = read(server, "promotions", 500)
    assert set(server.ids) <= set(found)
