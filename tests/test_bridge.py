"""The bridge: in order, bounded, and an error or an early end reaches the other side."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest

from tap_billing.bridge import Loop


@contextmanager
def looping():
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()


async def settle():
    """Let everything that can go on do so."""
    for _ in range(100):
        await asyncio.sleep(0)


def counting(made, upto, error=None):
    async def source():
        for number in range(upto):
            made.append(number)
            yield number
        if error:
            raise error

    return source


@pytest.mark.parametrize("ahead", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_items_arrive_in_order_and_all(count, ahead):
    with looping() as loop:
        assert list(loop.start(counting([], count), ahead)) == list(range(count))


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_producer_waits_for_a_slow_consumer(ahead):
    made: list[int] = []
    with looping() as loop:
        reading = iter(loop.start(counting(made, 100), ahead))
        for consumed in range(1, 10):
            next(reading)
            loop.submit(settle()).result()
            assert len(made) <= consumed + ahead + 1


def test_error_of_the_source_comes_at_its_place():
    got = []
    with looping() as loop:
        reading = loop.start(counting([], 3, ValueError("broken")), 2)
        with pytest.raises(ValueError, match="broken"):
            got.extend(each for each in reading if got.append(each))
    assert got == [0, 1, 2]


def test_error_when_the_source_is_made_is_raised():
    def source():
        raise ValueError("no source")

    with looping() as loop, pytest.raises(ValueError, match="no source"):
        list(loop.start(source, 2))


@pytest.mark.parametrize("consumed", [0, 1, 3])
def test_cancel_returns_everything_that_was_read_and_not_consumed(consumed):
    made: list[int] = []
    with looping() as loop:
        reading = loop.start(counting(made, 10), 2)
        got = [item for _, item in zip(range(consumed), reading, strict=False)]
        loop.submit(settle()).result()
        left = reading.cancel()
        assert sorted(set(got) | set(left)) == made


def test_cancel_stops_a_source_that_waits_for_ever():
    ended = threading.Event()

    async def source():
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            ended.set()

    with looping() as loop:
        reading = loop.start(source, 2)
        loop.submit(settle()).result()
        assert reading.cancel() == []
        assert ended.is_set()


def test_cancel_after_the_end_is_harmless():
    with looping() as loop:
        reading = loop.start(counting([], 2), 5)
        assert list(reading) == [0, 1]
        assert reading.cancel() == []


def test_close_ends_the_thread_and_what_runs():
    loop = Loop()
    loop.start(counting([], 100), 1)
    loop.close()
    loop.close()
    assert "loop" not in [thread.name for thread in threading.enumerate()]


def test_several_readings_go_on_side_by_side():
    with looping() as loop:
        readings = [iter(loop.start(counting([], 50), 2)) for _ in range(8)]
        for number in range(50):
            assert [next(each) for each in readings] == [number] * 8
