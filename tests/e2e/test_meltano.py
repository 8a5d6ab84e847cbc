"""`meltano run` in a copy of the project, with business between two runs and no Meltano Hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import timedelta

import pytest

from tap_billing.demo import ROOT
from tap_billing.sandbox import serve
from tests.e2e.conftest import NOW
from tests.e2e.ledger import differences, existing, identifiers, table
from tests.e2e.pipes import installed

COPIED = ("LICENSE", "README.md", "meltano.yml", "pyproject.toml", "tap_billing", "target_schemas")
LATER = NOW + timedelta(days=3)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def meltano(project, *arguments, **settings):
    """Run Meltano; whatever asks its Hub is refused, for nothing listens there."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment |= {"MELTANO_HUB_URL": "http://127.0.0.1:9", "NO_COLOR": "1"} | settings
    done = subprocess.run(
        (installed("meltano"), *arguments),
        cwd=project,
        env=environment | {"MELTANO_CLI_DISABLE_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


def truth(provider, now):
    with serve(provider, now=now) as sandbox:
        return sandbox.world.truth()


def loaded(project, provider, keys):
    found = {}
    for path in (project / "output" / provider).glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        found[path.stem] = (len(rows), table(rows, keys[path.stem]))
    return found


def keys_of(project, provider):
    told = meltano(project, "invoke", "tap-billing", "--discover", TAP_BILLING_PROVIDER=provider)
    catalog = json.loads(told)
    return {each["tap_stream_id"]: each["key_properties"] for each in catalog["streams"]}


def run(project, provider, now):
    settings = {"TAP_BILLING_PROVIDER": provider, "TAP_BILLING_SANDBOX_NOW": f"{now:%FT%TZ}"}
    meltano(project, "run", "billing-to-jsonl", **settings)


@pytest.mark.timeout(300)
def test_meltano_runs_are_incremental_without_the_hub(project):
    written = (project / "meltano.yml").read_bytes()
    for provider in ("chargeover", "cheddar"):
        keys = keys_of(project, provider)
        before, after = truth(provider, NOW), truth(provider, LATER)
        run(project, provider, NOW)
        first = loaded(project, provider, keys)

        assert first.keys() <= keys.keys()
        assert differences({name: rows for name, (_, rows) in first.items()}, before) == []

        run(project, provider, LATER)
        second = loaded(project, provider, keys)
        new = identifiers(after["transactions"]) - identifiers(before["transactions"])
        lines = [sum(count for count, _ in each.values()) for each in (first, second)]

        assert new
        assert new <= second["transactions"][1].keys()
        if provider == "chargeover":
            tables = existing({name: rows for name, (_, rows) in second.items()}, after)
            assert differences(tables, after) == []
        assert 0 < lines[1] - lines[0] < lines[0] / 4
    assert (project / "meltano.yml").read_bytes() == written
