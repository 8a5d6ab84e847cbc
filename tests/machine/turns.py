"""The tap's event loop without a thread: runs are the same however fast the machine is."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from tap_billing.bridge import END, Ahead, Loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


class Items:
    """A queue that lets the loop take its turn while there is nothing to get."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[Any] = deque()
        self.put = self._items.append

    def get(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - no time passes here
        """Return the next item, once there is one."""
        while not self._items:
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
        return self._items.popleft()


class Taken(Ahead[Any]):
    """What is read ahead by a loop that runs only while its consumer waits."""

    def __init__(self, loop: Turns, source: Callable[[], AsyncIterator[Any]], ahead: int) -> None:
        self._loop = loop
        self._slots = asyncio.Semaphore(ahead)
        self._turns = loop.turns
        self._found = Items(loop.turns)
        self._items: Any = self._found
        self._task = loop.turns.create_task(self._pump(source))

    def cancel(self) -> list[Any]:
        """Stop reading; return what was read and not consumed."""
        self._task.cancel()
        self._turns.run_until_complete(asyncio.wait([self._task]))
        return [item for item, _ in self._found._items if item is not END]


class Turns(Loop):
    """An event loop in the consumer's own thread; must be closed."""

    def __init__(self, _workers: int = 8) -> None:
        self.turns = asyncio.new_event_loop()

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine to its end."""
        future: Future[Any] = Future()
        future.set_result(self.turns.run_until_complete(work))
        return future

    def start(self, source: Callable[[], AsyncIterator[Any]], ahead: int) -> Taken:
        """Start reading `source`, at most `ahead` items in advance of the consumer."""
        return Taken(self, source, ahead)

    def release(self, slots: asyncio.Semaphore) -> None:
        """Release a semaphore of the loop."""
        slots.release()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, run `last`, and end the loop."""
        if self.turns.is_closed():
            return
        self.turns.run_until_complete(self._last(last))
        self.turns.close()

    async def _last(self, last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if last is not None:
            await last()


async def at_once(work: Callable[..., Any], *given: Any) -> Any:
    """Do in this thread what `asyncio.to_thread` would do in another."""
    return work(*given)
