"""Carries items from where they are made to where they are consumed, across threads and in order.

A bounded number of items is on the way: a slow consumer holds up the producer.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
    from concurrent.futures import Future
    from typing import Any

Item = TypeVar("Item")
END = object()
# Seconds after which a consumer that waits may do something else.
IDLE = 1.0


class Loop:
    """An event loop in a thread, with up to `workers` more for what blocks; must be closed."""

    def __init__(self, workers: int = 8) -> None:
        self._loop = asyncio.new_event_loop()
        # Its own, because asyncio's cannot be shut down any more when the interpreter ends. A
        # request holds at most one worker at a time, for its decoding or for the look-ups before.
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._loop.set_default_executor(self._workers)
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, Item]) -> Future[Item]:
        """Start a coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def start(self, source: Callable[[], AsyncGenerator[Item, None]], ahead: int) -> Ahead[Item]:
        """Start reading `source`, at most `ahead` items in advance of the consumer."""
        return Ahead(self, source, ahead)

    def release(self, slots: asyncio.Semaphore) -> None:
        """Release a semaphore of the loop from another thread."""
        self._loop.call_soon_threadsafe(slots.release)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, run `last`, and end the threads."""
        if self._loop.is_closed():
            return
        self.submit(self._end(last)).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._workers.shutdown()
        self._loop.close()

    async def _end(self, last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        if last is not None:
            await last()


class Ahead(Generic[Item]):
    """An asynchronous iterator that is read ahead of its consumer, who iterates in order.

    An exception of the source is raised at its place in the order. `idle` is called, once for each
    item, when the consumer has waited for IDLE seconds.
    """

    idle: Callable[[], None] | None = None

    def __init__(
        self, loop: Loop, source: Callable[[], AsyncGenerator[Item, None]], ahead: int
    ) -> None:
        self._loop = loop
        self._slots = asyncio.Semaphore(ahead)
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._task: asyncio.Task[None] | None = None
        loop.submit(self._pump(source))

    async def _pump(self, source: Callable[[], AsyncGenerator[Item, None]]) -> None:
        failure: BaseException | None = None
        self._task = asyncio.current_task()
        try:
            async with contextlib.aclosing(source()) as items:
                # The slot comes first, so that nothing is taken from the source and then lost.
                while await self._slots.acquire():
                    self._items.put((await anext(items), None))
        except StopAsyncIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the consumer
            failure = error
        self._items.put((END, failure))

    def __iter__(self) -> Iterator[Item]:
        while True:
            item, failure = self._next()
            if failure is not None:
                raise failure
            if item is END:
                return
            self._loop.release(self._slots)
            yield item

    def _next(self) -> Any:
        if self.idle is not None:
            try:
                return self._items.get(timeout=IDLE)
            except queue.Empty:
                self.idle()
        return self._items.get()

    async def _stop(self) -> None:
        # It has begun, because it was submitted first. What it reads from is closed when it ends.
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def cancel(self) -> list[Item]:
        """Stop reading; return what was read and not consumed. Only for the consumer's thread."""
        self._loop.submit(self._stop()).result()
        left = []
        while not self._items.empty():
            item, _ = self._items.get()
            if item is not END:
                left.append(item)
        return left
