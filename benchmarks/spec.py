"""The vocabulary of the comparisons: servers, participants, cases and sizes, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass

LINES = 3  # line items of each invoice that the server tells
TAP, ORDINARY, MSGSPEC = "tap-billing", "SDK tap", "SDK tap, MsgSpecWriter"
DLT, DLT_PAGES, DLT_WHOLE = "dlt", "dlt, pages", "dlt, one resource"
AIRBYTE_WHOLE, AIRBYTE = "Airbyte CDK", "Airbyte CDK, id ranges"
FLOOR, ALONE = "floor", "without look-ahead"
BY_HAND, BY_HAND_FILE = "iterparse by hand", "iterparse by hand, from a file"


@dataclass(frozen=True)
class Server:
    """What a benchmark server tells: `latency` is in ms, `document` in MB (Cheddar only)."""

    rows: int = 0
    latency: int = 0
    lists: int = 0
    document: int = 0

    @property
    def provider(self) -> str:
        """The provider that it plays."""
        return "cheddar" if self.document else "chargeover"


@dataclass(frozen=True)
class Participant:
    """A program and its work: `rows` is how many it has to read, None where that is not known.

    `select` names a selection of programs.SELECTIONS. With `again` the run that is measured goes
    on from the state of one before it; with `first` the wall time is that to the first RECORD.
    `rounds` is a ceiling.
    """

    name: str
    program: str
    server: Server | None = None
    concurrency: int = 8
    select: str = "nested"
    rows: int | None = None
    again: bool = False
    first: bool = False
    rounds: int = 9


@dataclass(frozen=True)
class Case:
    """Participants that are run in turn; `counted` also counts each one's records by key.

    With `agree` all participants must read equally many rows, whatever the number is. `base` is
    the participant that speeds are told against, by default the first.
    """

    name: str
    title: str
    participants: tuple[Participant, ...]
    counted: bool = False
    agree: bool = False
    base: str = ""


@dataclass(frozen=True)
class Sizes:
    """How much work the cases are."""

    rows: int
    latencies: tuple[int, ...]
    wait: int
    concurrencies: tuple[int, ...]
    lists: int
    documents: tuple[int, ...]
    growth: tuple[int, ...]
    in_flight: tuple[int, ...]
    waits: tuple[int, ...]
    foreign: bool


FULL = Sizes(
    rows=100_000,
    latencies=(0, 20, 100),
    wait=100,
    concurrencies=(1, 8, 16),
    lists=20,
    documents=(5, 50, 500),
    growth=(10_000, 100_000, 1_000_000),
    in_flight=(1, 2, 4, 8, 16, 32),
    waits=(0, 20, 50, 100, 200, 300),
    foreign=True,
)
SMALL = Sizes(
    rows=5_000,
    latencies=(0, 20),
    wait=20,
    concurrencies=(1, 8),
    lists=20,
    documents=(5,),
    growth=(1_000, 10_000),
    in_flight=(1, 8),
    waits=(0, 20),
    foreign=False,
)
