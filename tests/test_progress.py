from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

from tap_billing.progress import line

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


def test_terminal_shows_a_line_for_each_stream_and_no_log(tmp_path):
    shown, code = on_a_terminal(tmp_path)
    assert code == 0
    for stream in ("customers", "invoices", "plans", "transactions"):
        assert f"{stream}: " in shown
    assert "INFO" not in shown


def test_terminal_shows_the_log_when_asked_to(tmp_path):
    shown, code = on_a_terminal(tmp_path, LOGLEVEL="INFO")
    assert code == 0
    assert "Beginning sync of 'plans'" in shown
