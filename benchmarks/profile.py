"""Where a run spends its CPU time, by thread and line: `profile FILE MODULE ARGUMENTS`."""

from __future__ import annotations

import json
import linecache
import runpy
import sys
import threading
import time
from collections import defaultdict
from dataclasses import astuple, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from benchmarks.measure import Command

# Seconds between looks; one costs some 10 microseconds for each thread.
INTERVAL = 0.002
# Seconds after which a thread has to let others go on: with Python's 5 ms, time would be booked to
# where a thread waits for something, the next place at which it lets others go on by itself.
SWITCH = 0.0002
# What the innermost line that fits belongs to: (part, path contains, line contains). The first one
# decides; a C function has no line of its own, it shows as the line that calls it.
PARTS: Sequence[tuple[str, str, str]] = (
    ("decode", "", "loads"),
    ("decode", "", "parser.Parse"),
    ("decode", "tap_billing/providers/cheddar", ""),
    ("encode", "", "dumps"),
    ("cast and cut", "tap_billing/cast", ""),
    ("cast and cut", "tap_billing/signatures", ""),
    ("cast and cut", "tap_billing/scalars", ""),
    ("cast and cut", "tap_billing/instants", ""),
    ("cast and cut", "tap_billing/cut", ""),
    ("encode", "tap_billing/codec", ""),
    ("write", "tap_billing/emission", ""),
    ("write", "tap_billing/writer", ""),
    ("HTTP", "tap_billing/transport", ""),
    ("HTTP", "/aiohttp/", ""),
    ("HTTP", "/asyncio/", ""),
    ("HTTP", "selectors.py", ""),
    ("HTTP", "/ssl.py", ""),
    ("SDK", "/singer_sdk/", ""),
    ("rest of the tap", "/tap_billing/", ""),
)


@dataclass(frozen=True)
class Line:
    """CPU seconds of a thread at a line, and the part of the work that it belongs to."""

    thread: str
    part: str
    where: str
    seconds: float


class Sampler:
    """Looks at all threads again and again and books what each has spent; must be stopped."""

    def __init__(self) -> None:
        self.seconds: defaultdict[tuple[str, str, str], float] = defaultdict(float)
        self._spent: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> list[Line]:
        """End looking; return the lines, the last one being what was not seen.

        Raises RuntimeError if it could not look to the end.
        """
        if not self._thread.is_alive():
            raise RuntimeError("the sampler has died; its traceback stands above")
        own = _spent(self._thread)
        self._ended.set()
        self._thread.join()
        unseen = time.process_time() - own - sum(self.seconds.values())
        found = [Line(*key, seconds) for key, seconds in self.seconds.items()]
        return [*found, Line("all", "not seen", "threads' last moments", max(unseen, 0.0))]

    def _work(self) -> None:
        while not self._ended.wait(INTERVAL):
            frames = sys._current_frames()  # noqa: SLF001 - documented, "for specialized purposes"
            for thread in threading.enumerate():
                frame = frames.get(thread.ident or 0)
                if frame is not None and thread is not self._thread:
                    self._book(thread, frame)

    def _book(self, thread: threading.Thread, frame: FrameType) -> None:
        spent = _spent(thread)
        more = spent - self._spent.get(thread.native_id or 0, 0.0)
        if more > 0:
            self._spent[thread.native_id or 0] = spent
            self.seconds[thread.name, *placed(frame)] += more


def _spent(thread: threading.Thread) -> float:
    """Return the CPU seconds of a thread so far, 0 for one that has ended (proc(5), schedstat)."""
    try:
        told = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int(told.split()[0]) / 1e9


def placed(frame: FrameType) -> tuple[str, str]:
    """Return the part of the work that a stack is at, and its innermost line that tells it."""
    found: tuple[str, str] | None = None
    at: FrameType | None = frame
    while at is not None:
        path = at.f_code.co_filename
        if path.startswith("<frozen importlib"):
            return "start-up", "imports"
        if found is None:
            # A frame between two instructions may be at no line (Python 3.11).
            found = _part(path, at.f_lineno or 0)
        at = at.f_back
    return found or ("other", _where(frame.f_code.co_filename, frame.f_lineno or 0))


@cache
def _part(path: str, number: int) -> tuple[str, str] | None:
    text = linecache.getline(path, number)
    for part, place, words in PARTS:
        if place in path and words in text:
            return part, _where(path, number)
    return None


def _where(path: str, number: int) -> str:
    text = linecache.getline(path, number).strip()
    return f"{'/'.join(Path(path).parts[-2:])}:{number} `{text.replace('|', '/')[:70]}`"


def taken(command: Command) -> list[Line]:
    """Run a tap with a sampler beside it; return its lines. Raises Failed as `measure.run` does."""
    told = command.log.with_suffix(".profile.json")
    module = command.argv.index("-m")
    tap, arguments = command.argv[module + 1], command.argv[module + 2 :]
    sampled = ("-m", "benchmarks.profile", str(told), tap, *arguments)
    run(replace(command, argv=(*command.argv[:module], *sampled)))
    return [Line(*each) for each in json.loads(told.read_bytes())]


def main() -> None:
    """Run a module as `python -m` does and write where it spent its time."""
    file, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    sys.setswitchinterval(SWITCH)
    sampler = Sampler()
    sampler.start()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    finally:
        lines = sampler.stop()
        Path(file).write_text(json.dumps([astuple(each) for each in lines]), encoding="utf-8")


if __name__ == "__main__":
    main()
