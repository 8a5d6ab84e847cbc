"""The Singer message writer: orjson, buffered, flushed with everything that is not a RECORD."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, StateMessage
from typing_extensions import override

from tap_billing.codec import encode
from tap_billing.errors import NoReader

if TYPE_CHECKING:
    from collections.abc import Callable

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
        # After a message was lost, no STATE may follow that would claim it.
        self.failed = False

    @override
    def serialize_message(self, message: Message) -> bytes:
        return encode(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
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
        if self.failed:
            raise NoReader("messages were lost already; nothing more is written")
        self.writing = True
        try:
            self._write()
        except BrokenPipeError as error:
            self.failed = True
            raise NoReader(
                "the program that reads the messages has ended; see its own output"
            ) from error
        except OSError as error:
            self.failed = True
            raise NoReader(f"the messages cannot be written ({error.strerror})") from error
        finally:
            self._lines.clear()
            self._size = 0
            self.writing = False
        if self.afterwards is not None:
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
