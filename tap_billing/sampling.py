"""A few records of each stream, for a connection test."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tap_billing.feed import Connection
    from tap_billing.plans import Plan
    from tap_billing.spec import Record

# Documents that are looked at for a record of each stream.
SAMPLE = 1000


def sampled(
    plan: Plan, connection: Connection, zone: str
) -> dict[str, list[tuple[datetime, Record]]]:
    """Return records of a resource's streams out of one page or two, with when they were received.

    Raises what stopped the read.
    """
    if plan.failure is not None:
        raise plan.failure
    found: dict[str, list[tuple[datetime, Record]]] = {}
    cuts = {each.name: each.cut(zone) for each in plan.streams}
    scope = replace(
        plan.reading.scope, since=None, after=None, whole=True, counted=False, large=False
    )
    ahead = connection.read(plan.resource, scope)
    seen = 0
    try:
        for page in ahead:
            for document in itertools.islice(page.documents, SAMPLE - seen):
                seen += 1
                for name, cut in cuts.items():
                    if not found.get(name):
                        found[name] = [(page.received, each) for each in cut(document)]
            page.close()
            if seen >= SAMPLE or all(map(found.get, cuts)):
                break
    finally:
        for page in ahead.cancel():
            page.close()
    return found
