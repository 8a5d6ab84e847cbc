"""Runs the comparisons and writes RESULTS.md: `python -m benchmarks [--small] [--only CASE...]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine, measure, profile, programs, report
from benchmarks.budgets import budgets
from benchmarks.cases import cases
from benchmarks.measure import Failed
from benchmarks.report import Done, Profile, Told
from benchmarks.rivals import RIVALS
from benchmarks.spec import FLOOR, FULL, SMALL, TAP, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.measure import Command, Sample
    from benchmarks.spec import Case, Participant, Sizes

HERE = Path(__file__).parent
RESULTS, NOTES = HERE / "RESULTS.md", HERE / "NOTES.md"
PROFILE = "profile"
# The cases and their participants whose time is told line by line.
PROFILED = (("invoices 0 ms", f"{TAP}, 8"), ("cheddar 5 MB", TAP), ("cheddar 50 MB", TAP))


def measured(case: Case, rounds: int, folder: Path) -> Done:
    """Run a case's participants in turn against servers of their own."""
    failures: dict[str, str] = {}
    ready: dict[str, tuple[Participant, Command, str]] = {}
    urls: dict[Server, dict[str, str]] = {}
    with ExitStack() as stack:
        for each in case.participants:
            try:
                if each.server and each.server not in urls:
                    serving = measure.serving(programs.server(each.server, folder))
                    urls[each.server] = stack.enter_context(serving)
                address = urls[each.server] if each.server else {}
                command = programs.start(each, address, folder)
                ready[each.name] = each, command, address.get("api_url", "")
                if case.counted:
                    say(f"{case.name}: {each.name}, counted")
                    _count(each, command)
            except Failed as error:
                failures[each.name] = str(error)

        def one(name: str, number: int) -> Sample:
            say(f"{case.name}: {name}, round {number + 1}")
            return _sample(*ready[name])

        times = {
            name: min(rounds, each.rounds)
            for name, (each, _, _) in ready.items()
            if name not in failures
        }
        samples, failed = measure.in_turn(times, one)
    if case.agree:
        failed |= disagreement(samples)
    return Done(case, samples, failures | failed)


def _count(participant: Participant, command: Command) -> None:
    """Raise Failed when a tap's records, those with the same key counted once, are too few."""
    if participant.rows is not None and programs.tells_records(participant):
        check(participant, programs.counted(command))


def _sample(participant: Participant, command: Command, url: str) -> Sample:
    if participant.first:
        return measure.Sample(measure.first_record(command), 0.0, 0.0)
    before = measure.cost(url) if url else 0.0
    sample = measure.run(command)
    spent = measure.cost(url) - before if url else 0.0
    check(participant, rows := programs.rows(command))
    if participant.program == FLOOR:
        # Only what it does with the pages counts, not how it comes by them.
        spent_there = float(sample.told["cpu_seconds"])
        sample = replace(sample, cpu=spent_there, wall=spent_there)
    return replace(sample, server=spent, rows=rows)


def check(participant: Participant, rows: int | None) -> None:
    """Raise Failed when a participant did not read the rows that it had to read."""
    if participant.rows is not None and rows != participant.rows:
        raise Failed(f"{participant.name}: read {rows} rows of {participant.rows}")


def disagreement(samples: Mapping[str, Sequence[Sample]]) -> dict[str, str]:
    """Return a failure for everybody when not all runs have read equally many rows."""
    counts = {name: {each.rows for each in taken} for name, taken in samples.items()}
    if len(set().union(*counts.values())) <= 1:
        return {}
    told = ", ".join(f"{name}: {sorted(map(str, rows))}" for name, rows in counts.items())
    return dict.fromkeys(counts, f"not the same rows ({told})")


def _rivals(done: Sequence[Done]) -> list[str]:
    ran = {
        each.program for one in done for each in one.case.participants if each.name in one.samples
    }
    return [name for name in RIVALS if name in ran]


def profiled(sizes: Sizes, folder: Path) -> list[Profile]:
    """Return where runs of the tap spend their time, or why that cannot be told."""
    found = []
    for case in cases(sizes):
        for each in case.participants:
            if (case.name, each.name) not in PROFILED:
                continue
            say(f"{PROFILE}: {each.name} of {case.name}")
            try:
                with measure.serving(programs.server(each.server or Server(), folder)) as address:
                    lines = profile.taken(programs.start(each, address, folder))
                found.append(Profile(case.title, lines))
            except Failed as error:
                found.append(Profile(case.title, (), str(error)))
    return found


def chosen(sizes: Sizes, only: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases whose names begin with one of `only`, all without it.

    Ends the process when one of them is no beginning of a name.
    """
    found = cases(sizes)
    for each in only:
        if not any(name.startswith(each) for name in (PROFILE, *(case.name for case in found))):
            names = ", ".join((*(case.name for case in found), PROFILE))
            sys.exit(f"--only: no case {each!r}; allowed: the beginning of one of {names}")
    return tuple(each for each in found if not only or each.name.startswith(tuple(only)))


def say(line: str) -> None:
    """Tell what goes on, on stderr."""
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return 1 if a participant has lost rows or ended badly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="for CI: seconds, no installations")
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help="cases' first words")
    parser.add_argument("--rounds", type=int, help="default: 3, with --small 1")
    parser.add_argument("--write", action="store_true", help="RESULTS.md also for a part")
    given = parser.parse_args(arguments)
    sizes = SMALL if given.small else FULL
    rounds = given.rounds or (1 if given.small else 3)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        done = [measured(case, rounds, folder) for case in chosen(sizes, given.only)]
        wanted = not given.only or any(PROFILE.startswith(each) for each in given.only)
        profiles = profiled(sizes, folder) if wanted else []
    told = Told(
        command="python -m benchmarks" + (" --small" if given.small else ""),
        facts=machine.facts(_rivals(done)),
        done=done,
        budgets=budgets(sizes),
        binding=sizes is FULL,
        profiles=profiles,
        notes=NOTES.read_text(encoding="utf-8") if NOTES.exists() else "",
    )
    text = report.render(told)
    sys.stdout.write(text)
    if given.write or not (given.small or given.only):
        RESULTS.write_text(text, encoding="utf-8")
    return 1 if any(each.failure for each in profiles) or any(each.failures for each in done) else 0


if __name__ == "__main__":
    sys.exit(main())
