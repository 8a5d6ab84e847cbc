"""Fixtures of all tests: the caller's environment stays outside."""

from __future__ import annotations

import json
import os

import pytest

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
