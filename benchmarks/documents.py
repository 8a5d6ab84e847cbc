"""Cheddar's documents of any size: the sandbox's customers again and again, each under new ids."""

from __future__ import annotations

import argparse
import mmap
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Final

from tap_billing.sandbox import World, accounts
from tap_billing.sandbox.markup import DECLARATION, View
from tap_billing.sandbox.sieve import told
from tap_billing.sandbox.world import Options

MEGABYTE: Final = 1_000_000
# Customer n was created n * STEP seconds after START: an hour apart, so that 500 MB, which are
# 29,000 customers, are three and a half years of them.
START: Final = int(datetime(2014, 1, 1, tzinfo=UTC).timestamp())
STEP: Final = 3_600
# The company that is copied, two years after it was founded.
CUSTOMERS: Final = 60
NOW: Final = datetime(2025, 11, 1, tzinfo=UTC)
OPENING: Final = f"{DECLARATION}<customers>".encode()
CLOSING: Final = b"</customers>"
CUSTOMER: Final = b"<customer "
CREATED: Final = b"<createdDatetime>"
# What a plan, a product and a gateway are is the same for all customers.
SHARED: Final = r'<plans>.*?</plans>|<item id="[^"]*"|<gatewayAccount>.*?</gatewayAccount>'
IDENTITY: Final = r"[0-9a-f]{8}(?=-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})"
INSTANT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
CODE: Final = r'(?<=<customer id=".{36}" code=")[^"]*'
PARTS: Final = re.compile(f"({SHARED})|({CODE})|({IDENTITY})|({INSTANT})", re.DOTALL)


@dataclass(frozen=True)
class Template:
    """A customer with places: for an instant, in seconds after its creation, or its number."""

    text: bytes
    places: tuple[int | None, ...]  # None is a place for the number, of eight hexadecimal digits


def write(path: Path, megabytes: float) -> int:
    """Write a document of that many million bytes, rounded up to a customer; return how many.

    Customers come by createdDatetime, oldest first, and each has identifiers of its own.
    """
    left = megabytes * MEGABYTE - len(OPENING) - len(CLOSING)
    number = 0
    with path.open("wb") as file:
        file.write(OPENING)
        while left > 0:
            number += 1
            left -= file.write(customer(number))
        file.write(CLOSING)
    return number


def customer(number: int) -> bytes:
    """Return the element of the customer of that number, from 1."""
    templates = _templates()
    template = templates[number % len(templates)]
    serial, created = b"%08x" % number, number * STEP
    return template.text % tuple(
        [serial if each is None else _instant(created + each) for each in template.places]
    )


def between(path: Path, after: date | None, before: date | None) -> tuple[int, int]:
    """Return where in a file the customers created on these days (UTC, both included) are.

    These are offsets in bytes, equal where there are none. The customers must come by creation.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        first = _since(text, after.isoformat()) if after else len(OPENING)
        # A day's instants, which go on with a T, are all below this.
        last = _since(text, f"{before.isoformat()}~") if before else text.rfind(CLOSING)
        return first, max(first, last)


def _since(text: mmap.mmap, start: str) -> int:
    """Return the offset of the first customer created then or later, else that of the end."""
    wanted = start.encode()
    end = text.rfind(CLOSING)
    low, high = text.find(CUSTOMER, 0, end), end
    while -1 < low < high:
        found = text.rfind(CUSTOMER, low, (low + high) // 2 + len(CUSTOMER))
        at = text.find(CREATED, found) + len(CREATED)
        if text[at : at + len(wanted)] < wanted:
            following = text.find(CUSTOMER, found + 1, high)
            low = high if following < 0 else following
        else:
            high = found
    return end if low < 0 else low


def _instant(seconds: int) -> bytes:
    """Return the instant so many seconds after START, in UTC."""
    day, rest = divmod(START + seconds, 86_400)
    minutes, second = divmod(rest, 60)
    return _day(day) % (*divmod(minutes, 60), second)


@cache
def _day(number: int) -> bytes:
    told = datetime.fromtimestamp(number * 86_400, UTC).date().isoformat()
    return f"{told}T%02d:%02d:%02d+00:00".encode()


@cache
def _templates() -> tuple[Template, ...]:
    world = World(Options("cheddar", customers=CUSTOMERS, now=NOW))
    view = View(world.company, UTC, world.company.now, "benchmark")
    return tuple(
        _template(accounts.customer(view, each), each.created) for each in told(world.company)
    )


def _template(text: str, created: datetime) -> Template:
    places: list[int | None] = []

    def put(found: re.Match[str]) -> str:
        shared, _, _, instant = found.groups()
        if shared:
            return shared
        since = datetime.fromisoformat(instant) - created if instant else None
        places.append(None if since is None else int(since.total_seconds()))
        return "%b"

    return Template(PARTS.sub(put, text.replace("%", "%%")).encode(), tuple(places))


def main(argv: list[str] | None = None) -> int:
    """Write a document and say on stdout how many customers it holds; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    parser.add_argument("megabytes", type=float, help="the size in millions of bytes")
    parser.add_argument("file", type=Path)
    given = parser.parse_args(argv)
    print(f"{write(given.file, given.megabytes)} customers")  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
