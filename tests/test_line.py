"""The line: answers in the order of what was asked, some asked ahead, errors at their place."""

from __future__ import annotations

import asyncio
import gc
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_billing.line import Line

MOST_TURNS = 1000


class Desk:
    """Where questions lie until they are answered; notes what was begun and what was stopped."""

    def __init__(self):
        self.begun = []
        self.stopped = []
        self.open = {}

    async def ask(self, question):
        self.begun.append(question)
        self.open[question] = asyncio.get_running_loop().create_future()
        try:
            return await self.open[question]
        except asyncio.CancelledError:
            self.stopped.append(question)
            raise
        finally:
            del self.open[question]

    async def answer(self, question, *following, empty=False):
        """Answer with the question itself, or with nothing, and with what follows it."""
        self.open[question].set_result((None if empty else question, following))
        await settle()

    async def fail(self, question, error):
        self.open[question].set_exception(error)
        await settle()


async def settle():
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def began(questions, width):
    """Return a desk and a line that has begun to ask there."""
    desk = Desk()
    line = Line(desk.ask, questions, lambda: width)
    line.begin()
    await settle()
    return desk, line


async def rest(line):
    """Return all answers that are left."""
    found = []
    while (answer := await line.take()) is not None:
        found.append(answer)
    return found


def test_answers_come_in_the_order_of_their_questions():
    async def go():
        desk, line = await began("abc", 3)
        for each in "cab":
            await desk.answer(each)
        return await rest(line)

    assert asyncio.run(go()) == ["a", "b", "c"]


# A tree of questions: whether each has an answer, and what follows it.
TREES = st.recursive(
    st.tuples(st.booleans(), st.just(())),
    lambda inner: st.tuples(st.booleans(), st.lists(inner, max_size=4).map(tuple)),
    max_leaves=12,
)


def numbered(trees, numbers):
    """Return each question by its number, with its answer and what follows, and their order."""
    questions, top = {}, []
    for has_answer, below in trees:
        number = next(numbers)
        top.append(number)
        inner, following = numbered(below, numbers)
        questions |= {number: (has_answer, following), **inner}
    return questions, top


@settings(deadline=None)
@given(trees=st.lists(TREES, max_size=5), width=st.integers(1, 5), data=st.data())
def test_every_answer_comes_once_in_order_and_few_are_ahead(trees, width, data):
    questions, top = numbered(trees, itertools.count(1))
    order = list(questions)

    async def go():
        desk, found = Desk(), []
        line = Line(desk.ask, top, lambda: width)

        async def take_all():
            found.extend(await rest(line))

        task = asyncio.create_task(take_all())
        for _ in range(MOST_TURNS):
            await settle()
            if task.done():
                break
            assert 1 <= len(desk.open) <= width
            # Whoever waits for the first of all waits for something that was asked.
            assert min(set(order) - set(desk.begun) | set(desk.open)) in desk.open
            number = data.draw(st.sampled_from(sorted(desk.open)))
            has_answer, following = questions[number]
            await desk.answer(number, *following, empty=not has_answer)
        await task
        assert sorted(desk.begun) == order
        return found

    assert asyncio.run(go()) == [number for number in order if questions[number][0]]


