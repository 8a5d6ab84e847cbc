"""The command `tap-billing reconcile`: whether a warehouse holds what the API tells."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_billing.checks import object_in
from tap_billing.errors import BillingError, LocalError, SettingsError, advised
from tap_billing.reconcile.api import compared, groups
from tap_billing.reconcile.comparison import Outcome
from tap_billing.reconcile.repair import Drafts, write
from tap_billing.reconcile.report import document, table
from tap_billing.reconcile.stores import opened
from tap_billing.tap import TapBilling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_billing.reconcile.api import Group
    from tap_billing.reconcile.stores import Store
    from tap_billing.streams import BillingStream

logger = logging.getLogger("tap-billing")

EQUAL, DIFFERENT, USAGE = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Compare and print; return 0 if both sides are equal, 1 if not or on failure, 2 for usage."""
    try:
        given = _given(arguments)
        with contextlib.closing(_tap(given)) as tap:
            return _run(tap, given)
    except SystemExit as stopped:
        return int(stopped.code or 0)
    except SettingsError as error:
        sys.stderr.write(f"tap-billing reconcile: {error}\n")
        return USAGE
    except BillingError as error:
        sys.stderr.write(f"tap-billing reconcile: {advised(error)}\n")
        return DIFFERENT


def _given(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tap-billing reconcile",
        description="Compare the API with what a run delivered, by an independent path.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--config", action="append", required=True, metavar="FILE", help="settings, or ENV")
    add("--catalog", metavar="FILE", help="selection; the tap's default if not given")
    add(
        "--against",
        required=True,
        metavar="WAREHOUSE",
        help="duckdb:PATH[?schema=NAME], postgresql://...[?schema=NAME], a file of Singer"
        " messages, or a folder of target-jsonl",
    )
    add("--streams", metavar="A,B", help="these only; all that are selected by default")
    add("--repair", metavar="FILE", help="write messages that mend missing and stale rows")
    add("--json", action="store_true", help="everything as one line of JSON")
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Not quoted: one of them may be a URL with its password.
        parser.error(f"{len(unknown)} arguments too many or not known")
    return given


def _tap(given: argparse.Namespace) -> TapBilling:
    config: dict[str, Any] = {}
    for path in given.config:
        if path != "ENV":
            config |= object_in(path, "--config")
    catalog = object_in(given.catalog, "--catalog") if given.catalog else None
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    tap = TapBilling(
        config=config,
        catalog=catalog,
        parse_env_config="ENV" in given.config,
        validate_config=False,
    )
    for number, handler in handlers.items():
        # The tap's own would write a STATE message.
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)
    # Raises for wrong settings, all of them in one line.
    _ = tap.settings
    return tap


def _chosen(tap: TapBilling, names: str | None) -> list[BillingStream]:
    selected = [stream for stream in tap.billing_streams if stream.selected]
    if names is None:
        return selected
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    unknown = wanted - {stream.name for stream in selected}
    if unknown or not wanted:
        allowed = ", ".join(stream.name for stream in selected)
        told = ", ".join(sorted(unknown)) or "nothing"
        raise SettingsError(f"--streams: {told} is not selected; allowed: {allowed}")
    return [stream for stream in selected if stream.name in wanted]


def _run(tap: TapBilling, given: argparse.Namespace) -> int:
    found = groups(_chosen(tap, given.streams))
    names = [each.stream for group in found for each in group.layouts]
    repair = Path(given.repair) if given.repair else None
    if repair is not None and not repair.parent.is_dir():
        raise SettingsError(f"--repair: there is no folder {repair.parent}")
    drafts = Drafts() if repair else None
    with contextlib.ExitStack() as stack:
        if drafts is not None:
            stack.callback(drafts.close)
        store = stack.enter_context(contextlib.closing(opened(given.against, names)))
        outcomes = [each for group in found for each in _outcomes(tap, group, store, drafts)]
        told = document if given.json else table
        sys.stdout.write(told(outcomes, store.name))
        if repair is not None and drafts is not None:
            _mend(repair, drafts, found, outcomes)
    return EQUAL if all(each.equal for each in outcomes) else DIFFERENT


def _outcomes(tap: TapBilling, group: Group, store: Store, drafts: Drafts | None) -> list[Outcome]:
    """Compare a resource; its failure leaves the others alone."""
    try:
        return compared(tap, group, store, drafts)
    except (SettingsError, LocalError):
        raise
    except BillingError as error:
        logger.debug("%s in full", group.resource.name, exc_info=error)
        return [Outcome(each.stream, failure=advised(error)) for each in group.layouts]


def _mend(path: Path, drafts: Drafts, found: Sequence[Group], outcomes: Sequence[Outcome]) -> None:
    schemas = {name: lines for group in found for name, lines in group.schemas.items()}
    wanted = {each.stream: (*each.missing, *each.stale) for each in outcomes}
    rows = write(path, drafts, schemas, wanted)
    sys.stderr.write(f"{path}: {rows:,} rows for a target to load\n")
    if any(each.surplus for each in outcomes):
        sys.stderr.write(
            "Surplus rows cannot be mended by records: the next complete read (full_sweep_every)"
            " ends with ACTIVATE_VERSION, at which targets mark or delete them\n"
        )
