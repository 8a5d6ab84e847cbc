"""What is compared, as data: each case with its participants."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.spec import (
    AIRBYTE,
    AIRBYTE_WHOLE,
    ALONE,
    BY_HAND,
    BY_HAND_FILE,
    DLT,
    DLT_PAGES,
    DLT_WHOLE,
    FLOOR,
    LINES,
    MSGSPEC,
    ORDINARY,
    TAP,
    Case,
    Participant,
    Server,
    Sizes,
)  # fmt: skip

# From here on one round is enough: it takes long, and its own length evens it out.
LONG = 1_000_000


def cases(sizes: Sizes) -> tuple[Case, ...]:
    """Return the cases of a size, the cheapest first."""
    return (
        _startup(),
        _nothing(sizes),
        _lists(sizes),
        *(_invoices(sizes, latency) for latency in sizes.latencies),
        *(_cheddar(size) for size in sizes.documents),
        _rows(sizes),
        _in_flight(sizes),
        _waits(sizes),
    )


def _startup() -> Case:
    tiny = Server(rows=500)
    return Case(
        "start-up",
        "Start-up; `first record` is the time from the start to it, of one page without latency",
        (
            Participant("import singer_sdk", "python"),
            Participant("--version", "--version"),
            Participant("--help", "--help"),
            Participant("first record", TAP, tiny, first=True),
            Participant("first record, SDK tap", ORDINARY, tiny, 1, first=True),
        ),
    )


def _nothing(sizes: Sizes) -> Case:
    # The company's own invoices: those made in numbers name customers that it does not have.
    far, near = Server(latency=sizes.wait), Server()
    ours = tuple(
        Participant(f"{name}, {count} in flight", TAP, server, count, "all", again=True)
        for count in (8, 32)
        for name, server in ((f"{sizes.wait} ms", far), ("0 ms", near))
    )
    return Case(
        "nothing new",
        "All streams incremental, nothing new: the second run of two",
        (
            *ours,
            Participant("one small stream, 0 ms", TAP, near, 8, "tiny"),
            Participant(f"SDK tap, {sizes.wait} ms", ORDINARY, far, 1, "all", again=True),
        ),
    )


def _lists(sizes: Sizes) -> Case:
    server = Server(rows=500, latency=sizes.wait, lists=sizes.lists)
    # The server's last page of a list is not full, so that nobody asks for a third one.
    rows = sizes.lists * 900
    work = Participant(TAP, TAP, server, 8, "lists", rows)
    return Case(
        "small streams",
        f"{sizes.lists} small streams of two pages each, {sizes.wait} ms",
        (
            work,
            replace(work, name=ALONE, program=ALONE),
            replace(work, name=ORDINARY, program=ORDINARY, concurrency=1),
        ),
        counted=True,
        base=ORDINARY,
    )


def _invoices(sizes: Sizes, latency: int) -> Case:
    server = Server(rows=sizes.rows, latency=latency)
    ours = [
        Participant(f"{TAP}, {count}", TAP, server, count, rows=sizes.rows)
        for count in sizes.concurrencies
    ]
    lines = Participant(
        f"{TAP}, 8, invoices and lines as two streams",
        TAP,
        server,
        8,
        "default",
        sizes.rows * (1 + LINES),
    )
    ordinary = Participant(ORDINARY, ORDINARY, server, 1, rows=sizes.rows)
    rivals: list[Participant] = []
    if sizes.foreign:
        rivals = [replace(ordinary, name=MSGSPEC, program=MSGSPEC)] + [
            Participant(f"{name}, {count}", name, server, count, rows=sizes.rows)
            for name in (DLT, DLT_PAGES, AIRBYTE)
            for count in (sizes.concurrencies[1:] if latency == sizes.wait else (8,))
        ]
        if latency == sizes.wait:
            rivals += [
                Participant(f"{name}, 8", name, server, 8, rows=sizes.rows, rounds=1)
                for name in (DLT_WHOLE, AIRBYTE_WHOLE)
            ]
    still = [
        Participant(FLOOR, FLOOR, rows=sizes.rows),
        Participant(f"{TAP}, one page", TAP, replace(server, rows=500), 8, rows=500),
        Participant(f"{ORDINARY}, one page", ORDINARY, replace(server, rows=500), 1, rows=500),
    ]
    return Case(
        f"invoices {latency} ms",
        f"{sizes.rows:,} invoices with their lines, {latency} ms; the number is that of requests"
        " in flight",
        (*ours, lines, ordinary, *rivals, *([] if latency else still)),
        counted=not latency,
        base=ORDINARY,
    )


def _cheddar(size: int) -> Case:
    server = Server(document=size)
    return Case(
        f"cheddar {size} MB",
        f"A Cheddar document of {size} MB, eight streams",
        (
            Participant(TAP, TAP, server, 8, "customers"),
            Participant(BY_HAND, BY_HAND, server),
            Participant(BY_HAND_FILE, BY_HAND_FILE, server),
        ),
        agree=True,
        base=BY_HAND,
    )


def _rows(sizes: Sizes) -> Case:
    return Case(
        "rows",
        "Growth: rows, 0 ms, 8 in flight",
        tuple(
            Participant(
                f"{rows:,} rows",
                TAP,
                Server(rows=rows),
                8,
                rows=rows,
                rounds=1 if rows >= LONG else 9,
            )
            for rows in sizes.growth
        ),
    )


def _in_flight(sizes: Sizes) -> Case:
    server = Server(rows=sizes.rows, latency=sizes.wait)
    return Case(
        "concurrency",
        f"Growth: requests in flight, {sizes.rows:,} invoices, {sizes.wait} ms",
        tuple(
            Participant(f"{count} in flight", TAP, server, count, rows=sizes.rows)
            for count in sizes.in_flight
        ),
    )


def _waits(sizes: Sizes) -> Case:
    return Case(
        "latency",
        f"Growth: latency, {sizes.rows:,} invoices, 8 in flight",
        tuple(
            Participant(
                f"{wait} ms", TAP, Server(rows=sizes.rows, latency=wait), 8, rows=sizes.rows
            )
            for wait in sizes.waits
        ),
    )
