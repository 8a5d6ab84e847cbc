"""Airbyte's declarative CDK for ChargeOver: a manifest, and the concurrent source that reads it.

A partition is the unit of its concurrency, and paging within one is sequential: `--ranges` gives
the one big list a partition for each of several disjoint ranges of identifiers.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)

from benchmarks.rivals.work import BIG, PAGE_SIZE, Table, columns, ranges, tables

RECORD, STATE = '{"type":"RECORD"', '{"type":"STATE"'
INITIAL = "1970-01-01T00:00:00+00:00"
# What the API writes; bookmarks are told in the first of them.
FORMATS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S")
RANGE = "range"
SPEC = {
    "type": "object",
    "required": ["api_url", "username", "password"],
    "properties": {
        "api_url": {"type": "string"},
        "username": {"type": "string"},
        "password": {"type": "string", "airbyte_secret": True},
    },
}
# A colon that is not escaped ends a value.
SINCE = "{{{{ '{}:GTE:' ~ stream_interval['start_time'].replace(':', '\\\\:') }}}}"


def manifest(
    wanted: tuple[Table, ...], concurrency: int, parts: list[tuple[int, int]]
) -> dict[str, Any]:
    """Return the declarative source of these tables, their lists cut into `parts` of ids."""
    return {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [wanted[0].name]},
        "spec": {"type": "Spec", "connection_specification": SPEC},
        "concurrency_level": {
            "type": "ConcurrencyLevel",
            "default_concurrency": concurrency,
            "max_concurrency": concurrency,
        },
        "streams": [_stream(table, parts) for table in wanted],
    }


def _stream(table: Table, parts: list[tuple[int, int]]) -> dict[str, Any]:
    params: dict[str, str] = table.params()
    stream: dict[str, Any] = {
        "type": "DeclarativeStream",
        "name": table.name,
        "primary_key": [table.key],
        "schema_loader": {"type": "InlineSchemaLoader", "schema": columns(table)},
    }
    retriever: dict[str, Any] = {
        "type": "SimpleRetriever",
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["response"]},
        },
        "paginator": _paginator(),
    }
    if parts:
        low, high = (f"stream_partition['{RANGE}'].split('-')[{end}]" for end in (0, 1))
        key = table.key
        params["where"] = f"{key}:GTE:{{{{ {low} }}}},{key}:LTE:{{{{ {high} }}}}"
        retriever["partition_router"] = {
            "type": "ListPartitionRouter",
            "cursor_field": RANGE,
            "values": [f"{first}-{last}" for first, last in parts],
        }
    elif table.cursor:
        params["where"] = SINCE.format(table.cursor)
        stream["incremental_sync"] = {
            "type": "DatetimeBasedCursor",
            "cursor_field": table.cursor,
            "datetime_format": FORMATS[0],
            "cursor_datetime_formats": list(FORMATS),
            "start_datetime": {"type": "MinMaxDatetime", "datetime": INITIAL},
        }
    retriever["requester"] = _requester(table, params)
    return stream | {"retriever": retriever}


def _requester(table: Table, params: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "HttpRequester",
        "url_base": "{{ config['api_url'] }}",
        "path": table.path,
        "http_method": "GET",
        "authenticator": {
            "type": "BasicHttpAuthenticator",
            "username": "{{ config['username'] }}",
            "password": "{{ config['password'] }}",
        },
        "request_parameters": params,
    }


def _paginator() -> dict[str, Any]:
    def sent(name: str) -> dict[str, str]:
        return {"type": "RequestOption", "inject_into": "request_parameter", "field_name": name}

    return {
        "type": "DefaultPaginator",
        "page_size_option": sent("limit"),
        "page_token_option": sent("offset"),
        "pagination_strategy": {"type": "OffsetIncrement", "page_size": PAGE_SIZE},
    }


def catalog(wanted: tuple[Table, ...], *, incremental: bool) -> dict[str, Any]:
    """Return the configured catalog: incremental where a table has a cursor, if that is wanted."""
    return {
        "streams": [
            {
                "stream": {
                    "name": table.name,
                    "json_schema": columns(table),
                    "supported_sync_modes": ["full_refresh", "incremental"],
                    "source_defined_primary_key": [[table.key]],
                },
                "sync_mode": "incremental" if incremental and table.cursor else "full_refresh",
                "destination_sync_mode": "append",
            }
            for table in wanted
        ]
    }


def highest(settings: dict[str, Any], table: Table) -> int:
    """Return the highest identifier of a list, 0 where it is empty."""
    url = f"{settings['api_url']}/{table.path}?order={table.key}:DESC&limit=1"
    secret = base64.b64encode(f"{settings['username']}:{settings['password']}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {secret}"})
    with urllib.request.urlopen(request) as answer:
        rows = json.load(answer)["response"]
    return int(rows[0][table.key]) if rows else 0


def read(source: ConcurrentDeclarativeSource, arguments: list[str]) -> tuple[int, list[Any]]:
    """Print what the source's `read` command brings, as the CDK's `launch` does.

    Returns the number of records, and the last state of each stream.
    """
    rows, states = 0, {}
    entrypoint = AirbyteEntrypoint(source)
    with PRINT_BUFFER:
        for message in entrypoint.run(AirbyteEntrypoint.parse_args(arguments)):
            sys.stdout.write(f"{message}\n")
            if message.startswith(RECORD):
                rows += 1
            elif message.startswith(STATE):
                state = json.loads(message)["state"]
                states[json.dumps(state["stream"]["stream_descriptor"])] = state
    return rows, list(states.values())


def main() -> None:
    """Read; tell the number of rows as the last line of stderr."""
    parser = argparse.ArgumentParser(prog="airbyte", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--ranges", action="store_true", help="cut the one big list by ids")
    parser.add_argument("--state", type=Path, help="goes on from this file, and writes it")
    given = parser.parse_args()
    settings = json.loads(given.config.read_text(encoding="utf-8"))
    wanted = tables(settings)
    parts = []
    if given.ranges and [table.name for table in wanted] == [BIG]:
        parts = ranges(highest(settings, wanted[0]), given.concurrency)
    with tempfile.TemporaryDirectory() as folder:
        configured = Path(folder) / "catalog.json"
        told = catalog(wanted, incremental=not parts)
        configured.write_text(json.dumps(told), encoding="utf-8")
        arguments = ["read", "--config", str(given.config), "--catalog", str(configured)]
        before = []
        if given.state and given.state.exists():
            arguments += ["--state", str(given.state)]
            before = ConcurrentDeclarativeSource.read_state(str(given.state))
        source = ConcurrentDeclarativeSource(
            config=settings,
            catalog=ConcurrentDeclarativeSource.read_catalog(str(configured)),
            state=before,
            source_config=manifest(wanted, given.concurrency, parts),
        )
        rows, states = read(source, arguments)
    if given.state:
        given.state.write_text(json.dumps(states), encoding="utf-8")
    sys.stderr.write(json.dumps({"rows": rows}) + "\n")


if __name__ == "__main__":
    main()
