from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import answers, data, documents, floors
from tap_billing.sandbox.where import RefusedError
from tests.support import keyed, run

ROOT = Path(__file__).parents[1]
ROWS = 1234
PAGE = 500


@contextlib.contextmanager
def started(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "benchmarks.server", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield process, json.loads(line)
        finally:
            process.stdin.close()
            process.wait(timeout=20)
            told = process.stderr.read()
    assert (process.returncode, told) == (0, "")


@pytest.fixture(scope="module")
def chargeover():
    with started("--rows", str(ROWS), "--small", "3x2") as (_, settings):
        yield settings


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("documents") / "customers.xml"
    documents.write(path, 0.6)
    return path


@pytest.fixture(scope="module")
def cheddar(document):
    with started("--provider", "cheddar", "--document", str(document)) as (_, settings):
        yield settings


def answer(settings, path, password=None, **params):
    """Return status, headers and body of an answer."""
    login = f"{settings['username']}:{password or settings['password']}"
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    query = f"?{urllib.parse.urlencode(params)}" if params else ""
    request = urllib.request.Request(f"{settings['api_url']}{path}{query}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as found:
            return found.status, found.headers, found.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()


def rows(settings, path, **params):
    """Return the `response` of an answer that is one."""
    status, _, body = answer(settings, path, **params)
    envelope = json.loads(body)
    assert (status, envelope["code"], envelope["status"]) == (200, 200, "OK")
    return envelope["response"]


def ids(settings, path="/invoice", key="invoice_id", **params):
    return [each[key] for each in rows(settings, path, **params)]


def text_of(element):
    return (element.text or "").strip()


def created(element):
    return text_of(element.find("createdDatetime"))


def test_keyset_pages_tell_every_invoice_once(chargeover):
    found, last = [], 0
    while page := ids(
        chargeover, where=f"invoice_id:GT:{last}", order="invoice_id:ASC", limit=PAGE
    ):
        found += page
        last = page[-1]
    assert found == list(range(1, ROWS + 1))


def test_offset_pages_tell_every_invoice_once(chargeover):
    pages = [ids(chargeover, offset=start, limit=PAGE) for start in (0, 500, 1000, 1500)]
    assert list(itertools.chain(*pages)) == list(range(1, ROWS + 1))


def test_bounds_join_and_descending_order_begins_at_the_end(chargeover):
    where = "invoice_id:GTE:100,invoice_id:LT:200"
    assert ids(chargeover, where=where, limit=PAGE) == list(range(100, 200))
    assert rows(chargeover, "/invoice/_count", where=where) == 100
    assert ids(chargeover, where=where, order="invoice_id:DESC", limit=2, offset=1) == [198, 197]
    assert ids(chargeover, order="invoice_id:DESC", limit=1) == [ROWS]
    assert ids(chargeover, where="invoice_id:LTE:3,invoice_id:GT:3", limit=PAGE) == []


def test_times_and_states_bound_an_incremental_run(chargeover):
    whole = rows(chargeover, "/invoice", limit=PAGE)
    for name in ("write_datetime", "mod_datetime"):
        text = whole[9][name].replace(":", r"\:")
        assert ids(chargeover, where=f"{name}:GTE:{text}", limit=2) == [10, 11]
        assert ids(chargeover, where=f"{name}:GT:{text}", limit=2) == [11, 12]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace(":", r"\:")
    assert ids(chargeover, where=f"mod_datetime:GTE:{now}") == []
    assert ids(chargeover, where="invoice_status_state:EQUALS:o") == []
    assert len(ids(chargeover, where="invoice_status_state:EQUALS:c", limit=PAGE)) == PAGE


def test_unknown_filters_and_large_pages_are_refused(chargeover):
    for params in ({"where": "colour:EQUALS:red"}, {"limit": "501"}, {"where": "invoice_id:3"}):
        status, _, body = answer(chargeover, "/invoice", **params)
        assert status == 400
        assert json.loads(body)["status"] == "Error"


@pytest.mark.parametrize("path", ["/invoice", "/list01", "/customer"])
def test_wrong_password_is_refused(chargeover, path):
    status, _, body = answer(chargeover, path, password="another")
    assert (status, json.loads(body)["code"]) == (401, 401)


def test_envelope_and_headers_are_those_of_the_sandbox(chargeover):
    _, headers, body = answer(chargeover, "/invoice", limit=1)
    _, others, other = answer(chargeover, "/transaction", limit=1)
    assert {**json.loads(body), "response": 0} == {**json.loads(other), "response": 0}
    assert headers["Content-Type"] == others["Content-Type"]
    for each in (headers, others):
        assert parsedate_to_datetime(each["Date"]).utcoffset() is not None


def test_rows_have_numbers_and_times_of_their_own():
    table = data.invoices(5000)
    found = json.loads(data.render(table, range(1, 5001)))
    lines = [line for row in found for line in row["line_items"]]
    assert [row["invoice_id"] for row in found] == list(range(1, 5001))
    assert [line["line_item_id"] for line in lines] == list(range(1, 15001))
    assert all(
        line["invoice_id"] == row["invoice_id"] for row in found for line in row["line_items"]
    )
    assert len({row["token"] for row in found}) == 5000
    for name in ("write_datetime", "mod_datetime"):
        instants = [datetime.fromisoformat(row[name]) for row in found]
        assert all(one < another for one, another in itertools.pairwise(instants))
    assert 1800 < len(json.dumps(found, separators=(",", ":"))) / 5000 < 2300


def test_instants_keep_their_order_over_a_change_of_the_clock():
    # America/Chicago put its clocks on in March and back in November of 2024.
    table = data.invoices(2_000_000)
    for day in (date(2024, 3, 10), date(2024, 11, 3)):
        first = (datetime.combine(day, datetime.min.time(), UTC) - data.START).days * 2880
        found = json.loads(data.render(table, range(first, first + 2880)))
        instants = [datetime.fromisoformat(row["write_datetime"]) for row in found]
        assert all(one < another for one, another in itertools.pairwise(instants))
        assert len({each.utcoffset() for each in instants}) == 2
        text = found[1000]["write_datetime"].replace(":", r"\:")
        selected = data.select(table, {"where": f"write_datetime:EQUALS:{text}"})
        assert list(selected) == [first + 1000]


def test_what_has_no_order_cannot_be_compared():
    with pytest.raises(RefusedError):
        data.select(data.invoices(10), {"where": "invoice_id:CONTAINS:1"})


def test_small_lists_have_two_pages(chargeover):
    first = ids(chargeover, "/list02", "id", limit=PAGE, order="id:ASC")
    second = ids(chargeover, "/list02", "id", limit=PAGE, order="id:ASC", offset=PAGE)
    assert first + second == list(range(1, 901))
    assert ids(chargeover, "/list03", "id", where="id:GT:890", limit=PAGE) == list(range(891, 901))
    assert answer(chargeover, "/list04")[0] == 400


def test_cost_grows_with_what_was_answered(chargeover):
    before = rows_of_cost(chargeover)
    body = answer(chargeover, "/invoice", limit=PAGE)[2]
    after = rows_of_cost(chargeover)
    assert after["requests"] == before["requests"] + 1
    assert after["bytes"] == before["bytes"] + len(body)
    assert after["cpu_seconds"] > before["cpu_seconds"]


def rows_of_cost(settings):
    return json.loads(answer(settings, "/_cost")[2])


def test_tap_reads_every_invoice(chargeover):
    done = run({**chargeover, "max_concurrency": 4})
    assert done.error is None
    assert sorted(row["invoice_id"] for row in done.records("invoices")) == list(range(1, ROWS + 1))
    assert len(done.records("invoice_line_items")) == 3 * ROWS
    assert done.counts["customers"] > 0


def test_second_run_finds_nothing_that_is_new(chargeover):
    first = run(chargeover)
    again = run(chargeover, state=first.state)
    assert again.error is None
    for stream in first.counts:
        before = keyed(first, stream)
        assert all(before[key] == row for key, row in keyed(again, stream).items())
    # What the invoices' bookmark and the newest payments look back on.
    assert len(again.records("invoices")) < 50


def test_latency_is_awaited_before_each_answer():
    with started("--rows", "10", "--latency", "40") as (_, settings):
        for path in ("/invoice", "/customer"):
            begun = time.monotonic()
            assert answer(settings, path, limit=1)[0] == 200
            assert time.monotonic() - begun >= 0.04


def test_server_ends_on_a_signal():
    with started("--rows", "10") as (process, settings):
        assert len(rows(settings, "/invoice")) == 10
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_document_is_of_its_size_and_all_its_own(document):
    assert 600_000 <= document.stat().st_size < 650_000
    root = ET.parse(document).getroot()
    customers = list(root)
    instants = [created(each) for each in customers]
    assert instants == sorted(set(instants))
    for tag in ("customer", "subscription", "invoice", "charge", "transaction", "metaDatum"):
        found = Counter(each.get("id") for each in root.iter(tag) if each.get("id"))
        assert found
        assert max(found.values()) == 1
    paid = {text_of(each) for each in root.iter("paidTransactionId")} - {""}
    assert paid <= {each.get("id") for each in root.iter("transaction")}


def test_days_of_creation_divide_a_document(document):
    root = ET.parse(document).getroot()
    days = sorted({created(each)[:10] for each in root})
    text = document.read_bytes()
    edges = [documents.between(document, *[date.fromisoformat(day)] * 2) for day in days]
    assert [last for _, last in edges[:-1]] == [first for first, _ in edges[1:]]
    assert documents.between(document, None, None) == (edges[0][0], edges[-1][1])
    for day, (first, last) in zip(days, edges, strict=True):
        part = ET.fromstring(b"<customers>" + text[first:last] + b"</customers>")
        assert {created(each)[:10] for each in part} == {day}
    first, last = documents.between(document, date(2030, 1, 1), None)
    assert first == last


def test_document_comes_as_it_is(cheddar, document):
    path = "/customers/get/productCode/SAMPLE"
    status, headers, body = answer(cheddar, path, orderBy="createdDatetime")
    assert (status, body) == (200, document.read_bytes())
    assert headers["Content-Type"] == "text/xml; charset=UTF-8"
    status, _, body = answer(cheddar, path, createdBeforeDate="2013-12-31")
    assert (status, ET.fromstring(body).text) == (404, "No customers found.")
    assert answer(cheddar, path, password="another")[0] == 401
    assert answer(cheddar, path, createdAfterDate="yesterday")[0] == 400
    assert ET.fromstring(answer(cheddar, "/plans/get/productCode/SAMPLE")[2]).tag == "plans"


def test_loop_by_hand_writes_what_the_tap_writes(cheddar, document):
    out = io.BytesIO()
    with document.open("rb") as source:
        count, _ = floors.by_hand(source, out)
    messages = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(messages) == count
    done = run({**cheddar, "timezone": "UTC"})
    assert done.error is None
    streams = {each["stream"] for each in messages}
    assert len(streams) == 8
    for stream in streams:
        told = [each["record"] for each in messages if each["stream"] == stream]
        ours = done.records(stream)
        keys = ("customer_id", "subscription_id", "invoice_id", "id")
        assert Counter(tuple(row.get(key) for key in keys) for row in told) == Counter(
            tuple(row.get(key) for key in keys) for row in ours
        )
        assert set().union(*told) == set().union(*ours)


def test_floor_decodes_and_encodes_every_row():
    out = io.BytesIO()
    count, spent = floors.floor(floors.pages(777), out)
    page = answers.envelope(data.render(data.invoices(777), range(1, 778)))
    assert [json.loads(line) for line in out.getvalue().splitlines()] == json.loads(page)[
        "response"
    ]
    assert count == 777
    assert spent > 0


def test_documents_are_read_over_http_by_hand(cheddar, capfdbinary):
    url = cheddar["api_url"].replace("://", "://{username}:{password}@".format_map(cheddar))
    assert floors.main(["cheddar", f"{url}/customers/get/productCode/SAMPLE"]) == 0
    told = capfdbinary.readouterr()
    assert json.loads(told.err)["rows"] == len(told.out.splitlines()) > 0
