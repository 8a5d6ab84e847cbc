"""Asks requests, and those that follow them, in order; counts around a read that wants it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_billing import clock
from tap_billing.errors import (
    BillingError,
    Forbidden,
    Garbled,
    NotFound,
    Overload,
    Refused,
    Unauthorized,
)
from tap_billing.line import Line
from tap_billing.spec import Answer, Census, Extent, Page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
    from typing import Any

    from tap_billing.spec import Document, Provider, Request, Resource, Scope
    from tap_billing.transport import Transport

    Asked = tuple["Question", int]
    Found = Page | Answer
    Extending = Callable[[], Awaitable[Extent | None]]

logger = logging.getLogger(__name__)

# So many divisions in a row without one answer are not about size any more.
MOST_FAILURES = 16


def alone() -> int:
    """Return the width of a read that sends one request at a time."""
    return 1


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and how often in a row it was divided without an answer.

    Where much may follow, the `parts` are asked into which it can be divided.
    """

    request: Request
    failures: int = 0
    parts: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """How requests are sent: at most `width()` of a read are on their way or wait to be taken.

    With `parted` a whole read is divided into parts that are read side by side.
    """

    transport: Transport
    provider: Provider
    width: Callable[[], int] = alone
    parted: bool = False


def pages(asking: Asking, requests: Iterable[Request]) -> AsyncGenerator[Found, None]:
    """Yield the pages of some requests and of those that follow them, in order.

    A request that is too large for the server is divided until it passes. Raises what
    `Transport.fetch` raises, at its place; Overload where nothing is left to divide.
    """
    return _taken(_line(asking, requests, None))


async def counted(asking: Asking, resource: Resource, scope: Scope) -> AsyncGenerator[Found, None]:
    """Yield the pages of a read; one that is counted begins and ends with its census."""
    requests = asking.provider.plan(resource, scope)
    counts = _Counts(asking, resource, scope)
    line = _line(asking, requests, counts.extent if asking.parted else None)
    counting = scope.counted and asking.provider.count(resource, scope, None) is not None
    census = Census()
    try:
        if counting:
            if asking.parted:
                counts.begin()
                line.begin()
            census = await counts.before()
            yield Page((), clock.now(), None, census=census)
        async for found in _taken(line):
            yield found
        if counting and not census.unknown:
            yield Page((), clock.now(), None, census=await counts.after())
    finally:
        await counts.close()
        await _close(line)


def _line(
    asking: Asking, requests: Iterable[Request], extent: Extending | None
) -> Line[Question, Found]:
    provider = asking.provider

    async def ask(question: Question) -> tuple[Found | None, Iterable[Question]]:
        request = question.request
        if question.parts and extent is not None:
            return None, map(Question, provider.parts(request, await extent()))
        try:
            found = await asking.transport.fetch(request)
        except BillingError as error:
            return None, _instead(provider, question, error)
        if isinstance(found, Answer):
            return found, ()
        following = found.following
        behind = () if following is None else (Question(following, parts=found.full),)
        return await complete(asking.transport, provider, request, found), behind

    return Line(ask, map(Question, requests), asking.width)


def _instead(provider: Provider, question: Question, error: BillingError) -> Iterable[Question]:
    """Return what is asked in the place of what failed; raises its error if nothing is."""
    request, failures = question.request, question.failures
    if isinstance(error, Overload) and failures < MOST_FAILURES:
        logger.warning("%s; asking for less at a time", error)
        return [Question(each, failures + 1) for each in provider.halve(request)]
    final = (Unauthorized,) if request.trial else (Forbidden, NotFound, Unauthorized, Overload)
    if isinstance(error, final) or not (request.trial or isinstance(error, Refused)):
        raise error
    simpler = provider.simplify(request)
    if simpler is None:
        raise error
    logger.warning("%s; asking without what may not be known", error)
    return [Question(simpler, failures)]


async def _taken(line: Line[Question, Found]) -> AsyncGenerator[Found, None]:
    try:
        while (found := await line.take()) is not None:
            yield found
    finally:
        await _close(line)


