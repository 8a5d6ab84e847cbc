"""Processes measured from outside: wall time, CPU time and memory, and the figures made of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

# Nothing that is compared here takes longer; what hangs must not hold up the rest.
LIMIT = 900.0
LAUNCH = Path(__file__).with_name("launch.py")
MEGABYTE = 1_000_000
# Linux tells ru_maxrss in kibibytes (getrusage(2)).
RSS_UNIT = 1024


class Failed(Exception):
    """A participant ended badly or lost rows: its times are no comparison."""


@dataclass(frozen=True)
class Command:
    """What is run: arguments, the environment, and a file for its stderr."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path


@dataclass(frozen=True)
class Sample:
    """One run: seconds of wall and CPU time, peak RSS in MB, and what it told of itself.

    `server` is the CPU time that its server spent on it; `rows` is None where nobody counted.
    """

    wall: float
    cpu: float
    rss: float
    server: float = 0.0
    rows: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spread:
    """The median of several figures, and their range."""

    median: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread:
    """Return median and range. Raises ValueError when there is no figure."""
    figures = sorted(values)
    if not figures:
        raise ValueError("no figures")
    return Spread(median(figures), figures[0], figures[-1])


def ratios(over: Sequence[float], of: Sequence[float]) -> list[float]:
    """Return `over / of` for each round that both took part in: what slows one slows the other."""
    return [a / b for a, b in zip(over, of, strict=False)]


def in_turn(
    rounds: Mapping[str, int], run: Callable[[str, int], Sample]
) -> tuple[dict[str, list[Sample]], dict[str, str]]:
    """Run each in turn (A B C A B C ...), each as often as told.

    Return the samples, and why some have failed: who fails once takes no further part, and none
    of its figures is kept.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in rounds}
    failures: dict[str, str] = {}
    for number in range(max(rounds.values(), default=0)):
        for name, most in rounds.items():
            if name in failures or number >= most:
                continue
            try:
                samples[name].append(run(name, number))
            except Failed as error:
                failures[name] = str(error)
                samples[name].clear()
    return samples, failures


def run(command: Command, limit: float = LIMIT) -> Sample:
    """Run a command with its output thrown away; return its costs, its children's included.

    Raises Failed when it does not end with exit code 0 within `limit` seconds.
    """
    read, write = os.pipe()
    small = (sys.executable, "-I", "-S", str(LAUNCH), str(write))
    with os.fdopen(read, "rb") as told, command.log.open("wb") as log:
        process = subprocess.Popen(
            (*small, *command.argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=dict(command.env),
            pass_fds=(write,),
            start_new_session=True,
        )
        os.close(write)
        with process, _ended_after(process, limit, group=True):
            figures = told.read().split()
    if not figures:
        raise Failed(f"{_name(command)}: no end within {limit:g} s")
    wall, cpu, rss = map(float, figures[:3])
    _check(command, int(figures[3]))
    return Sample(wall, cpu, rss * RSS_UNIT / MEGABYTE, told=last_object(command.log))


def lines(command: Command, limit: float = LIMIT) -> Iterator[bytes]:
    """Yield what a command writes, line by line. Raises Failed as `run` does."""
    with (
        command.log.open("wb") as log,
        subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(command.env),
        ) as process,
        _ended_after(process, limit),
    ):
        yield from process.stdout or ()
        process.wait()
    _check(command, process.returncode)


def first_record(command: Command) -> float:
    """Return the seconds from the start of a tap to its first RECORD. Raises Failed."""
    begun = time.perf_counter()
    seconds = 0.0
    for line in lines(command):
        if not seconds and line.startswith((b'{"type":"RECORD"', b'{"type": "RECORD"')):
            seconds = time.perf_counter() - begun
    if not seconds:
        raise Failed(f"{_name(command)}: no RECORD")
    return seconds


@contextlib.contextmanager
def _ended_after(
    process: subprocess.Popen[bytes], limit: float, *, group: bool = False
) -> Iterator[None]:
    """Kill a process, or the whole group that it leads, when the block takes too long."""
    kill = (os.killpg, (process.pid, signal.SIGKILL)) if group else (process.kill, ())
    timer = threading.Timer(limit, *kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    except BaseException:
        # Nobody waits for it any more, and what has a session of its own hears no Ctrl-C.
        kill[0](*kill[1])
        raise
    finally:
        timer.cancel()


def _name(command: Command) -> str:
    return command.log.stem


def _check(command: Command, code: int) -> None:
    if code:
        told = command.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = told[-1][:200] if told else "nothing on stderr"
        raise Failed(f"{_name(command)}: exit code {code} ({last})")


def last_object(log: Path) -> dict[str, Any]:
    """Return the JSON object on the last line of a file, {} if there is none."""
    told = log.read_bytes().strip().rsplit(b"\n", 1)[-1]
    try:
        found = json.loads(told)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def serving(command: Command, limit: float = 120.0) -> Iterator[dict[str, Any]]:
    """Run a server; yield what it prints when it is ready. Raises Failed when it does not."""
    with command.log.open("wb") as log:
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(command.env),
        )
    with process:
        try:
            with _ended_after(process, limit):
                ready = process.stdout.readline() if process.stdout else b""
            if not ready:
                _check(command, process.wait() or 1)
            yield json.loads(ready)
        finally:
            process.terminate()


def cost(api_url: str) -> float:
    """Return the CPU seconds that a server has spent so far."""
    parts = urlsplit(api_url)
    with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/_cost", timeout=30) as answer:
        return float(json.load(answer)["cpu_seconds"])
