"""How the sandbox's tests ask it: one plain request at a time, over real HTTP."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_billing.sandbox import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_billing.sandbox import Sandbox

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def asking(sandbox: Sandbox, path: str, method: str = "GET", login: str | None = "") -> Answer:
    """Send one request as it is written; `login` None = without credentials."""
    login = f"{sandbox.world.username}:{sandbox.world.password}" if login == "" else login
    headers = {"Connection": "close"}
    if login is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@pytest.fixture(scope="session")
def ask() -> Callable[..., Answer]:
    return asking


@pytest.fixture(scope="module")
def cheddar() -> Iterator[Sandbox]:
    """Serve a standing company as Cheddar tells it; for tests that do not advance it."""
    with serve("cheddar", customers=60, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def fresh() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes of one's own, which are closed after the test."""
    started: list[Sandbox] = []

    def start(provider: str = "cheddar", **options: Any) -> Sandbox:
        sandbox = serve(provider, **{"customers": 12, "now": NOW, **options})
        started.append(sandbox)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.close()
