"""The Singer message writer: orjson, buffered, flushed with everything that is not a RECORD."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import (
    ActivateVersionMessage,
    Message,
    RecordMessage,
    StateMessage,
)
from typing_extensions import override

from tap_billing.codec import encode
from tap_billing.errors import NoReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUFFERED = 64 * 1024


class OrjsonWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages to stdout as lines of UTF-8 JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[bytes] = []
        self._size = 0
        self.ended_with_state = False
        # A signal handler must not write in the middle of a line: it asks for what is to follow.
        self.writing = False
        self.afterwards: Callable[[], None] | None = None
        # What a STATE or ACTIVATE_VERSION speaks of comes first.
        self.before: Callable[[], None] | None = None
        # After a message was lost, no STATE may follow that would claim it.
        self.failed = False

    @override
    def serialize_message(self, message: Message) -> bytes:
        return encode(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
        if self.before is not None and isinstance(message, (StateMessage, ActivateVersionMessage)):
            with self.undisturbed():
                self.before()
        line = self.serialize_message(message)
        self.ended_with_state = isinstance(message, StateMessage)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BUFFERED or not isinstance(message, RecordMessage):
            self._flush()

    def write_lines(self, lines: bytes) -> None:
        """Write RECORD messages that are lines of JSON already."""
        if lines:
            self.ended_with_state = False
            self._lines.append(lines)
            self._size += len(lines)
            if self._size >= BUFFERED:
                self._flush()

    def flush(self) -> None:
        """Write what waits for more; costs nothing if nothing does. Raises NoReader."""
        if self._lines:
            self._flush()

    def _flush(self) -> None:
        """Write what is buffered, then what a signal has asked for meanwhile."""
        with self.undisturbed():
            try:
                self._write()
            finally:
                self._lines.clear()
                self._size = 0

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Let a signal's handler write nothing before this has ended.

        Whatever cannot be written makes it NoReader, and then nothing follows any more.
        """
        if self.failed:
            raise NoReader("messages were lost already; nothing more is written")
        outer, self.writing = self.writing, True
        try:
            yield
        except NoReader:
            self.failed = True
            raise
        except BrokenPipeError as error:
            self.failed = True
            raise NoReader(
                "the program that reads the messages has ended; see its own output"
            ) from error
        except OSError as error:
            self.failed = True
            raise NoReader(f"the messages cannot be written ({error.strerror})") from error
        finally:
            self.writing = outer
        if self.afterwards is not None and not outer:
            afterwards, self.afterwards = self.afterwards, None
            afterwards()

    def _write(self) -> None:
        # Looked up each time, because test helpers redirect stdout after the tap was made.
        if sys.stdout is None:
            raise NoReader("stdout is closed; messages need somewhere to go")
        stream = getattr(sys.stdout, "buffer", None)
        whole = b"".join(self._lines)
        if stream is None:
            sys.stdout.write(whole.decode())
        else:
            rest = memoryview(whole)
            # Unbuffered (PYTHONUNBUFFERED=1) a write may be short.
            while rest:
                rest = rest[stream.write(rest) :]
        sys.stdout.flush()
