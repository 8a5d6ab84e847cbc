"""What the state remembers of a stream beside its bookmark: complete reads, and unfinished ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tap_billing.cast import moment, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# When a stream was swept that never was.
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
# Beyond this the rows that stood open, or were named, are not remembered: a state must stay small.
MOST_STANDING = 50_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """The last complete read: when it began, and what it brought.

    `version` is that of its rows, None if nothing may be deleted on its account; `documents` are
    those of the resource, `highest` their last identifier where it is a number.
    """

    at: datetime
    rows: int
    documents: int
    version: int | None = None
    highest: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a complete read came that was stopped.

    Everything up to `after` was read, and what has changed of it since `since` was not. `began` is
    the instant of its first request, `seen` the latest cursor; rows, documents and those `kept`
    since the sweep before are counted so far.
    """

    after: Any
    since: datetime
    began: datetime
    sweep: bool
    version: int | None = None
    seen: datetime | None = None
    rows: int = 0
    documents: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Tried:
    """A complete read that could not be shown to be complete: when, and with which version."""

    at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a stream.

    `scope` tells whether the filters are still the same; `watermark` is that of the last read that
    reached its end; `standing` are the identifiers of the rows that stood open or live, `named`
    those that other resources' rows named: both may have changed when they do so no more. A stream
    that has `ended` comes last in the run that goes on.
    """

    sweep: Sweep | None = None
    progress: Progress | None = None
    tried: Tried | None = None
    scope: str | None = None
    watermark: datetime | None = None
    standing: frozenset[str] = frozenset()
    ended: bool = False
    named: frozenset[str] = frozenset()


def recall(state: Mapping[str, Any]) -> Memory:
    """Return what a stream's state says; what makes no sense is forgotten, and read again whole."""
    scope = state.get("scope")
    return Memory(
        _made(Sweep, state.get("sweep")),
        _made(Progress, state.get("progress")),
        _made(Tried, state.get("tried")),
        scope if isinstance(scope, str) else None,
        _instant(state.get("watermark")),
        frozenset(_spread(state.get("standing"))),
        state.get("ended") is True,
        frozenset(_spread(state.get("named"))),
    )


def remember(memory: Memory, state: dict[str, Any]) -> None:
    """Write what is remembered into a stream's state; the bookmark stays as it is."""
    told = {
        "sweep": _told(memory.sweep),
        "progress": _told(memory.progress),
        "tried": _told(memory.tried),
        "scope": memory.scope,
        "watermark": render(memory.watermark) if memory.watermark else None,
        "standing": packed(memory.standing),
        "named": packed(memory.named),
        "ended": memory.ended or None,
    }
    for key, value in told.items():
        if value:
            state[key] = value
        else:
            state.pop(key, None)


def packed(identifiers: Iterable[str]) -> str:
    """Return numbers as the text of their ranges, such as 551-560,563; empty if too many."""
    numbers = sorted(int(each) for each in identifiers if each.isdecimal())
    if not numbers or len(numbers) > MOST_STANDING:
        return ""
    ends = [
        last for last, following in pairwise([*numbers, numbers[-1] + 2]) if following > last + 1
    ]
    starts = [numbers[0], *(b for a, b in pairwise(numbers) if b > a + 1)]
    return ",".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in zip(starts, ends, strict=True)
    )


def _spread(text: Any) -> Iterable[str]:
    found: list[str] = []
    try:
        for part in text.split(",") if isinstance(text, str) and text else ():
            first, _, last = part.partition("-")
            low, high = int(first), int(last or first)
            if len(found) + high - low >= MOST_STANDING:
                return ()
            found += map(str, range(low, high + 1))
    except ValueError:
        return ()
    return found


def _instant(text: Any) -> datetime | None:
    try:
        return moment(str(text), "UTC") if text else None
    except ValueError:
        return None


TIMES = ("at", "since", "began", "seen")
COUNTS = ("rows", "documents", "kept", "version", "highest")


def _made(kind: type[Any], told: Any) -> Any:
    if not isinstance(told, dict):
        return None
    try:
        values: dict[str, Any] = {
            key: moment(str(told[key]), "UTC") for key in TIMES if told.get(key)
        }
        values |= {key: int(told[key]) for key in COUNTS if told.get(key) is not None}
        if kind is Progress:
            values |= {"after": _position(told["after"]), "sweep": told["sweep"] is True}
        return kind(**values)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _position(told: Any) -> int | str:
    """Return an identifier, or a day as text. Raises TypeError or ValueError for anything else."""
    if isinstance(told, int) and not isinstance(told, bool):
        return told
    # A day is added to it.
    return (date.fromisoformat(told) + timedelta(days=1) - timedelta(days=1)).isoformat()


def _told(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {
        name: render(each) if name in TIMES else each
        for name, each in fields.items()
        if each is not None
    }
