"""Runs the real tap in this process, with the network and the clock replaced."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tap_billing import clock, pacing, plans, schemas, session, writing
from tap_billing import tap as taps
from tap_billing.errors import BillingError
from tap_billing.streams import FULL_TABLE
from tap_billing.tap import TapBilling
from tap_billing.transport import Transport
from tests.machine.turns import Turns, at_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_billing.schemas import Shape
    from tap_billing.spec import Reply, Request
    from tests.machine.network import Network

# Rows after which a run writes, and saves its progress; the tap's own numbers are in the thousands.
CHUNK, CHECKPOINT = 2, 3
MOST_LINES = 20_000
DECLARED = schemas.load


class Pipe(io.BytesIO):
    """A pipe whose reader goes away in the middle of the line after `lines` whole ones."""

    def __init__(self, lines: int | None) -> None:
        super().__init__()
        self._left = lines

    def write(self, data: Any) -> int:
        """Take data, up to the end. Raises BrokenPipeError there."""
        for line in bytes(data).splitlines(keepends=True):
            if self._left == 0:
                super().write(line[: len(line) // 2])
                raise BrokenPipeError
            if self._left is not None:
                self._left -= 1
            super().write(line)
            assert len(self.getbuffer()) < MOST_LINES * 100, "a run without an end"
        return len(data)


@dataclass(frozen=True)
class Streams:
    """What is read: streams with their resources, and the columns that a server tells.

    The stream `without` is not selected; the one that is `full` is set to FULL_TABLE.
    """

    owners: Mapping[str, str]
    columns: frozenset[str]
    without: str = ""
    full: str = ""

    @property
    def resources(self) -> set[str]:
        """The resources that are read."""
        return set(self.owners.values())


@dataclass(frozen=True)
class Done:
    """What a run wrote, as whole lines, and what ended it."""

    lines: list[bytes]
    error: BillingError | None


@functools.cache
def _narrow(provider: str, stream: str, columns: frozenset[str]) -> Shape:
    """Return a stream's schema without most columns that no server here tells."""
    shape = DECLARED(provider, stream, decimals="number")
    told = {
        name: each
        for name, each in shape.schema["properties"].items()
        if name in columns or name.lower().endswith("datetime") or "array" in each["type"]
    }
    return replace(
        shape,
        schema={**shape.schema, "properties": told},
        casting={
            **shape.casting,
            "properties": {key: shape.casting["properties"][key] for key in told},
        },
        deselected=shape.deselected & told.keys(),
    )


@contextlib.contextmanager
def _replaced(network: Network, provider: str, streams: Streams) -> Iterator[None]:
    async def exchange(transport: Transport, request: Request) -> Reply:
        return await network.exchange(transport, request)

    def load(provider: str, stream: str, **_: Any) -> Shape:
        return _narrow(provider, stream, streams.columns)

    catalogue = tuple(each for each in taps.CATALOGUE[provider] if each.name in streams.resources)
    former = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "now", network.clock.machine)
            patch.setattr(Transport, "_exchange", exchange)
            patch.setattr(pacing, "LEAST_INTERVAL", 0.0)
            # Requests come in the same order in every run, however fast the machine is.
            patch.setattr(session, "Loop", Turns)
            patch.setattr(asyncio, "to_thread", at_once)
            patch.setattr(session, "AHEAD", 10_000)
            patch.setattr(plans, "LARGE", 0)
            patch.setattr(writing, "CHUNK", CHUNK)
            patch.setattr(writing, "CHECKPOINT_ROWS", CHECKPOINT)
            # Most of a run's time goes into declaring columns.
            patch.setattr(schemas, "load", load)
            patch.setitem(taps.CATALOGUE, provider, catalogue)
            yield
    finally:
        logging.disable(former)


def _choose(tap: TapBilling, streams: Streams) -> None:
    if streams.without:
        tap.streams[streams.without].metadata.root.selected = False
        assert not tap.streams[streams.without].selected
    if streams.full:
        tap.streams[streams.full].forced_replication_method = FULL_TABLE


def run(
    network: Network,
    config: dict[str, Any],
    state: dict[str, Any] | None,
    streams: Streams,
    lines: int | None = None,
) -> Done:
    """Run the tap over some resources; its reader may go away after so many lines."""
    pipe = Pipe(lines)
    out = io.TextIOWrapper(pipe, encoding="utf-8")
    error = None
    with _replaced(network, config["provider"], streams), contextlib.redirect_stdout(out):
        tap = TapBilling(config=dict(config), state=state, parse_env_config=False)
        try:
            _choose(tap, streams)
            transport = tap.session._transport
            transport._limits = replace(transport._limits, first_wait=0.0)
            tap.sync_all()
        except BillingError as stopped:
            error = stopped
        finally:
            tap.close()
    written = pipe.getvalue()
    out.detach()
    return Done(written[: written.rfind(b"\n") + 1].splitlines(), error)
