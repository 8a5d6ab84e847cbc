"""What a state remembers: it comes back as it was, and what makes no sense is forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_billing.memory import (
    MOST_STANDING,
    Memory,
    Progress,
    Sweep,
    Tried,
    packed,
    recall,
    remember,
)

AT = datetime(2026, 2, 1, 12, 0, 0, 123_456, tzinfo=UTC)
TOLD = "2026-02-01T12:00:00.123456Z"
TIMES = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - bounds
    datetime(2100, 1, 1),  # noqa: DTZ001 - bounds
    timezones=st.just(UTC),
)
COUNTS = st.integers(0, 10**9)
SWEEPS = st.builds(Sweep, TIMES, COUNTS, COUNTS, st.none() | COUNTS, st.none() | COUNTS)
POSITIONS = st.integers(0) | st.dates(date(2009, 1, 1), date(2100, 1, 1)).map(date.isoformat)
PROGRESSES = st.builds(
    Progress,
    POSITIONS,
    TIMES,
    TIMES,
    st.booleans(),
    st.none() | COUNTS,
    st.none() | TIMES,
    COUNTS,
    COUNTS,
    COUNTS,
)
NUMBERS = st.frozensets(st.integers(0, 60) | st.integers(0, 10**12), max_size=40)
STANDING = NUMBERS.map(lambda found: frozenset(map(str, found)))
MEMORIES = st.builds(
    Memory,
    st.none() | SWEEPS,
    st.none() | PROGRESSES,
    st.none() | st.builds(Tried, TIMES, COUNTS),
    st.none() | st.text(min_size=1),
    st.none() | TIMES,
    STANDING,
    st.booleans(),
    STANDING,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = ("sweep", "progress", "tried", "scope", "watermark", "standing", "named", "ended")
FIELDS = ("at", "rows", "documents", "kept", "version", "highest", "after", "since", "began")


def told(memory, state=None):
    """Return the state that holds a memory, as it comes back from a file."""
    state = {} if state is None else state
    remember(memory, state)
    return json.loads(json.dumps(state))


@given(memory=MEMORIES)
def test_memory_comes_back_as_it_was(memory):
    assert recall(told(memory)) == memory


@given(memory=MEMORIES, former=MEMORIES)
def test_memory_replaces_the_former_one_and_leaves_the_rest_of_a_state(memory, former):
    others = {"replication_key": "mod_datetime", "replication_key_value": "2026-01-01", "x": [1]}
    state = told(memory, told(former, dict(others)))
    assert recall(state) == memory
    assert {key: state[key] for key in others} == others
    assert state.keys() - others.keys() <= set(KEYS)


def test_what_there_is_nothing_to_say_of_is_not_told():
    assert told(Memory()) == {}
    former = Memory(ended=True, standing=frozenset({"1"}), named=frozenset({"2"}))
    assert told(Memory(), told(former)) == {}


def test_state_is_plain_and_in_utc():
    memory = Memory(
        Sweep(AT, 5, 4, 17, 9),
        Progress(700, AT, AT, sweep=False, rows=3),
        standing=frozenset({"7", "5", "6", "9"}),
        named=frozenset({"12", "11"}),
        watermark=AT,
    )
    assert told(memory) == {
        "sweep": {"at": TOLD, "rows": 5, "documents": 4, "version": 17, "highest": 9},
        "progress": {
            "after": 700,
            "since": TOLD,
            "began": TOLD,
            "sweep": False,
            "rows": 3,
            "documents": 0,
            "kept": 0,
        },
        "watermark": TOLD,
        "standing": "5-7,9",
        "named": "11-12",
    }


@given(found=NUMBERS)
def test_ranges_are_as_few_as_can_be_and_hold_the_numbers_only(found):
    text = packed(map(str, found))
    parts = [tuple(map(int, part.split("-"))) for part in text.split(",") if part]
    assert all(len(part) == 1 or part[0] < part[1] for part in parts)
    spread = [number for part in parts for number in range(part[0], part[-1] + 1)]
    assert spread == sorted(found)
    assert len(parts) == sum(number - 1 not in found for number in found)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], ""),
        (["1"], "1"),
        (["2", "1"], "1-2"),
        (["9", "10", "11", "100"], "9-11,100"),
        (["5", "5", "6"], "5-6"),
        (["10681b62-6dcd-102e", "7", "", "-3", "1.5"], "7"),
    ],
    ids=str,
)
def test_ranges_are_written_in_order_of_the_numbers(found, text):
    assert packed(found) == text


def test_too_many_rows_to_remember_are_not_remembered():
    most = [str(2 * number) for number in range(MOST_STANDING)]
    assert recall({"standing": packed(most)}).standing == frozenset(most)
    assert recall({"named": packed(most)}).named == frozenset(most)
    assert packed([*most, "1"]) == ""


@pytest.mark.parametrize(
    "text",
    [
        f"1-{MOST_STANDING + 1}",
        f"1-{MOST_STANDING},{2 * MOST_STANDING}",
        "1-1000000000000",
        "1-2-3",
        "a",
        "1,,2",
        "-5",
        "5-4",
        "0x10",
        7,
        ["1"],
        {"1": "2"},
        True,
    ],
    ids=lambda each: str(each)[:20],
)
def test_ranges_that_make_no_sense_are_forgotten(text):
    assert recall({"standing": text, "named": text}) == Memory()


@given(
    state=st.dictionaries(
        st.sampled_from(KEYS), JSON | st.dictionaries(st.sampled_from(FIELDS), JSON)
    )
)
@example({"sweep": {"at": TOLD, "rows": 1e999, "documents": 1}})
@example({"standing": f"0-{10**30}"})
@example({"standing": "9" * 5000})
def test_state_of_any_shape_is_read_without_complaint(state):
    memory = recall(state)
    assert recall(told(memory)) == replace(memory, scope=memory.scope or None)


@pytest.mark.parametrize("key", ["sweep", "progress", "tried"])
@pytest.mark.parametrize("lost", ["at", "rows", "documents", "version", "since", "began", "after"])
def test_memory_that_lacks_a_part_is_forgotten_alone(key, lost):
    memory = Memory(Sweep(AT, 5, 4), Progress(700, AT, AT, sweep=True), Tried(AT, 17), "all", AT)
    state = told(memory)
    needed = {
        "sweep": {"at", "rows", "documents"},
        "progress": {"since", "began", "after"},
        "tried": {"at", "version"},
    }
    state[key].pop(lost, None)
    expected = replace(memory, **{key: None}) if lost in needed[key] else memory
    assert recall(state) == expected


@pytest.mark.parametrize("value", ["soon", "", 0, "9999-12-31T23:59:59-14:00", [], {}, True])
def test_instant_that_is_none_is_forgotten(value):
    state = told(Memory(Sweep(AT, 1, 1), watermark=AT, scope="all"))
    state["sweep"]["at"] = state["watermark"] = value
    assert recall(state) == Memory(scope="all")


def test_naive_instant_is_in_utc():
    assert recall({"watermark": "2026-02-01 12:00:00.123456"}).watermark == AT
