"""A server between the doctor and a sandbox that changes questions and answers."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from tap_billing.doctor import connection
from tap_billing.doctor.cli import main
from tests.support import config_of, serving, without_authorities

PASSED_ON = ("Content-Type", "Date", "Retry-After")


@dataclass
class Diagnosis:
    """What the doctor printed, by check, and its exit code."""

    code: int
    findings: list[dict] = field(default_factory=list)

    def of(self, check):
        """Return the findings of a check as (level, what was found, advice)."""
        return [
            (each["level"], each["found"], each["advice"])
            for each in self.findings
            if each["check"] == check
        ]

    def level(self, check):
        """Return the worst level of a check, None if it was not made."""
        levels = {each[0] for each in self.of(check)}
        return next((one for one in ("failed", "warning", "ok") if one in levels), None)

    @property
    def wrong(self):
        """Return the checks that are not ok, without those of settings and clocks."""
        return {each["check"] for each in self.findings if each["level"] != "ok"} - {"clock"}


@pytest.fixture
def diagnose(file, capsys, monkeypatch):
    """Run the command with settings and return what it found."""
    without_authorities(monkeypatch)
    monkeypatch.setattr(connection, "FIRST_WAIT", 0.0001)

    def run(config, *arguments):
        code = main(["--config", file(config), "--json", *arguments])
        out = capsys.readouterr().out
        return Diagnosis(code, [json.loads(line) for line in out.splitlines()])

    return run


@pytest.fixture
def meddling():
    """Serve a sandbox through a server that meddles; give the settings to reach it.

    `ask(path, query)` changes the query in place, or answers in the sandbox's place; `tell(path,
    body)` returns another body.
    """

    @contextlib.contextmanager
    def through(sandbox, ask=None, tell=None, **settings):
        async def handler(request):
            query = dict(request.query)
            answer = ask(request.path, query) if ask else None
            if answer is not None:
                return answer
            headers = {"Authorization": request.headers.get("Authorization", "")}
            async with (
                aiohttp.ClientSession() as session,
                session.get(sandbox.origin + request.path, params=query, headers=headers) as got,
            ):
                body = await got.read()
                told = {name: got.headers[name] for name in PASSED_ON if name in got.headers}
                if tell:
                    body = tell(request.path, body)
                return web.Response(status=got.status, body=body, headers=told)

        with serving(handler) as origin:
            url = sandbox.url.replace(sandbox.origin, origin)
            yield config_of(sandbox, api_url=url, **settings)

    return through


def error_page(status):
    """Return ChargeOver's answer for a refusal."""
    envelope = {"code": status, "status": "Error", "message": "No.", "response": False}
    return web.json_response(envelope, status=status)


@pytest.fixture
def refusal():
    return error_page


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Take away the caller's proxy: loopback is not behind it."""
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
