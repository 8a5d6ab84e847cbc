"""RECORD messages as bytes, for streams whose records are written as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from singer_sdk.mapper import SameRecordTransform

from tap_billing.codec import encode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from singer_sdk.mapper import StreamMap
    from singer_sdk.singerlib import SelectionMask


# Larger pieces than some 64 KiB cost more: memory for them is asked of the system each time.
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Emission:
    """How a stream's records are written: what comes before each, and which columns are not."""

    prefix: bytes
    dropped: tuple[str, ...] = ()

    def bodies(self, records: list[Any]) -> list[bytes]:
        """Return records as JSON, without what is not selected, unless they are it already."""
        if records and type(records[0]) is bytes:
            return records
        if self.dropped:
            records = [{k: v for k, v in each.items() if k not in self.dropped} for each in records]
        try:
            return list(map(orjson.dumps, records))
        except TypeError:
            return [encode(each)[:-1] for each in records]

    def lines(
        self, bodies: Sequence[bytes], received: datetime, version: int | None
    ) -> Iterator[bytes]:
        """Yield the RECORD messages of such bodies that came at one time, many lines at once."""
        told = b"" if version is None else b',"version":%d' % version
        suffix = b'%b,"time_extracted":%b}\n' % (told, encode(received)[:-1])
        between = suffix + self.prefix
        for start in range(0, len(bodies), AT_ONCE):
            yield b"".join((self.prefix, between.join(bodies[start : start + AT_ONCE]), suffix))


def plain(
    name: str, maps: Sequence[StreamMap], mask: SelectionMask, columns: Collection[str]
) -> Emission | None:
    """Return how the SDK writes records with these columns, None if it changes more than columns.

    That is with stream maps, flattening, or columns of which a part is not selected.
    """
    alone = len(maps) == 1 and type(maps[0]) is SameRecordTransform
    if not alone or maps[0].flattening_enabled or maps[0].stream_alias != name:
        return None
    if any(not selected and crumb[2:] and mask[crumb[:2]] for crumb, selected in mask.items()):
        return None
    prefix = b'{"type":"RECORD","stream":%b,"record":' % encode(name)[:-1]
    return Emission(prefix, tuple(key for key in columns if not mask["properties", key]))
