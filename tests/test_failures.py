"""One thing fails and the rest goes on: what is asked, told and left behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter

import pytest
from aiohttp import web

from tap_billing.errors import Garbled
from tap_billing.session import Session
from tap_billing.settings import settings
from tests.bodies import cheddar, first, reply
from tests.support import (
    ENVELOPE,
    REQUESTS,
    catalog_of,
    ids,
    run,
    selecting,
    serving,
    without_authorities,
)

ROW = {"customer_id": 7, "mod_datetime": "2026-01-05T10:00:00-06:00"}
CUSTOM = {"name": "x", "path": "_report", "primary_keys": ["row_id"]}
MANY = "".join(f"<customer id='{number}'/>" for number in range(100))


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def parsers():
    return [each for each in threading.enumerate() if each.name == "parse"]


def page_of(body):
    provider = cheddar()
    return provider.decode(first(provider, "customers"), reply(body))


def test_failure_in_the_middle_of_a_page_leaves_no_thread():
    page = page_of(f"<customers>{MANY}</customers>")

    def consume():
        with contextlib.closing(page):
            for document in page.documents:
                if document["id"] == "2":
                    raise Garbled("in the middle")

    # The failure is kept, as a run does until its end, and with it the frames of its traceback.
    with pytest.raises(Garbled) as kept:
        consume()
    assert kept.traceback
    assert parsers() == []
    assert page.body.closed


def test_page_that_nobody_read_leaves_no_thread():
    page = page_of(f"<customers>{MANY}</customers>")
    page.close()
    assert parsers() == []
    assert page.body.closed


def test_row_without_its_key_in_the_middle_leaves_no_thread():
    """Looked at from within the run, while the resources after it are read."""
    seen = []

    async def handler(request):
        if "customers" in request.path:
            body = f"<customers><customer id='1'/><customer/>{MANY}</customers>"
        else:
            body = f"<{request.path.split('/')[1]}/>"
        return web.Response(text=body, content_type="text/xml")

    with serving(handler) as url:
        config = {
            "provider": "cheddar", "api_url": url, "username": "u", "password": "p",
            "product_code": "X",
        }  # fmt: skip
        done = run(config)
        seen += parsers()
    assert done.error is not None
    assert done.counts["customers"] <= 1
    assert seen == []


@pytest.mark.parametrize(
    "body",
    [
        "<customers>some text</customers>",
        "<customers><errors><error code='500'>broken off</error></errors></customers>",
        "<customers><customer/></customers>",
    ],
)
def test_answer_that_only_looks_empty_empties_no_table(body, caplog):
    async def handler(request):
        told = body if "customers" in request.path else f"<{request.path.split('/')[1]}/>"
        return web.Response(text=told, content_type="text/xml")

    with serving(handler) as url:
        config = {
            "provider": "cheddar", "api_url": url, "username": "u", "password": "p",
            "product_code": "X",
        }  # fmt: skip
        catalog = selecting(
            catalog_of(config), {"customers": None, "plans": None}, method="FULL_TABLE"
        )
        done = run(config, catalog=catalog)
    assert str(done.error).startswith("incomplete: customers;")
    assert [each["stream"] for each in done.of("ACTIVATE_VERSION")] == ["plans"]
    (line,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert line.startswith("customers: ")


def chargeover(failing, status):
    """Return a handler that refuses one path, tells one customer, and counts the questions."""
    seen = Counter()

    async def handler(request):
        name, _, rest = request.path.strip("/").partition("/")
        seen[name] += 1
        seen[request.path_qs] += 1
        if name == failing:
            words = {"code": status, "status": "Error", "message": "Not for you"}
            return web.json_response(words, status=status)
        found = [ROW] if name == "customer" else []
        response = len(found) if rest == "_count" else found
        return web.json_response({**ENVELOPE, "response": response})

    return handler, seen


def account(url, **further):
    return {"provider": "chargeover", "api_url": url, "username": "u", "password": "p", **further}


@pytest.mark.parametrize("failing", ["user", "customer", "invoice", "package"])
def test_resource_that_failed_is_not_asked_again(failing):
    handler, seen = chargeover(failing, 403)
    with serving(handler) as url:
        done = run(account(url))
    assert done.error is not None
    # For how many there are and for the highest, so that the rows up to it can be counted, and for
    # the rows.
    assert seen[failing] == 3
    asked = {path: times for path, times in seen.items() if path.startswith(f"/{failing}?")}
    assert set(asked.values()) == {1}
    # The others are counted before and after, and not asked anything else twice.
    again = {path for path, times in seen.items() if path.startswith("/") and times > 1}
    assert {path for path in again if "/_count" not in path} == set()


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_custom_stream_that_fails_leaves_the_others(status, caplog, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)  # the pauses between attempts
    handler, seen = chargeover("_report", status)
    with serving(handler) as url:
        done = run(account(url, custom_streams=[CUSTOM]))
    assert str(done.error).startswith("incomplete: x;")
    assert done.records("customers")
    assert done.bookmark("customers") == "2026-01-05T16:00:00Z"
    assert done.counts["x"] == 0
    assert done.messages[-1]["type"] == "STATE"
    (line,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert line.startswith("x: GET /_report: ")
    # What may be wrong with the question (400) is asked once more without an order.
    assert seen["_report"] <= {400: 2, 500: 8}.get(status, 1)


def test_custom_stream_that_fails_is_still_discovered():
    handler, _ = chargeover("_report", 403)
    with serving(handler) as url:
        streams = {
            each["stream"]: each
            for each in catalog_of(account(url, custom_streams=[CUSTOM]))["streams"]
        }
    assert streams["x"]["schema"]["properties"].keys() == {"row_id", "extra_fields"}
    assert len(streams) > 10


def test_busy_decoders_hold_no_other_request_back():
    """Each request in flight has a worker for what blocks: two large documents leave one."""
    handler, _ = chargeover("nothing", 500)
    free = threading.Event()
    busy = [threading.Event(), threading.Event()]

    def decode(mine):
        mine.set()
        free.wait()

    async def occupy(mine):
        await asyncio.to_thread(decode, mine)

    with serving(handler) as url:
        session = Session(settings(account(url, max_concurrency=3)))
        try:
            held = [session._loop.submit(occupy(mine)) for mine in busy]
            assert all(mine.wait(10) for mine in busy)
            asking = session._loop.submit(session._transport.get(REQUESTS["chargeover"]))
            assert ids(asking.result(timeout=10)) == ["7"]
            assert not any(each.done() for each in held)
        finally:
            free.set()
            session.close()


@pytest.mark.parametrize("in_flight", [1, 3])
def test_wrong_password_is_tried_no_more_often_than_requests_are_in_flight(in_flight):
    """Many failed logins lock an account out."""
    seen = []

    async def handler(request):
        seen.append(request.path)
        return web.json_response({"code": 401, "status": "Error", "message": "No"}, status=401)

    with serving(handler) as url:
        done = run(account(url, max_concurrency=in_flight))
    assert done.error is not None
    assert 1 <= len(seen) <= in_flight
