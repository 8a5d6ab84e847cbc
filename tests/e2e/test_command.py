"""The sample company served by its own command, read by another process."""

from __future__ import annotations

import json
import subprocess
from urllib.request import Request, urlopen

import pytest

from tests.e2e.ledger import differences, table
from tests.e2e.pipes import TAP, pipe
from tests.e2e.stores import Jsonl


@pytest.fixture(params=["chargeover", "cheddar"])
def served(request):
    """The settings that `tap-billing sandbox` prints; it must stop cleanly on SIGTERM."""
    options = ("--provider", request.param, "--customers", "40", "--now", "2026-02-01T00:00:00Z")
    with subprocess.Popen(
        (*TAP, "sandbox", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        server.stdout.readline()
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.terminate()
            errors = server.communicate(timeout=30)[1]

            assert (server.returncode, "Traceback" in errors) == (0, False)


def control(settings, path, method="GET"):
    origin = "/".join(settings["api_url"].split("/")[:3])
    with urlopen(Request(f"{origin}/_sandbox/{path}", method=method), timeout=30) as response:
        return json.load(response)


def test_served_company_is_read_at_every_time_of_it(served, tmp_path):
    for days in (0, 30):
        control(served, f"advance?days={days}", "POST")
        folder = tmp_path / str(days)
        folder.mkdir()
        store = Jsonl(folder)
        done = pipe(folder, served, store.command)
        tables = {name: table(rows, done.keys[name]) for name, rows in store.read().items()}

        assert differences(tables, control(served, "truth")) == []
    assert {each["status"] for each in control(served, "requests")} <= {200, 404}
