"""What holds for both providers: the way to the server, credentials, clock, form of the report."""

from __future__ import annotations

import contextlib
import io
import json
import re
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from tap_billing.doctor.cli import main
from tap_billing.doctor.connection import Connection
from tap_billing.sandbox import serve
from tap_billing.settings import settings
from tests.support import config_of, paths, serving

LINE = re.compile(r"(ok      |warning |failed  ) [a-zA-Z_. ]+: .+")


@pytest.fixture
def healthy(provider):
    with serve(provider, customers=40) as sandbox:
        yield sandbox


def test_healthy_account_is_ok(healthy, diagnose):
    done = diagnose(config_of(healthy))

    assert done.code == 0
    assert {each["level"] for each in done.findings} == {"ok"}
    assert done.level("credentials") == done.level("clock") == done.level("first load") == "ok"
    assert done.level("access customers") == done.level("filters customers") == "ok"
    assert "by estimate" in done.of("first load")[0][1]


def test_few_requests_that_only_read(healthy, diagnose):
    diagnose(config_of(healthy))

    assert len(healthy.world.requests) <= 60
    assert {each["method"] for each in healthy.world.requests} == {"GET"}


def test_a_line_for_people_each(healthy, file, capsys):
    assert main([f"--config={file(config_of(healthy))}"]) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert all(LINE.fullmatch(line) for line in out.splitlines())
    assert len(out.splitlines()) > 10


def test_sandbox_setting_is_examined(provider, diagnose):
    done = diagnose({"provider": provider, "sandbox": True})

    assert done.code == 0
    assert done.level("dns") is None
    assert done.level("first load") == "ok"


def test_settings_come_from_the_environment(healthy, capsys, monkeypatch):
    for name, value in config_of(healthy).items():
        monkeypatch.setenv(f"TAP_BILLING_{name.upper()}", value)

    assert main(["--config=ENV"]) == 0
    assert "credentials: accepted" in capsys.readouterr().out


def test_wrong_password_ends_it(healthy, diagnose):
    done = diagnose(config_of(healthy, password="wr0ng-password"))

    assert done.code == 1
    assert done.wrong == {"credentials"}
    assert done.of("credentials")[0][2] == "check username and password"
    assert len(healthy.world.requests) == 1


@pytest.mark.parametrize(
    ("url", "check"),
    [("https://no-such-host.invalid/api", "dns"), ("http://127.0.0.1:9/api", "connection")],
)
def test_server_that_is_not_there_ends_it(healthy, diagnose, url, check):
    done = diagnose(config_of(healthy, api_url=url))

    assert done.code == 1
    assert done.findings[-1]["check"] == check
    assert done.findings[-1]["level"] == "failed"
    assert done.findings[-1]["advice"]


def test_no_secret_is_printed(healthy, file, capsys):
    config = config_of(healthy, username="user-of-the-test", password="p4ss-of-the-test")
    main(["--config", file(config)])
    out, err = capsys.readouterr()

    assert "p4ss-of-the-test" not in out + err
    assert "user-of-the-test" not in out + err


def test_every_wrong_setting_has_a_line(diagnose):
    done = diagnose({"provider": "chargeover", "page_size": 5000, "pasword": "s3cret-typo"})

    assert done.code == 1
    checks = {each["check"] for each in done.findings}
    assert {"setting page_size", "setting pasword", "setting username", "setting site"} <= checks
    assert "s3cret-typo" not in json.dumps(done.findings)


@pytest.mark.parametrize("content", ["{bad", "[]", None])
def test_config_that_cannot_be_read_is_a_usage_error(file, tmp_path, capsys, content):
    path = str(tmp_path / "none.json") if content is None else file(content)

    assert main(["--config", path]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_unknown_argument_is_a_usage_error(capsys):
    assert main(["--repair"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, "ok"), (120, "warning"), (-120, "warning"), (3600, "warning")]
)
def test_clock_skew_is_told(provider, diagnose, seconds, level):
    now = datetime.now(UTC) + timedelta(seconds=seconds)
    with serve(provider, customers=5, now=now) as sandbox:
        done = diagnose(config_of(sandbox))

    assert done.level("clock") == level
    if seconds:
        side = "behind" if seconds > 0 else "ahead of"
        assert side in done.of("clock")[0][1]
        assert "NTP" in done.of("clock")[0][2]


