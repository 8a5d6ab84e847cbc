"""Asks requests, and those that follow them, in order; counts around a read that wants it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_billing import clock
from tap_billing.errors import BillingError, Forbidden, NotFound, Overload, Refused, Unauthorized
from tap_billing.spec import Census, Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tap_billing.spec import Document, Provider, Request, Resource, Scope
    from tap_billing.transport import Transport

logger = logging.getLogger(__name__)

# So many divisions in a row without one answer are not about size any more.
MOST_FAILURES = 16


async def pages(
    transport: Transport, provider: Provider, requests: Iterable[Request]
) -> AsyncIterator[Page]:
    """Yield the pages of some requests and of those that follow them, in order.

    A request that is too large for the server is divided until it passes. Raises what
    `Transport.get` raises; Overload where nothing is left to divide.
    """
    failures = 0
    for first in requests:
        waiting = [first]
        while waiting:
            request = waiting.pop()
            try:
                page = await transport.get(request)
            except Overload as error:
                failures += 1
                if failures > MOST_FAILURES:
                    raise
                logger.warning("%s; asking for less at a time", error)
                waiting.extend(reversed(provider.halve(request)))
                continue
            except (Forbidden, NotFound, Unauthorized):
                raise
            except Refused as error:
                simpler = provider.simplify(request)
                if simpler is None:
                    raise
                logger.warning("%s; asking without what may not be known", error)
                waiting.append(simpler)
                continue
            failures = 0
            if page.following:
                waiting.append(page.following)
            yield await _complete(transport, provider, request, page)


async def counted(
    transport: Transport, provider: Provider, resource: Resource, scope: Scope
) -> AsyncIterator[Page]:
    """Yield the pages of a read, and if it is counted one more with the census around it."""
    census = await _census(transport, provider, resource, scope) if scope.counted else None
    if census is not None:
        yield Page((), clock.now(), None, census=census)
    async for page in pages(transport, provider, provider.plan(resource, scope)):
        yield page
    if census is not None and not census.unknown:
        try:
            after = await _count(transport, provider.count(resource, scope, census.highest))
            census = replace(census, after=after)
        except BillingError as error:
            census = replace(census, unknown=str(error))
        yield Page((), clock.now(), None, census=census)


async def _census(
    transport: Transport, provider: Provider, resource: Resource, scope: Scope
) -> Census | None:
    """Return what the server counts before a read, None if completeness needs no count."""
    if provider.count(resource, scope, None) is None:
        return None
    try:
        highest = await _highest(transport, provider, resource, scope)
        before = await _count(transport, provider.count(resource, scope, highest))
        earlier = 0
        if scope.after is not None:
            part = replace(scope, after=None)
            earlier = await _count(transport, provider.count(resource, part, int(scope.after)))
    except Unauthorized:
        raise
    except BillingError as error:
        return Census(unknown=str(error))
    return Census(before, highest=highest, earlier=earlier)


async def _highest(
    transport: Transport, provider: Provider, resource: Resource, scope: Scope
) -> int | None:
    request = provider.highest(resource, scope)
    if request is None:
        return None
    row = next(iter((await transport.get(request)).documents), None)
    return int(row[resource.id]) if row else 0


async def _count(transport: Transport, request: Request | None) -> int:
    (found,) = (await transport.get(request)).documents if request else ({"count": 0},)
    return int(found["count"])


async def _complete(transport: Transport, provider: Provider, request: Request, page: Page) -> Page:
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
