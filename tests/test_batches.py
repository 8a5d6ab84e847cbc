"""Batches: files hold what messages would, and are told of before any STATE that relies on them."""

from __future__ import annotations

import copy
import gzip
import json
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pyarrow import parquet
from upath import UPath

from tap_billing import batches
from tap_billing.errors import NoReader, SettingsError
from tap_billing.sandbox import serve
from tap_billing.tap import TapBilling
from tests.commands import tap
from tests.support import NOW, catalog_of, config_of, run, selecting, without_authorities
from tests.test_emission import AT, DOCUMENTS

STAMPS = {"_sdc_extracted_at", "_sdc_table_version"}
VERSIONS = {"emit_activate_version_messages": True}
FLAT = {"flattening_enabled": True, "flattening_max_depth": 3}


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Talk plain HTTP only."""
    without_authorities(monkeypatch)


def told(folder, kind="jsonl", compression="gzip", **further):
    encoding = {"format": kind, "compression": compression}
    storage = {"root": folder.as_uri(), **further.pop("storage", {})}
    return {"batch_config": {"encoding": encoding, "storage": storage, **further}}


def path_of(url):
    return Path(unquote(urlsplit(url).path))


def rows_of(message):
    """Return what the files of a BATCH message hold."""
    found = []
    for url in message["manifest"]:
        if message["encoding"]["format"] == "parquet":
            found += parquet.read_table(path_of(url)).to_pylist()
            continue
        body = path_of(url).read_bytes()
        if message["encoding"].get("compression") == "gzip":
            body = gzip.decompress(body)
        found += [json.loads(line) for line in body.splitlines()]
    return found


def held(messages):
    """Return the rows of every stream, as told by files."""
    found = defaultdict(list)
    for message in messages:
        if message["type"] == "BATCH":
            found[message["stream"]] += rows_of(message)
    return found


def bare(rows):
    return [{k: v for k, v in row.items() if k not in STAMPS} for row in rows]


@pytest.fixture(scope="module")
def sandbox():
    with serve("chargeover", customers=25, now=NOW) as company:
        yield company


SETTINGS = {
    "plain": {},
    "flattened": FLAT,
    "mapped": {
        "stream_maps": {
            "customers": {"company": None, "__alias__": "people"},
            "payments": {"__source__": "transactions", "__filter__": "transaction_id > 3"},
            "invoices": None,
        }
    },
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("compression", ["gzip", "none", None])
def test_files_hold_what_messages_would(sandbox, tmp_path, settings, compression):
    ways = []
    for batched in (told(tmp_path / "files", compression=compression), {}):
        config = config_of(sandbox, **copy.deepcopy(settings), **batched)
        names = [each["stream"] for each in catalog_of(copy.deepcopy(config))["streams"]]
        streams = {**dict.fromkeys(names), "contacts": {"email"}}
        catalog = selecting(catalog_of(copy.deepcopy(config)), streams)
        ways.append(run(config, catalog=catalog))
    files, messages = ways
    found = held(files.messages)
    assert (files.error, messages.error, files.of("RECORD")) == (None, None, [])
    assert found == {
        name: messages.records(name) for name in messages.counts if messages.counts[name]
    }
    assert files.of("SCHEMA") == messages.of("SCHEMA")
    assert messages.of("ACTIVATE_VERSION")
    assert files.of("ACTIVATE_VERSION") == []
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_rows_tell_their_version_if_versions_are_asked_for(sandbox, tmp_path, kind):
    files = run(config_of(sandbox, **VERSIONS, **told(tmp_path, kind)))
    messages = run(config_of(sandbox))
    versions = {each["stream"]: each["version"] for each in files.of("ACTIVATE_VERSION")}
    assert versions.keys() == {each["stream"] for each in messages.of("ACTIVATE_VERSION")}
    for name, rows in held(files.messages).items():
        assert len(rows) == messages.counts[name]
        assert {row["_sdc_table_version"] for row in rows} == {versions[name]}


def test_files_after_versioned_messages_have_no_version(sandbox, tmp_path):
    first = run(config_of(sandbox))
    second = run(config_of(sandbox, **told(tmp_path)), state=first.state)
    found = held(second.messages)
    assert first.of("ACTIVATE_VERSION")
    assert found
    assert not [row for rows in found.values() for row in rows if STAMPS & row.keys()]
    assert not [each for each in second.of("BATCH") if each.get("version") is not None]
    assert second.of("ACTIVATE_VERSION") == []


@pytest.mark.parametrize("source", ["file", "environment"])
@pytest.mark.parametrize("wanted", [None, False, True])
def test_command_writes_versions_of_rows_in_files_only_if_it_is_told_to(
    file, tmp_path, source, wanted
):
    settings = {"provider": "cheddar", "sandbox": True, "sandbox_now": "2024-06-01"}
    settings |= told(tmp_path / "files")
    if source == "file":
        # As Meltano hands over what is not set.
        done = tap("--config", file({**settings, "emit_activate_version_messages": wanted}))
    else:
        if wanted is not None:
            settings |= {"emit_activate_version_messages": wanted}
        variables = {
            f"TAP_BILLING_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in settings.items()
        }
        done = tap("--config=ENV", cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    rows = [row for rows in held(messages).values() for row in rows]
    assert rows
    assert {"ACTIVATE_VERSION" in {each["type"] for each in messages}} == {bool(wanted)}
    assert {row.keys() >= STAMPS for row in rows} == {bool(wanted)}
    assert {bool(STAMPS & row.keys()) for row in rows} == {bool(wanted)}


def test_files_are_told_of_before_what_relies_on_them(sandbox, tmp_path):
    done = run(config_of(sandbox, **told(tmp_path, batch_size=30)))
    whole = run(config_of(sandbox))
    missing = dict(whole.counts)
    for message in done.messages:
        if message["type"] == "BATCH":
            rows = rows_of(message)
            assert 0 < len(rows) <= 30
            missing[message["stream"]] -= len(rows)
        if message["type"] == "ACTIVATE_VERSION":
            assert missing[message["stream"]] == 0
        if message["type"] == "STATE":
            assert not [
                name
                for name, state in message["value"]["bookmarks"].items()
                if "watermark" in state and missing[name]
            ]
    assert not any(missing.values())
    assert done.messages[-1]["type"] == "STATE"
    assert {path_of(each["manifest"][0]) for each in done.of("BATCH")} == set(tmp_path.iterdir())


def stream_of(**settings):
    config = {"provider": "chargeover", "sandbox": True, **settings}
    return TapBilling(config=config, parse_env_config=False).streams["transactions"]


def written(stream, records):
    """Write records as they are, and let a STATE follow."""
    stream.write(AT, copy.deepcopy(records))
    stream.save()


@pytest.mark.parametrize("version", [None, 5])
def test_rows_tell_what_messages_say_beside_the_record(tmp_path, capsysbinary, version):
    stream = stream_of(**VERSIONS, **told(tmp_path, compression="none"))
    stream.version = version
    written(stream, DOCUMENTS)
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [each["type"] for each in messages] == ["SCHEMA", "BATCH", "STATE"]
    rows = rows_of(messages[1])
    assert bare(rows) == DOCUMENTS
    assert {row.get("_sdc_table_version") for row in rows} == {version}
    assert {row["_sdc_extracted_at"] for row in rows} == {"2026-02-01T12:00:00.500000Z"}
    assert messages[1].get("version") == version


def test_run_that_ends_early_leaves_nothing_that_is_not_told_of(tmp_path, capsysbinary):
    stream = stream_of(**told(tmp_path, batch_size=2))
    stream.write(AT, copy.deepcopy(DOCUMENTS[:3]))
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".gz", ".part"]
    stream.tap.close()
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    (left,) = tmp_path.iterdir()
    assert [each["type"] for each in messages] == ["SCHEMA", "BATCH"]
    assert path_of(messages[1]["manifest"][0]) == left


def test_signal_while_files_are_written_waits_for_their_end(tmp_path, capsysbinary, monkeypatch):
    stream = stream_of(**told(tmp_path, batch_size=2))
    writer = stream.tap.message_writer
    begin = batches.Batches._begin
    seen = []

    def interrupted(self, *given):
        seen.append(writer.writing)
        if len(seen) == 2:
            writer.afterwards = stream.save
        return begin(self, *given)

    monkeypatch.setattr(batches.Batches, "_begin", interrupted)
    stream.write(AT, copy.deepcopy(DOCUMENTS))
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert seen == [True] * 3
    assert [each["type"] for each in messages] == ["SCHEMA", *["BATCH"] * 3, "STATE"]
    assert bare(held(messages)["transactions"]) == DOCUMENTS


def test_rows_in_files_are_known_to_need_a_state(tmp_path):
    stream = stream_of(**told(tmp_path))
    written(stream, DOCUMENTS)
    assert stream.tap.message_writer.ended_with_state
    stream.write(AT, copy.deepcopy(DOCUMENTS))
    assert not stream.tap.message_writer.ended_with_state
    stream.save()
    assert stream.tap.message_writer.ended_with_state


def test_no_state_follows_rows_that_were_lost(tmp_path, capsysbinary):
    stream = stream_of(**told(tmp_path, storage={"prefix": "taken/"}))
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(NoReader, match="files of batch_config cannot be written"):
        stream.write(AT, copy.deepcopy(DOCUMENTS))
    with pytest.raises(NoReader, match="were lost already"):
        stream.save()
    assert b"STATE" not in capsysbinary.readouterr().out


def test_files_that_cannot_be_written_end_the_run_before_any_state(sandbox, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    done = run(config_of(sandbox, **told(tmp_path, storage={"prefix": "taken/below/"})))
    assert "the files of batch_config cannot be written" in str(done.error)
    assert {each["type"] for each in done.messages} == {"SCHEMA"}


def test_place_that_cannot_be_is_told_before_the_first_request(sandbox, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    sandbox.world.requests.clear()
    done = run(config_of(sandbox, **told(tmp_path / "taken" / "S3CRET")))
    assert str(done.error).startswith("batch_config.storage.root: ")
    assert "S3CRET" not in str(done.error)
    assert (done.messages, list(sandbox.world.requests)) == ([], [])


def test_other_places_get_whole_files(capsysbinary):
    config = {"encoding": {"format": "jsonl"}, "storage": {"root": "memory://bucket/in"}}
    stream = stream_of(batch_config=config)
    written(stream, DOCUMENTS)
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    (url,) = messages[1]["manifest"]
    assert url.startswith("memory://")
    assert bare(map(json.loads, UPath(url).read_bytes().splitlines())) == DOCUMENTS


def test_prefix_and_alias_make_a_name_that_a_file_can_have(tmp_path, capsysbinary):
    maps = {"stream_maps": {"transactions": {"__alias__": "'a/b c'"}}}
    storage = {"prefix": "day/x-"}
    written(stream_of(**maps, **told(tmp_path, storage=storage)), DOCUMENTS)
    messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.parent == tmp_path / "day"
    assert file.name.startswith("x-tap-billing--a_b_c-")
    assert path_of(messages[1]["manifest"][0]) == file


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({}, "batch_config: "),
        ([], "batch_config: "),
        ("S3CRET", "batch_config: "),
        ({"encoding": {"format": "csv"}, "storage": {"root": "x"}},
         "batch_config.encoding.format: "),
        ({"encoding": {"format": "jsonl", "level": 3}, "storage": {"root": "x"}},
         "batch_config.encoding: "),
        ({"encoding": {"format": "jsonl"}, "storage": {"root": ""}}, "batch_config.storage.root: "),
        ({"encoding": {"format": "jsonl"}, "storage": {"root": "x", "params": "S3CRET"}},
         "batch_config.storage.params: "),
        ({"encoding": {"format": "jsonl"}, "storage": {"root": "x"}, "batch_size": 0},
         "batch_config.batch_size: "),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_setting_is_one_line_that_says_where_and_quotes_nothing(config, where):
    settings = {"provider": "chargeover", "sandbox": True, "batch_config": config}
    tap = TapBilling(config=settings, parse_env_config=False, validate_config=False)
    (line,) = tap._validate_config(raise_errors=False)
    assert line.startswith(where)
    assert "S3CRET" not in line
    assert "allowed: an object such as" in line


def test_parquet_without_its_library_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'tap-billing\[parquet\]'"):
        batches.checked({**told(tmp_path, "parquet"), **FLAT})
