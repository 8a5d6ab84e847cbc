"""RESULTS.md as text, out of the figures; measures nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.budgets import measured
from benchmarks.measure import ratios, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.budgets import Budget, Results
    from benchmarks.measure import Sample, Spread
    from benchmarks.profile import Line
    from benchmarks.spec import Case, Participant

INTRODUCTION = (
    "Written by `python -m benchmarks`, not by hand. Medians, with least and most in brackets;"
    " ratios are medians of the rounds' own ratios: participants take turns, and what slows one"
    " slows the next. All read from servers on the same machine that are processes of their own;"
    " what a server's CPU spent on a run stands in the last column."
)
SAMPLED = (
    "CPU time of a run by what it is spent on: a thread looks at all others every two"
    " milliseconds, and books what each has spent to the line that it is at. A function in C shows"
    " as the line that calls it; what is below 0.5 % is left out."
)
TOP = 15
# Per cent of a run that are worth a line.
LEAST = 0.5
MICRO = 1_000_000


@dataclass(frozen=True)
class Told:
    """Everything that the report says: `binding` tells whether the budgets are for this size."""

    command: str
    facts: Mapping[str, str]
    done: Sequence[Done]
    budgets: Sequence[Budget]
    binding: bool
    profiles: Sequence[Profile] = ()
    notes: str = ""

    @property
    def results(self) -> Results:
        """The samples by case and participant."""
        return {
            (each.case.name, name): samples
            for each in self.done
            for name, samples in each.samples.items()
        }


@dataclass(frozen=True)
class Profile:
    """Where a run of a case spent its time, or why that is not known."""

    title: str
    lines: Sequence[Line]
    failure: str = ""


@dataclass(frozen=True)
class Done:
    """What came of a case: samples and failures by participant."""

    case: Case
    samples: Mapping[str, Sequence[Sample]]
    failures: Mapping[str, str]


def render(told: Told) -> str:
    """Return the whole report as Markdown."""
    parts = [
        "# Benchmarks",
        INTRODUCTION,
        "\n".join(f"- {name}: {value}" for name, value in told.facts.items()),
        "## Budgets",
        budget_table(told),
        *(part for each in told.done for part in _case(each, told.command)),
    ]
    if told.profiles:
        parts += ["## Where the time goes", f"`{told.command} --only profile`", SAMPLED]
    for each in told.profiles:
        parts += [f"### {each.title}", *_profile(each)]
    if told.notes:
        parts.append(told.notes.strip())
    return "\n\n".join(parts) + "\n"


def budget_table(told: Told) -> str:
    """Return a row for each budget: wanted, measured, met or not."""
    rows = []
    for each in told.budgets:
        figure = measured(each, told.results)
        rows.append(
            (
                each.name,
                each.wanted,
                _spread(figure) if figure else "not measured",
                _met(each, figure, told),
            )
        )
    note = (
        "" if told.binding else "\n\nThe bounds are those of the full size; this is a smaller one."
    )
    return _table(("figure", "wanted", "measured", "met"), rows) + note


def _met(budget: Budget, figure: Spread | None, told: Told) -> str:
    if figure is None or not told.binding or (budget.least is None and budget.most is None):
        return "-"
    return "yes" if budget.met(figure) else "**no**"


def _case(done: Done, command: str) -> list[str]:
    parts = [f"## {done.case.title}", f"`{command} --only '{done.case.name}'`"]
    taken = [each for each in done.case.participants if done.samples.get(each.name)]
    if taken:
        parts.append(_samples(done, taken))
    parts += [f"FAILED: {name}: {why}" for name, why in done.failures.items()]
    return parts


def _samples(done: Done, taken: Sequence[Participant]) -> str:
    base = done.case.base if done.samples.get(done.case.base) else taken[0].name
    rows = []
    for each in taken:
        samples = done.samples[each.name]
        speed = spread(ratios(_of(done.samples[base], "wall"), _of(samples, "wall")))
        rows.append(
            (
                each.name,
                _spread(spread(_of(samples, "wall"))),
                _number(speed.median),
                *_costs(each, samples),
            )
        )
    speeds = f"times as fast as {base}"
    heads = ("participant", "wall s", speeds, "us a row", "CPU s", "CPU us a row", "peak RSS MB")
    return _table((*heads, "server CPU s"), rows)


def _costs(participant: Participant, samples: Sequence[Sample]) -> tuple[str, ...]:
    if participant.first:
        return ("", "", "", "", "")
    wall, cpu = spread(_of(samples, "wall")), spread(_of(samples, "cpu"))
    rows = samples[0].rows
    return (
        _number(wall.median / rows * MICRO) if rows else "",
        _spread(cpu),
        _number(cpu.median / rows * MICRO) if rows else "",
        _spread(spread(_of(samples, "rss"))),
        _number(spread(_of(samples, "server")).median) if participant.server else "",
    )


def _profile(profile: Profile) -> list[str]:
    if profile.failure:
        return [f"FAILED: {profile.failure}"]
    lines = profile.lines
    whole = sum(each.seconds for each in lines)
    # worker_0, worker_1, ... do the same.
    parts = _sums(lines, lambda each: (each.part, each.thread.partition("_")[0]))
    places = _sums(lines, lambda each: (each.part, each.where))
    return [
        _table(("part", f"thread, {whole:.1f} s in all", "%"), _shares(parts, whole)),
        _table(("part", "line", "%"), _shares(places[:TOP], whole)),
    ]


def _sums(
    lines: Iterable[Line], key: Callable[[Line], tuple[str, str]]
) -> list[tuple[tuple[str, str], float]]:
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for each in lines:
        found[key(each)] += each.seconds
    return sorted(found.items(), key=lambda item: -item[1])


def _shares(
    parts: Iterable[tuple[tuple[str, str], float]], whole: float
) -> list[tuple[str, str, str]]:
    told = ((names, 100 * seconds / whole) for names, seconds in parts)
    return [(*names, f"{share:.1f}") for names, share in told if share >= LEAST]


def _of(samples: Iterable[Sample], what: str) -> list[float]:
    return [float(getattr(each, what)) for each in samples]


def _spread(figure: Spread) -> str:
    told = _number(figure.median)
    if figure.least == figure.most:
        return told
    return f"{told} ({_number(figure.least)}-{_number(figure.most)})"


def _number(value: float) -> str:
    """Return three significant digits, without exponent."""
    if abs(value) >= 100:  # noqa: PLR2004 - from here on there is nothing behind the point
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] + ["--:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)
