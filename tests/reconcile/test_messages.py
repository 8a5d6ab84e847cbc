from __future__ import annotations

import json

import pytest

from tap_billing.errors import SettingsError
from tap_billing.reconcile.layout import layout
from tap_billing.reconcile.messages import Folder, Messages

SCHEMA = {"properties": {"id": {"type": "integer"}, "name": {"type": ["string", "null"]}}}
THINGS = layout("things", SCHEMA, ["id"])
TOLD = {"type": "SCHEMA", "stream": "things", "schema": SCHEMA, "key_properties": ["id"]}


def record(number, name="", version=None, **columns):
    row = {"id": number, "name": name, **columns}
    message = {"type": "RECORD", "stream": "things", "record": row}
    return message if version is None else {**message, "version": version}


def activate(version):
    return {"type": "ACTIVATE_VERSION", "stream": "things", "version": version}


def table(path, *messages, end="\n"):
    path.write_text("\n".join(json.dumps(each) for each in messages) + end, "utf-8")
    return Messages(path).tables([THINGS], "")["things"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "messages.jsonl"


def keys(found):
    return [key[0] for key in found.rows]


def test_later_records_replace_earlier_ones(path):
    last = table(path, TOLD, record(1, "new"))
    both = table(path, TOLD, record(1, "old"), record(2), TOLD, record(1, "new"))

    assert keys(both) == ["2", "1"]
    assert both.rows["1",] == last.rows["1",]
    assert both.rows["2",] != last.rows["1",]


def test_version_leaves_older_rows_and_those_without_one_behind(path):
    found = table(
        path, TOLD, record(1), record(2, version=5), record(3, version=7), activate(7), record(4)
    )

    assert keys(found) == ["3", "4"]
    assert found.version == 7


def test_row_that_came_again_has_its_new_version(path):
    found = table(path, TOLD, record(1, version=5), record(1, version=7), activate(7))

    assert keys(found) == ["1"]


def test_row_that_is_marked_as_deleted_is_none(path):
    schema = {"properties": {**SCHEMA["properties"], "_sdc_deleted_at": {"type": ["string"]}}}
    deleted = record(1, _sdc_deleted_at="2026-01-31T09:00:00Z")
    found = table(path, {**TOLD, "schema": schema}, record(1), record(2), deleted)

    assert keys(found) == ["2"]


def test_columns_that_no_schema_declares_are_absent(path):
    schema = {"properties": {"id": {"type": "integer"}}}

    assert table(path, {**TOLD, "schema": schema}, record(1)).absent == ("name",)


def test_stream_without_schema_is_not_found(path):
    found = table(path, {**TOLD, "stream": "others"}, {"type": "STATE", "value": {}})

    assert (found.found, found.rows) == (False, {})


def test_last_line_that_was_cut_is_left_out(path, caplog):
    found = table(path, TOLD, record(1), end='\n{"type": "RECORD", "stre')

    assert keys(found) == ["1"]
    assert "the last line is cut" in caplog.text


@pytest.mark.parametrize("line", ["no JSON", "[1]", '{"stream": "things"}'])
def test_what_is_no_message_is_named_by_its_line(path, line):
    path.write_text(f"{json.dumps(TOLD)}\n{line}\n{json.dumps(record(1))}\n")

    with pytest.raises(SettingsError, match="line 2 is no"):
        Messages(path).tables([THINGS], "")


def test_folder_of_target_jsonl_is_read_in_the_order_of_its_runs(tmp_path):
    for name, rows in {
        "things-20260131T090000.jsonl": [{"id": 1, "name": "old"}, {"id": 2, "name": "b"}],
        "things-20260201T090000.jsonl": [{"id": 1, "name": "new"}],
        "things_of_others.jsonl": [{"id": 3, "name": "c"}],
    }.items():
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = Folder(tmp_path).tables([THINGS, layout("more", SCHEMA, ["id"])], "")

    assert keys(found["things"]) == ["2", "1"]
    assert found["things"].rows["1",] == table(tmp_path / "m", TOLD, record(1, "new")).rows["1",]
    assert not found["more"].found
