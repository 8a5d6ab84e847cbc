"""Pacing: a ceiling that holds, slowing down when asked to, and recovery; time is given."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_billing.pacing import MOST_INTERVAL, Pacing

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "answered", "limited", "wait"]),
        st.floats(0, 20, allow_nan=False),
        st.none() | st.floats(0, 100, allow_nan=False),
    ),
    max_size=60,
)
EPSILON = 1e-6


def play(pacing, steps):
    """Return when requests started, by a made-up clock, and the pauses that were asked for."""
    now, began, starts, pauses = 1000.0, 1000.0, [], []
    for step, amount, wish in steps:
        if step == "reserve":
            wait = pacing.reserve(now)
            assert wait >= 0
            began = now + wait
            starts.append((now, began))
        elif step == "answered":
            pacing.answered(amount)
        elif step == "limited":
            pacing.limited(now, began, wish)
            pauses.append((now, now + (wish or 0)))
        else:
            now += amount
    return starts, pauses


@given(steps=STEPS, ceiling=st.floats(0.01, 1000))
def test_ceiling_is_never_passed(steps, ceiling):
    starts = [begin for _, begin in play(Pacing(ceiling), steps)[0]]
    gaps = [later - sooner for sooner, later in pairwise(starts)]
    assert all(gap >= 1 / ceiling - EPSILON for gap in gaps)


@given(steps=STEPS)
def test_no_request_is_placed_before_a_pause_ends(steps):
    starts, pauses = play(Pacing(), steps)
    for reserved, begin in starts:
        assert all(begin >= end - EPSILON for asked, end in pauses if asked < reserved)


@given(steps=STEPS)
def test_interval_stays_within_its_bounds(steps):
    pacing = Pacing()
    play(pacing, steps)
    assert 0 <= pacing.interval <= MOST_INTERVAL


@given(steps=STEPS)
def test_good_answers_always_bring_full_speed_back(steps):
    pacing = Pacing()
    play(pacing, steps)
    for _ in range(200):
        pacing.answered(0.1)
    assert pacing.interval == 0


def test_unlimited_requests_start_at_once():
    pacing = Pacing()
    assert [pacing.reserve(5.0) for _ in range(100)] == [0.0] * 100


def test_idle_time_earns_no_burst():
    pacing = Pacing(ceiling=1)
    pacing.reserve(0.0)
    assert [pacing.reserve(100.0) for _ in range(3)] == [0.0, 1.0, 2.0]


def test_each_429_halves_the_speed():
    pacing, seen = Pacing(), []
    for now in range(1, 6):
        pacing.limited(now, now - 0.5, None)
        seen.append(pacing.interval)
    assert seen == sorted(set(seen))
    assert seen[-1] >= 8 * seen[0]


def test_burst_of_429_counts_once():
    pacing = Pacing()
    for _ in range(8):
        pacing.limited(10.0, 9.0, None)
    once = Pacing()
    once.limited(10.0, 9.0, None)
    assert pacing.interval == once.interval


def test_longest_wish_of_several_holds():
    pacing = Pacing()
    for wish in (5.0, 60.0, 1.0, None):
        pacing.limited(10.0, 9.0, wish)
    assert pacing.reserve(10.0) == pytest.approx(60.0)
    assert pacing.waiting(30.0) == pytest.approx(40.0)
    assert pacing.waiting(100.0) == 0


def test_rising_latency_slows_down():
    pacing = Pacing()
    for latency in (0.2, 0.2, 0.2, 5.0):
        pacing.answered(latency)
    assert pacing.interval > 0


@pytest.mark.parametrize("latencies", [[0.01, 0.02, 0.05, 0.3], [5.0, 6.0, 7.0, 8.0], [0.2] * 9])
def test_ordinary_latency_does_not_slow_down(latencies):
    pacing = Pacing()
    for latency in latencies:
        pacing.answered(latency)
    assert pacing.interval == 0


def test_strained_server_is_asked_at_most_as_often_as_it_answers():
    pacing = Pacing()
    pacing.answered(0.1)
    pacing.answered(0.7)
    assert pacing.interval <= 0.7
