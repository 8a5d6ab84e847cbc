"""Cheddar: recorded bodies, what is no answer, and the shape of odd documents."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from tap_billing.errors import (
    Forbidden,
    Garbled,
    NotFound,
    RateLimited,
    Refused,
    ServerFailed,
    Unauthorized,
)
from tests.bodies import (
    RECORDED,
    cheddar,
    documents,
    first,
    recorded,
    records,
    reply,
    samples,
)

READ = RECORDED["cheddar"]
CUSTOMERS = [path for path in READ if path.name.startswith("customers")]
ERRORS = [*samples("cheddar", "error__*.xml"), *samples("cheddar", "error__*.json")]
# Elements of a recorded document -> the stream that has a record for each.
COUNTED = {
    "customer": "customers",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "transaction": "transactions",
    "metaDatum": "customer_metadata",
}


def told(body, name="customers", status=200):
    return documents(cheddar(), first(cheddar(), name), reply(body, status))


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_recorded_documents_are_all_delivered(path):
    root = ET.fromstring(path.read_bytes().strip())
    ids = [each.get("id") for each in root.findall(root.tag.removesuffix("s"))]
    assert [each["id"] for each in recorded(path)[1]] == ids


@pytest.mark.parametrize("path", CUSTOMERS, ids=lambda path: path.name)
def test_recorded_elements_become_as_many_records(path):
    resource, found = recorded(path)
    elements = Counter(each.tag for each in ET.fromstring(path.read_bytes().strip()).iter())
    made = {spec.name: len(list(records("cheddar", spec, found))) for spec in resource.streams}
    assert {stream: elements[tag] for tag, stream in COUNTED.items()} == {
        stream: made[stream] for stream in COUNTED.values()
    }


@pytest.mark.parametrize("path", CUSTOMERS, ids=lambda path: path.name)
def test_recorded_charges_are_records_or_pending(path):
    resource, found = recorded(path)
    elements = list(ET.fromstring(path.read_bytes().strip()).iter("charge"))
    by_name = {spec.name: spec for spec in resource.streams}
    billed = [each["id"] for each, _ in records("cheddar", by_name["charges"], found)]
    pending = [
        charge
        for each, _ in records("cheddar", by_name["invoices"], found)
        for charge in each["pending_charges"]
    ]
    assert billed == [each.get("id") for each in elements if each.get("id")]
    assert len(billed) + len(pending) == len(elements)


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_recorded_text_of_leaves_reaches_the_document(path):
    root = ET.fromstring(path.read_bytes().strip())
    leaves = Counter(
        text
        for each in root.iterfind(f"{root.tag.removesuffix('s')}//")
        if (text := (each.text or "").strip())
    )
    assert leaves - Counter(_leaves(recorded(path)[1])) == Counter()


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.name)
@pytest.mark.parametrize("status", [400, 404])
def test_recorded_error_is_refused_never_empty(path, status):
    with pytest.raises(Refused):
        told(path.read_bytes(), status=status)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("error__gist660077__1.xml", NotFound, "Customer not found"),
        ("error__sharpy__1.xml", Refused, "No product selected. Need a productId or productCode."),
    ],
)
def test_recorded_error_with_http_200_is_told_with_the_vendors_words(name, kind, words):
    [path] = samples("cheddar", name)
    with pytest.raises(kind) as caught:
        told(path.read_bytes())
    assert words in str(caught.value)


@pytest.mark.parametrize("status", [200, 404, 400])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("customers", "No customers found."),
        ("customers", "Bad request: No customers found"),
        ("customers", "Resource not found: No customers found."),
        ("customers", "\n   no Customers found\n"),
        ("promotions", "No promotions found."),
        ("plans", "No plans found."),
    ],
)
def test_none_found_is_an_answer_without_documents(name, text, status):
    assert told(f'<error id="1" code="404" auxCode="">{text}</error>', name, status) == []


@pytest.mark.parametrize("name", ["customers", "plans", "promotions"])
@pytest.mark.parametrize(
    "body", ["<{0}/>", "<{0}></{0}>", "<?xml version='1.0'?>\n<{0}>\n</{0}>\n"]
)
def test_empty_root_is_an_answer_without_documents(name, body):
    assert told(body.format(name), name) == []


@pytest.mark.parametrize(
    "text",
    ["Resource not found", "Customer not found", "No product found", "No route found", ""],
)
def test_every_other_404_is_not_found(text):
    with pytest.raises(NotFound):
        told(f'<error id="1" code="404" auxCode="">{text}</error>', status=404)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (412, Refused),
        (422, Refused),
        (429, RateLimited),
        (500, ServerFailed),
        (502, ServerFailed),
        (503, ServerFailed),
        (504, ServerFailed),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><h1>Sorry</h1></html>",
        "<!DOCTYPE html>\n<html><h1>Sorry</h1></html>",
        "<customers><customer id='1'/></customers>",
        "<error>Sorry</error>",
        '{"error":{"id":1,"code":422,"message":"Sorry"}}',
        b"\xff\x00",
    ],
    ids=repr,
)
def test_status_decides_whatever_the_body(status, kind, body):
    with pytest.raises(kind):
        told(body, status=status)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "   ",
        "<customers><customer id='1'>",
        "<customers><customer id='1'/></customers><customers/>",
        "<customers>&undefined;</customers>",
        "<html><h1>Please log in</h1></html>",
        "<!DOCTYPE html>\n<html><h1>Please log in</h1></html>",
        "<plans/>",
        '{"customers":[]}',
        "<customers><custmer id='1'/></customers>",
        "<customers><customer>Please log in</customer></customers>",
        b"<customers>\xff</customers>",
    ],
    ids=repr,
)
def test_answer_that_is_not_the_document_is_garbled_never_empty(body):
    with pytest.raises(Garbled):
        told(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<customers>some text</customers>", "no <customer> in the answer, but text"),
        ("<customers>\n <!-- x --> some text\n</customers>", "but text"),
        (
            "<customers><errors><error code='500'>broken off</error></errors></customers>",
            "no <customer> in the answer, but <errors> broken off",
        ),
        ("<customers><customer>text</customer></customers>", "<customer> holds text only"),
    ],
)
def test_answer_that_only_looks_empty_is_garbled(body, words):
    with pytest.raises(Garbled, match=words):
        told(body)


def test_empty_element_is_a_document_without_its_key():
    (document,) = told("<customers><customer/></customers>")
    assert "id" not in document


def test_nesting_beyond_reason_is_garbled():
    body = "<customers><customer id='1'>" + "<a>" * 5000 + "</a>" * 5000 + "</customer></customers>"
    with pytest.raises(Garbled):
        told(body)


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE customers SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE customers [<!ENTITY a "b">]>',
        '<!DOCTYPE customers [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE customers [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]>',
    ],
)
def test_doctype_and_entities_are_refused(prologue):
    body = f"{prologue}<customers><customer id='1'><notes>x</notes></customer></customers>"
    with pytest.raises(Refused, match="DOCTYPE"):
        told(body)


def test_error_of_any_length_is_read_as_one_line():
    body = f'<error code="400">first\n  second {"x" * 70_000}</error>'
    with pytest.raises(Refused, match="first second") as caught:
        told(body, status=400)
    assert len(str(caught.value).splitlines()) == 1


def test_error_of_the_gateway_shows_its_auxiliary_code():
    with pytest.raises(Refused, match=r"declined \(auxCode 6000\)"):
        told('<error code="422" auxCode="6000">The transaction was declined</error>', status=422)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16", "windows-1252"])
def test_document_is_read_in_its_own_encoding(encoding):
    body = (
        f'<?xml version="1.0" encoding="{encoding}"?>'
        '<customers><customer id="1"><firstName>Zoë</firstName></customer></customers>'
    )
    assert told(body.encode(encoding))[0]["firstName"] == "Zoë"


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\n", b" \r\n\t"])
def test_document_is_read_whatever_precedes_its_declaration(mark):
    body = mark + b'<?xml version="1.0"?><customers><customer id="1"/></customers>'
    assert [each["id"] for each in told(body)] == ["1"]
