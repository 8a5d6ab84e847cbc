"""An ordinary singer-sdk tap for ChargeOver, as the SDK's template has it: the rival to beat."""

from __future__ import annotations

import argparse
import json
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BasicAuthenticator
from singer_sdk.pagination import OffsetPaginator
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.encoding import SimpleSingerWriter
from typing_extensions import override

from benchmarks.rivals.work import PAGE_SIZE, Table, columns, since, tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib.encoding import GenericSingerWriter

SCALARS = {
    "boolean": th.BooleanType,
    "integer": th.IntegerType,
    "number": th.NumberType,
    "string": th.StringType,
}
FORMATS = {"date": th.DateType, "date-time": th.DateTimeType}


class Offsets(OffsetPaginator):
    """Pages by offset until one is not full, so that no stream ends with an empty page."""

    def __init__(self, stream: ChargeOverStream) -> None:
        super().__init__(start_value=0, page_size=PAGE_SIZE)
        self._stream = stream

    @override
    def has_more(self, response: requests.Response) -> bool:
        return self._stream.rows_of_page == PAGE_SIZE


class ChargeOverStream(RESTStream[int]):
    """A list of the API."""

    records_jsonpath = "$.response[*]"
    rows_of_page = 0

    def __init__(self, tap: Tap, table: Table) -> None:
        self.table = table
        super().__init__(tap, name=table.name, schema=schema(table), path=f"/{table.path}")
        self.primary_keys = (table.key,)
        self.replication_key = table.cursor

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @cached_property
    @override
    def authenticator(self) -> BasicAuthenticator:
        return BasicAuthenticator(
            username=self.config["username"], password=self.config["password"]
        )

    @override
    def get_new_paginator(self) -> Offsets:
        return Offsets(self)

    @override
    def get_url_params(
        self, context: Context | None, next_page_token: int | None
    ) -> dict[str, Any]:
        params: dict[str, Any] = {"limit": PAGE_SIZE, "offset": next_page_token or 0}
        params |= self.table.params()
        bookmark = self.get_starting_replication_key_value(context)
        if self.table.cursor and bookmark:
            params["where"] = since(self.table.cursor, str(bookmark))
        return params

    @override
    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        # The paginator would have to decode the page once more to count its rows.
        rows = list(super().parse_response(response))
        self.rows_of_page = len(rows)
        return rows


class TapChargeOver(Tap):
    """The tap of these streams."""

    name = "tap-chargeover"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("username", th.StringType, required=True),
        th.Property("password", th.StringType, required=True, secret=True),
        th.Property("streams", th.StringType),
        th.Property("lists", th.IntegerType),
        th.Property("writer", th.StringType),
    ).to_dict()

    @override
    def discover_streams(self) -> list[ChargeOverStream]:
        return [ChargeOverStream(self, table) for table in tables(dict(self.config))]


def schema(table: Table) -> dict[str, Any]:
    """Return a table's schema, built of the SDK's types as by hand."""
    required = (table.key,)
    return th.PropertiesList(*_properties(columns(table), required)).to_dict()


def _properties(declared: dict[str, Any], required: tuple[str, ...] = ()) -> list[th.Property[Any]]:
    return [
        th.Property(name, _type(each), required=name in required)
        for name, each in declared.get("properties", {}).items()
    ]


def _type(declared: dict[str, Any]) -> Any:
    kinds = [declared["type"]] if isinstance(declared["type"], str) else declared["type"]
    kind = next(each for each in kinds if each != "null")
    if kind == "array":
        return th.ArrayType(_type(declared["items"]))
    if kind == "object":
        return th.ObjectType(*_properties(declared))
    return FORMATS.get(declared.get("format", ""), SCALARS[kind])


def counting(writer: type[GenericSingerWriter[Any, Any]]) -> type[Any]:
    """Return the writer with the number of records that it wrote, `rows`."""

    class Counting(writer):  # type: ignore[misc, valid-type]
        rows = 0

        @override
        def write_message(self, message: Any) -> None:
            super().write_message(message)
            Counting.rows += isinstance(message, RecordMessage)

    return Counting


def _writer(name: str) -> type[GenericSingerWriter[Any, Any]]:
    if name == "msgspec":
        from singer_sdk.contrib.msgspec import MsgSpecWriter  # noqa: PLC0415

        return MsgSpecWriter
    return SimpleSingerWriter


def main() -> None:
    """Run the tap's own command; tell the number of rows as the last line of stderr."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config", type=Path, required=True)
    given, _ = parser.parse_known_args()
    settings = json.loads(given.config.read_text(encoding="utf-8"))
    writer = counting(_writer(settings.get("writer", "")))

    class Chosen(TapChargeOver):
        message_writer_class = writer

    try:
        Chosen.cli()
    finally:
        sys.stderr.write(json.dumps({"rows": writer.rows}) + "\n")


if __name__ == "__main__":
    main()
