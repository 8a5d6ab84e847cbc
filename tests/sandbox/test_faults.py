from __future__ import annotations

import http.client
import json
import socket
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tap_billing.sandbox.faults import NAMES, Fault, Faults, fault

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PLANS = "/xml/plans/get/productCode/SAMPLE"
CUSTOMERS = "/xml/customers/get/productCode/SAMPLE"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, Fault("cut", 1)),
        (0.25, Fault("cut", 0.25)),
        ("0.25", Fault("cut", 0.25)),
        ("1@2", Fault("cut", 1, 2)),
    ],
)
def test_fault_is_read(value, expected):
    assert fault("cut", value) == expected


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("418", 1, "unknown fault '418': use one of 429, "),
        ("cut", "", "fault cut=: expected RATE or RATE@N"),
        ("cut", "often", "expected RATE or RATE@N"),
        ("cut", "1@", "expected RATE or RATE@N"),
        ("cut", "1@-1", "the count not negative"),
        ("cut", 1.5, "between 0 and 1"),
        ("cut", "nan", "between 0 and 1"),
    ],
)
def test_wrong_fault_is_refused(name, value, words):
    with pytest.raises(ValueError, match=words):
        fault(name, value)


def test_draws_are_repeatable():
    def draws(seed):
        plan = Faults([Fault("500", 0.3), Fault("cut", 0.3)], seed=seed)
        return [plan.draw() for _ in range(200)]

    assert draws(1) == draws(1) != draws(2)
    assert {None, "500", "cut"} == set(draws(1))
    assert 40 <= draws(1).count("500") <= 80


def test_limit_holds_and_replacing_starts_anew():
    plan = Faults([Fault("500", 1, 2)])
    assert [plan.draw() for _ in range(4)] == ["500", "500", None, None]
    plan.replace([Fault("503", 1, 1)])
    assert [plan.draw() for _ in range(2)] == ["503", None]


@pytest.mark.parametrize("name", ["429", "429-after", "429-date", "500", "502", "503", "504"])
def test_status_faults_are_html(fresh, ask, name):
    answer = ask(fresh(faults={name: 1}), PLANS)
    assert answer.status == int(name[:3])
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b"<html>" in answer.body


def test_retry_after_is_told_in_three_ways(fresh, ask):
    sandbox = fresh(faults={"429": "1@1", "429-after": "1@1", "429-date": "1@1"})
    told = [ask(sandbox, PLANS).headers["Retry-After"] for _ in range(4)]
    assert told[:2] == [None, "1"]
    assert parsedate_to_datetime(told[2]) == NOW + timedelta(seconds=1)
    assert told[3] is None


def test_html_comes_with_status_200(fresh, ask):
    answer = ask(fresh(faults={"html": 1}), PLANS)
    assert answer.status == 200
    assert b"<!DOCTYPE html>" in answer.body


@pytest.mark.parametrize(("provider", "path"), [("cheddar", PLANS), ("cheddar", CUSTOMERS)])
def test_malformed_xml_does_not_parse(fresh, ask, provider, path):
    answer = ask(fresh(provider, faults={"malformed": 1}), path)
    assert answer.status == 200
    with pytest.raises(ET.ParseError):
        ET.fromstring(answer.body)


def test_malformed_json_does_not_parse(fresh, ask):
    answer = ask(fresh("chargeover", faults={"malformed": 1}), "/api/v3/customer")
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("path", [PLANS, CUSTOMERS])
def test_cut_body_ends_in_the_middle(fresh, ask, path):
    sandbox = fresh(faults={"cut": "1@1"})
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(sandbox, path)
    whole = ask(sandbox, path).body
    assert len(cut.value.partial) == len(whole) // 2
    assert whole.startswith(cut.value.partial)


def test_reset_breaks_the_connection_off(fresh, ask):
    sandbox = fresh(faults={"reset": 1})
    with pytest.raises(ConnectionResetError):
        ask(sandbox, PLANS)
    assert sandbox.world.requests[-1]["status"] is None


@pytest.mark.parametrize("path", [PLANS, CUSTOMERS])
def test_slow_body_is_whole(fresh, ask, path):
    sandbox = fresh(faults={"slow": "1@1"}, pause=0.001)
    assert ask(sandbox, path).body == ask(sandbox, path).body


def test_hang_never_answers_and_does_not_hinder_closing(fresh):
    sandbox = fresh(faults={"hang": 1})
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=0.2) as line:
        line.sendall(f"GET {PLANS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(10)
        sandbox.close()
        with pytest.raises(ConnectionResetError):
            line.recv(1)


def test_faults_are_set_while_it_runs(fresh, ask):
    sandbox = fresh()
    assert ask(sandbox, "/_sandbox/faults?503=1@1", "POST").json() == {"503": 1.0}
    assert [ask(sandbox, PLANS).status for _ in range(2)] == [503, 200]
    assert ask(sandbox, "/_sandbox/faults", "POST").json() == {}
    answer = ask(sandbox, "/_sandbox/faults?teapot=1", "POST")
    assert answer.status == 400
    assert answer.json()["error"].startswith("unknown fault 'teapot'")


def test_every_fault_is_tried_here():
    tried = "429 429-after 429-date 500 502 503 504 html cut reset slow hang malformed"
    assert set(NAMES) == set(tried.split())
