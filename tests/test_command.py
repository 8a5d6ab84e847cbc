"""The real command where its surroundings are odd: variables, files and streams that are closed."""

from __future__ import annotations

import json
import subprocess

import pytest

from tap_billing.sandbox import serve
from tests.commands import COMMAND, SAMPLE, environment, errors, tap
from tests.support import NOW, catalog_of, config_of, paths

HERE = {f"TAP_BILLING_{name.upper()}": str(value).lower() for name, value in SAMPLE.items()}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("page_size", "abc", "page_size: 'abc' is not allowed; allowed: 1 to 500"),
        ("page_size", "2.5", "page_size: '2.5' is not allowed; allowed: 1 to 500"),
        ("filters", "{bad", "filters: '{bad' is not allowed"),
        ("sandbox", "maybe", "sandbox: 'maybe' is not allowed"),
        ("lookback", "soon", "lookback: 'soon' is not allowed"),
    ],
)
def test_variable_of_the_wrong_type_is_named(tmp_path, name, text, words):
    done = tap("--config=ENV", cwd=tmp_path, **{**HERE, f"TAP_BILLING_{name.upper()}": text})
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len([line for line in errors(done) if line.startswith(words)]) == 1


def test_dotenv_of_the_current_directory_is_read(tmp_path):
    (tmp_path / ".env").write_text("".join(f"{name}={text}\n" for name, text in HERE.items()))
    done = tap("--config=ENV", "--test", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_empty_variable_is_not_set(tmp_path):
    done = tap("--config=ENV", cwd=tmp_path, **HERE, TAP_BILLING_PAGE_SIZE="")
    assert done.returncode == 0, done.stderr
    assert '"RECORD"' in done.stdout


def without(number, path):
    """Run the command with one of its standard streams closed."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {number}>&-', "sh", *COMMAND, "--config", path],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=environment(),
    )


def test_closed_stdout_is_one_clear_line(file):
    done = without(1, file(SAMPLE))
    assert done.returncode == 1
    assert [line for line in errors(done) if "stdout is closed" in line] == errors(done)
    assert len(errors(done)) == 1
    assert "Traceback" not in done.stderr
    assert "AttributeError" not in done.stderr


def test_closed_stderr_costs_no_row(file):
    done = without(2, file(SAMPLE))
    assert done.returncode == 0
    assert done.stdout.count('"RECORD"') == tap("--config", file(SAMPLE)).stdout.count('"RECORD"')


def told(catalog, spelling):
    """Force a full read of every stream, in one of the ways that catalogs have for it."""
    kind, key = spelling
    for entry in catalog["streams"]:
        (root,) = [each["metadata"] for each in entry["metadata"] if not each["breadcrumb"]]
        entry.pop("replication_method", None)
        root.pop("forced-replication-method", None)
        (entry if kind == "entry" else root)[key] = "FULL_TABLE"
    return catalog


SPELLINGS = [
    ("entry", "replication_method"),
    ("entry", "replication-method"),
    ("entry", "forced-replication-method"),
    ("metadata", "replication-method"),
    ("metadata", "forced-replication-method"),
]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=".".join)
def test_full_table_of_a_catalog_is_obeyed_however_it_is_spelled(file, spelling):
    with serve("chargeover", customers=10, now=NOW) as sandbox:
        config = config_of(sandbox)
        given = ["--config", file(config)]
        first = tap(*given)
        state = json.loads(first.stdout.splitlines()[-1])["value"]
        assert state["bookmarks"]
        sandbox.world.requests.clear()
        catalog = file(told(catalog_of(config), spelling), "catalog.json")
        done = tap(*given, "--state", file(state, "state.json"), "--catalog", catalog)
        asked = paths(sandbox)
    assert done.returncode == 0, done.stderr
    assert asked
    assert [path for path in asked if "where=" in path and "_id%3AGT%3A" not in path] == []
    assert done.stdout.count('"RECORD"') == first.stdout.count('"RECORD"')
