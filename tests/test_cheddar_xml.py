"""Cheddar: every way of reading a body tells what xmltodict tells of it, and keeps none of it."""

from __future__ import annotations

import io
import itertools
import json
import tracemalloc
import urllib.request
from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_billing.errors import Garbled, Refused
from tap_billing.providers import cheddar_scan, cheddar_tree, cheddar_xml
from tap_billing.providers.cheddar_scan import Odd, scan
from tap_billing.providers.cheddar_xml import parse
from tap_billing.sandbox import serve
from tests.bodies import RECORDED, cheddar, documents, first, reply
from tests.markup import KNOWN, bodies, inside, is_well_formed, oracle

READ = RECORDED["cheddar"]
CUSTOMERS = ("customers", "customer")


def outcome(reading):
    """Return what was read, order of keys included, or the words that tell why not."""
    try:
        return list(map(json.dumps, reading))
    except Garbled as error:
        kinds = ("holds text only", "but <", "but text")
        return next(kind for kind in kinds if kind in str(error))


def expected(body, path):
    told = oracle(body, path)
    return told if isinstance(told, str) else list(map(json.dumps, told))


def by_tree(body, path):
    return cheddar_xml._parse(io.BytesIO(body), path)


def both(body, path):
    return parse(io.BytesIO(body), "utf-8", path)


def check(body, path=CUSTOMERS):
    wanted = expected(body, path)
    assert outcome(by_tree(body, path)) == wanted
    assert outcome(both(body, path)) == wanted


def is_plain(body, name="customer"):
    try:
        list(scan(io.BytesIO(body), name))
    except Odd:
        return False
    return True


def customers(inner):
    return f"<customers>{inner}</customers>".encode()


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_recorded_bodies_are_told_alike_and_in_the_plain_form(path):
    body = path.read_bytes().lstrip()
    root = path.name.split("_")[0]
    check(body, (root, root[:-1]))
    assert is_plain(body, root[:-1]) or path.name.startswith("customers_error")


@pytest.fixture(scope="module")
def sandbox():
    with serve("cheddar", seed=3, customers=60) as running:
        yield running


def asked(sandbox, root):
    world = sandbox.world
    request = urllib.request.Request(f"{sandbox.url}/{root}/get/productCode/{world.product_code}")
    login = b64encode(f"{world.username}:{world.password}".encode()).decode()
    request.add_header("Authorization", f"Basic {login}")
    with urllib.request.urlopen(request) as response:
        return response.read()


@pytest.mark.parametrize("root", ["customers", "plans", "promotions"])
def test_documents_of_the_sandbox_are_told_alike_and_in_the_plain_form(sandbox, root):
    body = asked(sandbox, root)
    check(body, (root, root[:-1]))
    assert is_plain(body, root[:-1])
    indented = body.replace(b"><", b">\n  <")
    check(indented, (root, root[:-1]))
    assert is_plain(indented, root[:-1])


@given(body=bodies(), chunk=st.integers(1, 200))
@example(customers('<customer id="1"/><customer/><customer id="2"><a/></customer>'), 60)
@example(customers("<customer><a>1</a></customer><customer/><customer><a>2</a></customer>"), 60)
@example(customers('<customer id="1"><id>1</id><id>1</id></customer>'), 60)
@example(customers('<customer code="X"><code/><code>Y</code></customer>'), 60)
@example(customers("<customer><a >x</a ></customer>"), 60)
@example(customers("<customer><a>x<b/>y</a></customer>"), 60)
@example(customers("<customer><a>x</a>y</customer>"), 60)
@example(customers("<customer><a>x></a></customer>"), 60)
@example(customers('<customer><a t="><![">x</a></customer>'), 60)
def test_every_body_is_told_alike(body, chunk):
    if not is_well_formed(body):
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cheddar_tree, "CHUNK", chunk)
        patched.setattr(cheddar_scan, "CHUNK", chunk)
        patched.setattr(cheddar_scan, "MOST_KNOWN", 8)
        check(body)


@given(
    told=st.lists(st.tuples(st.sampled_from(KNOWN), inside()), max_size=5),
    gap=st.sampled_from(["", "\n", "\n\t "]),
    size=st.integers(120, 400),
    most=st.integers(1, 12),
)
def test_body_in_the_plain_form_is_told_alike(told, gap, size, most):
    inner = "".join(f"<customer{known}><key>n</key>{each}</customer>" for known, each in told)
    body = f"<?xml version='1.0'?>\n<customers>{inner}</customers>\n".replace("><", f">{gap}<")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cheddar_scan, "CHUNK", size)
        patched.setattr(cheddar_scan, "MOST_KNOWN", most)
        found = outcome(scan(io.BytesIO(body.encode()), "customer"))
    assert found == expected(body.encode(), CUSTOMERS)


