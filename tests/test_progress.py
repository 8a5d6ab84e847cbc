from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest

from tap_billing.progress import Terminal, line

SAMPLE = {"provider": "cheddar", "sandbox": True, "sandbox_now": "2024-06-01T00:00:00Z"}


def test_line_tells_rows_requests_and_rate():
    assert (
        line(("invoices", 12000, 24, 0.0), 4.0)
        == "invoices: 12,000 rows, 24 requests, 3,000 rows/s"
    )


def test_line_tells_what_a_run_waits_for():
    assert (
        line(("plans", 0, 1, 12.4), 0.1)
        == "plans: 0 rows, 1 request, waiting 12 s for the rate limit"
    )


@pytest.fixture
def gone():
    """Open a terminal whose other side is closed already."""
    ours, theirs = pty.openpty()
    terminal = os.fdopen(theirs, "w")
    os.close(ours)
    yield terminal
    with contextlib.suppress(OSError):
        terminal.close()


def test_terminal_that_is_gone_keeps_progress_quiet(gone):
    with pytest.raises(OSError, match="Input/output error"):
        os.write(gone.fileno(), b"x")
    counts = ("plans", 1, 1, 0.0)
    progress = Terminal(gone, lambda: counts)
    progress._show()
    progress.ended(counts)
    progress.ended(("customers", 5, 2, 0.0))
    progress.close()


def test_terminal_that_was_closed_keeps_progress_quiet(gone):
    with contextlib.suppress(OSError):
        gone.close()
    progress = Terminal(gone, lambda: ("plans", 1, 1, 0.0))
    progress._show()
    progress.ended(("plans", 1, 1, 0.0))
    progress.close()


def on_a_terminal(tmp_path, **environment):
    """Return what a run of the command shows on a terminal, and its exit code."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SAMPLE))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tap_billing", "--config", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, **environment},
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # how Linux tells that the other side of a terminal is closed
            pass
        finally:
            os.close(ours)
    return shown.decode(), process.returncode


def test_terminal_shows_a_line_for_each_stream_and_of_the_log_how_each_ended(tmp_path):
    shown, code = on_a_terminal(tmp_path)
    assert code == 0
    logged = [line for line in shown.splitlines() if "INFO" in line]
    ends = {line.rpartition("|")[2].strip().partition(": complete, ")[0] for line in logged}
    assert all("tap-billing.closing" in line for line in logged)
    assert {"customers", "invoices", "plans", "transactions"} <= ends
    assert len(ends) == len(logged)
    for stream in ends:
        assert f"\x1b[K{stream}: " in shown


def test_terminal_shows_the_log_when_asked_to(tmp_path):
    shown, code = on_a_terminal(tmp_path, LOGLEVEL="INFO")
    assert code == 0
    assert "Beginning sync of 'plans'" in shown


def test_terminal_that_goes_away_does_not_end_the_run(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SAMPLE))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tap_billing", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)
        # The first stream has ended, the others follow.
        assert os.read(ours, 1)
        os.close(ours)
        out, _ = process.communicate(timeout=50)
    messages = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert messages[-1]["type"] == "STATE"
    assert {each["stream"] for each in messages if each["type"] == "RECORD"} >= {
        "customers",
        "invoices",
        "plans",
        "transactions",
    }
