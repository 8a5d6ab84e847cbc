"""Requests in order, several of them in flight: answers come in the order of what was asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Line(Generic[Question, Answer]):
    """Questions that are asked ahead of whoever takes the answers; must be closed.

    `ask` returns an answer, or None, and the questions that take their place behind it. At most
    `width()` of them are asked and not taken; the first in line is always asked. Questions are
    taken from their iterables only when there is room for them.
    """

    def __init__(
        self,
        ask: Callable[[Question], Awaitable[tuple[Answer | None, Iterable[Question]]]],
        questions: Iterable[Question],
        width: Callable[[], int],
    ) -> None:
        self._ask = ask
        self._width = width
        self._places: list[asyncio.Task[Answer | None] | Iterator[Question]] = [iter(questions)]

    def begin(self) -> None:
        """Begin to ask before anybody takes an answer."""
        self._fill()

    async def take(self) -> Answer | None:
        """Return the next answer, None at the end. Raises what asking has raised, at its place."""
        while True:
            self._fill()
            if not self._places:
                return None
            first = self._places[0]
            answer = await first if isinstance(first, asyncio.Task) else None
            del self._places[0]
            if answer is not None:
                return answer

    def _fill(self) -> None:
        """Ask as many as there is room for, from the front."""
        asked = sum(isinstance(each, asyncio.Task) for each in self._places)
        width, at = self._width(), 0
        while at < len(self._places) and (at == 0 or asked < width):
            place = self._places[at]
            if isinstance(place, asyncio.Task):
                at += 1
                continue
            question = next(place, None)
            if question is None:
                del self._places[at]
                continue
            self._places.insert(at, asyncio.create_task(self._answer(question)))
            asked += 1

    async def _answer(self, question: Question) -> Answer | None:
        answer, following = await self._ask(question)
        # What follows is asked at once, and not when its turn comes.
        behind = self._places.index(asyncio.current_task()) + 1  # type: ignore[arg-type]
        self._places.insert(behind, iter(following))
        self._fill()
        return answer

    async def close(self) -> list[Answer]:
        """Stop asking; return the answers that were not taken."""
        tasks = [each for each in self._places if isinstance(each, asyncio.Task)]
        self._places.clear()
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return [each for each in found if each is not None and not isinstance(each, BaseException)]
