from __future__ import annotations

import shlex

import pytest

from tap_billing.settings import SETTINGS
from tests import readme

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
