"""What a run says at its end of each stream, in its log and in its manifest."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import time

import pytest

from tap_billing.closing import Closing
from tap_billing.sandbox import changes, serve
from tests.commands import COMMAND, environment, errors, tap
from tests.proxies import proxying
from tests.states import aged
from tests.support import NOW, config_of, paths, run, when, without_authorities

SECRET = "k3y-that-nobody-may-see"
FIELDS = {
    "stream", "outcome", "rows", "requests", "watermark_before", "watermark_after", "bookmark",
    "deleted", "why",
}  # fmt: skip


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def lines(caplog):
    """Return the closing lines by stream, and the level of each."""
    told = [each for each in caplog.records if each.name == "tap-billing.closing"]
    return {each.getMessage().partition(": ")[0]: each for each in told}


def told_by(file, config, path, *arguments):
    """Return a finished command and the manifest that it left, by stream."""
    done = tap("--config", file(config), "--manifest", str(path), *arguments)
    manifest = json.loads(path.read_bytes())
    return done, manifest, {each["stream"]: each for each in manifest["streams"]}


def test_complete_run_has_a_line_for_each_stream(company, caplog):
    done = run(config_of(company))
    told = lines(caplog)
    assert told.keys() == done.counts.keys()
    for stream, record in told.items():
        assert record.levelno == logging.INFO
        line = record.getMessage()
        assert line.startswith(f"{stream}: complete, {done.counts[stream]:,} rows, ")
        assert line.endswith("Z, deletions told")
        assert "watermark none -> 2026-01-31T23:59:5" in line or "-> 2026-02-01T00:00:0" in line


def test_watermark_is_that_of_the_run_before_and_of_this_one(company, caplog):
    first = run(config_of(company))
    marks = {
        s: e.getMessage().rpartition(" -> ")[2].split(",")[0] for s, e in lines(caplog).items()
    }
    caplog.clear()
    company.world.advance(2)
    run(config_of(company), state=first.state)
    for stream, record in lines(caplog).items():
        before, after = record.getMessage().rpartition("watermark ")[2].split(" -> ")
        assert before == marks[stream]
        assert when(after) > when(before)
        assert "deletions told" not in record.getMessage()


def test_requests_are_those_of_the_streams_resource(caplog):
    with serve("chargeover", customers=30, now=NOW) as sandbox:
        done = run(config_of(sandbox, page_size=20))
        asked = [path.split("?")[0].split("/")[3] for path in paths(sandbox)]
    told = lines(caplog)
    for each in done.tap.billing_streams:
        if each.selected:
            number = asked.count(each.resource.path)
            assert f", {number:,} requests, " in told[each.name].getMessage()


def test_refused_stream_is_forbidden_and_the_others_are_complete(caplog):
    with (
        serve("chargeover", customers=30, now=NOW) as sandbox,
        proxying(sandbox, refusing="/user") as url,
    ):
        done = run(config_of(sandbox, api_url=url))
    told = lines(caplog)
    assert done.error is not None
    line = told["contacts"].getMessage()
    assert line.startswith("contacts: forbidden (GET /user: Not for you), 0 rows, ")
    assert line.endswith("watermark none -> none")
    assert told["contacts"].levelno == logging.WARNING
    others = [each.getMessage() for stream, each in told.items() if stream != "contacts"]
    assert all(": complete, " in line for line in others)


def test_failed_stream_is_incomplete_says_why_and_keeps_its_watermark(company, caplog):
    config = config_of(company)
    first = run(config)
    caplog.clear()
    company.world.password = "another"
    second = run(config, state=first.state)
    assert second.error is not None
    found = {stream: each.getMessage() for stream, each in lines(caplog).items()}
    assert found.keys() == first.counts.keys()
    for stream, line in found.items():
        assert line.startswith(f"{stream}: incomplete")
        before, after = line.rpartition("watermark ")[2].split(" -> ")
        assert before == after != "none"
    assert any("incomplete (GET /" in line for line in found.values())


def test_refusal_to_delete_is_told(company, caplog):
    first = run(config_of(company))
    with company.world.lock:
        books = company.world.company
        for customer in list(books.customers.values())[-12:]:
            changes.delete_customer(books, customer)
    caplog.clear()
    run(config_of(company), state=aged(first.state))
    line = lines(caplog)["customers"].getMessage()
    assert line.startswith("customers: incomplete (")
    assert "more than max_deletions (20%) allows" in line
    assert "deletions told" not in line


def test_closing_without_rows_reads_as_a_sentence():
    each = Closing("x", "incomplete", 0, 1, None, None, None, deleted=False, why="no answer")
    assert str(each) == "x: incomplete (no answer), 0 rows, 1 requests, watermark none -> none"


def test_manifest_says_the_same_as_the_lines(file, company, tmp_path):
    done, manifest, streams = told_by(file, config_of(company), tmp_path / "manifest.json")
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert manifest["stopped"] == ""
    assert when(manifest["ended"]).tzinfo is not None
    state = messages[-1]["value"]["bookmarks"]
    for stream, told in streams.items():
        assert told.keys() == FIELDS
        rows = [e for e in messages if e["type"] == "RECORD" and e["stream"] == stream]
        assert (told["outcome"], told["rows"], told["why"]) == ("complete", len(rows), "")
        assert told["deleted"] is True
        assert told["requests"] > 0
        assert told["watermark_before"] is None
        assert told["watermark_after"] == state[stream]["watermark"]
        assert told["bookmark"] == state[stream].get("replication_key_value")
        assert f"{stream}: complete, {len(rows):,} rows, " in done.stderr
    assert len(streams) > 10


def test_manifest_of_a_failed_run_names_what_is_forbidden(file, tmp_path):
    with (
        serve("chargeover", customers=20, now=NOW) as sandbox,
        proxying(sandbox, refusing="/invoice") as url,
    ):
        config = config_of(sandbox, api_url=url)
        done, _, streams = told_by(file, config, tmp_path / "manifest.json")
    assert done.returncode == 1
    found = {name: each["outcome"] for name, each in streams.items() if each["why"]}
    assert found == {"invoices": "forbidden", "invoice_line_items": "forbidden"}
    assert streams["customers"]["outcome"] == "complete"


def test_manifest_and_lines_hold_no_secret_and_no_personal_data(file, provider, tmp_path):
    path = tmp_path / "manifest.json"
    with serve(provider, customers=10, now=NOW) as sandbox:
        right = config_of(sandbox)
        for config in (right, {**right, "username": "someone@example.com", "password": SECRET}):
            done, _, _ = told_by(file, config, path)
            assert SECRET not in done.stderr + path.read_text()
            assert "@" not in path.read_text()
            assert "@" not in done.stderr


@pytest.mark.parametrize("path", ["/no/such/folder/manifest.json", "."])
def test_manifest_that_cannot_be_written_is_one_line_before_any_request(file, company, path):
    done = tap("--config", file(config_of(company)), "--manifest", path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = errors(done)
    assert line.startswith(f"--manifest: {path}: ")
    assert paths(company) == []


def test_manifest_of_an_earlier_run_does_not_outlive_a_run_that_could_not_begin(file, tmp_path):
    """A scheduler that looks at the file must not take the last run's for this one's."""
    path = tmp_path / "manifest.json"
    path.write_text('{"streams": []}')
    done = tap("--config", file({"provider": "stripe"}), "--manifest", str(path))
    assert done.returncode == 1
    assert path.read_text() == ""


@contextlib.contextmanager
def started(*arguments, **options):
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        **options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_manifest_of_a_stopped_run_says_by_which_signal(file, tmp_path, number):
    path = tmp_path / "manifest.json"
    with (
        serve("chargeover", customers=5, now=NOW, faults={"hang": 1}) as sandbox,
        started(
            "--config", file(config_of(sandbox)), "--manifest", str(path), stdout=subprocess.PIPE
        ) as process,
    ):
        ends = time.monotonic() + 20
        while not sandbox.world.requests and time.monotonic() < ends:
            os.sched_yield()
        process.send_signal(number)
        _, notes = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    manifest = json.loads(path.read_bytes())
    assert manifest["stopped"] == f"stopped by signal {number.value}"
    assert {each["outcome"] for each in manifest["streams"]} == {"incomplete"}
    assert "customers: incomplete" in notes


def test_manifest_of_a_run_without_a_reader_says_so(file, tmp_path):
    path = tmp_path / "manifest.json"
    reading, writing = os.pipe()
    os.close(reading)
    with serve("chargeover", customers=20, now=NOW) as sandbox:
        try:
            done = tap(
                "--config", file(config_of(sandbox)), "--manifest", str(path), stdout=writing
            )
        finally:
            os.close(writing)
    assert done.returncode == 1
    manifest = json.loads(path.read_bytes())
    assert "the program that reads the messages has ended" in manifest["stopped"]
    assert "complete" not in {each["outcome"] for each in manifest["streams"]}
    assert len(errors(done)) == 1
