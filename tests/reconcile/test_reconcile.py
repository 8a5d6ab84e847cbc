from __future__ import annotations

import json
from decimal import Decimal

import duckdb
import pytest
from aiohttp import web

from tap_billing.reconcile.cli import main
from tests.support import PASSWORD, USER, catalog_of, config_of, run, selecting, serving

AMOUNTS = {"chargeover": "total", "cheddar": "vatRate"}


def key_of(full, provider, stream):
    schema = next(each for each in full[provider].of("SCHEMA") if each["stream"] == stream)
    (key,) = schema["key_properties"]
    return key


def differing(told):
    found = json.loads(told)["streams"]
    return {
        name: {what: one[what] for what in ("missing", "stale", "surplus") if one[what]}
        for name, one in found.items()
        if one["missing"] or one["stale"] or one["surplus"]
    }


def of(message, stream):
    return message["type"] == "RECORD" and message["stream"] == stream


def test_file_of_a_complete_run_is_equal(delivered, reconcile, full, provider):
    code, told, errors = reconcile(delivered())
    rows = len(full[provider].of("RECORD"))

    assert (code, errors) == (0, "")
    assert f"equal, {rows:,} rows in {len(full[provider].counts)} streams" in told


def test_sums_and_counts_are_those_of_the_company(delivered, reconcile, standing, provider):
    _, told, _ = reconcile(delivered(), "--json")
    streams = json.loads(told)["streams"]
    truth = standing[provider].world.truth()
    amounts = [
        Decimal(both["api"])
        for month in streams["transactions"]["months"]
        for both in month["sums"].values()
    ]

    assert sum(amounts) == Decimal(truth["transactions"]["sums"]["amount"])
    for name, each in streams.items():
        assert sum(month["api"] for month in each["months"]) == truth[name]["count"], name
        assert each["doubts"] == each["notes"] == []


def test_exactly_what_was_deleted_changed_and_added_is_named_and_mended(
    delivered, reconcile, full, provider, tmp_path
):
    key = key_of(full, provider, "invoices")
    keys = [str(row[key]) for row in full[provider].records("invoices")]
    gone, wrong, column = set(keys[2:30]), keys[40], AMOUNTS[provider]

    def change(message):
        if of(message, "invoices"):
            row = message["record"]
            if str(row[key]) in gone:
                return None
            if str(row[key]) == wrong:
                row[column] = (row[column] or 0) + 0.01
        return message

    path, repair = delivered(change), tmp_path / "repair.jsonl"
    code, told, errors = reconcile(path, "--json", "--repair", str(repair))
    found = differing(told)

    assert code == 1
    assert {each[0] for each in found["invoices"].pop("missing")} == gone
    assert found == {"invoices": {"stale": [{"key": [wrong], "columns": [column]}]}}
    assert f"{repair}: 29 rows" in errors

    mended = [json.loads(line) for line in repair.read_text().splitlines()]
    schema = next(each for each in full[provider].of("SCHEMA") if each["stream"] == "invoices")

    assert mended[0] == schema
    assert {each["type"] for each in mended[1:]} == {"RECORD"}

    with path.open("a") as file:
        file.write(repair.read_text())

    assert reconcile(path)[0] == 0


def test_surplus_row_is_named_and_no_record_mends_it(
    delivered, reconcile, full, provider, tmp_path
):
    key = key_of(full, provider, "transactions")
    last = full[provider].records("transactions")[-1]
    path, repair = delivered(), tmp_path / "repair.jsonl"
    message = {"type": "RECORD", "stream": "transactions", "record": {**last, key: "987654321"}}
    path.write_text(path.read_text() + json.dumps(message) + "\n")
    code, told, errors = reconcile(path, "--repair", str(repair))

    assert code == 1
    assert "transactions: 1 surplus: 987654321" in told
    assert "ACTIVATE_VERSION" in errors
    assert repair.read_text() == ""


def test_repaired_rows_carry_the_version_of_the_others(delivered, reconcile, tmp_path):
    dropped = []

    def change(message):
        if of(message, "plans") and not dropped:
            dropped.append(message)
            return None
        return {**message, "version": 5} if of(message, "plans") else message

    messages = delivered(change)
    lines = [json.loads(line) for line in messages.read_text().splitlines()]
    kept = [each for each in lines if each["type"] != "ACTIVATE_VERSION"]
    messages.write_text("".join(json.dumps(each) + "\n" for each in kept))
    repair = tmp_path / "repair.jsonl"
    reconcile(messages, "--streams", "plans", "--repair", str(repair))
    record = json.loads(repair.read_text().splitlines()[1])

    assert record["version"] == 5
    assert record["record"] == dropped[0]["record"]


def test_only_twenty_rows_are_named_but_in_json(delivered, reconcile, full, provider):
    path = delivered(lambda message: None if of(message, "invoices") else message)
    missing = full[provider].counts["invoices"]
    _, told, _ = reconcile(path, "--streams", "invoices")
    _, whole, _ = reconcile(path, "--streams", "invoices", "--json")

    assert f"invoices: {missing} missing: " in told
    assert f"... and {missing - 20} more" in told
    assert len(json.loads(whole)["streams"]["invoices"]["missing"]) == missing


