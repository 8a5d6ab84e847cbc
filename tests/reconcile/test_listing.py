"""A ChargeOver that changes between any two requests, and one that counts wrongly."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tap_billing.reconcile import listing
from tap_billing.reconcile.cli import main
from tests.support import ENVELOPE, PASSWORD, USER, serving

EARLY, LATE = "2026-01-15 12:00:00", "2026-02-15 12:00:00"


@dataclass
class Server:
    """Customers that were created by time; what `happens` is called before each count."""

    rows: dict[int, str]
    happens: list = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    counts: bool = True
    dates: bool = True

    def matching(self, where):
        clauses = [
            clause.replace("\\:", "|").split(":", 2) for clause in where.split(",") if clause
        ]
        found = dict(sorted(self.rows.items()))
        for name, operator, value in clauses:
            told = value.replace("|", ":").replace("T", " ")[:19]
            if name == "customer_id":
                found = {k: v for k, v in found.items() if k > int(value)}
            elif operator == "IS":
                found = {k: v for k, v in found.items() if not v}
            elif self.dates:
                found = {
                    k: v
                    for k, v in found.items()
                    if v and (v >= told if operator == "GTE" else v < told)
                }
        return found

    async def answer(self, request):
        if request.path.endswith("/_count"):
            if self.happens:
                self.happens.pop(0)(self.rows)
            if not self.counts:
                return web.json_response({"code": 400, "status": "Error", "message": "no"})
            return self.told(len(self.matching(request.query.get("where", ""))))
        self.listed.append(request.query.get("where", ""))
        found = list(self.matching(request.query.get("where", "")).items())
        limit = int(request.query["limit"])
        return self.told(
            [{"customer_id": k, "write_datetime": v or None} for k, v in found[:limit]]
        )

    @staticmethod
    def told(response):
        return web.json_response({**ENVELOPE, "response": response})


@pytest.fixture
def reconcile(file, tmp_path, capsys):
    """Compare a server with what a file holds of its customers."""

    def run(server, held):
        told = [
            {
                "type": "RECORD",
                "stream": "customers",
                "record": {
                    "customer_id": number,
                    "write_datetime": when and f"{when.replace(' ', 'T')}Z",
                },
            }
            for number, when in held.items()
        ]
        names = {"customer_id": {}, "write_datetime": {}}
        schema = {"type": "SCHEMA", "stream": "customers", "schema": {"properties": names}}
        path = tmp_path / "messages.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in (schema, *told)))
        config = {
            "provider": "chargeover",
            "username": USER,
            "password": PASSWORD,
            "timezone": "UTC",
            "page_size": 10,
            # One count after the other, so that what happens has its place.
            "max_concurrency": 1,
        }
        with serving(server.answer) as url:
            options = ["--config", file({**config, "api_url": url}), "--against", str(path)]
            code = main([*options, "--streams", "customers", "--json"])
        return code, json.loads(capsys.readouterr().out)["streams"]["customers"]

    return run


def company(*, early=12, late=13):
    return {n: EARLY if n <= early else LATE for n in range(1, early + late + 1)}


def test_whole_listing_is_proven_by_the_counts(reconcile):
    server = Server({**company(), 99: ""})
    code, told = reconcile(server, {**company(), 99: ""})

    assert code == 0
    assert (told["doubts"], told["missing"], told["surplus"]) == ([], [], [])
    assert {each["month"]: each["api"] for each in told["months"]} == {
        "-": 1,
        "2026-01": 12,
        "2026-02": 13,
    }
    assert server.listed[0] == ""
    assert all(where.startswith("customer_id:GT:") for where in server.listed[1:])


def test_month_that_changed_meanwhile_is_listed_once_more(reconcile):
    server = Server(company(), [lambda rows: rows.update({40: LATE})])
    code, told = reconcile(server, {**company(), 40: LATE})
    again = [where for where in server.listed if "write_datetime" in where]

    assert (code, told["doubts"]) == (0, [])
    assert again
    assert all("2026-02-01" in where and "2026-03-01" in where for where in again)


def test_row_that_was_deleted_meanwhile_is_not_missing(reconcile):
    server = Server(company(), [lambda rows: rows.pop(3)])
    code, told = reconcile(server, {k: v for k, v in company().items() if k != 3})

    assert (code, told["doubts"], told["missing"]) == (0, [], [])


def test_row_without_a_time_that_came_meanwhile_is_found(reconcile):
    server = Server(company(), [lambda rows: rows.update({40: ""})])
    code, told = reconcile(server, {**company(), 40: ""})

    assert (code, told["doubts"]) == (0, [])


def test_count_that_never_agrees_is_a_doubt(reconcile):
    class Wrong(Server):
        def told(self, response):
            return Server.told(response + 1 if isinstance(response, int) else response)

    code, told = reconcile(Wrong(company()), company())

    assert code == 1
    assert "2026-01: 12 rows were listed, the server counts 13" in told["doubts"]
    assert (told["missing"], told["stale"], told["surplus"]) == ([], [], [])


def test_server_that_does_not_count_is_noted(reconcile):
    code, told = reconcile(Server(company(), counts=False), company())

    assert (code, told["doubts"]) == (0, [])
    assert any("not proven by a count" in note for note in told["notes"])


def test_everything_is_listed_again_where_many_months_differ(reconcile):
    rows = {n: f"{2010 + n}-03-01 00:00:00" for n in range(1, 17)}
    server = Server(
        dict(rows), [lambda rows: rows.update({n + 100: rows[n] for n in range(1, 17)})]
    )
    after = rows | {n + 100: when for n, when in rows.items()}
    code, told = reconcile(server, after)

    assert (code, told["doubts"]) == (0, [])
    assert server.listed.count("") == 2


def test_calendar_reaches_from_the_first_month_to_the_present(monkeypatch):
    from tap_billing import clock  # noqa: PLC0415
    from tests.support import when  # noqa: PLC0415

    monkeypatch.setattr(clock, "now", lambda: when("2026-02-10T00:00:00+00:00"))

    assert listing.calendar(["-", "2025-12", "2026-05"]) == [
        "2025-12",
        "2026-01",
        "2026-02",
        "2026-05",
    ]
    assert listing.calendar(["-"]) == listing.calendar([]) == []
    assert listing.calendar(["1999-12", "2026-02"])[:2] == ["1999-12", "2011-01"]
