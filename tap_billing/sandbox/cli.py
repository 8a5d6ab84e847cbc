"""The command `tap-billing sandbox`: serve the sample company for other programs."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from datetime import UTC, datetime
from typing import Final

from tap_billing.sandbox.faults import NAMES, Fault, fault
from tap_billing.sandbox.server import serve
from tap_billing.sandbox.world import TELLERS, Options

PORTS: Final = 65_535


def main(argv: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; print the URL and the settings to stdout, one line each.

    Returns the exit code: 0 after a clean stop, 1 when the port cannot be had. Wrong values end in
    one line and exit code 2 (SystemExit, by argparse).
    """
    given = _parser().parse_args(argv)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serve(
            given.provider,
            port=given.port,
            customers=given.customers,
            seed=given.seed,
            now=given.now,
            speed=given.speed,
            latency=given.latency / 1000,
            faults={one.name: _told(one) for one in given.fault},
        ) as sandbox:
            print(sandbox.url)  # noqa: T201
            print(json.dumps(sandbox.settings), flush=True)  # noqa: T201
            print("Serving the sample company; Ctrl-C stops it.", file=sys.stderr)  # noqa: T201
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"tap-billing sandbox: port {given.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tap-billing sandbox",
        description="Serve a sample company on loopback as a billing provider would tell it.",
    )
    add = parser.add_argument
    add("--provider", choices=tuple(TELLERS), default="chargeover")
    add("--port", type=_port, default=Options.port, help="default: a free one")
    add("--customers", type=_count, default=Options.customers, help="default: %(default)s")
    add("--seed", type=int, default=Options.seed, help="default: %(default)s")
    add("--now", type=_instant, help="the sandbox's time, which then stands still; default: today")
    add("--speed", type=_amount, default=Options.speed, metavar="DAYS_PER_MINUTE")
    add("--latency", type=_amount, default=0.0, metavar="MS", help="added to every answer")
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="NAME=RATE",
        help=f"RATE from 0 to 1, RATE@N at most N times; names: {', '.join(NAMES)}",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORTS:
        message = f"{text!r} is not a port: a number from 0 to {PORTS}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        message = f"{text!r} is not a count: a number of 0 or more"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1
    if not 0 <= amount < float("inf"):
        message = f"{text!r} is not a number of 0 or more"
        raise argparse.ArgumentTypeError(message)
    return amount


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a time: write 2026-02-01T00:00:00Z"
        raise argparse.ArgumentTypeError(message) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _fault(text: str) -> Fault:
    name, _, value = text.partition("=")
    try:
        return fault(name, value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _told(one: Fault) -> str:
    return str(one.rate) if one.limit is None else f"{one.rate}@{one.limit}"


if __name__ == "__main__":
    raise SystemExit(main())