def test_no_more_are_asked_and_untaken_than_the_width():
    async def go():
        given = iter(range(100))
        desk, line = await began(given, 3)
        assert desk.begun == [0, 1, 2]
        for number in (1, 2, 0):
            await desk.answer(number)
        # All are answered, and none was taken.
        assert desk.begun == [0, 1, 2]
        for number in range(3):
            assert await line.take() == number
        await settle()
        # Room is filled when the next is taken, and questions are not read before that.
        assert next(given) == 5
        await line.close()
        return desk.begun

    assert asyncio.run(go()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("width", [-1, 0, 1])
def test_first_is_asked_whatever_the_width(width):
    async def go():
        desk, line = await began("ab", width)
        assert desk.begun == ["a"]
        await desk.answer("a")
        assert desk.begun == ["a"]
        assert await line.take() == "a"
        taking = asyncio.create_task(line.take())
        await settle()
        await desk.answer("b")
        return await taking, await line.take()

    assert asyncio.run(go()) == ("b", None)


def test_width_that_grows_gives_room_at_once():
    async def go():
        desk, width = Desk(), 1
        line = Line(desk.ask, range(9), lambda: width)
        line.begin()
        await settle()
        before = list(desk.begun)
        width = 4
        taking = asyncio.create_task(line.take())
        await settle()
        taking.cancel()
        await line.close()
        return before, desk.begun

    assert asyncio.run(go()) == ([0], [0, 1, 2, 3])


def test_what_follows_is_asked_at_once_and_stands_behind_its_question():
    async def go():
        desk, line = await began(["a", "z"], 4)
        await desk.answer("z")
        await desk.answer("a", "b", "c", "d")
        # Nobody has taken anything; there is room for two beside "a" and "z".
        assert desk.begun == ["a", "z", "b", "c"]
        await desk.answer("c", "c1")
        await desk.answer("b")
        assert "c1" not in desk.begun
        found = [await line.take() for _ in range(3)]
        taking = asyncio.create_task(rest(line))
        await settle()
        await desk.answer("d")
        await desk.answer("c1")
        return found + await taking

    assert asyncio.run(go()) == ["a", "b", "c", "c1", "d", "z"]


def test_what_follows_goes_before_what_was_not_asked_yet():
    async def go():
        desk, line = await began("abz", 2)
        await desk.answer("a", "a1")
        assert await line.take() == "a"
        taking = asyncio.create_task(rest(line))
        await settle()
        assert desk.begun == ["a", "b", "a1"]
        for each in ("a1", "b", "z"):
            await desk.answer(each)
        return await taking

    assert asyncio.run(go()) == ["a1", "b", "z"]


def test_question_without_an_answer_is_passed_over():
    async def go():
        desk, line = await began("abc", 3)
        await desk.answer("a", empty=True)
        await desk.answer("b", "b1", empty=True)
        await desk.answer("c")
        taking = asyncio.create_task(rest(line))
        await settle()
        await desk.answer("b1")
        return await taking

    assert asyncio.run(go()) == ["b1", "c"]


@pytest.mark.parametrize(
    ("early", "left", "stopped"), [("", [], ["c", "d"]), ("c", ["c"], ["d"])], ids=repr
)
def test_error_comes_at_its_place_and_what_is_before_it_first(early, left, stopped):
    async def go():
        desk, line = await began("abcd", 4)
        for each in early:
            await desk.answer(each)
        await desk.fail("b", ValueError("broken"))
        await desk.answer("a", "a1")
        assert await line.take() == "a"
        taking = asyncio.create_task(line.take())
        await settle()
        await desk.answer("a1")
        assert await taking == "a1"
        with pytest.raises(ValueError, match="broken"):
            await line.take()
        return await line.close(), desk.stopped

    assert asyncio.run(go()) == (left, stopped)


def test_close_cancels_what_runs_and_returns_what_was_not_taken():
    async def go():
        desk, line = await began(itertools.count(), 5)
        await desk.answer(0)
        await desk.answer(2, empty=True)
        await desk.answer(3)
        assert await line.take() == 0
        left = await line.close()
        assert (left, desk.open) == ([3], {})
        assert (await line.close(), await line.take()) == ([], None)
        return desk.begun, desk.stopped

    assert asyncio.run(go()) == ([0, 1, 2, 3, 4], [1, 4])


def test_error_that_nobody_comes_to_is_not_reported():
    reported = []

    async def go():
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
        desk, line = await began("ab", 2)
        await desk.fail("b", ValueError("broken"))
        assert await line.close() == []
        gc.collect()

    asyncio.run(go())
    assert reported == []


def test_taker_that_is_cancelled_leaves_nothing_running():
    async def go():
        desk, line = await began("abc", 3)
        await desk.answer("b")
        taking = asyncio.create_task(line.take())
        await settle()
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        return await line.close(), desk.open, sorted(desk.stopped)

    assert asyncio.run(go()) == (["b"], {}, ["a", "c"])


def test_nothing_is_asked_before_it_begins_or_somebody_takes():
    async def go():
        desk = Desk()
        line = Line(desk.ask, "ab", lambda: 2)
        await settle()
        assert desk.begun == []
        line.begin()
        line.begin()
        await settle()
        assert desk.begun == ["a", "b"]
        await desk.answer("a")
        await desk.answer("b")
        return await rest(line)

    assert asyncio.run(go()) == ["a", "b"]


def test_line_without_questions_ends():
    async def go():
        _, line = await began((), 3)
        return await line.take(), await line.close()

    assert asyncio.run(go()) == (None, [])
