"""The `tap-billing` command: Singer's options, plus subcommands."""

from __future__ import annotations

import logging
import os
import sys

logger = logging.getLogger("tap-billing")


def main(arguments: list[str] | None = None) -> None:
    """Run the command with its arguments (the process's by default) and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["sandbox"]:
        from tap_billing.sandbox.cli import main as sandbox  # noqa: PLC0415 - only when asked for

        sys.exit(sandbox(given[1:]))
    from tap_billing.errors import BillingError  # noqa: PLC0415 - loads as little as possible
    from tap_billing.tap import TapBilling  # noqa: PLC0415
    from tap_billing.transport import advised  # noqa: PLC0415

    if sys.stderr.isatty():
        # The progress lines say it shorter; LOGLEVEL brings the log back.
        os.environ.setdefault("LOGLEVEL", "WARNING")
    try:
        TapBilling.cli(given, prog_name="tap-billing")
    except BillingError as error:
        _fail(advised(error), error)
    except BrokenPipeError as error:
        _fail("the program that reads the messages has ended; see its own output", error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, no traceback
        _fail(f"{type(error).__name__}: {error}", error)


def _fail(line: str, error: Exception) -> None:
    logger.error("%s", line)
    logger.debug("The error in full", exc_info=error)
    sys.exit(1)
