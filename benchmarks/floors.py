"""The least that the same work costs: JSON alone, and XML as one reads it by hand."""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import iterparse

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

PAGE: Final = 500
# What has rows of its own, and what the tap leaves out unless it is selected: plans, secrets.
APART: Final = frozenset(
    {"metaData", "subscriptions", "items", "invoices", "charges", "transactions"}
    | {"plans", "gatewayToken", "gatewayTokenAux", "redirectUrl", "key"}
)
CONTACT: Final = (
    "id", "code", "firstName", "lastName", "company", "email", "notes", "firstContactDatetime",
    "createdDatetime", "modifiedDatetime",
)  # fmt: skip

Record = dict[str, Any]


def pages(rows: int) -> Iterator[bytes]:
    """Yield the pages of so many invoices, 500 rows each, as the server sends them."""
    # Where no pages are wanted, their sandbox need not be loaded.
    from benchmarks import answers, data  # noqa: PLC0415

    table = data.invoices(rows)
    for start in range(1, rows + 1, PAGE):
        yield answers.envelope(data.render(table, range(start, min(start + PAGE, rows + 1))))


def floor(bodies: Iterable[bytes], out: BinaryIO) -> tuple[int, float]:
    """Decode pages and encode each row again; return the rows and the CPU seconds of just that.

    Making the pages and writing the lines is not counted.
    """
    rows, spent = 0, 0.0
    for body in bodies:
        begun = time.process_time()
        lines = [orjson.dumps(row) for row in orjson.loads(body)["response"]]
        spent += time.process_time() - begun
        rows += len(lines)
        out.write(b"\n".join(lines) + b"\n")
    return rows, spent


def by_hand(source: BinaryIO, out: BinaryIO) -> tuple[int, float]:
    """Write a RECORD for each row of Cheddar's customers, every value as text.

    The rows are those of the tap's default streams. Returns their number and the CPU seconds.
    """
    begun, rows = time.process_time(), 0
    now = datetime.now(UTC).isoformat()
    for _, element in iterparse(source):  # noqa: S314 - a document of our own
        if element.tag == "customer":
            for stream, record in _customer(element):
                message = {
                    "type": "RECORD",
                    "stream": stream,
                    "record": record,
                    "time_extracted": now,
                }
                out.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
                rows += 1
            element.clear()
    return rows, time.process_time() - begun


def _customer(element: Element) -> Iterator[tuple[str, Record]]:
    customer = _plain(element, {"product_code": "SAMPLE"})
    lifted = {"product_code": "SAMPLE", "customer_id": customer["id"]}
    named = {**lifted, "customer_code": customer["code"]}
    yield "customers", customer
    yield "contacts", {**{name: customer[name] for name in CONTACT}, **lifted}
    for datum in element.iterfind("metaData/metaDatum"):
        yield "customer_metadata", _plain(datum, named)
    current = True
    for subscription in element.iterfind("subscriptions/subscription"):
        yield from _subscription(subscription, lifted, {**named, "is_current": current})
        current = False


def _subscription(element: Element, lifted: Record, told: Record) -> Iterator[tuple[str, Record]]:
    plan = element.find("plans/plan")
    if plan is not None:
        told |= {"plan_id": plan.get("id"), "plan_code": plan.get("code")}
    subscription = _plain(element, told)
    yield "subscriptions", subscription
    lifted = {**lifted, "subscription_id": subscription["id"]}
    for item in element.iterfind("items/item"):
        yield "subscription_items", _plain(item, lifted)
    for invoice in element.iterfind("invoices/invoice"):
        yield from _invoice(invoice, lifted)


def _invoice(element: Element, lifted: Record) -> Iterator[tuple[str, Record]]:
    invoice = _plain(element, lifted)
    charges = element.findall("charges/charge")
    # Charges of an invoice that was not billed yet have no identifier.
    invoice["pending_charges"] = [_plain(each, {}) for each in charges if not each.get("id")]
    yield "invoices", invoice
    lifted = {**lifted, "invoice_id": invoice["id"]}
    for charge in charges:
        if charge.get("id"):
            yield "charges", _plain(charge, lifted)
    for transaction in element.iterfind("transactions/transaction"):
        yield "transactions", _plain(transaction, lifted)


def _plain(element: Element, more: Record) -> Record:
    """Return attributes and elements as a dict, without what has rows of its own."""
    found: Record = {**element.attrib, **more}
    for child in element:
        if child.tag not in APART:
            found[child.tag] = _plain(child, {}) if len(child) else child.text
    return found


def _opened(source: str) -> BinaryIO:
    """Open a file, or the answer to a GET of http://USER:PASSWORD@HOST:PORT/PATH."""
    if not source.startswith("http://"):
        return open(source, "rb")  # noqa: PTH123 - closed by its caller
    parts = urlsplit(source)
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    url = parts._replace(netloc=f"{parts.hostname}:{parts.port}").geturl()
    headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
    asked = urllib.request.Request(url, headers=headers)
    return cast("BinaryIO", urllib.request.urlopen(asked))


def main(argv: list[str] | None = None) -> int:
    """Write the lines to stdout, and rows and CPU seconds to stderr as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floors", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("invoices").add_argument("--rows", type=int, default=100_000)
    kinds.add_parser("cheddar").add_argument("source", help="a file, or http://USER:PASSWORD@...")
    given = parser.parse_args(argv)
    out = sys.stdout.buffer
    if given.kind == "invoices":
        rows, spent = floor(pages(given.rows), out)
    else:
        with _opened(given.source) as source:
            rows, spent = by_hand(source, out)
    out.flush()
    print(json.dumps({"rows": rows, "cpu_seconds": spent}), file=sys.stderr)  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