@pytest.mark.parametrize("fault", ["500", "503", "html", "malformed", "reset", "cut"])
def test_server_that_always_fails_ends_it(provider, diagnose, fault):
    with serve(provider, customers=5, faults={fault: 1}) as sandbox:
        done = diagnose(config_of(sandbox))

        assert done.code == 1
        assert done.level("server") == "failed"
        # Eight attempts; aiohttp itself repeats those whose connection was reset.
        assert len(sandbox.world.requests) <= 16


def test_server_that_hangs_is_not_waited_for(provider, diagnose):
    with serve(provider, customers=5, faults={"hang": 1}) as sandbox:
        done = diagnose(config_of(sandbox, request_timeout=0.2))

    assert done.code == 1
    assert "no complete answer" in done.of("server")[0][1]


def test_few_requests_a_second_make_it_shorter():
    slow = settings({"provider": "cheddar", "sandbox": True, "requests_per_second": 0.2})
    with contextlib.closing(Connection(slow)) as connection:
        assert connection.most == connection.left == 24


def test_requests_per_second_bounds_the_estimate(provider, diagnose):
    with serve(provider, customers=5) as sandbox:
        done = diagnose(config_of(sandbox, requests_per_second=50))

        assert done.code == 0
        assert "50 requests a second" in done.of("first load")[0][1] or provider == "cheddar"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    where = tmp_path_factory.mktemp("tls")
    files = where / "certificate.pem", where / "key.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN=127.0.0.1"
        f" -addext subjectAltName=IP:127.0.0.1 -out {files[0]} -keyout {files[1]}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return files


@pytest.fixture
def secure(certificate, healthy):
    """Serve nothing but refusals over TLS; give the settings to reach it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def handler(_):
        return web.Response(status=401)

    with serving(handler, ssl_context=context) as origin:
        yield config_of(healthy, api_url=origin)


def test_certificate_of_nobody_known_ends_it_with_advice(secure, diagnose):
    done = diagnose(secure)

    assert done.code == 1
    assert done.findings[-1]["check"] == "tls"
    assert "SSL_CERT_FILE" in done.findings[-1]["advice"]


def test_certificate_that_soon_expires_is_a_warning(secure, certificate, diagnose, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    done = diagnose(secure)

    assert done.level("tls") == "warning"
    assert "good until" in done.of("tls")[0][1]
    assert done.level("credentials") == "failed"


def test_https_at_a_port_of_plain_http_is_told(healthy, diagnose):
    url = healthy.url.replace("http://", "https://")
    done = diagnose(config_of(healthy, api_url=url))

    assert done.findings[-1]["check"] == "tls"
    assert done.findings[-1]["level"] == "failed"


def test_proxy_is_named_without_its_credentials(healthy, diagnose, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://someone:secret-of-the-proxy@127.0.0.1:9")
    done = diagnose(config_of(healthy, api_url="http://api.example/api/v3"))

    assert done.code == 1
    assert "through the proxy 127.0.0.1" in done.of("network")[0][1]
    assert done.level("server") == "failed"
    assert "secret-of-the-proxy" not in json.dumps(done.findings)


def test_reader_that_leaves_early_is_no_crash(healthy, file, monkeypatch, tmp_path):
    class Left(io.StringIO):
        def flush(self):
            raise BrokenPipeError

        def fileno(self):
            return own.fileno()

    with (tmp_path / "out").open("w") as own:
        monkeypatch.setattr("sys.stdout", Left())
        assert main(["--config", file(config_of(healthy))]) == 1
    assert paths(healthy) == []
