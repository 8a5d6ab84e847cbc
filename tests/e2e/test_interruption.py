"""The real command stopped in every way: by signals, by its reader, by a full disk."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import resource
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tap_billing.sandbox import serve
from tests.commands import environment
from tests.e2e.ledger import differences, identifiers, table
from tests.e2e.pipes import TAP, written
from tests.e2e.stores import DuckDb, Jsonl, Postgres
from tests.states import aged
from tests.support import NOW

# The command with checkpoints after a few rows: a company of test size has no more.
SCRIPT = """
import tap_billing.writing as writing
writing.CHUNK, writing.CHECKPOINT_ROWS = 50, 150
from tap_billing.cli import main
main()
"""
OFTEN = (sys.executable, "-c", SCRIPT)
# From the signal to the end; what stops a process with SIGKILL usually waits ten.
GRACE = 5.0
# The capacity of a pipe that is full soon, in bytes.
NARROW = 4096
KILLS = 4


@pytest.fixture(params=["chargeover", "cheddar"])
def company(request):
    """A sample company that answers a little slowly, so that a run can be met on its way."""
    with serve(request.param, now=NOW, customers=60, latency=0.01) as sandbox:
        yield sandbox


@contextlib.contextmanager
def started(folder, settings, *arguments, command=OFTEN):
    """Start the tap with a narrow pipe for stdout; it is gone afterwards in any case."""
    config = written(folder, "tap.json", {**settings, "page_size": 20})
    with (
        (folder / "tap.log").open("wb") as notes,
        subprocess.Popen(
            (*command, "--config", config, *arguments),
            stdout=subprocess.PIPE,
            stderr=notes,
            env=environment(),
        ) as process,
    ):
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, NARROW)
        try:
            yield process
        finally:
            process.kill()


def log(folder):
    return (folder / "tap.log").read_text(encoding="utf-8")


def rows_read(process, number):
    """Read so many RECORD messages of a running tap."""
    lines = []
    while sum(b'"RECORD"' in line for line in lines) < number:
        lines.append(process.stdout.readline())
        assert lines[-1], "the tap ended before it was stopped"
    return lines


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("rows", [1, 400])
def test_signal_in_the_middle_ends_with_a_state_and_its_code(company, tmp_path, number, code, rows):
    manifest = tmp_path / "manifest.json"
    with started(tmp_path, company.settings, "--manifest", str(manifest)) as process:
        lines = rows_read(process, rows)
        process.send_signal(number)
        began = time.monotonic()
        rest = process.stdout.read()
        process.wait(20)
        took = time.monotonic() - began
    messages = [json.loads(line) for line in b"".join([*lines, rest]).splitlines()]
    assert process.returncode == code
    assert took < GRACE
    assert messages[-1]["type"] == "STATE"
    assert "Traceback" not in log(tmp_path)
    told = json.loads(manifest.read_bytes())
    assert told["stopped"] == f"stopped by signal {number.value}"
    assert "incomplete" in {each["outcome"] for each in told["streams"]}


def ended(process, read):
    """Return how long a process takes to end, while `read` may take some of its output."""
    began = time.monotonic()
    while time.monotonic() - began < 4 * GRACE:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return time.monotonic() - began
        read()
    return None


@pytest.mark.parametrize("taken", [0, 100], ids=["nothing", "slowly"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_while_nobody_reads_ends_in_time(company, tmp_path, number, code, taken):
    manifest = tmp_path / "manifest.json"
    with started(tmp_path, company.settings, "--manifest", str(manifest)) as process:
        rows_read(process, 1)
        waiting = full(process)
        process.send_signal(number)
        took = ended(process, lambda: process.stdout.read1(taken) if taken else None)
    assert waiting
    assert took is not None
    assert took < GRACE
    assert process.returncode == code
    assert "Traceback" not in log(tmp_path)
    told = json.loads(manifest.read_bytes())
    if taken:
        assert told["stopped"].startswith(f"stopped by signal {number.value}")
    else:
        left = "the last STATE could not be written"
        assert told["stopped"] == f"stopped by signal {number.value}, {left}"
    assert "incomplete" in {each["outcome"] for each in told["streams"]}
    assert closings(tmp_path) == [each["stream"] for each in told["streams"]]


def closings(folder):
    """Return the streams whose end the log tells, one for each line of that."""
    lines = [line for line in log(folder).splitlines() if "tap-billing.closing" in line]
    return [line.rpartition("| ")[2].strip().partition(": ")[0] for line in lines]


@pytest.mark.parametrize("blocked", [True, False])
def test_second_signal_changes_nothing(company, tmp_path, blocked):
    """A supervisor may signal again what takes its time to end."""
    manifest = tmp_path / "manifest.json"
    with started(tmp_path, company.settings, "--manifest", str(manifest)) as process:
        rows_read(process, 1)
        waiting = full(process)
        threads = Path(f"/proc/{process.pid}/task")
        before = len(list(threads.iterdir()))
        process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + GRACE
        # The handler begins with what ends the process after a while, whatever happens.
        while len(list(threads.iterdir())) < before + 2 and time.monotonic() < ends:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        rest = b"" if blocked else process.stdout.read()
        process.wait(20)
    assert waiting
    assert process.returncode == 143
    assert "Traceback" not in log(tmp_path)
    assert "SystemExit" not in log(tmp_path)
    told = json.loads(manifest.read_bytes())
    assert closings(tmp_path) == [each["stream"] for each in told["streams"]]
    if not blocked:
        assert json.loads(rest.splitlines()[-1])["type"] == "STATE"


def full(process):
    """Wait until the pipe of a tap is full, so that it waits in a write; return whether it is."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        left = fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4))
        if int.from_bytes(left, sys.byteorder) == NARROW:
            return True
    return False


