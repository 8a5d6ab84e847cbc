"""What is told without the tap comes fast, and is what the tap itself would tell."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata

import click
import pytest

from tap_billing.cli import information
from tap_billing.tap import TapBilling
from tests.commands import environment

HEAVY = {
    "aiohttp",
    "asyncio",
    "fsspec",
    "jsonschema",
    "orjson",
    "requests",
    "singer_sdk",
    "sqlalchemy",
    "xmltodict",
}
LIGHT = [["--version"], ["--help"], ["--help", "--config", "x"], ["--nonsense"], ["nonsense"]]
# Command lines that end before the first request, whichever command reads them.
LINES = [
    *LIGHT,
    [],
    ["--version", "--help"],
    ["--help", "--version"],
    ["--about", "--version"],
    ["--config", "--help"],
    ["--config", "missing.json", "--help"],
    ["--config=missing.json", "--version"],
    ["--config"],
    ["--conf", "x"],
    ["--format", "xml"],
    ["--format", "xml", "--help"],
    ["--state", "missing.json"],
    ["--state", "missing.json", "--nonsense"],
    ["--test=schema", "--nonsense"],
    ["--test", "--version"],
    ["--manifest", "/no/such/folder/file", "nonsense"],
    ["--", "--version"],
]


def command(arguments, *, timed=False):
    """Run the command as a process of its own, which may tell what it imports."""
    told = ["-X", "importtime"] if timed else []
    return subprocess.run(
        [sys.executable, *told, "-m", "tap_billing", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=environment(COLUMNS="80"),
    )


@pytest.fixture
def own():
    """Return the SDK's command with its options and ours."""
    return TapBilling.get_singer_command()


def of(option):
    """Return what decides how a command line is divided, and what `--help` says."""
    return {
        key: getattr(option, key)
        for key in ("opts", "secondary_opts", "nargs", "multiple", "is_flag", "is_eager", "hidden")
    } | {"optional": option._flag_needs_value, "help": option.help}


def test_options_are_those_of_the_tap(own):
    ours = information()
    assert [of(each) for each in ours.params] == [of(each) for each in own.params]
    assert ours.context_settings.get("help_option_names", ["--help"]) == ["--help"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_help_is_that_of_the_tap(own, width):
    def told(command):
        with click.Context(command, info_name="tap-billing", max_content_width=width) as context:
            context.terminal_width = width
            return command.get_help(context)

    assert told(information()) == told(own)


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_information_imports_nothing_heavy(arguments):
    imported = re.findall(r"\|\s*([\w.]+)$", command(arguments, timed=True).stderr, re.MULTILINE)
    assert "tap_billing.cli" in imported
    assert HEAVY & {name.partition(".")[0] for name in imported} == set()


def test_measure_of_what_is_imported_sees_the_tap():
    """The test above would pass if nothing were told."""
    told = command(["--about", "--format=json"], timed=True).stderr
    assert {"singer_sdk", "aiohttp"} <= set(re.findall(r"\|\s*([\w.]+)$", told, re.MULTILINE))


def test_version_is_told():
    done = command(["--version"])
    versions = [metadata.version(name) for name in ("tap-billing", "singer-sdk")]
    assert done.stdout == "tap-billing v{}, Meltano SDK v{}\n".format(*versions)
    assert done.returncode == 0


@pytest.mark.parametrize("arguments", LINES, ids=" ".join)
def test_command_line_ends_as_with_the_tap_alone(arguments, tmp_path):
    """Output, exit code and which of several options counts are the SDK's."""
    program = (
        "import sys; from tap_billing import cli; (cli._run if sys.argv[1] == 'tap' else cli.main)"
        "(sys.argv[2:])"
    )
    ends = [
        subprocess.run(
            [sys.executable, "-c", program, which, *arguments],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            cwd=tmp_path,
            env=environment(),
        )
        for which in ("tap", "command")
    ]
    one, two = [(each.returncode, each.stdout, dateless(each.stderr)) for each in ends]
    assert one == two


def dateless(text):
    """Return lines of a log without when they were written."""
    return re.sub(r"^\d{4}-[-\d]+ [\d:,]+", "", text, flags=re.MULTILINE)