@example(customers("<customer/><customer/>"), ("customers", "customer", "note"))
@given(body=bodies(), path=st.sampled_from([("customers",), ("customers", "customer", "note")]))
def test_every_depth_is_told_alike(body, path):
    if is_well_formed(body):
        check(body, path)


ODD = [
    "<customer id='2'><a>x</a></customer>",
    '<customer id="2"><a>x</a><a>y</a></customer>',
    '<customer id="2"><plan id="1"/></customer>',
    '<customer id="2"><plans n="1"/></customer>',
    '<customer id="2"><plans>none</plans></customer>',
    '<customer id="2">text<a>x</a></customer>',
    '<customer id="2"><a><![CDATA[x]]></a></customer>',
    '<customer id="2"><!-- x --><a>x</a></customer>',
    '<customer id="2"><a>1\r2</a></customer>',
    '<customer id="2" note="\t"><a>x</a></customer>',
    '<customer id="2"/>',
    "<customer/>",
    "<errors>x</errors>",
    "text",
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_odd_element_costs_no_document_and_repeats_none(odd, before):
    good = [f'<customer id="{n}"><name>n{n}</name></customer>' for n in range(3)]
    body = customers("".join([*good[:before], odd, *good[before:]]))
    assert not is_plain(body)
    check(body)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "iso-8859-1", "windows-1252"]
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_document_is_read_in_its_encoding_declared_or_not(encoding, is_declared):
    if not is_declared and encoding in {"iso-8859-1", "windows-1252"}:
        return
    name = encoding.removesuffix("-sig").removesuffix("-le")
    declared = f'<?xml version="1.0" encoding="{name}"?>' if is_declared else ""
    text = '<customers><customer id="1"><name>Zoë</name></customer></customers>'
    answer = reply(f"{declared}{text}".encode(encoding))
    (found,) = documents(cheddar(), first(cheddar(), "customers"), answer)
    assert found["name"] == "Zoë"


def test_error_in_another_encoding_is_told():
    body = '<error code="400">Schön</error>'.encode("utf-16")
    with pytest.raises(Refused, match="Schön"):
        documents(cheddar(), first(cheddar(), "customers"), reply(body, 400))


@pytest.mark.parametrize("form", ["<a>x</a>", "<a><![CDATA[x]]></a>"])
def test_cut_body_tells_nothing(form):
    good = f'<customer id="1">{form}</customer>' * 3
    with pytest.raises(Garbled):
        cheddar().decode(first(cheddar(), "customers"), reply(f"<customers>{good}"))


@pytest.mark.parametrize("count", [3, 3000])
def test_text_among_many_elements_is_told_alike(count):
    check(customers(f"<customer><note>{'x<b>y</b>' * count}</note></customer>"))


@pytest.mark.parametrize("depth", [60, 70, 5000])
def test_depth_is_beyond_reason_in_both_forms_alike(depth):
    for key in ('id="1"', "id='1'"):
        inner = "<a>" * depth + "x" + "</a>" * depth
        request = first(cheddar(), "customers")
        answer = reply(customers(f"<customer {key}>{inner}</customer>"))
        if depth < 100:
            assert len(documents(cheddar(), request, answer)) == 1
        else:
            with pytest.raises(Garbled, match="nested beyond reason"):
                documents(cheddar(), request, answer)


class Endless(io.RawIOBase):
    """A document of so many customers that is made while it is read."""

    def __init__(self, customer, count):
        self._parts = itertools.chain(
            [b"<customers>"], itertools.repeat(customer, count), [b"</customers>"]
        )
        self._rest = b""

    def tell(self):
        return 0

    def read(self, size):
        while len(self._rest) < size and (part := next(self._parts, b"")):
            self._rest += part
        told, self._rest = self._rest[:size], self._rest[size:]
        return told


@pytest.mark.parametrize("form", ["x", "<![CDATA[x]]>"])
def test_memory_does_not_grow_with_the_document(form):
    peaks = []
    for count in (200, 4000):
        body = Endless(f'<customer id="1"><name>{form * 20}</name></customer>'.encode(), count)
        reading = by_tree_of(body) if "<" in form else scan(body, "customer")
        tracemalloc.start()
        try:
            assert sum(1 for _ in reading) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 2_500_000


def by_tree_of(body):
    return cheddar_xml._parse(body, CUSTOMERS)


def test_end_before_the_last_document_leaves_the_body_closed():
    good = '<customer id="1"><a>x</a></customer>' * 5000
    page = cheddar().decode(first(cheddar(), "customers"), reply(customers(good)))
    next(iter(page.documents))
    page.close()
    assert page.body.closed
    assert list(page.documents) == []
