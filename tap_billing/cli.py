"""The `tap-billing` command: Singer's options, plus subcommands."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from json import JSONDecodeError

SUBCOMMANDS = ("doctor", "reconcile", "sandbox")

logger = logging.getLogger("tap-billing")


def main(arguments: list[str] | None = None) -> None:
    """Run the command with its arguments (the process's by default) and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in SUBCOMMANDS:
        # Not before it is asked for: the tap itself needs none of them.
        command = importlib.import_module(f"tap_billing.{given[0]}.cli")
        sys.exit(command.main(given[1:]))
    from tap_billing.errors import BillingError, advised  # noqa: PLC0415 - not for the sandbox
    from tap_billing.tap import TapBilling  # noqa: PLC0415

    if sys.stderr is not None and sys.stderr.isatty():
        # The progress lines say it shorter; LOGLEVEL brings the log back.
        os.environ.setdefault("LOGLEVEL", "WARNING")
    try:
        TapBilling.cli(given, prog_name="tap-billing")
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
