from __future__ import annotations

import base64
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web

from tap_billing.cli import main
from tap_billing.sandbox import serve
from tests.commands import COMMAND, SAMPLE, environment, errors, tap
from tests.support import NOW, config_of, serving

PROVIDERS = ("chargeover", "cheddar")
SECRET = "k3y-that-nobody-may-see"
USERNAME = "someone@example.com"


@pytest.fixture
def command(capfd, monkeypatch):
    """Run the command in this process, which is quicker, for what ends before the first request."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    numbers = (signal.SIGINT, signal.SIGTERM)
    kept = {number: signal.getsignal(number) for number in numbers}

    def call(*arguments, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, notes = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, out, notes)

    yield call
    root.handlers[:] = handlers
    root.setLevel(level)
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["--about", "--format=json"]])
def test_information_needs_no_settings(arguments, tmp_path):
    done = tap(*arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert "tap-billing" in done.stdout
    assert "Traceback" not in done.stderr


def test_about_names_every_setting_and_batches(tmp_path):
    about = json.loads(tap("--about", "--format=json", cwd=tmp_path).stdout)
    assert {"provider", "password", "filters", "custom_streams", "batch_config"} <= set(
        about["settings"]["properties"]
    )
    assert "batch" in about["capabilities"]


def test_schemas_alone_can_be_had(file):
    done = tap("--config", file({"provider": "cheddar", "sandbox": True}), "--test=schema")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["type"] for each in told} == {"SCHEMA"}
    assert len({each["stream"] for each in told}) == len(told) > 10


@pytest.mark.parametrize("config", [None, {"provider": "chargeover"}, {"provider": "cheddar"}])
def test_discovery_needs_no_credentials_and_no_network(file, config):
    arguments = ["--config", file(config)] if config else []
    done = tap("--discover", *arguments, http_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["streams"]) > 10


def test_stdout_holds_singer_messages_only(file):
    done = tap("--config", file(SAMPLE), LOGLEVEL="DEBUG")
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = {"SCHEMA", "RECORD", "ACTIVATE_VERSION", "STATE"}
    assert {each["type"] for each in messages} == kinds
    assert messages[-1]["type"] == "STATE"


def test_console_command_is_the_module(file):
    script = Path(sys.executable).parent / "tap-billing"
    done = subprocess.run(
        [str(script), "--config", file(SAMPLE)],
        capture_output=True,
        check=True,
        env=environment(),
        timeout=50,
    )
    assert len(done.stdout.splitlines()) == len(tap("--config", file(SAMPLE)).stdout.splitlines())


def test_settings_come_from_the_environment(tmp_path):
    settings = {f"TAP_BILLING_{k.upper()}": str(v).lower() for k, v in SAMPLE.items()}
    done = tap("--config=ENV", cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert '"RECORD"' in done.stdout


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, ["provider: missing", "chargeover, cheddar"]),
        ({"provider": "stripe"}, ["provider: 'stripe' is not allowed", "chargeover, cheddar"]),
        (
            {"provider": "cheddar"},
            ["username: missing", "password: missing", "product_code: missing"],
        ),
        ({**SAMPLE, "page_size": 0}, ["page_size: 0 is not allowed", "1 to 500"]),
        ({**SAMPLE, "timezone": "Mars"}, ["timezone: 'Mars' is not allowed", "IANA"]),
        ({**SAMPLE, "start_date": "soon"}, ["start_date: 'soon' is not allowed"]),
        ({**SAMPLE, "pagesize": 5}, ["pagesize: unknown setting; did you mean page_size?"]),
        ({**SAMPLE, "filters": {"x": {}}}, ["filters: unknown stream 'x'", "customers"]),
    ],
)
def test_wrong_settings_are_one_clear_line_each(file, config, words, command):
    done = command("--config", file(config))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert len([line for line in errors(done) if word in line]) == 1, word
    assert done.stdout == ""


@pytest.mark.parametrize(
    "given",
    [
        {"password": {"x": SECRET}},
        {"password": [SECRET]},
        {"username": f"{SECRET}:x"},
        {"api_url": f"ftp://me:{SECRET}@example.com"},
        {"api_url": f"https://me:{SECRET}@example.com/xml"},
        {"site": f"me:{SECRET}@acme"},
    ],
)
def test_refused_settings_do_not_tell_secrets(file, given, command):
    config = {
        "provider": "chargeover", "site": "acme", "username": "u", "password": SECRET, **given,
    }  # fmt: skip
    done = command("--config", file(config), LOGLEVEL="DEBUG")
    assert done.returncode == 1
    assert SECRET not in done.stderr
    assert SECRET not in done.stdout


@pytest.mark.parametrize("content", ["{not json", "", '"x"'])
@pytest.mark.parametrize("option", ["--config", "--catalog", "--state"])
def test_file_that_is_no_json_object_is_an_error(file, option, content, command):
    given = [] if option == "--config" else ["--config", file(SAMPLE)]
    done = command(*given, option, file(content, "other.json"))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("option", ["--config", "--catalog", "--state"])
def test_file_that_is_not_there_is_named(file, option, tmp_path, command):
    missing = str(tmp_path / "missing.json")
    given = [] if option == "--config" else ["--config", file(SAMPLE)]
    done = command(*given, option, missing)
    assert done.returncode != 0
    assert "missing.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_wrong_credentials_are_one_line_a_code_and_no_secret(file, provider, level):
    with serve(provider, customers=5, now=NOW) as sandbox:
        config = config_of(sandbox, username=USERNAME, password=SECRET)
        done = tap("--config", file(config), LOGLEVEL=level)
    assert done.returncode == 1
    login = base64.b64encode(f"{USERNAME}:{SECRET}".encode()).decode()
    for secret in (SECRET, login, USERNAME):
        assert secret not in done.stderr
        assert secret not in done.stdout
    assert "check username and password" in done.stderr
    if level == "INFO":
        assert "Traceback" not in done.stderr
        assert len(errors(done)) == 2
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "STATE"


def test_product_of_somebody_else_is_told_without_the_user_name(file):
    with serve("cheddar", customers=5, now=NOW, username=USERNAME) as sandbox:
        done = tap("--config", file(config_of(sandbox, product_code="THEIRS")))
    assert done.returncode == 1
    assert "THEIRS" in done.stderr
    assert USERNAME not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("level", ["WARNING", "DEBUG"])
def test_server_that_echoes_everything_gets_no_secret_into_the_log(file, level):
    async def echo(request):
        told = f"{dict(request.headers)} {SECRET} {USERNAME}"
        body = json.dumps({"code": 400, "status": "Error", "message": told})
        return web.Response(status=400, text=body, content_type="application/json")

    with serving(echo) as url:
        config = {
            "provider": "chargeover", "api_url": url, "username": USERNAME, "password": SECRET,
        }  # fmt: skip
        done = tap("--config", file(config), LOGLEVEL=level)
    assert done.returncode == 1
    login = base64.b64encode(f"{USERNAME}:{SECRET}".encode()).decode()
    for secret in (SECRET, login, USERNAME):
        assert secret not in done.stderr


@pytest.mark.parametrize("arguments", [["--test"], ["--test=schema"]])
def test_connection_test_ends_well(file, arguments):
    done = tap("--config", file(SAMPLE), *arguments)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("provider", PROVIDERS)
def test_connection_test_with_wrong_credentials_is_one_line(file, provider):
    with serve(provider, customers=5, now=NOW) as sandbox:
        done = tap("--config", file(config_of(sandbox, password=SECRET)), "--test")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr
    assert "check username and password" in done.stderr


def test_full_disk_behind_stdout_is_one_clear_line(file):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = tap("--config", file(SAMPLE), stdout=full)
    assert done.returncode not in {0, 120}
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_reader_that_ends_early_is_one_clear_line(file):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = tap("--config", file(SAMPLE), stdout=writing)
    finally:
        os.close(writing)
    assert done.returncode not in {0, 120}
    assert "the program that reads the messages has ended" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_stopped_run_says_so_by_its_code_and_writes_its_state(file, provider, number):
    with (
        serve(provider, customers=5, now=NOW, faults={"hang": 1}) as sandbox,
        subprocess.Popen(
            [*COMMAND, "--config", file(config_of(sandbox))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process,
    ):
        ends = time.monotonic() + 20
        while not sandbox.world.requests and time.monotonic() < ends:
            os.sched_yield()
        process.send_signal(number)
        out, notes = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "Traceback" not in notes
    assert json.loads(out.splitlines()[-1])["type"] == "STATE"


def test_unknown_option_is_told(file, command):
    done = command("--config", file(SAMPLE), "--full-refresh")
    assert done.returncode == 2
    assert "--full-refresh" in done.stderr


@pytest.mark.parametrize("provider", PROVIDERS)
def test_failing_run_names_what_is_incomplete(file, provider):
    with serve(provider, customers=5, now=NOW) as sandbox:
        filters = {
            "chargeover": {
                "customers": [{"field": "write_datetime", "operator": "GTE", "value": "nonsense"}]
            },
            "cheddar": {"customers": {"code": "nobody"}},
        }[provider]
        done = tap("--config", file(config_of(sandbox, filters=filters)))
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert any(line.startswith("incomplete: ") for line in errors(done))
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "STATE"


def test_fractions_in_a_settings_file_are_numbers(file):
    fractions = {
        "requests_per_second": 500.5,
        "request_timeout": 20.5,
        "lookback": 0.5,
        "filters": {"invoices": [{"field": "total", "operator": "GT", "value": 100.5}]},
    }
    done = tap("--config", file({**SAMPLE, "provider": "chargeover", **fractions}))
    assert done.returncode == 0, done.stderr
    totals = [
        message["record"]["total"]
        for message in map(json.loads, done.stdout.splitlines())
        if message["type"] == "RECORD" and message["stream"] == "invoices"
    ]
    assert totals
    assert min(totals) > 100.5


def test_connection_test_that_succeeds_logs_no_error(file):
    done = tap("--config", file(SAMPLE), "--test")
    assert done.returncode == 0
    assert "ERROR" not in done.stderr
