"""The message writer: whole lines of JSON on stdout, in order, each once."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage

from tap_billing.codec import decode, encode
from tap_billing.errors import LocalError
from tap_billing.writer import BUFFERED, OrjsonWriter

AT = datetime(2026, 2, 1, 12, 0, 0, 500_000, tzinfo=UTC)


class Out:
    """A stdout whose binary side takes at most `most` bytes a write."""

    def __init__(self, most=None, fails=0):
        self.taken = bytearray()
        self.most, self.fails = most, fails
        self.buffer = self

    def write(self, data):
        if self.fails:
            self.fails -= 1
            raise BrokenPipeError
        part = bytes(data)[: self.most]
        self.taken += part
        return len(part)

    def flush(self):
        pass

    @property
    def lines(self):
        return [json.loads(line) for line in bytes(self.taken).splitlines()]


def record(value, **further):
    return RecordMessage(stream="x", record={"id": 1, "value": value, **further}, time_extracted=AT)


def written(monkeypatch, *messages, out=None):
    out = out or Out()
    monkeypatch.setattr(sys, "stdout", out)
    writer = OrjsonWriter()
    for message in messages:
        writer.write_message(message)
    return out, writer


def test_records_wait_for_the_next_other_message(monkeypatch):
    out, writer = written(monkeypatch, record(1), record(2))
    assert out.taken == b""
    writer.write_message(StateMessage(value={"a": 1}))
    assert [each["type"] for each in out.lines] == ["RECORD", "RECORD", "STATE"]


def test_many_records_do_not_pile_up(monkeypatch):
    out, _ = written(monkeypatch, *(record("x" * 1000) for _ in range(200)))
    assert len(out.taken) > 200 * 1000 - 2 * BUFFERED


LINE = b'{"type":"RECORD","stream":"x","record":{"id":2}}\n'


def test_lines_keep_their_place_among_messages(monkeypatch):
    out, writer = written(monkeypatch, StateMessage(value={}), record(1))
    writer.write_lines(LINE * 2)
    assert not writer.ended_with_state
    writer.write_message(record(3))
    assert len(out.lines) == 1
    writer.write_message(StateMessage(value={}))
    found = [each.get("record", {}).get("id") for each in out.lines]
    assert found == [None, 1, 2, 2, 1, None]


def test_what_waits_is_written_on_request_and_once(monkeypatch):
    out, writer = written(monkeypatch, record(1))
    for _ in range(2):
        writer.flush()
        assert len(out.lines) == 1
    writer.write_lines(LINE)
    writer.write_lines(b"")
    assert len(out.lines) == 1
    writer.flush()
    assert len(out.lines) == 2


def test_nothing_to_write_leaves_the_last_state_last(monkeypatch):
    out, writer = written(monkeypatch, StateMessage(value={}))
    monkeypatch.setattr(sys, "stdout", Out(fails=1))
    writer.write_lines(b"")
    writer.flush()
    assert writer.ended_with_state
    assert len(out.lines) == 1


def test_lines_do_not_pile_up(monkeypatch):
    out, writer = written(monkeypatch)
    for _ in range(5):
        writer.write_lines(LINE * (BUFFERED // len(LINE) // 2))
    assert len(out.taken) > BUFFERED


@pytest.mark.parametrize("most", [1, 7, 4096])
def test_short_writes_lose_nothing(monkeypatch, most):
    messages = [*(record(number) for number in range(50)), StateMessage(value={})]
    out, _ = written(monkeypatch, *messages, out=Out(most))
    assert [each.get("record", {}).get("value") for each in out.lines] == [*range(50), None]


def test_no_state_follows_a_message_that_was_lost(monkeypatch):
    monkeypatch.setattr(sys, "stdout", out := Out(fails=1))
    writer = OrjsonWriter()
    writer.write_message(record(1))
    with pytest.raises(LocalError, match="has ended"):
        writer.write_message(StateMessage(value={"a": 1}))
    assert not writer.writing
    for number in (2, 3):
        with pytest.raises(LocalError, match="were lost already"):
            writer.write_message(StateMessage(value={"a": number}))
    assert out.taken == b""


def test_what_a_signal_asks_for_follows_the_line_that_is_being_written(monkeypatch):
    class Interrupted(Out):
        def write(self, data):
            if writer.afterwards is None and not self.taken:
                assert writer.writing
                writer.afterwards = lambda: writer.write_message(StateMessage(value={"last": 1}))
            return super().write(data)

    monkeypatch.setattr(sys, "stdout", out := Interrupted(most=3))
    writer = OrjsonWriter()
    writer.write_message(record("x" * BUFFERED))
    assert [each["type"] for each in out.lines] == ["RECORD", "STATE"]
    writer.write_message(StateMessage(value={"further": 1}))
    assert [each.get("value") for each in out.lines[1:]] == [{"last": 1}, {"further": 1}]


def test_stdout_without_a_binary_side_gets_text(monkeypatch):
    out, _ = written(monkeypatch, record("Zoë"), StateMessage(value={}), out=io.StringIO())
    assert [json.loads(line)["type"] for line in out.getvalue().splitlines()] == ["RECORD", "STATE"]
    assert "Zoë" in out.getvalue()


def test_state_is_known_to_be_last(monkeypatch):
    _, writer = written(monkeypatch, record(1))
    assert not writer.ended_with_state
    writer.write_message(StateMessage(value={}))
    assert writer.ended_with_state
    writer.write_message(record(1))
    assert not writer.ended_with_state


ODD = [2**64, -(2**70), "\ud800", {"x": 10**40}, ["\udfff"]]


@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_value_that_orjson_refuses_is_written(monkeypatch, value):
    out, _ = written(monkeypatch, record(value), StateMessage(value={}))
    assert out.lines[0]["record"]["value"] == value


def test_odd_record_has_the_same_time_extracted_as_any_other(monkeypatch):
    out, _ = written(monkeypatch, record(1), record(2**70), StateMessage(value={}))
    ordinary, odd = (each["time_extracted"] for each in out.lines[:2])
    assert ordinary == odd
    assert datetime.fromisoformat(ordinary) == AT


def test_number_that_json_cannot_tell_leaves_valid_json(monkeypatch):
    out, _ = written(monkeypatch, record(float("nan"), big=2**70), StateMessage(value={}))
    assert b"NaN" not in out.taken


def test_schema_is_written_as_it_is(monkeypatch):
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    message = SchemaMessage(stream="x", schema=schema, key_properties=["id"])
    out, _ = written(monkeypatch, message)
    assert out.lines[0]["schema"] == schema
    assert out.lines[0]["key_properties"] == ["id"]


def test_every_message_is_one_line(monkeypatch):
    out, _ = written(monkeypatch, record("a\nb\r\u2028c"), StateMessage(value={}))
    assert bytes(out.taken).count(b"\n") == 2


def test_decimal_becomes_a_number():
    assert json.loads(encode({"x": Decimal("1.5")})) == {"x": 1.5}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=JSON)
def test_every_value_survives_being_written_and_read(value):
    line = encode(value)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == decode(line) == value


@given(number=st.integers())
def test_integer_of_any_length_is_read_exactly(number):
    assert decode(b'{"x": %d}' % number) == {"x": number}


@pytest.mark.parametrize("text", [b"", b"{", b"nul", b"\xff", b"{}x", b"[1,]"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+"):
        decode(text)


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("digits", range(17, 24))
def test_number_of_any_length_is_read_exactly_wherever_it_stands(digits, shift):
    value = {"x" * shift: 1 - 10**digits}
    assert decode(json.dumps(value).encode()) == value
