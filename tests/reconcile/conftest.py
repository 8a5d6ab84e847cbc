"""Fixtures of the comparison's tests: what a run has delivered, and the command."""

from __future__ import annotations

import json

import pytest

from tap_billing.reconcile.cli import main
from tests.support import config_of


@pytest.fixture
def delivered(full, tmp_path, provider):
    """Write the messages of a first run, those that a function returns of them, to a file."""

    def write(change=lambda message: message):
        told = [change(json.loads(json.dumps(each))) for each in full[provider].messages]
        path = tmp_path / "messages.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in told if each), "utf-8")
        return path

    return write


@pytest.fixture
def reconcile(standing, provider, file, capsys):
    """Run the command; return its exit code and what it printed to stdout and stderr."""

    def run(against, *options, **settings):
        config = file(config_of(standing[provider], **settings))
        code = main(["--config", config, "--against", str(against), *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
