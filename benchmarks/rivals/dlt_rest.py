"""dlt's `rest_api` source for ChargeOver, extraction only: resources in parallel, paged by offset.

Paging within a resource is sequential in dlt. The one big list is therefore `cut`: into resources
over disjoint ranges of identifiers that write into one table, or into pages, told by a resource
that another depends on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.rivals.work import BIG, PAGE_SIZE, Table, ranges, since, tables

# Before dlt is imported, which reads them: no calls home, and files that cost no compression.
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}

import dlt
from dlt.sources.helpers.rest_client.auth import HttpBasicAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import OffsetPaginator
from dlt.sources.rest_api import rest_api_source
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.common.pipeline import ExtractInfo
    from dlt.extract import DltResource
    from requests import Response

PIPELINE = "chargeover"
CUTS = ("ranges", "pages", "none")
INITIAL = "1970-01-01 00:00:00"


class Offsets(OffsetPaginator):
    """Pages by offset until one is not full, so that no resource ends with an empty page."""

    def __init__(self, maximum: int | None = None) -> None:
        super().__init__(limit=PAGE_SIZE, total_path=None, maximum_offset=maximum)

    @override
    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        if len(data or ()) < PAGE_SIZE:
            self._has_next_page = False


def resource(table: Table) -> dict[str, Any]:
    """Return a list of the API as `rest_api` declares it, incremental where it has a cursor."""
    endpoint: dict[str, Any] = {
        "path": table.path,
        "params": dict(table.params()),
        "data_selector": "response",
        "paginator": Offsets(),
    }
    if table.cursor:
        cursor = table.cursor
        endpoint["params"]["where"] = "{incremental.start_value}"
        endpoint["incremental"] = {
            "cursor_path": cursor,
            "initial_value": INITIAL,
            "on_cursor_value_missing": "include",
            "convert": lambda value: since(cursor, value),
        }
    return {
        "name": table.name,
        "primary_key": table.key,
        "write_disposition": "merge" if table.cursor else "replace",
        "endpoint": endpoint,
    }


def part(table: Table, name: str, where: str, paginator: OffsetPaginator | str) -> dict[str, Any]:
    """Return the rows of a list that a `where` selects, as a resource that writes to its table."""
    return {
        "name": name,
        "table_name": table.name,
        "primary_key": table.key,
        "write_disposition": "append",
        "parallelized": True,
        "endpoint": {
            "path": table.path,
            "params": table.params() | {"limit": PAGE_SIZE, "where": where},
            "data_selector": "response",
            "paginator": paginator,
        },
    }


def by_ranges(table: Table, highest: int, parts: int) -> list[dict[str, Any]]:
    """Return a list as resources over so many ranges of its identifiers."""
    return [
        part(
            table,
            f"{table.name}_{first}",
            f"{table.key}:GTE:{first},{table.key}:LTE:{last}",
            # No range has more rows than identifiers.
            Offsets(maximum=last - first + 1),
        )
        for first, last in ranges(highest, parts)
    ]


def by_pages(table: Table, highest: int) -> list[DltResource | dict[str, Any]]:
    """Return a list as a resource that depends on one of all ranges of a page's width."""

    @dlt.resource(name="pages", selected=False)
    def pages() -> Iterator[list[dict[str, int]]]:
        for above in range(0, highest, PAGE_SIZE):
            yield [{"above": above, "last": above + PAGE_SIZE}]

    where = f"{table.key}:GT:{{resources.pages.above}},{table.key}:LTE:{{resources.pages.last}}"
    return [pages(), part(table, table.name, where, "single_page")]


def highest(settings: dict[str, Any], table: Table) -> int:
    """Return the highest identifier of a list, 0 where it is empty."""
    auth = HttpBasicAuth(settings["username"], settings["password"])
    client = RESTClient(base_url=settings["api_url"], auth=auth)
    answer = client.get(table.path, params={"order": f"{table.key}:DESC", "limit": 1})
    answer.raise_for_status()
    rows = answer.json()["response"]
    return int(rows[0][table.key]) if rows else 0


def declared(settings: dict[str, Any], cut: str, concurrency: int) -> list[Any]:
    """Return the resources that the settings want, the big list alone cut as wanted."""
    wanted = tables(settings)
    if cut == "none" or [table.name for table in wanted] != [BIG]:
        return [resource(table) for table in wanted]
    (table,) = wanted
    last = highest(settings, table)
    return by_pages(table, last) if cut == "pages" else by_ranges(table, last, concurrency)


def extract(settings: dict[str, Any], cut: str, concurrency: int, folder: str) -> ExtractInfo:
    """Extract into files below the folder, where the state of incremental reads is as well."""
    source = rest_api_source(
        {
            "client": {
                "base_url": settings["api_url"],
                "auth": {
                    "type": "http_basic",
                    "username": settings["username"],
                    "password": settings["password"],
                },
            },
            "resources": declared(settings, cut, concurrency),
        },
        name=PIPELINE,
        # Here and not as a default of the resources, where it has no effect.
        parallelized=True,
    )
    pipeline = dlt.pipeline(PIPELINE, pipelines_dir=folder)
    # More items than workers: the next pages are asked for while those read are written.
    return pipeline.extract(source, workers=concurrency, max_parallel_items=2 * concurrency)


def rows(info: ExtractInfo) -> int:
    """Return how many rows dlt says it wrote, its own tables left out."""
    return sum(
        metrics.items_count
        for steps in info.metrics.values()
        for step in steps
        for name, metrics in step["table_metrics"].items()
        if not name.startswith("_dlt")
    )


def main() -> None:
    """Extract; tell the number of rows as the last line of stderr."""
    parser = argparse.ArgumentParser(prog="dlt_rest", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--cut", choices=CUTS, default=CUTS[0], help="how the one big list is")
    parser.add_argument("--folder", type=Path, help="of the pipeline, kept; default: a new one")
    given = parser.parse_args()
    settings = json.loads(given.config.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(given.folder or temporary)
        info = extract(settings, given.cut, given.concurrency, folder)
    sys.stderr.write(json.dumps({"rows": rows(info)}) + "\n")


if __name__ == "__main__":
    main()
