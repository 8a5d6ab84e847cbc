"""A strict ChargeOver API in memory; shares no code with the tap.

Facts: developer.chargeover.com/docs (filters, operators, expand) and recorded envelopes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tests.machine.search import Malformed, clauses, matches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.machine.account import Account, Row

FILTERABLE = {
    "customer": {"customer_id", "write_datetime", "mod_datetime"},
    "package": {
        *("package_id", "customer_id", "package_status_state"),
        *("write_datetime", "mod_datetime", "cancel_datetime"),
    },
    "invoice": {
        *("invoice_id", "customer_id", "package_id", "invoice_status_state"),
        *("write_datetime", "mod_datetime"),
    },
    "transaction": {"transaction_id", "customer_id", "transaction_datetime"},
}
EXPANDABLE = {"package": {"line_items"}, "invoice": {"line_items"}, "transaction": {"applied_to"}}
PARAMETERS = {"where", "order", "limit", "offset", "expand"}
MOST = 500


@dataclass(frozen=True)
class ChargeOver:
    """The API of an account."""

    account: Account

    def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Return status, content type and body of a GET below the API's URL."""
        try:
            response = self._respond(path.strip("/").split("/"), dict(_pairs(query)))
        except Malformed as error:
            body = {"code": 400, "status": "Error", "message": str(error), "response": False}
            return 400, "application/json", json.dumps(body).encode()
        body = {"code": 200, "status": "OK", "message": "", "details": {}, "response": response}
        return 200, "application/json", json.dumps(body).encode()

    def _respond(self, path: list[str], params: dict[str, str]) -> Any:
        if path[0] not in self.account.tables or path[1:] not in ([], ["_count"]):
            raise Malformed(f"The object type requested is not supported: list({path[0]}, )")
        unknown = params.keys() - (PARAMETERS if len(path) == 1 else {"where"})
        expand = set(params.get("expand", "").split(",")) - {""}
        if unknown or expand - EXPANDABLE.get(path[0], set()):
            raise Malformed(f"Missing or invalid parameter: {params}")
        wanted = clauses(params.get("where", ""), FILTERABLE[path[0]])
        found = [
            told
            for row in self.account.tables[path[0]].values()
            if row.visible <= self.account.clock.now
            and matches(self._searched(path[0], row), wanted)
            for told in (self._told(path[0], row, expand),)
        ]
        if len(path) > 1:
            return len(found)
        number = f"{path[0]}_id"
        order, _, direction = params.get("order", "").partition(":")
        if order != number or direction not in ("ASC", "DESC"):
            raise Malformed(f"You cannot order by: {params.get('order')}")
        limit, offset = int(params["limit"]), int(params.get("offset", "0"))
        if not 1 <= limit <= MOST:
            raise Malformed(f"Invalid limit: {limit}")
        found.sort(key=lambda told: int(told[number]), reverse=direction == "DESC")
        return found[offset : offset + limit]

    def _searched(self, path: str, row: Row) -> Mapping[str, Any]:
        """Return a row's fields as the search compares them: local times if it is naive."""
        facts = self.account.facts(path, row)
        return {
            key: self._local(value) if isinstance(value, datetime) else value
            for key, value in facts.items()
        } | {"zone": self.account.zone if self.account.naive else None}

    def _local(self, when: datetime) -> datetime:
        return (
            when.astimezone(self.account.zone).replace(tzinfo=None) if self.account.naive else when
        )

    def _told(self, path: str, row: Row, expand: set[str]) -> dict[str, Any]:
        told = {key: self._said(value) for key, value in self.account.facts(path, row).items()}
        if path == "invoice" and self.account.dateless:
            del told["mod_datetime"]
        if "line_items" in expand:
            told["line_items"] = [
                {"line_item_id": number, "descrip": name} for number, name in row.lines.items()
            ]
        if "applied_to" in expand:
            told["applied_to"] = [
                {"invoice_id": number, "applied": amount} for number, amount in row.lines.items()
            ]
        return told

    def _said(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            return value
        local = value.astimezone(self.account.zone)
        return f"{local:%Y-%m-%d %H:%M:%S}" if self.account.naive else local.isoformat()


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
