"""The temporary directory: what it cannot take is an error of this machine, in one line."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tap_billing.disk import on_disk
from tap_billing.errors import LocalError


def test_full_disk_is_an_error_of_this_machine():
    with (
        pytest.raises(LocalError, match=r"No space left on device.*make room"),
        on_disk(),
        Path("/dev/full").open("wb", buffering=0) as disk,
    ):
        disk.write(b"x")


def test_missing_temporary_directory_is_named(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/no/such/directory")
    with pytest.raises(LocalError, match=r"/no/such/directory.*set TMPDIR"), on_disk():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_what_is_no_fault_of_the_disk_passes():
    with pytest.raises(KeyError), on_disk():
        raise KeyError("x")
