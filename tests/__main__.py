"""The test command `python3 -m tests [pytest arguments]`: sets up, then runs pytest."""

from __future__ import annotations

import subprocess
import sys

from tap_billing.demo import ROOT, Environment, SetupError, prepare, say
from tests.targets import ENVIRONMENTS

TESTS = Environment(ROOT / ".venv-test", ("-e", ".", "--group", "test", "-c", "constraints.txt"))


def main(arguments: list[str]) -> int:
    """Install the tap, its test group and the real targets, run pytest, return its exit code."""
    try:
        prepare(TESTS, *ENVIRONMENTS.values())
    except SetupError as error:
        say(f"tests: {error}")
        return 1
    command = [TESTS.program("python"), "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
