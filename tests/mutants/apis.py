"""APIs that do not quite do what ChargeOver and Cheddar document."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from tests.machine.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_billing.spec import Reply, Request
    from tap_billing.transport import Transport
    from tests.machine.network import Api

TOO_MANY = 429


@dataclass(frozen=True)
class Spoiled:
    """A ChargeOver API but for what `how` makes of a path and its answer's envelope.

    `how` returns status and envelope.
    """

    api: Api
    how: Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]

    def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Answer in the other's place."""
        _, kind, body = self.api.answer(path, query)
        status, envelope = self.how(path, json.loads(body))
        return status, kind, json.dumps(envelope).encode()


@dataclass(frozen=True)
class Deaf:
    """An API that does not hear all of its parameters: `hears` returns what it does."""

    api: Api
    hears: Callable[[dict[str, str]], dict[str, str]]

    def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Answer another question."""
        return self.api.answer(path, urlencode(self.hears(dict(parse_qsl(query)))))


@dataclass(frozen=True)
class Loose:
    """A ChargeOver API that takes any order, and without one tells the latest edits last."""

    api: Api

    def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Answer an order that the documented API takes, or sort and cut the whole list."""
        number = f"{path.strip('/')}_id"
        params = dict(parse_qsl(query))
        column, _, direction = params.get("order", "mod_datetime:ASC").partition(":")
        if path.endswith("_count") or column == number:
            return self.api.answer(path, query)
        everything = {"order": f"{number}:ASC", "limit": "500", "offset": "0"}
        status, kind, body = self.api.answer(path, urlencode({**params, **everything}))
        envelope = json.loads(body)
        found = envelope["response"]
        found.sort(key=lambda row: str(row.get(column)), reverse=direction == "DESC")
        offset = int(params.get("offset", 0))
        envelope["response"] = found[offset : offset + int(params["limit"])]
        return status, kind, json.dumps(envelope).encode()


@dataclass
class Busy:
    """An API of an account in which something happens after each page of a list.

    `happen` is told the number of the page, from 1.
    """

    api: Api
    path: str
    happen: Callable[[int], None]
    pages: int = 0

    def answer(self, path: str, query: str) -> tuple[int, str, bytes]:
        """Answer, then let it happen."""
        found = self.api.answer(path, query)
        # Not after the one row that the highest identifier is asked for by.
        if path == self.path and ":DESC" not in query.replace("%3A", ":"):
            self.pages += 1
            self.happen(self.pages)
        return found


class Pausing(Network):
    """A network whose server asks for a pause of a day when it says 429."""

    async def exchange(self, transport: Transport, request: Request) -> Reply:
        """Answer as the network does, with another header."""
        reply = await super().exchange(transport, request)
        if reply.status != TOO_MANY:
            return reply
        return replace(reply, headers={**reply.headers, "Retry-After": "86400"})


def refusal(status: int) -> tuple[int, dict[str, Any]]:
    """Return an error in the documented envelope."""
    return status, {"code": status, "status": "Error", "message": "refused", "response": False}
