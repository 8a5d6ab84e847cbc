"""The command `tap-billing doctor`: examine settings, network, account and API, read-only."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tap_billing import clock
from tap_billing.checks import floats, object_in, problems
from tap_billing.doctor import chargeover, cheddar, hurts, network
from tap_billing.doctor.connection import Case, Connection
from tap_billing.doctor.finding import FAILED, Finding, failed, ok, warning
from tap_billing.errors import SettingsError
from tap_billing.settings import BY_NAME, config_jsonschema, settings
from tap_billing.tap import TapBilling, checked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence


PROVIDERS = {"chargeover": chargeover.examine, "cheddar": cheddar.examine}


def main(arguments: list[str]) -> int:
    """Examine what the arguments name and print a line for each finding.

    Return 0 if nothing failed, 1 if a check failed, 2 for wrong arguments.
    """
    logging.getLogger("tap_billing").addHandler(logging.NullHandler())
    parser = _parser()
    try:
        given = parser.parse_args(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    try:
        config = _config(given.config)
    except SettingsError as error:
        sys.stderr.write(f"tap-billing doctor: {error}\n")
        return 2
    try:
        with contextlib.closing(examine(config)) as findings:
            return _tell(findings, as_json=given.json)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # What is still buffered has no reader: Python would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _tell(findings: Iterable[Finding], *, as_json: bool) -> int:
    code = 0
    for finding in findings:
        line = json.dumps(asdict(finding)) if as_json else str(finding)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        code = 1 if finding.level == FAILED else code
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tap-billing doctor",
        description="Examine settings, network, account and API with a few dozen requests that"
        " only read; a line each: ok, warning or failed, and what to do.",
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="settings, or ENV for environment variables; several are merged",
    )
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    return parser


def _config(given: Sequence[str]) -> dict[str, Any]:
    """Return the settings as the tap reads them. Raises SettingsError."""
    config: dict[str, Any] = {}
    for path in given:
        if path != "ENV":
            config |= object_in(path, "--config")
    if "ENV" in given:
        config |= TapBilling._env_var_config  # noqa: SLF001 - the SDK's own name
    return config


def examine(config: dict[str, Any]) -> Generator[Finding, None, None]:
    """Yield what is found with settings, from the settings to the first load."""
    known = config_jsonschema()
    TapBilling.append_builtin_config(known)
    further = {key: told for key, told in known["properties"].items() if key not in BY_NAME}
    config = floats(config)
    wrong = problems(config, further)
    if not wrong:
        try:
            resources, wanted = checked(config)
            chosen = settings(config)
        except SettingsError as error:
            wrong = [str(error)]
    for line in wrong:
        name, _, reason = line.partition(": ")
        yield failed(f"setting {name}", reason, "mend it")
    if wrong:
        return
    where = "the sandbox" if chosen.sandbox else chosen.api_url
    yield ok("settings", f"valid, for {chosen.provider} at {where}")
    yield from hurts.examine(chosen, wanted, clock.now())
    for finding in () if chosen.sandbox else network.examine(chosen.api_url or ""):
        yield finding
        if finding.level == FAILED:
            return
    with contextlib.closing(Connection(chosen)) as connection:
        case = Case(connection.settings, resources, wanted, connection, connection.provider)
        yield from PROVIDERS[chosen.provider](case)
        yield from _closing(connection)


def _closing(connection: Connection) -> Iterator[Finding]:
    if connection.lost:
        advice = "run again later; what was not checked may be wrong as well"
        yield failed("server", "gave no good answer any more: the rest was not checked", advice)
    elif not connection.left:
        found = f"the rest was not checked: {connection.asked} requests are enough"
        yield warning("requests", found, "take out filters, custom streams or requests_per_second")
    else:
        yield ok("requests", f"{connection.asked} in all, nothing but GET")
