"""Connections: kept and used again, one TLS handshake and one look-up for each, authorities."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
import subprocess
import zlib

import pytest
from aiohttp import web

from tap_billing import pacing
from tap_billing.errors import LocalError, Refused, Unreachable, advised
from tap_billing.tls import trusted
from tap_billing.transport import Limits
from tests.answers import KINDS, answer
from tests.support import REQUESTS, fetch, good, ids, served, transport, without_authorities

REQUESTED = 50


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Let pacing hold requests back for milliseconds, as the rest of these tests."""
    without_authorities(monkeypatch)
    monkeypatch.setattr(pacing, "LEAST_INTERVAL", 0.001)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for 127.0.0.1 that no authority has signed; return it and its key."""
    where = tmp_path_factory.mktemp("tls")
    files = where / "certificate.pem", where / "key.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=127.0.0.1"
        f" -addext subjectAltName=IP:127.0.0.1 -out {files[0]} -keyout {files[1]}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return files


def server_context(certificate):
    """Return what a server with this certificate secures its connections with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def connections(concurrency, context=None):
    """Return the clients' addresses and TLS connections that a server sees in fifty requests.

    The first answers come when as many as may be in flight are.
    """
    peers, secured = set(), set()

    async def go():
        together = asyncio.Barrier(concurrency)
        met = []

        async def handler(request):
            peers.add(request.transport.get_extra_info("peername"))
            secured.add(request.transport.get_extra_info("ssl_object"))
            met.append(request)
            if len(met) <= concurrency:
                await together.wait()
            return answer("chargeover")

        async with (
            served(handler, ssl_context=context) as url,
            transport(url, limits=Limits(5, concurrency)) as client,
        ):
            await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(REQUESTED)))
        return len(met)

    assert asyncio.run(go()) == REQUESTED
    return peers, secured


@pytest.mark.parametrize("concurrency", [1, 8])
def test_as_many_connections_as_requests_in_flight_are_enough(concurrency):
    peers, secured = connections(concurrency)
    assert len(peers) == concurrency
    assert secured == {None}


@pytest.mark.parametrize("concurrency", [1, 8])
def test_each_connection_is_secured_once(certificate, monkeypatch, concurrency):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    peers, secured = connections(concurrency, server_context(certificate))
    assert len(peers) == concurrency
    assert len(secured) == concurrency
    assert None not in secured


def test_host_is_looked_up_once_however_often_it_is_connected_to(monkeypatch):
    """Every answer ends its connection, and the first ones are asked for at the same time."""
    asked, peers = [], set()
    look_up = socket.getaddrinfo

    def counted(host, *args, **options):
        asked.append(host)
        return look_up(host, *args, **options)

    async def handler(request):
        peers.add(request.transport.get_extra_info("peername"))
        response = answer("chargeover")
        response.force_close()
        return response

    async def go():
        async with served(handler) as url:
            monkeypatch.setattr(socket, "getaddrinfo", counted)
            named = url.replace("127.0.0.1", "localhost")
            async with transport(named, limits=Limits(5, 8)) as client:
                await asyncio.gather(*(client.get(REQUESTS["chargeover"]) for _ in range(20)))

    asyncio.run(go())
    assert len(peers) == 20
    assert [str(host) for host in asked].count("localhost") == 1


def raw_deflate(body):
    """Compress without zlib's frame, as some servers do for `deflate`."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
def test_every_compression_that_is_asked_for_is_read(kind, encoding, pack):
    async def handler(request):
        offered = request.headers["Accept-Encoding"].replace(" ", "").split(",")
        assert encoding in offered
        return web.Response(body=pack(good(kind, 3)), headers={"Content-Encoding": encoding})

    assert fetch(handler, kind) == ["1", "2", "3"]


def fetch_over_tls(certificate):
    """Return the identifiers that an HTTPS server tells, and how often it was asked."""
    context = server_context(certificate)
    asked = []

    async def handler(request):
        asked.append(request.path)
        return answer("chargeover")

    async def go():
        async with served(handler, ssl_context=context) as url, transport(url) as client:
            return ids(await client.get(REQUESTS["chargeover"]))

    return asyncio.run(go()), len(asked)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authority_of_the_environment_is_trusted(certificate, monkeypatch, name):
    monkeypatch.setenv(name, str(certificate[0]))
    assert fetch_over_tls(certificate) == (["1"], 1)


def test_certificate_of_nobody_known_is_refused_at_once(certificate):
    with pytest.raises(Refused, match=r"TLS failed .*check SSL_CERT_FILE") as stopped:
        fetch_over_tls(certificate)
    assert len(advised(stopped.value).splitlines()) == 1


def test_authority_that_cannot_be_read_is_named(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")

    async def handler(_):
        return answer("chargeover")

    with pytest.raises(LocalError, match=r"REQUESTS_CA_BUNDLE names /no/such/bundle\.pem"):
        fetch(handler)


def test_plain_http_on_the_other_side_is_an_error_of_ours():
    async def handler(_):
        return answer("chargeover")

    async def go():
        url = "https://" + (await stack.enter_async_context(served(handler))).partition("//")[2]
        client = await stack.enter_async_context(transport(url))
        await client.get(REQUESTS["chargeover"])

    stack = contextlib.AsyncExitStack()

    async def whole():
        async with stack:
            await go()

    with pytest.raises((Refused, Unreachable)) as stopped:
        asyncio.run(whole())
    assert len(advised(stopped.value).splitlines()) == 1


@pytest.fixture
def read(monkeypatch):
    """Return the list of the files that authorities are read from, as they are read."""
    files = []
    load = ssl.SSLContext.load_verify_locations

    def told(context, cafile=None, capath=None, cadata=None):
        files.append(cafile or capath)
        load(context, cafile, capath, cadata)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", told)
    return files


def test_authorities_named_again_are_read_once(certificate, monkeypatch, read, tmp_path):
    path = str(certificate[0])
    linked = tmp_path / "linked.pem"
    linked.symlink_to(path)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, path)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(linked))
    assert len(trusted().get_ca_certs()) == 1
    assert read == []
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    assert len(trusted().get_ca_certs()) == 1
    assert read == [path]


def test_authorities_that_the_system_could_not_read_are_not_taken_for_read(monkeypatch, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(broken))
    with pytest.raises(LocalError, match="REQUESTS_CA_BUNDLE names"):
        trusted()
