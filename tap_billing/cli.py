"""The `tap-billing` command: Singer's options, plus subcommands."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import Any

import click
from click.core import ParameterSource

SUBCOMMANDS = ("doctor", "reconcile", "sandbox")
NAME = "tap-billing"

# Objects that are made between two looks for garbage in circles.
BETWEEN_COLLECTIONS = 50_000

logger = logging.getLogger("tap-billing")


@dataclass(frozen=True, slots=True)
class Option:
    """An option as `--help` tells it and as a command line is divided; what it does is the tap's.

    `further` are click's own words for it.
    """

    name: str
    help: str
    metavar: str | None = None
    further: dict[str, Any] = field(default_factory=dict)


FLAG = {"is_flag": True}
# Those of singer-sdk and --manifest once more, because importing the SDK takes ten times as long
# as telling them. A test compares them with the tap's own.
OPTIONS = (
    Option("--about", "Display package metadata and settings.", further=FLAG),
    Option("--format", "Specify output style for --about", "[json|markdown]"),
    Option(
        "--config",
        "Configuration file location or 'ENV' to use environment variables.",
        "TEXT",
        {"multiple": True, "is_eager": True},
    ),
    Option("--discover", "Run the tap in discovery mode.", further=FLAG),
    Option(
        "--test",
        "Use --test to sync a single record for each stream. Use --test=schema to test schema"
        " output without syncing records.",
        "TEXT",
        {"is_flag": False, "flag_value": "all"},
    ),
    Option("--catalog", "Use a Singer catalog file with the tap.", "FILENAME"),
    Option("--state", "Use a bookmarks file for incremental replication.", "FILENAME"),
    Option("--manifest", "Write how each stream ended to a file, as JSON.", "FILE"),
)


class NeedsTap(Exception):
    """The command line asks for more than the version or the help."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command with its arguments (the process's by default) and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in SUBCOMMANDS:
        # Not before it is asked for: the tap itself needs none of them.
        command = importlib.import_module(f"tap_billing.{given[0]}.cli")
        sys.exit(command.main(given[1:]))
    with suppress(NeedsTap):
        information().main(list(given), prog_name=NAME)
    _run(given)


def information() -> click.Command:
    """Return the command that tells the version, the help, and what is no option of the tap.

    It raises NeedsTap as soon as the tap would do something that takes more than that.
    """
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        help="Display the package version.",
        callback=_tell_version,
    )
    others = [
        click.Option(
            [each.name],
            help=each.help,
            metavar=each.metavar,
            expose_value=False,
            callback=_leave_if_given,
            **each.further,
        )
        for each in OPTIONS
    ]
    return click.Command(
        NAME, params=[version, *others], help="Execute the Singer tap.", callback=_leave
    )


def _tell_version(context: click.Context, _: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click calls it
    if given:
        from importlib import metadata  # noqa: PLC0415 - a third of the time that --help takes

        try:
            ours, theirs = metadata.version(NAME), metadata.version("singer-sdk")
        except metadata.PackageNotFoundError:
            # A source tree that is not installed: the SDK has words for it.
            raise NeedsTap from None
        click.echo(f"{NAME} v{ours}, Meltano SDK v{theirs}")
        context.exit()


def _leave_if_given(context: click.Context, option: click.Parameter, _: object) -> None:
    if context.get_parameter_source(option.name or "") is not ParameterSource.DEFAULT:
        _leave()


def _leave() -> None:
    raise NeedsTap


def _run(given: list[str]) -> None:
    # What the imports make stays to the end: collecting garbage in between, and looking through
    # it in every later collection, takes a tenth of the start and doubles the cost of decoding.
    gc.disable()
    from tap_billing.errors import BillingError, advised  # noqa: PLC0415 - not for the sandbox
    from tap_billing.tap import TapBilling  # noqa: PLC0415 - takes a quarter of a second

    gc.freeze()
    # Records are no garbage in circles: looking for some after every 700 costs a tenth of a run.
    gc.set_threshold(BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    gc.enable()
    if sys.stderr is not None and sys.stderr.isatty():
        # The progress lines say it shorter; LOGLEVEL brings the log back.
        os.environ.setdefault("LOGLEVEL", "WARNING")
    try:
        TapBilling.cli(given, prog_name=NAME)
    except JSONDecodeError as error:
        _fail(error, f"a file given with --config, --catalog or --state is not JSON: {error}")
    except BillingError as error:
        _fail(error, advised(error))
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, no traceback
        # The SDK's error about settings has a line for each of them.
        _fail(error, *getattr(error, "errors", [f"{type(error).__name__}: {error}"]))


def _fail(error: Exception, *lines: str) -> None:
    for line in lines:
        logger.error("%s", line)
    logger.debug("The error in full", exc_info=error)
    if isinstance(error.__cause__, OSError) and sys.stdout is not None:
        # What is still buffered has nowhere to go: Python would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
