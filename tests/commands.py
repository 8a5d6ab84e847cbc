"""The real command as a process of its own, for the tests of what a user sees."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SAMPLE = {"provider": "cheddar", "sandbox": True, "sandbox_now": "2024-06-01"}
COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "tap_billing"]


def environment(**variables):
    """Return this process's environment without what would set the tap, and with variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TAP_BILLING_", "LOGLEVEL"))}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1]), **variables}


def tap(*arguments, stdout=subprocess.PIPE, cwd=None, **variables):
    """Run the command as a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        timeout=50,
        check=False,
        env=environment(**variables),
    )


def errors(done):
    """Return what a process logged as an error, without the log's columns."""
    told = re.findall(r"^.*\bERROR\b[^|]*\|[^|]*\|\s*(.*)$", done.stderr, re.MULTILINE)
    return told or done.stderr.strip().splitlines()
