"""The way to the server, stage by stage: name, connection, TLS."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from tap_billing import clock
from tap_billing.doctor.finding import failed, mishap, ok, warning
from tap_billing.errors import LocalError
from tap_billing.tls import trusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_billing.doctor.finding import Finding

SECONDS = 10.0
PORTS = {"http": 80, "https": 443}
SOON = 14
OWN = (
    "if a proxy or gateway of yours signs certificates itself, name the file of its authority in"
    " SSL_CERT_FILE"
)
# OpenSSL's X509_V_ERR_*: what a user can do about a certificate that does not hold.
CERTIFICATES: dict[int, str] = {
    9: "set this machine's clock",
    10: "tell the server's owner that its certificate has expired, or set this machine's clock",
    18: OWN,
    19: OWN,
    20: OWN,
    21: OWN,
    62: "check the host name in api_url or site",
    64: "check the address in api_url: use the name that the certificate is for",
}


def examine(api_url: str) -> Iterator[Finding]:
    """Yield what is found on the way to the server of a URL; the first failure is the last."""
    parts = urlsplit(api_url)
    host = parts.hostname or ""
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(host):
        # Its URL may hold credentials.
        via = urlsplit(proxy)
        yield ok("network", f"{host} is reached through the proxy {via.hostname or 'configured'}")
        return
    port = parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield failed(
            "dns",
            f"{host} has no address ({_reason(error)})",
            "check site or api_url, and this machine's network and name servers",
        )
        return
    if host != found[0][4][0]:
        yield ok("dns", f"{host} is {found[0][4][0]}")
    try:
        with socket.create_connection((host, port), timeout=SECONDS) as line:
            yield ok("connection", f"{host} answers on port {port}")
            yield from _tls(line, parts)
    except OSError as error:
        yield failed(
            "connection",
            f"nothing answers at {host} on port {port} ({_reason(error)})",
            "check site or api_url, firewalls, and whether a proxy is needed (HTTPS_PROXY)",
        )


def _tls(line: socket.socket, parts: SplitResult) -> Iterator[Finding]:
    host = parts.hostname or ""
    if parts.scheme == "http":
        if not _is_loopback(host):
            yield warning("tls", f"http://{host} is not encrypted", "use https in api_url")
        return
    try:
        with trusted().wrap_socket(line, server_hostname=host) as safe:
            told = safe.getpeercert() or {}
            version = safe.version()
    except LocalError as error:
        yield mishap("failed", "tls", error, "mend that environment variable")
    except ssl.SSLCertVerificationError as error:
        advice = CERTIFICATES.get(error.verify_code, OWN)
        yield failed("tls", f"{host}: {error.verify_message.rstrip('.')}", advice)
    except (ssl.SSLError, OSError) as error:
        advice = "check that api_url names a port that speaks https, and what stands in between"
        yield failed("tls", f"{host}: no TLS ({_reason(error)})", advice)
    else:
        yield _valid(host, version or "TLS", str(told.get("notAfter", "")))


def _valid(host: str, version: str, until: str) -> Finding:
    if not until:
        return ok("tls", f"{host}: {version}")
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC)
    left = (end - clock.now()).days
    found = f"{host}: {version}, certificate good until {end:%Y-%m-%d}"
    if left >= SOON:
        return ok("tls", found)
    return warning("tls", found, "the server's owner has to renew it")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "broken off").replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS:g} s"
    return getattr(error, "strerror", None) or type(error).__name__
