from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from tap_billing import pacing
from tap_billing.errors import BillingError, Refused, Unreachable, advised
from tests.answers import KINDS, LOGIN, answer
from tests.support import REQUESTS, fetch, ids, served, transport, without_authorities


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Let pacing hold requests back for milliseconds, as the rest of these tests."""
    without_authorities(monkeypatch)
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.001)


@pytest.mark.parametrize("kind", KINDS)
def test_only_get_is_sent_with_credentials_and_no_body(kind):
    requests = []

    async def handler(request):
        requests.append(
            (request.method, request.headers.get("Authorization"), await request.read())
        )
        return answer(kind) if len(requests) > 1 else web.Response(status=503)

    fetch(handler, kind)
    login = LOGIN
    assert requests == [("GET", login, b"")] * 2


@pytest.fixture(params=["machine 127.0.0.1", "default"])
def netrc(request, monkeypatch, tmp_path):
    """Let the environment know another login for the host, as company machines do."""
    path = tmp_path / "netrc"
    path.write_text(f"{request.param} login somebody password else\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("kind", KINDS)
def test_netrc_entry_for_the_host_changes_nothing(kind):
    logins = []

    async def handler(request):
        logins.append(request.headers.getall("Authorization"))
        return answer(kind)

    assert fetch(handler, kind) == ["1"]
    assert logins == [[LOGIN]]


@pytest.mark.usefixtures("netrc")
def test_redirect_to_another_port_does_not_get_our_credentials_beside_netrc():
    assert LOGIN not in redirected(302)


@pytest.mark.parametrize("base", ["", "/", "/gateway/billing", "/gateway/billing/"])
def test_base_path_is_kept(base):
    seen = []

    async def handler(request):
        seen.append(request.path)
        return answer("chargeover")

    async def go():
        async with served(handler) as url, transport(url + base) as client:
            await client.get(REQUESTS["chargeover"])

    asyncio.run(go())
    assert seen == [base.rstrip("/") + "/customer"]


def redirected(status):
    """Return the logins that a server on another port gets by a redirect."""
    got = []

    async def elsewhere(request):
        assert request.method == "GET"
        got.append(request.headers.get("Authorization"))
        return answer("chargeover")

    async def go():
        async with served(elsewhere) as other:

            async def here(_):
                return web.Response(status=status, headers={"Location": f"{other}/customer"})

            async with served(here) as url, transport(url) as client:
                return ids(await client.get(REQUESTS["chargeover"]))

    assert asyncio.run(go()) == ["1"]
    return got


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_port_does_not_get_the_credentials(status):
    assert redirected(status) == [None]


def test_redirect_within_the_origin_keeps_the_credentials():
    async def handler(request):
        if request.path == "/customer":
            return web.Response(status=302, headers={"Location": "/v3/customer"})
        assert request.headers["Authorization"].startswith("Basic ")
        return answer("chargeover")

    assert fetch(handler) == ["1"]


@pytest.mark.parametrize("location", ["/customer", "ftp://elsewhere/", "http://[", None])
def test_redirect_that_leads_nowhere_is_one_clear_line(location):
    async def handler(_):
        return web.Response(status=302, headers={"Location": location} if location else {})

    with pytest.raises(BillingError) as stopped:
        fetch(handler)
    line = advised(stopped.value)
    assert len(line.splitlines()) == 1
    assert line.startswith("GET /customer: ")
    assert "limit=500" not in line


@pytest.mark.parametrize(
    ("location", "requests"), [("/customer", 11), ("ftp://elsewhere/", 1), ("http://[", 1)]
)
def test_redirect_that_leads_nowhere_is_followed_once_and_blamed_on_api_url(location, requests):
    asked = []

    async def handler(request):
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": location})

    with pytest.raises(Refused, match="redirected to nowhere; check api_url") as stopped:
        fetch(handler)
    assert "is no URL" not in str(stopped.value)
    # A redirect in a circle is followed ten times by the client itself.
    assert len(asked) <= requests


@pytest.mark.parametrize("bypass", [False, True])
def test_proxy_of_the_environment_is_used(monkeypatch, bypass):
    seen = []

    async def proxy(request):
        seen.append(request.raw_path)
        return answer("chargeover")

    async def handler(_):
        return answer("chargeover", 2)

    async def go():
        async with served(proxy) as by, served(handler) as url:
            monkeypatch.setenv("http_proxy", by.replace("//", "//me:secret-of-the-proxy@"))
            monkeypatch.setenv("no_proxy", "127.0.0.1" if bypass else "")
            async with transport(url) as client:
                return ids(await client.get(REQUESTS["chargeover"]))

    assert asyncio.run(go()) == (["1", "2"] if bypass else ["1"])
    assert [path.startswith("http://127.0.0.1:") for path in seen] == ([] if bypass else [True])


def test_proxy_that_is_not_there_is_named_without_its_password(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://me:secret-of-the-proxy@127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "")

    async def go():
        async with transport("http://api.example/api/v3") as client:
            await client.get(REQUESTS["chargeover"])

    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}") as stopped:
        asyncio.run(go())
    assert "secret-of-the-proxy" not in advised(stopped.value)
