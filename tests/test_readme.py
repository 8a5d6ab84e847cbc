from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tap_billing.sandbox import serve
from tap_billing.settings import SETTINGS
from tests import readme
from tests.support import NOW, config_of

TEXT = readme.README.read_text(encoding="utf-8")


def test_readme_tables_are_those_of_the_code():
    assert readme.written(TEXT) == TEXT, "run python -m tests.readme"


def test_readme_names_every_setting_once_in_its_table():
    table = TEXT.split("<!-- settings -->")[1].split("<!-- /settings -->")[0]

    assert [setting.name for setting in SETTINGS] == [
        line.split("`")[1] for line in table.splitlines() if line.startswith("| `")
    ]


@pytest.mark.parametrize(
    "command", ["python3 -m tap_billing.demo", "python3 -m tests", "meltano run billing-to-duckdb"]
)
def test_readme_shows_the_commands_that_ci_runs(command):
    assert command in TEXT.splitlines()
    assert shlex.split(command)


def test_commands_that_prove_a_run_do_so(provider, tmp_path):
    section = TEXT.split("## Is it all there?\n")[1].split("\n## ")[0]
    commands = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1]
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with serve(provider, customers=10, now=NOW) as sandbox:
        (tmp_path / "settings.json").write_text(json.dumps(config_of(sandbox)))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=tmp_path,
            env={**os.environ, "PATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "run.singer: equal" in done.stdout
    streams = json.loads((tmp_path / "ended.json").read_text())["streams"]
    assert {each["outcome"] for each in streams} == {"complete"}
    assert (tmp_path / "mend.singer").exists()