def test_selection_start_and_maps_are_those_of_the_tap(standing, file, capsys, tmp_path, provider):
    config = config_of(
        standing[provider],
        start_date="2025-06-01",
        decimals="string",
        stream_maps={"invoices": {"__alias__": "bills"}, "customers": {"company": "'hidden'"}},
    )
    every = catalog_of(config)
    catalog = selecting(every, {each["stream"]: None for each in every["streams"]})
    path = tmp_path / "messages.jsonl"
    done = run(config, catalog=catalog)
    path.write_text("".join(json.dumps(each) + "\n" for each in done.messages))
    options = ["--config", file(config), "--catalog", file(catalog, "catalog.json"), "--json"]
    code = main([*options, "--against", str(path)])
    streams = json.loads(capsys.readouterr().out)["streams"]

    assert done.error is None
    assert (code, differing(json.dumps({"streams": streams}))) == (0, {})
    assert streams.keys() == {each["stream"] for each in catalog["streams"]} - {"invoices"} | {
        "bills"
    }
    assert min(month["month"] for month in streams["customers"]["months"]) >= "2025-06"


def test_duckdb_is_compared_and_mended_by_replaying_the_file(reconcile, full, provider, tmp_path):
    key = key_of(full, provider, "plans")
    rows = full[provider].records("plans")
    columns = [name for name, value in rows[0].items() if not isinstance(value, (dict, list))]
    path, repair = tmp_path / "w.duckdb", tmp_path / "repair.jsonl"
    names = ", ".join(f'"{name}"' for name in columns)

    def load(found):
        with duckdb.connect(str(path)) as base:
            for row in found:
                base.execute(f"delete from plans where {key} = ?", [str(row[key])])
                marks = ", ".join("?" for _ in columns)
                values = [row.get(name) for name in columns]
                base.execute(f"insert into plans ({names}) values ({marks})", values)

    with duckdb.connect(str(path)) as base:
        base.execute(f"create table plans ({', '.join(f'{name} varchar' for name in columns)})")
    load(rows[2:])
    gone = sorted(str(row[key]) for row in rows[:2])
    options = ("--streams", "plans", "--json", "--repair", str(repair))
    code, told, _ = reconcile(f"duckdb:{path}", *options)

    assert code == 1
    assert sorted(each[0] for each in differing(told)["plans"].pop("missing")) == gone

    messages = [json.loads(line) for line in repair.read_text().splitlines()]
    load([each["record"] for each in messages if each["type"] == "RECORD"])

    assert reconcile(f"duckdb:{path}", *options)[0] == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "the following arguments are required: --config, --against"),
        (["--config", "nowhere.json", "--against", "x"], "nowhere.json: No such file"),
        (["--config", "CONFIG", "--against", "nowhere"], "there is no file nowhere"),
        (
            ["--config", "CONFIG", "--against", "FILE", "--streams", "bills"],
            "bills is not selected",
        ),
        (["--config", "CONFIG", "--against", "FILE", f"postgresql://u:{PASSWORD}@h"], "1 argument"),
        (["--config", "CONFIG", "--against", "FILE", "--repair", "no/where"], "no folder no"),
        (["--config", "WRONG", "--against", "FILE"], "page_size"),
    ],
)
def test_wrong_usage_is_one_line_and_code_two(options, told, file, capsys):
    sandbox = {"provider": "cheddar", "sandbox": True}
    files = {
        "CONFIG": file(sandbox),
        "WRONG": file({**sandbox, "page_size": 0}, "wrong.json"),
        "FILE": file("", "messages.jsonl"),
    }
    code = main([files.get(each, each) for each in options])
    printed = capsys.readouterr()

    assert code == 2
    assert told in printed.err
    assert printed.out == ""
    assert PASSWORD not in printed.err


def test_settings_come_from_the_environment_as_well(delivered, standing, monkeypatch, provider):
    for name, value in config_of(standing[provider]).items():
        monkeypatch.setenv(f"TAP_BILLING_{name.upper()}", str(value))

    assert main(["--config=ENV", "--against", str(delivered()), "--json"]) == 0


def test_stream_that_cannot_be_read_leaves_the_others(file, tmp_path, capsys):
    async def answer(request):
        forbidden = "/coupon" in request.path
        counting = request.path.endswith("_count")
        told = {"code": 403 if forbidden else 200, "status": "Error" if forbidden else "OK"}
        response = 0 if counting else []
        return web.json_response({**told, "message": "", "response": response}, status=told["code"])

    path = tmp_path / "messages.jsonl"
    path.write_text("")
    with serving(answer) as url:
        config = {"provider": "chargeover", "api_url": url, "username": USER, "password": PASSWORD}
        options = ["--config", file(config), "--against", str(path), "--json"]
        code = main([*options, "--streams", "promotions,plans,plan_tiersets"])
    streams = json.loads(capsys.readouterr().out)["streams"]

    assert code == 1
    assert "permission" in streams["promotions"]["failure"]
    assert [name for name in streams if streams[name]["failure"]] == ["promotions"]
