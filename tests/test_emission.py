"""Emission: as bytes or through the SDK, the messages are those of the stock SDK."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from singer_sdk import Stream
from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter

from tap_billing.tap import TapBilling
from tests.support import catalog_of

AT = datetime(2026, 2, 1, 12, 0, 0, 500_000, tzinfo=UTC)
STREAM = "transactions"
DOCUMENTS = [
    {"transaction_id": 1, "mod_datetime": None, "amount": 12.1, "gateway_opts": {"a": {"b": 1}}},
    {"transaction_id": 2, "memo": "Zoë \u2028 \x00 \\ '", "applied_to": None, "gateway_opts": None},
    {"transaction_id": 3, "applied_to": [], "gateway_opts": {}, "extra_fields": {"new": [None]}},
    {"transaction_id": 4, "applied_to": [{"invoice_id": 5, "n": None}, None], "unknown": 1},
    {"transaction_id": 5},
]  # fmt: skip
ODD = [
    {"transaction_id": 2**70, "memo": "\ud800"},
    {"transaction_id": 6, "amount": Decimal("1.5"), "gateway_opts": {"x": -(2**64)}},
    {"transaction_id": 7, "amount": float("nan"), "extra_fields": {"x": float("inf")}},
]
PLAIN = {
    "plain": {},
    "other stream mapped": {"stream_maps": {"customers": {"company": None}}},
    "flattening off": {"flattening_enabled": False},
    "flattening to no depth": {"flattening_enabled": True, "flattening_max_depth": 0},
}
MAPPED = {
    "hash, drop and add": {
        "stream_maps": {STREAM: {"memo": "md5(str(transaction_id))", "amount": None, "new": "'x'"}}
    },
    "alias": {"stream_maps": {STREAM: {"__alias__": "payments"}}},
    "filter": {"stream_maps": {STREAM: {"__filter__": "transaction_id > 3"}}},
    "duplicate": {"stream_maps": {STREAM: {}, "copies": {"__source__": STREAM}}},
    "another beside": {"stream_maps": {"copies": {"__source__": STREAM, "memo": None}}},
    "only some": {"stream_maps": {STREAM: {"transaction_id": "transaction_id", "__else__": None}}},
    "none": {"stream_maps": {STREAM: None}},
    "none but others": {"stream_maps": {"customers": {}, "__else__": None}},
    "pattern": {"stream_maps": {"trans*": {"memo": None}}},
    "flattening": {"flattening_enabled": True, "flattening_max_depth": 2},
}
SELECTED = {
    "top": {("memo",): False, ("gateway_opts",): False},
    "extra": {("extra_fields",): False},
    "extra and below": {("extra_fields",): False, ("extra_fields", "new"): True},
    "automatic": {("transaction_id",): False},
}
DIVIDED = {
    "nested": {("gateway_opts", "a"): False},
    "deeper": {("gateway_opts", "a", "b"): False, ("memo",): False},
    "list in extra": {("extra_fields", "new"): False},
}
VERSIONS = pytest.mark.parametrize("version", [None, 1770000000000])


def stream_of(settings, selected=None):
    """Return a stream of a tap with these settings, properties selected by their path."""
    # The SDK takes out of a map what it has understood.
    config = copy.deepcopy({"provider": "chargeover", "sandbox": True, **settings})
    catalog = catalog_of(copy.deepcopy(config))
    (entry,) = [each for each in catalog["streams"] if each["stream"] == STREAM]
    for path, is_selected in {("applied_to",): True, **(selected or {})}.items():
        crumb = [part for key in path for part in ("properties", key)]
        known = [each for each in entry["metadata"] if each["breadcrumb"] == crumb]
        if not known:
            entry["metadata"] += (known := [{"breadcrumb": crumb, "metadata": {}}])
        known[0]["metadata"]["selected"] = is_selected
    tap = TapBilling(config=config, catalog=catalog, parse_env_config=False)
    return tap.streams[STREAM]


def captured(write):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogatepass")
    with contextlib.redirect_stdout(out):
        write()
    out.flush()
    return [json.loads(line) for line in out.buffer.getvalue().splitlines()]


def stock(stream, records, version):
    """Return what the stock SDK writes of records: its own messages by its own writer."""
    stream.version = version
    writer = SimpleSingerWriter()

    def write():
        for record in records:
            for message in Stream._generate_record_messages(stream, record):
                message.time_extracted = AT
                writer.write_message(message)

    return captured(write)


def ours(stream, records, version):
    stream.version = version

    def write():
        stream.write(AT, records)
        stream.tap.message_writer.flush()

    return [each for each in captured(write) if each["type"] != "SCHEMA"]


def comparable(messages):
    """Return messages with one way to write a time, as text: equal numbers of two types differ."""
    for message in messages:
        message["time_extracted"] = datetime.fromisoformat(message["time_extracted"])
    return [repr(each) for each in messages]


def assert_same(settings, selected, documents, version):
    told = []
    for way in (ours, stock):
        stream = stream_of(settings, selected)
        cut = stream.cut("UTC")
        records = [each for document in copy.deepcopy(documents) for each in cut(document)]
        told.append(comparable(way(stream, records, version)))
    assert told[0] == told[1]
    return told[0]


@VERSIONS
@pytest.mark.parametrize("settings", [*PLAIN.values(), *MAPPED.values()], ids=[*PLAIN, *MAPPED])
def test_messages_are_those_of_the_stock_sdk_whatever_is_mapped(settings, version):
    messages = assert_same(settings, {}, DOCUMENTS, version)
    assert len(messages) >= len(DOCUMENTS) or settings in MAPPED.values()


@VERSIONS
@pytest.mark.parametrize("settings", [{}, MAPPED["alias"], MAPPED["flattening"]], ids=str)
@pytest.mark.parametrize(
    "selected", [*SELECTED.values(), *DIVIDED.values()], ids=[*SELECTED, *DIVIDED]
)
def test_messages_are_those_of_the_stock_sdk_whatever_is_selected(settings, selected, version):
    assert len(assert_same(settings, selected, DOCUMENTS, version)) == len(DOCUMENTS)


def test_odd_values_are_written_as_the_stock_sdk_writes_them():
    records = [{"transaction_id": 1}, *(each for each in ODD if each["transaction_id"] != 6)]
    told = [comparable(way(stream_of({}), copy.deepcopy(records), 1)) for way in (ours, stock)]
    assert told[0] == told[1]


def test_number_that_the_stock_sdk_tells_as_text_is_a_number():
    (message,) = ours(stream_of({}), copy.deepcopy(ODD[1:2]), None)
    assert message["record"] == {**ODD[1], "amount": 1.5}


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 100])
def test_every_record_is_written_once_and_in_order(count):
    records = [{"transaction_id": number} for number in range(count)]
    told = ours(stream_of({}), records, 5)
    assert [each["record"] for each in told] == records


@pytest.mark.parametrize("settings", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("selected", [{}, *SELECTED.values()], ids=["all", *SELECTED])
def test_records_are_bytes_at_once_where_the_sdk_would_leave_them_as_they_are(settings, selected):
    assert stream_of(settings, selected).emission is not None


@pytest.mark.parametrize(
    ("settings", "selected"),
    [*((each, {}) for each in MAPPED.values()), *(({}, each) for each in DIVIDED.values())],
    ids=[*MAPPED, *DIVIDED],
)
def test_records_pass_through_the_sdk_where_it_changes_them(settings, selected):
    stream = stream_of(settings, selected)
    assert stream.emission is None
    assert stream.ready("UTC")({"transaction_id": 1}) == stream.cut("UTC")({"transaction_id": 1})


def test_records_pass_through_another_writer():
    tap = TapBilling(
        config={"provider": "chargeover", "sandbox": True},
        parse_env_config=False,
        message_writer=SimpleSingerWriter(),
    )
    stream = tap.streams[STREAM]
    told = captured(lambda: stream.write(AT, copy.deepcopy(DOCUMENTS)))
    assert [each["type"] for each in told] == ["SCHEMA", *["RECORD"] * len(DOCUMENTS)]


@pytest.mark.parametrize("selected", [{}, SELECTED["top"], SELECTED["extra"]], ids=str)
def test_records_that_are_ready_are_written_as_those_that_are_not(selected):
    documents = [
        {"transaction_id": 1, "transaction_datetime": "2026-01-10 01:01:49", "new": {"a": 1}},
        {"transaction_id": "2", "memo": "x", "applied_to": [{"invoice_id": 1}, {"x": "keyless"}]},
        {"transaction_id": 3, "amount": "12.10", "memo": "\udfff", "gateway_opts": []},
    ]
    told = []
    for way in ("ready", "cut"):
        stream = stream_of({}, selected)
        make = getattr(stream, way)("America/Chicago")
        told.append(ours(stream, [row for each in documents for row in make(each)], 7))
    assert told[0] == told[1]
    assert [each["record"]["transaction_id"] for each in told[0]] == [1, 2, 3]
