"""A server in front of a sandbox that refuses or changes some of its answers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, web

from tap_billing.sandbox.server import TELLERS
from tests.support import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def proxying(
    sandbox: Any,
    *,
    refusing: str | Mapping[str, str] | None = None,
    counting: int = 0,
    after: int = 0,
) -> Iterator[str]:
    """Serve a sandbox's API by another address; yield its URL.

    Requests whose path and query have `refusing` in them (by provider, perhaps) get 403, but for
    the first so many of them; numbers of rows are `counting` more than they are.
    """
    provider = sandbox.world.options.provider
    refused = refusing if isinstance(refusing, str) or refusing is None else refusing[provider]
    seen = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal seen
        if refused and refused in request.raw_path:
            seen += 1
            if seen > after:
                words = {"code": 403, "status": "Error", "message": "Not for you", "response": None}
                return web.json_response(words, status=403)
        headers = {"Authorization": request.headers["Authorization"]}
        async with (
            ClientSession(auto_decompress=False) as client,
            client.get(f"{sandbox.origin}{request.raw_path}", headers=headers) as answer,
        ):
            body = await answer.read()
            kept = {k: v for k, v in answer.headers.items() if k in {"Content-Type", "Date"}}
        if counting and "/_count" in request.path:
            head, _, number = body.rpartition(b":")
            body = head + b":%d}" % (int(number.rstrip(b"}")) + counting)
        return web.Response(status=answer.status, body=body, headers=kept)

    with serving(handler) as origin:
        yield f"{origin}{TELLERS[provider].path}"
