"""BillingStream: a row of the catalogue as a Singer stream."""

from __future__ import annotations

import contextlib
import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import StateMessage
from typing_extensions import override

from tap_billing import clock
from tap_billing.cast import EXTRA, caster, moment, render
from tap_billing.codec import encode
from tap_billing.emission import plain
from tap_billing.errors import BillingError, NoReader, SettingsError
from tap_billing.files import STAMPS, stamped, textual
from tap_billing.memory import Memory, remember
from tap_billing.rows import rows
from tap_billing.writer import OrjsonWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from datetime import datetime

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import MetadataMapping, RecordMessage, SchemaMessage

    from tap_billing.batches import Batches
    from tap_billing.emission import Emission
    from tap_billing.schemas import Shape
    from tap_billing.spec import Document, Record, Resource, StreamSpec
    from tap_billing.sweeps import Swept
    from tap_billing.tap import TapBilling

FULL_TABLE = "FULL_TABLE"


class BillingStream(Stream):
    """A stream, cut from the documents of its resource."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    """Casting conforms the values already."""

    def __init__(self, tap: TapBilling, spec: StreamSpec, resource: Resource, shape: Shape) -> None:
        self.spec = spec
        self.resource = resource
        self.shape = shape
        self.rows = 0
        self.complete = False
        self.activated = False
        self.memory = Memory()
        self._is_told = False
        self._received: datetime | None = None
        self.selected_by_default = spec.selected
        super().__init__(tap=tap, schema=shape.schema, name=spec.name)
        self.primary_keys = spec.keys
        self.replication_key = spec.replication_key
        self.forced_replication_method = None if spec.replication_key else FULL_TABLE

    @property
    def tap(self) -> TapBilling:
        """The tap."""
        return self._tap  # type: ignore[return-value]

    @property
    @override
    def is_timestamp_replication_key(self) -> bool:
        return self.replication_key is not None

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        # The SDK would write the message before the rows; targets must only act on it after a
        # complete read.
        return False

    @property
    @override
    def metadata(self) -> MetadataMapping:
        known = self._metadata
        metadata = super().metadata
        if known is None and self._tap_input_catalog is None:
            for name in self.shape.deselected:
                metadata["properties", name].selected_by_default = False
        return metadata

    @property
    def version(self) -> int | None:
        """The version that its records carry."""
        return self._stream_version

    @version.setter
    def version(self, version: int | None) -> None:
        self._stream_version = version

    def needs(self, key: str) -> bool:
        """Whether a nested list is needed: for this stream's records, or as one of its columns."""
        return self.selected and (
            key in self.spec.path
            or (("properties", key) in self.metadata and self.mask["properties", key])
        )

    def since(self) -> datetime | None:
        """Return the bookmark, None for a full read. Raises SettingsError if it is no datetime."""
        if self.replication_method == FULL_TABLE or not self.replication_key:
            return None
        state = self.stream_state
        value = state.get("replication_key_value")
        if not value or state.get("replication_key", self.replication_key) != self.replication_key:
            return None
        try:
            return moment(str(value), "UTC")
        except ValueError:
            raise SettingsError(
                f"state: the bookmark {value!r} of {self.name} is not allowed; allowed: a"
                " date-time such as 2026-01-31T09:00:00Z"
            ) from None

    def cut(self, zone: str) -> Callable[[Document], list[Record]]:
        """Return the function from a document to this stream's records, cast.

        It raises Garbled for a document without its key. A child without one stays with its parent.
        """
        warn = self._warner()
        cast = caster(
            self.shape.casting,
            zone,
            partial=self.spec.partial,
            leave=self._hidden(),
            report=lambda key, reason: warn(key, f"{reason}: it goes into {EXTRA}"),
        )
        return rows(self.spec, self.resource, cast, warn)

    def _hidden(self) -> set[str]:
        """Return the columns to leave out before casting, so that no part of them can be kept."""
        known = self.effective_schema["properties"].keys()
        return {
            key
            for key in self.shape.schema["properties"]
            if key not in known or not self.mask["properties", key]
        } - set(self.spec.keys)

    def _warner(self) -> Callable[[str, str], None]:
        """Return a function that logs a reason once for each key."""
        told: set[str] = set()

        def warn(key: str, reason: str) -> None:
            if key not in told:
                told.add(key)
                self.log("%s %s", key, reason, level=logging.WARNING)

        return warn

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        """Yield some records, for a connection test. Raises what stopped the read."""
        try:
            for received, record in self.tap.run.sample(self):
                self._received = received
                yield record
        except BillingError as error:
            if self.spec.selected:
                raise
            # A connection test reads every stream, also those that an account may not have.
            self.log("%s; the stream is not selected by default", error, level=logging.WARNING)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, Any, Any]:
        if write_messages and self.ABORT_AT_RECORD_COUNT is None:
            with self._breaking():
                self.tap.run.read(self)
            self.tell()
            with self.get_record_counter() as counter, self.get_sync_timer():
                counter.increment(self.rows)
            return
        if write_messages:
            self.tell()
        try:
            yield from super()._sync_records(context, write_messages=write_messages)
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            # A connection test has seen enough, which the SDK would log as an error.
            return
        finally:
            self.save()

    def ready(self, zone: str) -> Callable[[Document], list[bytes] | list[Record]]:
        """Return `cut` with the records as JSON already, if that is how they are written.

        While a record is in the processor's cache that costs half of what it costs later.
        """
        cut, emission = self.cut(zone), self.emission
        return cut if emission is None else lambda document: emission.bodies(cut(document))

    def write(self, received: datetime, records: Iterable[bytes] | Iterable[Record]) -> None:
        """Write records of one response, as `ready` or `cut` made them, after the SCHEMA."""
        self.tell()
        rows: list[Any] = list(records)
        self.rows += len(rows)
        self._received = received
        if self.tap.batches is not None:
            self._store(self.tap.batches, rows)
        elif self.emission is None:
            for record in rows:
                self._write_record_message(record)
        else:
            bodies = self.emission.bodies(rows)
            for lines in self.emission.lines(bodies, received, self.version):
                self.tap.message_writer.write_lines(lines)  # type: ignore[attr-defined]
        self.state_manager.is_flushed = False

    def _store(self, batches: Batches, rows: list[Any]) -> None:
        """Write to files what the messages would hold."""
        told: dict[str, Any] = {}
        if self.emission is not None:
            told[self.name] = self.emission.bodies(rows)
        else:
            for message in (each for row in rows for each in self._generate_record_messages(row)):
                told.setdefault(message.stream, []).append(encode(message.record)[:-1])
        columns = {e.stream_alias: e.transformed_schema["properties"] for e in self.stream_maps}
        if not self.tap.settings.versions:
            for name, bodies in told.items():
                batches.write(name, columns[name], bodies, None)
            return
        for name, bodies in told.items():
            marked = stamped(bodies, self._received or clock.now(), self.version)
            batches.write(name, {**columns[name], **STAMPS}, marked, self.version)

    @override
    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        # A connection test writes RECORD messages in any case.
        files = self.tap.batches if self.ABORT_AT_RECORD_COUNT is None else None
        for message in super()._generate_schema_messages():
            if files is not None and files.textual:
                message.schema = textual(message.schema)
            yield message

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Return nothing: the SDK's own batches hold what neither selection nor maps have seen."""

    @cached_property
    def emission(self) -> Emission | None:
        """How its records become bytes at once, None if the SDK has to see each of them."""
        if not isinstance(self.tap.message_writer, OrjsonWriter):
            return None
        columns = self.shape.schema["properties"].keys() - self._hidden() | {EXTRA, *self.spec.keys}
        return plain(self.name, self.stream_maps, self.mask, columns)

    def flush(self) -> None:
        """Let the target see what was written so far."""
        writer = self.tap.message_writer
        if isinstance(writer, OrjsonWriter):
            writer.flush()

    def activate(self, swept: Swept) -> None:
        """Let the target delete what does not carry the version of a sweep."""
        self.tell()
        self._write_activate_version_message(swept.version)
        self.activated = True

    def remember(self, memory: Memory, bookmark: datetime | None = None) -> None:
        """Put a memory into the state, and a bookmark unless it is earlier than the one there."""
        self.put({self: self.told(memory, bookmark)})

    def told(self, memory: Memory, bookmark: datetime | None = None) -> dict[str, Any]:
        """Keep a memory, and return the stream's state with it and a later bookmark."""
        self.memory = memory
        state = dict(self.stream_state)
        remember(memory, state)
        if bookmark is not None and self.replication_method != FULL_TABLE and self.replication_key:
            former = self.since()
            if former and (memory.watermark is None or former <= memory.watermark):
                bookmark = max(bookmark, former)
            state["replication_key"] = self.replication_key
            state["replication_key_value"] = render(bookmark)
        return state

    def put(self, states: Mapping[BillingStream, dict[str, Any]]) -> None:
        """Put streams' states into the tap's all at once: a signal may ask for it at any time."""
        bookmarks = self.tap_state.get("bookmarks", {})
        told = {stream.name: state for stream, state in states.items()}
        self.tap_state["bookmarks"] = {**bookmarks, **told}

    def save(self) -> None:
        """Write a STATE message."""
        # The SDK's own way leaves out a state that has not changed, and then nothing is flushed.
        self.tap.write_message(StateMessage(value=self.tap_state))

    @override
    def _write_schema_message(self) -> None:
        """Do nothing: `tell` does it, after the resources that come before this one."""

    def tell(self) -> None:
        """Write the stream's SCHEMA, once a run: some targets flush everything at each."""
        if not self._is_told:
            self._is_told = True
            with self._breaking():
                super()._write_schema_message()

    @contextlib.contextmanager
    def _breaking(self) -> Iterator[None]:
        """Let the tap say how far it came when messages cannot be written any more."""
        try:
            yield
        except NoReader as error:
            self.tap.broken(error)
            raise

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # The error itself is told by whoever handles it, and says more.
        quiet = message.startswith("An unhandled error occurred")
        super().log(message, *args, level=logging.DEBUG if quiet else level, **kwargs)

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        """Do nothing: a bookmark is what a complete read of the resource has seen."""

    @override
    def _generate_record_messages(self, record: Record) -> Iterator[RecordMessage]:  # type: ignore[override]
        for message in super()._generate_record_messages(record):
            message.time_extracted = self._received
            yield message

    @override
    def log_sync_costs(self) -> None:
        super().log_sync_costs()
        self.tap.ended(self)


def effective_since(streams: Iterable[BillingStream]) -> datetime | None:
    """Return the earliest bookmark of a resource's selected streams, None if one has none."""
    bookmarks: list[Any] = [stream.since() for stream in streams]
    return min(bookmarks) if bookmarks and None not in bookmarks else None


def forced(catalog: dict[str, Any]) -> dict[str, Any]:
    """Return a Singer catalog in which FULL_TABLE holds wherever it may be written.

    The SDK reads `replication_method` of an entry only; Singer's metadata has it as
    `replication-method` or `forced-replication-method` of the stream.
    """
    streams = []
    for entry in catalog.get("streams", []):
        roots = [each["metadata"] for each in entry.get("metadata", []) if not each["breadcrumb"]]
        told = [
            where.get(key)
            for where in (entry, *roots)
            for key in ("replication-method", "forced-replication-method")
        ]
        streams.append({**entry, "replication_method": FULL_TABLE} if FULL_TABLE in told else entry)
    return {**catalog, "streams": streams}
