"""Cheddar: whether a body tells its customers by their creation, as far as that is certain."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.providers import cheddar_order
from tap_billing.providers.cheddar_order import ordered
from tests.bodies import RECORDED, cheddar, documents, first, reply

CUSTOMERS = [path for path in RECORDED["cheddar"] if path.name.startswith("customers__")]
EARLY, LATE = "2011-01-10T05:45:51+00:00", "2012-01-10T05:45:51+00:00"
BELOW = f"<createdDatetime>{EARLY}</createdDatetime>"


def customer(created, *, before="", below=""):
    """Return a customer with something before and below its creation."""
    own = "" if created is None else f"<createdDatetime>{created}</createdDatetime>"
    return f'<customer id="1" code="A"><name>x</name>{before}{own}{below}</customer>'


def body(*customers):
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<customers>{"".join(customers)}</customers>'
    return io.BytesIO(text.encode())


def told(*created):
    return ordered(body(*map(customer, created)))


def creations(path):
    request = first(cheddar(), "customers")
    return [each["createdDatetime"] for each in documents(cheddar(), request, reply(path))]


@pytest.mark.parametrize("path", CUSTOMERS, ids=lambda path: path.name)
def test_recorded_bodies_are_told_apart_as_their_customers_say(path):
    found = creations(path.read_bytes())
    assert ordered(io.BytesIO(path.read_bytes())) is (bool(found) and found == sorted(found))


def test_recorded_customers_together_are_in_order_once_they_are_sorted():
    every = b"".join(path.read_bytes() for path in CUSTOMERS)
    found = re.findall(rb"<customer .*?</customer>", every, re.DOTALL)
    by_creation = sorted(found, key=lambda each: creations(b"<customers>%s</customers>" % each))
    for told, good in ((by_creation, True), (by_creation[::-1], False)):
        assert ordered(io.BytesIO(b"<customers>%s</customers>" % b"".join(told))) is good


@pytest.mark.parametrize(
    ("created", "good"),
    [
        ([EARLY], True),
        ([EARLY, LATE], True),
        ([EARLY, EARLY], True),
        ([LATE, EARLY], False),
        ([EARLY, LATE, EARLY], False),
        ([], False),
        ([""], False),
        ([None], False),
        ([None, LATE], False),
        ([EARLY, "", LATE], False),
    ],
    ids=str,
)
def test_customers_come_in_order_if_each_tells_when_it_was_created(created, good):
    assert told(*created) is good


@pytest.mark.parametrize(
    "before",
    [
        f"<metaData><metaDatum>{BELOW}</metaDatum></metaData>",
        f"<subscriptions><subscription>{BELOW}</subscription></subscriptions>",
        f"<![CDATA[{BELOW}]]>",
        f"<!--{BELOW}-->",
        "<!-- -->",
        "<notes><![CDATA[x]]></notes>",
    ],
)
def test_time_of_something_else_before_its_own_makes_a_customer_uncertain(before):
    assert told(LATE)
    assert not ordered(body(customer(LATE, before=before)))
    assert not ordered(body(customer(EARLY), customer(LATE, before=before)))


@pytest.mark.parametrize(
    "tricky",
    [
        f"<notes><![CDATA[<customer >{BELOW}]]></notes>",
        f"<!-- <customer >{BELOW} -->",
        "<notes><![CDATA[</customer>]]></notes>",
    ],
)
def test_text_that_may_hold_tags_is_never_in_order_wherever_it_is(tricky):
    assert not ordered(body(customer(EARLY, below=tricky)))
    assert not ordered(body(customer(EARLY), tricky, customer(LATE)))


def test_times_below_a_customer_are_no_matter_after_its_own():
    below = f"<subscriptions><subscription>{BELOW}</subscription></subscriptions>"
    assert ordered(body(customer(EARLY, below=below), customer(LATE, below=below)))
    assert ordered(body(customer(LATE, below=below)))


def test_escaped_tags_are_text():
    notes = "<notes>&lt;customer &gt;&lt;createdDatetime&gt;9&lt;/createdDatetime&gt;</notes>"
    assert ordered(body(customer(EARLY, before=notes), customer(LATE, before=notes)))


def test_customer_without_attributes_is_one():
    bare = customer(LATE).replace('<customer id="1" code="A">', "<customer>")
    lines = customer(LATE).replace("<customer ", "<customer\n")
    for tag in (bare, lines):
        assert not ordered(body(tag, customer(EARLY)))
        assert not ordered(body(customer(EARLY), tag, customer(EARLY)))


@pytest.mark.parametrize(
    "created",
    [None, "", "zzz", "soon", "0001-01-02T00:00:00Z", "2011-13-01T00:00:00Z", "2011"],
)
@pytest.mark.parametrize("further", [[], [EARLY]])
def test_customer_created_at_no_time_costs_nothing_but_its_position(created, further):
    """A later read cannot go on after it; the customer itself is delivered."""
    found = [*further, created]
    request = first(cheddar(), "customers")
    page = cheddar().decode(request, reply(body(*map(customer, found)).getvalue()))
    rows = list(page.documents)
    assert [row.get("createdDatetime") or None for row in rows] == [each or None for each in found]
    if page.reached:
        assert page.reached(rows[-1]) is None


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize("created", [[EARLY, LATE], [LATE, EARLY], []])
def test_body_is_left_where_it_was(start, created):
    stream = body(*map(customer, created))
    stream.seek(start)
    ordered(stream)
    assert stream.tell() == start


INSTANTS = st.datetimes(datetime(2009, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
PADDING = st.integers(0, 90).map(lambda size: f"<notes>{'x' * size}</notes>")


@given(
    created=st.lists(st.tuples(INSTANTS, PADDING, PADDING), max_size=6),
    in_order=st.booleans(),
    chunk=st.integers(512, 2048),
)
def test_edges_of_what_is_read_at_once_change_nothing(created, in_order, chunk):
    if in_order:
        created = sorted(created, key=lambda each: each[0])
    times = [each[0].isoformat(timespec="seconds") for each in created]
    customers = [
        customer(time, before=before, below=f"<subscriptions>{below}{BELOW}</subscriptions>")
        for time, (_, before, below) in zip(times, created, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cheddar_order, "CHUNK", chunk)
        assert ordered(body(*customers)) is (bool(times) and times == sorted(times))


@pytest.mark.parametrize("chunk", range(200, 330))
def test_tricky_text_is_noticed_across_every_edge(chunk, monkeypatch):
    monkeypatch.setattr(cheddar_order, "CHUNK", chunk)
    plain = [customer(EARLY), customer(LATE)]
    assert ordered(body(*plain))
    assert not ordered(body(*reversed(plain)))
    for tricky in (f"<![CDATA[{BELOW}]]>", f"<!--{BELOW}-->"):
        assert not ordered(body(plain[0], tricky, plain[1]))


def test_customer_larger_than_two_chunks_before_its_creation_is_uncertain(monkeypatch):
    monkeypatch.setattr(cheddar_order, "CHUNK", 64)
    assert not ordered(body(customer(EARLY, before=f"<notes>{'x' * 200}</notes>")))


@given(days=st.lists(st.integers(0, 5000), min_size=1, max_size=12))
def test_position_is_a_day_after_which_nobody_is_left_out(days):
    """Whatever the offsets and zones: customers before the position's day have all come."""
    times = sorted(datetime(2010, 1, 1, 23, 59, tzinfo=UTC) + timedelta(days=day) for day in days)
    customers = [customer(each.isoformat()) for each in times]
    page = cheddar().decode(first(cheddar(), "customers"), reply(body(*customers).getvalue()))
    rows = list(page.documents)
    for row, later in zip(rows, times[1:], strict=False):
        assert datetime.fromisoformat(page.reached(row)).date() <= later.date() - timedelta(days=3)


