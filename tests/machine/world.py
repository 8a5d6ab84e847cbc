"""An account, the tap that reads it, the warehouse that it fills, and what must hold of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.machine.harness import Streams, run
from tests.machine.ledger import Ledger
from tests.machine.network import Network
from tests.machine.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.machine.ledger import Server
    from tests.machine.network import Api

# So many times the requests of a run that asks one by one are no endless run: parts may be empty.
SIDE_BY_SIDE = 20

Event = tuple[str, int, int]
"""A change by its name, and the two numbers that it picks rows by."""


@dataclass(frozen=True)
class Otherwise:
    """Settings and a selection that hold for one run only; empty means as in the others."""

    config: Mapping[str, Any] = field(default_factory=dict)
    without: str = ""
    full: str = ""

    @property
    def partial(self) -> bool:
        """Whether rows stay away that others would bring."""
        return bool(self.without) or "filters" in self.config


AS_EVER = Otherwise()


@dataclass(frozen=True)
class Weather:
    """What a run meets: faults and changes by the number of the request, and when it is killed.

    What a run wrote is delivered up to the `cut` line, or the `state` of this number; at the
    `broken` line the reader goes away. Numbers that are too large begin again. A run with a `limit`
    of records may leave something to the next one. What is `dead` works for as many requests as
    are `left`.
    """

    faults: Mapping[int, str] = field(default_factory=dict)
    events: Mapping[int, Event] = field(default_factory=dict)
    tick: int = 0
    dead: str = ""
    left: int = 0
    most: int | None = None
    cut: int | None = None
    state: int | None = None
    broken: int | None = None
    limit: int | None = None

    def delivered(self, lines: Sequence[bytes]) -> int:
        """Return how many lines reach the target."""
        ends = [number for number, line in enumerate(lines, 1) if b'{"type":"STATE"' in line]
        if self.state is not None and ends:
            return ends[self.state % len(ends)]
        return len(lines) if self.cut is None else self.cut % (len(lines) + 1)


QUIET = Weather()


@dataclass
class World:
    """Everything of one example.

    `slack` is how far below its bookmark a run may read, for local hours that come twice.
    """

    api: Api
    server: Server
    changes: Mapping[str, Callable[[Any, int, int], None]]
    config: dict[str, Any]
    streams: Streams
    slack: timedelta = timedelta()
    ledger: Ledger = field(init=False)
    warehouse: Warehouse = field(default_factory=Warehouse)
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.server)

    def happen(self, event: Event) -> None:
        """Let a change happen."""
        name, first, second = event
        self.ledger.record(partial(self.changes[name], self.server, first, second))

    def advance(self, seconds: int) -> None:
        """Let time pass, with what it changes."""
        self.ledger.record(partial(self.server.clock.advance, seconds))

    def _tick(self, seconds: int) -> None:
        # Recording looks at every row, and only a new day changes any of them by itself.
        clock = self.server.clock
        same = (clock.now + timedelta(seconds=seconds)).hour == clock.now.hour
        (clock.advance if same else self.advance)(seconds)

    def sync(self, weather: Weather = QUIET, other: Otherwise = AS_EVER) -> bool:
        """Run the tap and deliver what it wrote; return whether it ended well and brought all."""
        attempt = self.ledger.begin()
        network = self._network(weather)
        config = {**self.config, **other.config, "max_records": weather.limit}
        streams = replace(self.streams, without=other.without, full=other.full)
        done = run(network, config, self.warehouse.state, streams, weather.broken)
        self.requests = network.urls
        former = {name: self.bookmarks(name) for name in self.streams.resources}
        put_off = '"ended"' in json.dumps(self.warehouse.state)
        delivered = done.lines[: weather.delivered(done.lines)]
        whole = done.error is None and len(delivered) == len(done.lines)
        complete = whole and weather.limit is None and not other.partial
        self.messages = self.warehouse.load(delivered)
        self.ledger.versions(_versions(done.lines, self.streams.owners))
        self.ledger.end(complete=complete)
        if complete:
            assert self.messages[-1]["type"] == "STATE", self.messages[-1]
        if attempt.changes == self.ledger.changes:
            self._check_once()
        if not put_off:
            self._check_bookmarks(former, network.begun)
        self._check_activations(other)
        self.check(deleted=False)
        return complete

    def _network(self, weather: Weather) -> Network:
        tries = 10 * len(weather.faults) + (200 if weather.dead or weather.most else 0)
        return Network(
            self.api,
            self.server.clock,
            self._tick,
            SIDE_BY_SIDE * (self.server.budget(len(weather.events)) + tries),
            dict(weather.faults),
            {number: partial(self.happen, event) for number, event in weather.events.items()},
            weather.tick,
            weather.dead,
            weather.left,
            weather.most,
        )

    def bookmarks(self, resource: str) -> dict[str, Any]:
        """Return the bookmarks of a resource's streams, as the warehouse's STATE has them."""
        told = self.warehouse.state["bookmarks"] if self.warehouse.state else {}
        return {
            name: told.get(name, {}).get("replication_key_value")
            for name, owner in self.streams.owners.items()
            if owner == resource
        }

    def _check_once(self) -> None:
        keys = {name: table.keys for name, table in self.warehouse.tables.items()}
        records = Counter(
            (each["stream"], tuple(each["record"][key] for key in keys[each["stream"]]))
            for each in self.messages
            if each["type"] == "RECORD"
        )
        twice = [key for key, count in records.items() if count > 1]
        assert not twice, f"emitted twice in a run: {twice}"

    def _check_bookmarks(
        self, former: Mapping[str, dict[str, Any]], begun: Mapping[str, datetime]
    ) -> None:
        """No bookmark moves past the instant at which the read of its resource began."""
        for resource, most in begun.items():
            for name, told in self.bookmarks(resource).items():
                moved = told is not None and told != former[resource][name]
                assert not moved or datetime.fromisoformat(told) <= most, f"{name}: {told} > {most}"

    def _check_activations(self, other: Otherwise) -> None:
        for each in self.messages:
            if each["type"] == "ACTIVATE_VERSION":
                stream, owner = each["stream"], self.streams.owners[each["stream"]]
                gone = self.ledger.activated(owner, stream, each["version"])
                if owner != self.streams.owners.get(other.without):
                    self.ledger.swept(owner, each["version"])
                left = gone & self.warehouse.tables[stream].live().keys()
                assert not left, f"{stream}: gone, and not deleted by a complete read: {left}"

    def check_repeats(self) -> None:
        """Compare what a quiet run after a quiet run emitted with what its passes name."""
        # A bookmark that lies in the future by the machine's clock is not trusted.
        now = self.server.clock.machine()
        marks = {
            name: min(now, datetime.fromisoformat(told)) - self.slack
            for name in self.streams.resources
            for told in (self.bookmarks(name)[name],)
            if told
        }
        named = self.server.seen(self.server.clock.now, set(), marks)
        for message in self.messages:
            stream = message.get("stream")
            if message["type"] == "RECORD" and stream in marks:
                key = tuple(message["record"][each] for each in self.warehouse.tables[stream].keys)
                assert (stream, *key) in named, f"{stream} {key}: emitted again for no reason"
        latest = self.server.latest()
        for name, mark in marks.items():
            least = min(now, latest.get(name, mark)) - self.slack
            assert mark >= least, f"{name}: the bookmark stays at {mark}"

    def check(self, *, deleted: bool) -> None:
        """Compare the warehouse with the server: all rows that the tap owes nothing of.

        With `deleted` also that nothing else is left there.
        """
        wanted: dict[tuple[str, Any], tuple[Any, dict[str, Any]]] = {}
        for document, rows in self.server.documents().items():
            for stream, found in rows.items():
                for key, row in found.items():
                    wanted[stream, key] = (document, row)
        for (stream, key), (document, row) in wanted.items():
            table = self.warehouse.tables.get(stream)
            held = table.rows.get(key) if table else None
            if held is not None:
                assert not held.deleted, f"{stream} {key}: marked as deleted, and it exists"
            if document in self.ledger.dirty:
                continue
            assert held is not None, f"{stream} {key}: missing"
            wrong = {
                column: (held.record.get(column), value)
                for column, value in row.items()
                if held.record.get(column) != value
            }
            assert not wrong, f"{stream} {key}: (held, told) differ: {wrong}"
        for stream, table in self.warehouse.tables.items() if deleted else ():
            surplus = [key for key in table.live() if (stream, key) not in wanted]
            assert not surplus, f"{stream}: does not exist, and is not deleted: {surplus}"


def _versions(lines: Sequence[bytes], streams: Mapping[str, str]) -> set[tuple[str, int]]:
    return {
        (streams[message["stream"]], message["version"])
        for message in map(json.loads, lines)
        if message.get("version") is not None
    }
