from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from tap_billing.sandbox.cli import main

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "tap_billing.sandbox.cli"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_serves_until_told_to_stop(number):
    arguments = ["--provider", "cheddar", "--customers", "3", "--now", "2026-02-01T00:00:00Z"]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            url = process.stdout.readline().strip()
            settings = json.loads(process.stdout.readline())
            with urllib.request.urlopen(url.replace("/xml", "/_sandbox/now")) as answer:
                assert json.load(answer) == {"now": "2026-02-01T00:00:00+00:00"}
            process.send_signal(number)
            rest, notes = process.communicate(timeout=20)
        finally:
            process.kill()
    assert settings["api_url"] == url
    assert process.returncode == 0
    assert rest == ""
    assert notes == "Serving the sample company; Ctrl-C stops it.\n"


def test_taken_port_is_one_line(cheddar, capsys):
    assert main(["--port", str(cheddar.port), "--customers", "0"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "already in use" in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--provider", "stripe"], "--provider: invalid choice: 'stripe'"),
        (["--port", "70000"], "--port: '70000' is not a port: a number from 0 to 65535"),
        (["--customers", "many"], "--customers: 'many' is not a count"),
        (["--latency", "-1"], "--latency: '-1' is not a number of 0 or more"),
        (["--speed", "nan"], "--speed: 'nan' is not a number of 0 or more"),
        (["--now", "today"], "--now: 'today' is not a time: write 2026-02-01T00:00:00Z"),
        (["--fault", "teapot=1"], "--fault: unknown fault 'teapot'"),
        (["--fault", "cut=2"], "--fault: fault cut=2: the rate is between 0 and 1"),
    ],
)
def test_wrong_value_is_one_clear_line(capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