@pytest.mark.parametrize(
    ("scope", "known"),
    [({}, True), ({"filters": {"orderBy": "name"}}, False), ({"filters": {"code": "A"}}, False)],
    ids=str,
)
def test_only_a_read_that_asked_for_the_order_has_positions(scope, known):
    request = first(cheddar(), "customers", **scope)
    page = cheddar().decode(request, reply(body(customer(EARLY), customer(LATE)).getvalue()))
    page.close()
    assert (page.reached is not None) is known


def test_server_that_ignores_the_order_has_no_positions():
    request = first(cheddar(), "customers")
    page = cheddar().decode(request, reply(body(customer(LATE), customer(EARLY)).getvalue()))
    page.close()
    assert page.reached is None


def test_finished_windows_are_a_position_whatever_the_order_inside_them():
    request = first(cheddar(), "customers")
    (half,) = cheddar().halve(request)
    unordered = reply(body(customer(LATE), customer(EARLY)).getvalue())
    page = cheddar().decode(half, unordered)
    page.close()
    assert page.reached is None
    rest = page.following
    further = cheddar().decode(rest, unordered)
    rows = list(further.documents)
    assert {further.reached(row) for row in rows} == {half.position.last.isoformat()}
    assert {further.place(row) for row in rows} == {EARLY[:10], LATE[:10]}
    asked = first(
        cheddar(),
        "customers",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        after=further.reached(rows[0]),
    )
    assert "createdBeforeDate" in cheddar().url(asked)
