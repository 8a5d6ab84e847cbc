"""Fixtures of all tests: sample companies, and the caller's environment stays outside."""

from __future__ import annotations

import contextlib
import json
import os

import pytest

from tap_billing.sandbox import serve
from tests.support import NOW, config_of, run

OURS = ("TAP_BILLING_", "TARGET_", "MELTANO_")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """Take away settings of the tap, the targets and Meltano that the caller's shell may hold."""
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path):
    """Write a file and return its path."""

    def write(content, name="config.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return str(path)

    return write


@pytest.fixture(params=["chargeover", "cheddar"])
def provider(request):
    return request.param


@pytest.fixture
def company(provider):
    with serve(provider, customers=40, now=NOW) as sandbox:
        yield sandbox


@contextlib.contextmanager
def both(customers):
    with (
        serve("chargeover", customers=customers, now=NOW) as one,
        serve("cheddar", customers=customers, now=NOW) as two,
    ):
        yield {"chargeover": one, "cheddar": two}


@pytest.fixture(scope="module")
def standing():
    """Serve both companies to tests that change nothing and look at no requests."""
    with both(40) as served:
        yield served


@pytest.fixture(scope="module")
def full(standing):
    """Return a first run of each provider."""
    return {name: run(config_of(sandbox)) for name, sandbox in standing.items()}


@pytest.fixture(scope="module")
def companies():
    """Serve both companies to the tests of one module."""
    with both(30) as served:
        yield served
