from __future__ import annotations

import contextlib
import gzip
import http.client
import socket
import subprocess
import sys
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tap_billing.sandbox import serve

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PLANS = "/xml/plans/get/productCode/SAMPLE"


def test_import_is_cheap():
    code = "import sys, tap_billing.sandbox; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_unknown_name_is_not_exported():
    import tap_billing.sandbox  # noqa: PLC0415

    with pytest.raises(AttributeError, match="nothing"):
        _ = tap_billing.sandbox.nothing


def test_settings_reach_it(cheddar):
    assert cheddar.settings == {
        "provider": "cheddar",
        "api_url": f"http://127.0.0.1:{cheddar.port}/xml",
        "username": "sandbox",
        "password": "sandbox",
        "product_code": "SAMPLE",
    }


@pytest.mark.parametrize(("provider", "path"), [("cheddar", "/xml"), ("chargeover", "/api/v3")])
def test_url_ends_in_the_base_path(fresh, provider, path):
    assert fresh(provider).url.endswith(path)


def test_given_time_stands_still_until_advanced(fresh, ask):
    sandbox = fresh()
    assert ask(sandbox, "/_sandbox/now").json() == {"now": "2026-02-01T00:00:00+00:00"}
    answer = ask(sandbox, "/_sandbox/advance?days=1.5", "POST")
    assert answer.json() == {"now": "2026-02-02T12:00:00+00:00"}
    assert sandbox.world.now() == NOW + timedelta(days=1.5)


def test_date_header_is_the_sandbox_time(fresh, ask):
    sandbox = fresh()
    for path in (PLANS, "/nothing", "/_sandbox/now"):
        assert parsedate_to_datetime(ask(sandbox, path).headers["Date"]) == NOW
    sandbox.world.advance(1)
    date = ask(sandbox, PLANS).headers["Date"]
    assert parsedate_to_datetime(date) == NOW + timedelta(days=1)


def test_clock_is_the_wall_clock_by_default(fresh):
    before = datetime.now(UTC).replace(microsecond=0)
    sandbox = fresh(now=None, customers=0)
    assert before <= sandbox.world.now() <= datetime.now(UTC)


def test_clock_runs_at_speed(fresh, monkeypatch):
    sandbox = fresh(speed=2, customers=0)
    since = sandbox.world._since
    monkeypatch.setattr("time.monotonic", lambda: since + 30)
    assert sandbox.world.now() == NOW + timedelta(days=1)


def test_request_lets_the_company_live(fresh, ask):
    sandbox = fresh()
    sandbox.world._base += timedelta(days=40)
    assert sandbox.world.company.now == NOW
    ask(sandbox, PLANS)
    assert sandbox.world.company.now == NOW + timedelta(days=40)


@pytest.mark.parametrize("days", ["", "?days=", "?days=x", "?days=-1", "?days=nan", "?days=1e9"])
def test_advance_refuses_nonsense(cheddar, ask, days):
    answer = ask(cheddar, f"/_sandbox/advance{days}", "POST")
    assert answer.status == 400
    assert answer.json()["error"].startswith("days: ")


def test_requests_are_told_as_sent(fresh, ask):
    sandbox = fresh()
    ask(sandbox, PLANS + "?code=a%3Ab%2C%5C")
    ask(sandbox, PLANS, login=None)
    assert ask(sandbox, "/_sandbox/requests").json() == [
        {"method": "GET", "path_qs": PLANS + "?code=a%3Ab%2C%5C", "status": 404},
        {"method": "GET", "path_qs": PLANS, "status": 401},
    ]


@pytest.mark.parametrize("provider", ["cheddar", "chargeover"])
def test_truth_is_told_without_credentials(fresh, ask, provider):
    sandbox = fresh(provider)
    truth = ask(sandbox, "/_sandbox/truth", login=None).json()
    assert truth["customers"]["count"] == len(truth["customers"]["ids"]) > 0


def test_two_servers_agree(fresh, ask):
    first, second = fresh(), fresh(now=NOW - timedelta(days=700))
    second.world.advance(700)
    path = "/xml/customers/get/productCode/SAMPLE"
    assert ask(first, path).body == ask(second, path).body


def test_control_routes_meet_no_fault(fresh, ask):
    sandbox = fresh(faults={"500": 1})
    assert ask(sandbox, "/_sandbox/now").status == 200
    assert ask(sandbox, PLANS).status == 500


def test_latency_delays_the_provider_only(fresh, ask, monkeypatch):
    waits = []

    async def wait(seconds):
        waits.append(seconds)

    sandbox = fresh(latency=0.25)
    monkeypatch.setattr("tap_billing.sandbox.server.asyncio.sleep", wait)
    ask(sandbox, "/_sandbox/now")
    assert 0.25 not in waits
    ask(sandbox, PLANS)
    assert waits.count(0.25) == 1


@pytest.mark.parametrize(("accepted", "told"), [("gzip", "gzip"), ("identity", None)])
def test_bodies_are_compressed_when_told_so(fresh, accepted, told):
    sandbox = fresh(gzip=True)
    request = urllib.request.Request(sandbox.url + "/plans/get?productCode=SAMPLE")
    request.add_header("Authorization", "Basic c2FuZGJveDpzYW5kYm94")
    request.add_header("Accept-Encoding", accepted)
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
        assert answer.headers["Content-Encoding"] == told
    assert b"<plans>" in (gzip.decompress(body) if told else body)


def test_close_leaves_nothing_behind(ask):
    before = threading.active_count()
    with serve("cheddar", customers=0) as sandbox:
        ask(sandbox, PLANS)
        assert threading.active_count() > before
    sandbox.close()
    assert threading.active_count() == before
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", sandbox.port), timeout=5),
    ):
        pass


def test_close_ends_a_connection_that_is_kept_open():
    with serve("cheddar", customers=0) as sandbox:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        connection.request("GET", "/_sandbox/now")
        assert connection.getresponse().read()
    with contextlib.closing(connection):
        assert connection.sock.recv(1) == b""


def test_close_ends_a_connection_that_never_asked():
    with serve("cheddar", customers=0) as sandbox:
        line = socket.create_connection(("127.0.0.1", sandbox.port), timeout=10)
    with line, contextlib.suppress(ConnectionResetError):
        assert line.recv(1) == b""


def test_taken_port_is_told(cheddar):
    with pytest.raises(OSError, match="already in use"):
        serve("cheddar", port=cheddar.port, customers=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": "stripe"}, "provider"),
        ({"provider": "cheddar", "now": NOW.replace(tzinfo=None)}, "now: "),
        ({"provider": "cheddar", "faults": {"501": 1}}, "unknown fault"),
        ({"provider": "cheddar", "timezone": "Mars/Olympus"}, "timezone: "),
        ({"provider": "cheddar", "speed": -1}, "speed: "),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        serve(**options)
