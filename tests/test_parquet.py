"""Parquet: files hold what messages would, objects and arrays as JSON text, and say so."""

from __future__ import annotations

import copy
import json

import pytest
from jsonschema import Draft7Validator

from tap_billing.errors import NoReader
from tap_billing.sandbox import serve
from tap_billing.tap import TapBilling
from tests.commands import tap
from tests.support import NOW, catalog_of, config_of, run, selecting, without_authorities
from tests.test_batches import FLAT, SETTINGS, held, stream_of, told, written


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


@pytest.fixture(scope="module")
def sandbox():
    with serve("chargeover", customers=25, now=NOW) as company:
        yield company


def rows_told(capsysbinary):
    """Return the rows of transactions in the files that stdout has told of."""
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    return held(messages)["transactions"]


def nested(schema):
    """Return the columns of a schema that are objects or arrays."""
    columns = schema["properties"].items()
    return {key for key, each in columns if {"object", "array"} & set(each["type"])}


def unpacked(row, columns):
    """Return a row of a Parquet file with what its JSON text says, without what is null."""
    return {
        key: json.loads(value) if key in columns else value
        for key, value in row.items()
        if value is not None
    }


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_parquet_holds_what_messages_would(sandbox, tmp_path, settings, compression):
    batched = told(tmp_path, "parquet", compression, batch_size=50)
    config = config_of(sandbox, **copy.deepcopy(settings))
    # Made without the files: a catalog is that of the records, whatever becomes of them.
    catalog = catalog_of(copy.deepcopy(config))
    streams = dict.fromkeys(each["stream"] for each in catalog["streams"])
    selecting(catalog, streams)
    files = run({**copy.deepcopy(config), **batched}, catalog=copy.deepcopy(catalog))
    messages = run(config, catalog=catalog)
    found = held(files.messages)
    schemas = {each["stream"]: each["schema"] for each in files.of("SCHEMA")}
    assert (files.error, messages.error) == (None, None)
    assert bool(any(map(nested, (each["schema"] for each in messages.of("SCHEMA"))))) != (
        settings is FLAT
    )
    for message in messages.of("SCHEMA"):
        name, columns = message["stream"], nested(message["schema"])
        expected = [
            {key: value for key, value in row.items() if value is not None}
            for row in messages.records(name)
        ]
        assert [unpacked(row, columns) for row in found[name]] == expected
        assert nested(schemas[name]) == set()
        assert schemas[name]["properties"].keys() == message["schema"]["properties"].keys()
        for row in found[name]:
            Draft7Validator(schemas[name]).validate(row)


def test_part_of_a_column_that_is_not_selected_is_not_in_its_text(tmp_path, capsysbinary):
    config = {"provider": "chargeover", "sandbox": True}
    catalog = selecting(catalog_of(config), {"transactions": None})
    (entry,) = [each for each in catalog["streams"] if each["stream"] == "transactions"]
    entry["metadata"] += [
        {
            "breadcrumb": ["properties", "gateway_opts", "properties", "a"],
            "metadata": {"selected": False},
        }
    ]
    config |= told(tmp_path, "parquet")
    stream = TapBilling(config=config, catalog=catalog, parse_env_config=False).streams[
        "transactions"
    ]
    written(stream, [{"transaction_id": 1, "gateway_opts": {"a": "S3CRET", "b": [1, None]}}])
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    (row,) = held(messages)["transactions"]
    assert row["gateway_opts"] == '{"b":[1,null]}'
    assert messages[0]["schema"]["properties"]["gateway_opts"]["type"] == ["string", "null"]


@pytest.mark.parametrize("settings", [{}, FLAT], ids=["nested", "flattened"])
def test_secret_in_a_column_is_not_in_its_text(tmp_path, capsysbinary, settings):
    stream = stream_of(**settings, **told(tmp_path, "parquet"))
    opts = {"token": "S3CRET", "a": {"token": ["S3CRET"], "b": 1}}
    written(stream, stream.cut("UTC")({"transaction_id": 1, "gateway_opts": opts}))
    (row,) = rows_told(capsysbinary)
    assert json.loads(row["gateway_opts"]) == {"a": {"b": 1}}


NUMBERS = [1, 1.5, -0.0, 2**53, 2**53 + 1, 2**60 + 1, 1e300, 0.1, None]


def test_numbers_are_the_nearest_doubles(tmp_path, capsysbinary):
    stream = stream_of(**told(tmp_path, "parquet"))
    written(stream, [{"transaction_id": 2**63 - 1, "amount": each} for each in NUMBERS])
    rows = rows_told(capsysbinary)
    assert [row["amount"] for row in rows] == [n if n is None else float(n) for n in NUMBERS]
    assert {row["transaction_id"] for row in rows} == {2**63 - 1}


def test_text_of_any_kind_is_held(tmp_path, capsysbinary):
    texts = ["", "Zoë \u2028 \x00 \\ '", '{"a": 1}', "\U0001f600", "\ud800x"]
    stream = stream_of(**told(tmp_path, "parquet"))
    written(stream, [{"transaction_id": 1, "memo": t, "extra_fields": {"x": t}} for t in texts])
    rows = rows_told(capsysbinary)
    assert [row["memo"] for row in rows] == [*texts[:-1], "\ufffdx"]
    assert [json.loads(row["extra_fields"])["x"] for row in rows] == texts


@pytest.mark.parametrize(
    "wrong", [{"transaction_id": 1.5}, {"transaction_id": 2**64}, {"amount": "much"}], ids=str
)
def test_value_that_parquet_cannot_hold_ends_the_run(tmp_path, capsysbinary, wrong):
    stream = stream_of(**told(tmp_path, "parquet"))
    (key,) = wrong
    with pytest.raises(NoReader, match=f"batch_config: a value of {key} .* or jsonl"):
        written(stream, [{"transaction_id": 1, **wrong}])
    with pytest.raises(NoReader, match="were lost already"):
        stream.save()
    stream.tap.close()
    assert list(tmp_path.iterdir()) == []
    assert b"BATCH" not in capsysbinary.readouterr().out


def test_connection_test_with_parquet_tells_records_as_their_schema_says(file, tmp_path):
    settings = {"provider": "cheddar", "sandbox": True, **told(tmp_path, "parquet")}
    done = tap("--config", file(settings, "test.json"), "--test")
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    schemas = {each["stream"]: each["schema"] for each in messages if each["type"] == "SCHEMA"}
    records = [each for each in messages if each["type"] == "RECORD"]
    assert records
    for each in records:
        Draft7Validator(schemas[each["stream"]]).validate(each["record"])
