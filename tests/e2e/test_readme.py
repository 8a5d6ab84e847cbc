from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tap_billing.sandbox import serve
from tests.e2e.conftest import NOW
from tests.e2e.pipes import installed
from tests.readme import README

TEXT = README.read_text(encoding="utf-8")
PATHS = [
    Path(sys.executable).parent,
    *(Path(installed(name)).parent for name in ("target-jsonl", "target-postgres")),
]
ACCOUNTS = {
    "chargeover": {"username": "the public key", "password": "the private key"},
    "cheddar": {
        "username": "me@example.com",
        "password": "the API key",
        "product_code": "ACME",
    },
}


def block(title):
    """Return the shell commands below a title, without the installation, which CI does apart."""
    section = TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1].splitlines()
    return "\n".join(line for line in lines if not line.startswith("pip install"))


def shell(commands, folder, **environment):
    paths = os.pathsep.join([*map(str, PATHS), os.environ["PATH"]])
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TAP_BILLING_")}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**clean, "PATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("title", "provider"), [("Connect ChargeOver", "chargeover"), ("Connect Cheddar", "cheddar")]
)
def test_commands_that_connect_an_account_work(tmp_path, title, provider):
    with serve(provider, now=NOW, customers=10, **ACCOUNTS[provider]) as sandbox:
        done = shell(block(title), tmp_path, TAP_BILLING_API_URL=sandbox.url)
    assert done.returncode == 0, done.stderr


def test_commands_for_any_target_keep_the_state_from_run_to_run(tmp_path, postgres):
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    with serve("chargeover", now=NOW, customers=10) as sandbox:
        (tmp_path / "settings.json").write_text(json.dumps(sandbox.settings))
        (tmp_path / "warehouse.json").write_text(
            json.dumps({"sqlalchemy_url": url, "default_target_schema": "readme"})
        )
        for _ in range(2):
            done = shell(block("Any other target"), tmp_path)
            assert done.returncode == 0, done.stderr
        asked = [each["path_qs"] for each in sandbox.world.requests]
    bookmarks = json.loads((tmp_path / "state.json").read_text())["bookmarks"]
    assert bookmarks["invoices"]["replication_key_value"]
    assert any("mod_datetime%3AGTE" in path for path in asked)


def test_command_that_serves_the_sample_company_prints_its_settings(tmp_path):
    (command,) = re.findall(r"`(tap-billing sandbox --provider .*?)`", TEXT)
    words = [*command.replace("8080", "0").split(), "--customers", "5"]
    with subprocess.Popen(
        [PATHS[0] / words[0], *words[1:]], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        url, settings = process.stdout.readline().strip(), json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
    assert settings["api_url"] == url
    assert process.returncode == 0