async def _close(line: Line[Question, Found]) -> None:
    for left in await line.close():
        if isinstance(left, Page):
            left.close()


class _Counts:
    """What the server counts around a read, asked while it goes on; must be closed."""

    def __init__(self, asking: Asking, resource: Resource, scope: Scope) -> None:
        self._asking = asking
        self._resource = resource
        self._scope = scope
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def _task(self, name: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(work())
        return self._tasks[name]

    async def extent(self) -> Extent | None:
        """Return how far a read reaches, None if that cannot be known."""
        if self._asking.provider.highest(self._resource, self._scope) is None:
            return None
        highest, rows = self._task("highest", self._highest), self._task("rows", self._rows)
        try:
            return Extent(int(await highest), int(await rows))
        except Unauthorized:
            raise
        except BillingError as error:
            logger.debug("%s is read in one line: %s", self._resource.name, error)
            return None

    def begin(self) -> None:
        """Begin to ask, so that the first page can be on its way meanwhile."""
        # First, so that rows that are deleted after the first page was read were counted.
        self._task("rows", self._rows)
        self._task("highest", self._highest)

    async def before(self) -> Census:
        """Return what is counted before a read, or while it begins the identifier up to which."""
        try:
            census = Census(highest=await self._task("highest", self._highest))
        except Unauthorized:
            raise
        except BillingError as error:
            return Census(unknown=str(error))
        task = self._task("before", lambda: self._before(census))
        return census if self._asking.parted else await task

    async def after(self) -> Census:
        """Return the whole census."""
        census: Census = await self._tasks["before"]
        if census.unknown:
            return census
        provider = self._asking.provider
        try:
            after = provider.count(self._resource, self._scope, census.highest)
            return replace(census, after=await _count(self._asking, after))
        except BillingError as error:
            return replace(census, unknown=str(error))

    async def _before(self, census: Census) -> Census:
        try:
            begun = await self._tasks["rows"] if "rows" in self._tasks else 0
            return replace(
                await _census(self._asking, self._resource, self._scope, census), most=begun
            )
        except Unauthorized:
            raise
        except BillingError as error:
            return replace(census, unknown=str(error))

    async def _highest(self) -> int | None:
        request = self._asking.provider.highest(self._resource, self._scope)
        if request is None:
            return None
        row = next(iter((await self._asking.transport.get(request)).documents), None)
        try:
            return int(row[self._resource.id]) if row else 0
        except (KeyError, TypeError, ValueError):
            raise Garbled(f"{request}: a row without {self._resource.id}") from None

    async def _rows(self) -> int:
        request = self._asking.provider.count(self._resource, self._scope, None)
        return await _count(self._asking, request)

    async def close(self) -> None:
        """Stop asking."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def _census(asking: Asking, resource: Resource, scope: Scope, census: Census) -> Census:
    """Return a census with what the server counts before a read, or while it begins."""
    count, earlier = asking.provider.count, 0
    before = await _count(asking, count(resource, scope, census.highest))
    if scope.after is not None:
        part = replace(scope, after=None)
        earlier = await _count(asking, count(resource, part, int(scope.after)))
    return replace(census, before=before, earlier=earlier)


async def _count(asking: Asking, request: Request | None) -> int:
    (found,) = (await asking.transport.get(request)).documents if request else ({"count": 0},)
    return int(found["count"])


async def complete(transport: Transport, provider: Provider, request: Request, page: Page) -> Page:
    """Return a page with what a list left out of its documents."""
    if not isinstance(page.documents, list):
        return page
    missing = provider.details(request, page.documents)
    if not missing:
        return page
    singles = await asyncio.gather(
        *(_single(transport, *each) for each in zip(missing, page.documents, strict=True))
    )
    return replace(page, documents=singles)


async def _single(transport: Transport, request: Request, row: Document) -> Document:
    """Return the complete document of a list's row, or the row if it was deleted meanwhile."""
    try:
        page = await transport.get(request)
    except NotFound:
        return row
    return next(iter(page.documents), row)