def loading(folder, store, settings, state, stop=None):
    """Run tap and target; kill the tap after `stop` bytes. Return exit code and last state."""
    options = ["--state", written(folder, "state.json", state)] if state else []
    with (
        (folder / "target.log").open("ab") as notes,
        started(folder, settings, *options) as tap,
        subprocess.Popen(
            store.command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=notes,
        ) as target,
    ):
        passed = 0
        with contextlib.suppress(BrokenPipeError):
            while part := tap.stdout.read1(1000):
                target.stdin.write(part)
                passed += len(part)
                if stop is not None and passed >= stop:
                    tap.kill()
                    stop = None
        tap.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            target.stdin.close()
        printed = target.stdout.read().decode()
        codes = tap.wait(30), target.wait(60)
    states = [line for line in printed.splitlines() if line.startswith("{")]
    return codes, json.loads(states[-1]) if states else state


@pytest.fixture(params=["duckdb", "postgres"])
def store(request, tmp_path):
    if request.param == "postgres":
        return Postgres(tmp_path, request.getfixturevalue("postgres"))
    return DuckDb(tmp_path)


@pytest.mark.timeout(300)
def test_warehouse_equals_the_server_however_often_the_tap_was_killed(company, store, tmp_path):
    state, keys = None, {}
    dice = random.Random(company.settings["provider"])
    size = sum(map(len, _whole(tmp_path, company.settings, keys)))
    for _ in range(KILLS):
        _, state = loading(tmp_path, store, company.settings, state, dice.randrange(size))
        company.world.advance(0.5)
    codes, state = loading(tmp_path, store, company.settings, state)
    assert codes == (0, 0), log(tmp_path)
    codes, state = loading(tmp_path, store, company.settings, aged(state))
    assert codes == (0, 0), log(tmp_path)
    tables = {name: table(alive(rows), keys[name]) for name, rows in store.read().items()}
    truth = company.world.truth()
    assert tables.keys() == keys.keys()
    if isinstance(store, DuckDb):
        # This target knows nothing of versions.
        for name, rows in tables.items():
            tables[name] = {key: rows[key] for key in rows.keys() & identifiers(truth[name])}
    assert differences(tables, truth) == []


def alive(rows):
    """Return the rows that no sweep has marked as deleted."""
    return [row for row in rows if not row.get("_sdc_deleted_at")]


def _whole(folder, settings, keys):
    """Return the lines of a whole run, and note the primary keys of its streams."""
    with started(folder, settings) as process:
        lines = process.stdout.readlines()
        assert process.wait(30) == 0, log(folder)
    for line in lines:
        if b'"SCHEMA"' in line:
            told = json.loads(line)
            keys[told["stream"]] = told["key_properties"]
    return lines


def test_target_that_dies_ends_the_tap_with_one_line(company, tmp_path):
    manifest = tmp_path / "manifest.json"
    with started(tmp_path, company.settings, "--manifest", str(manifest)) as process:
        rows_read(process, 20)
        process.stdout.close()
        code = process.wait(20)
    assert code not in {0, 120}
    told = log(tmp_path)
    assert len([line for line in told.splitlines() if "ERROR" in line]) == 1
    assert "Traceback" not in told
    assert (
        "the program that reads the messages has ended"
        in json.loads(manifest.read_bytes())["stopped"]
    )


@pytest.mark.timeout(120)
def test_full_disk_of_the_target_is_no_success_and_the_next_run_completes(company, tmp_path):
    keys = {}
    _whole(tmp_path, company.settings, keys)
    store = Jsonl(tmp_path)
    limit = (30_000, 30_000)
    with (
        started(tmp_path, company.settings) as tap,
        subprocess.Popen(
            store.command,
            stdin=tap.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),  # noqa: PLW1509
        ) as target,
    ):
        tap.stdout.close()
        printed, _ = target.communicate(timeout=60)
        codes = tap.wait(30), target.returncode
    assert codes[0] not in {0, 120}
    assert codes[1] != 0
    states = [line for line in printed.decode().splitlines() if line.startswith("{")]
    state = json.loads(states[-1]) if states else None
    for path in tmp_path.glob("*.jsonl"):
        # The line in which the disk was full is half a line.
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        path.write_bytes(whole + b"\n" if whole else b"")
    codes, _ = loading(tmp_path, store, company.settings, state)
    assert codes == (0, 0), log(tmp_path)
    tables = {name: table(rows, keys[name]) for name, rows in store.read().items()}
    assert differences(tables, company.world.truth()) == []


def test_full_disk_behind_stdout_is_told_in_one_line_and_in_the_manifest(company, tmp_path):
    manifest = tmp_path / "manifest.json"
    config = written(tmp_path, "tap.json", company.settings)
    with Path("/dev/full").open("wb") as disk:
        done = subprocess.run(
            (*TAP, "--config", config, "--manifest", str(manifest)),
            stdout=disk,
            stderr=subprocess.PIPE,
            check=False,
            timeout=50,
            env=environment(),
        )
    told = done.stderr.decode()
    assert done.returncode not in {0, 120}
    assert "No space left on device" in told
    assert "Traceback" not in told
    assert "No space left on device" in json.loads(manifest.read_bytes())["stopped"]
