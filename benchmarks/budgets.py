"""The budgets as data: which figure of which participant over which other, and what is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Spread, ratios, spread
from benchmarks.spec import (
    AIRBYTE,
    ALONE,
    BY_HAND,
    BY_HAND_FILE,
    DLT,
    DLT_PAGES,
    FLOOR,
    MSGSPEC,
    ORDINARY,
    TAP,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.measure import Sample
    from benchmarks.spec import Sizes

    Results = Mapping[tuple[str, str], Sequence[Sample]]

# Times faster than the ordinary SDK tap, by requests in flight.
FASTER = {8: 10.0, 16: 18.0}


@dataclass(frozen=True)
class Figure:
    """A figure of a participant, for each of `rows`: `wall` and `cpu` (seconds), `rss` (MB).

    The same figure of the participant `less` is taken off: CPU time per record is that of a run
    of many rows less that of a run of one page.
    """

    case: str
    participant: str
    what: str
    less: str = ""
    rows: int = 1


@dataclass(frozen=True)
class Budget:
    """A ratio (or, without `of`, a figure in `unit`s) and its bounds; without any it only tells."""

    name: str
    over: Figure
    of: Figure | None = None
    unit: float = 1.0
    least: float | None = None
    most: float | None = None

    @property
    def wanted(self) -> str:
        """The bounds in words."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return f"at most {self.most:g}" if self.most is not None else "(told only)"

    def met(self, measured: Spread) -> bool:
        """Tell whether the median keeps the bounds."""
        return (self.least is None or measured.median >= self.least) and (
            self.most is None or measured.median <= self.most
        )


def measured(budget: Budget, results: Results) -> Spread | None:
    """Return a budget's figure: per round where both sides are of one case, else of the medians.

    None where a participant was not run, or failed.
    """
    over = figures(budget.over, results)
    if budget.of is None:
        return spread(each / budget.unit for each in over) if over else None
    of = figures(budget.of, results)
    if not over or not of:
        return None
    if budget.over.case == budget.of.case:
        return spread(ratios(over, of))
    least, most = min(over) / max(of), max(over) / min(of)
    return Spread(median(over) / median(of), least, most)


def figures(figure: Figure, results: Results) -> list[float]:
    """Return a figure for each round; empty where it was not measured."""
    taken = _values(results.get((figure.case, figure.participant), ()), figure.what)
    if not figure.less:
        return [each / figure.rows for each in taken]
    off = _values(results.get((figure.case, figure.less), ()), figure.what)
    return [(a - b) / figure.rows for a, b in zip(taken, off, strict=False)]


def _values(samples: Iterable[Sample], what: str) -> list[float]:
    return [float(getattr(each, what)) for each in samples]


def budgets(sizes: Sizes) -> tuple[Budget, ...]:
    """Return the budgets of a size; its bounds are those of the full size."""
    return (
        *_speed(sizes),
        *_small(sizes),
        *_processor(sizes),
        *_memory(sizes),
    )


def _speed(sizes: Sizes) -> tuple[Budget, ...]:
    case = f"invoices {sizes.wait} ms"
    made = [
        Budget(
            f"{sizes.wait} ms, {count} in flight: times faster than the ordinary SDK tap",
            Figure(case, ORDINARY, "wall"),
            Figure(case, f"{TAP}, {count}", "wall"),
            least=FASTER[count],
        )
        for count in sizes.concurrencies[1:]
    ]
    if sizes.foreign:
        made.append(
            Budget(
                f"{sizes.wait} ms, 8 in flight: times faster than the SDK tap with MsgSpecWriter",
                Figure(case, MSGSPEC, "wall"),
                Figure(case, f"{TAP}, 8", "wall"),
            )
        )
        made += [
            Budget(
                f"{sizes.wait} ms, {count} in flight: times faster than {name}",
                Figure(case, f"{name}, {count}", "wall"),
                Figure(case, f"{TAP}, {count}", "wall"),
                least=1.0,
            )
            for name in (DLT, DLT_PAGES, AIRBYTE)
            for count in sizes.concurrencies[1:]
        ]
    return tuple(made)


def _small(sizes: Sizes) -> tuple[Budget, ...]:
    trip = sizes.wait / 1000
    streams = f"{sizes.lists} small streams, {sizes.wait} ms: times faster than"
    ours = Figure("small streams", TAP, "wall")
    return (
        Budget(
            f"{streams} without look-ahead",
            Figure("small streams", ALONE, "wall"),
            ours,
            least=4.0,
        ),
        Budget(f"{streams} the SDK tap", Figure("small streams", ORDINARY, "wall"), ours),
        *(
            Budget(
                f"nothing new, {count} in flight: round trips above the {name}",
                Figure("nothing new", f"{sizes.wait} ms, {count} in flight", "wall", less=start),
                unit=trip,
                most=3.0,
            )
            for count in (8, 32)
            for name, start in (
                ("same run at 0 ms", f"0 ms, {count} in flight"),
                ("run of one small stream at 0 ms", "one small stream, 0 ms"),
            )
        ),
        Budget(
            "nothing new, 8 in flight: times faster than the SDK tap",
            Figure("nothing new", f"SDK tap, {sizes.wait} ms", "wall"),
            Figure("nothing new", f"{sizes.wait} ms, 8 in flight", "wall"),
        ),
    )


def _processor(sizes: Sizes) -> tuple[Budget, ...]:
    case = "invoices 0 ms"
    page = sizes.rows - 500
    ours = Figure(case, f"{TAP}, 8", "cpu", f"{TAP}, one page", page)
    floor = Figure(case, FLOOR, "cpu", rows=sizes.rows)
    largest = f"cheddar {sizes.documents[-1]} MB"
    return (
        Budget("0 ms: CPU per record over the floor, start-up taken off", ours, floor, most=2.0),
        Budget(
            "0 ms: CPU per record over the floor, start-up included",
            Figure(case, f"{TAP}, 8", "cpu", rows=sizes.rows),
            floor,
        ),
        Budget(
            "0 ms: CPU per record of the SDK's default over ours, start-up taken off",
            Figure(case, ORDINARY, "cpu", f"{ORDINARY}, one page", page),
            ours,
            least=8.0,
        ),
        Budget(
            f"Cheddar {sizes.documents[-1]} MB: CPU over iterparse by hand",
            Figure(largest, TAP, "cpu"),
            Figure(largest, BY_HAND, "cpu"),
            most=1.5,
        ),
        Budget(
            f"Cheddar {sizes.documents[-1]} MB: CPU over iterparse by hand, which reads a file",
            Figure(largest, TAP, "cpu"),
            Figure(largest, BY_HAND_FILE, "cpu"),
        ),
    )


def _memory(sizes: Sizes) -> tuple[Budget, ...]:
    least, most = (f"{rows:,} rows" for rows in (sizes.growth[0], sizes.growth[-1]))
    return (
        Budget(
            f"Cheddar {sizes.documents[-1]} MB: peak RSS in MB",
            Figure(f"cheddar {sizes.documents[-1]} MB", TAP, "rss"),
            most=150.0,
        ),
        Budget(
            f"{sizes.growth[-1]:,} invoices: peak RSS over that of {sizes.growth[0]:,}",
            Figure("rows", most, "rss"),
            Figure("rows", least, "rss"),
            most=1.2,
        ),
    )
