"""Pipelines of real processes: `tap-billing | tee | target`, and what went through them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.targets import ENVIRONMENTS

TAP = (sys.executable, "-m", "tap_billing")


@dataclass(frozen=True)
class Run:
    """A finished pipeline: the messages of the tap, what the target printed."""

    messages: Path
    printed: str

    @property
    def state(self) -> dict[str, Any]:
        """The last line the target printed: the STATE to go on from."""
        return json.loads(self.printed.splitlines()[-1])

    @property
    def rows(self) -> Counter[str]:
        """The number of RECORD messages of each stream."""
        return Counter(each["stream"] for each in self.told("RECORD"))

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one kind, in order."""
        with self.messages.open("rb") as lines:
            return [each for each in map(json.loads, lines) if each["type"] == kind]

    @property
    def keys(self) -> dict[str, list[str]]:
        """The primary keys of each stream."""
        return {each["stream"]: each["key_properties"] for each in self.told("SCHEMA")}

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The records of one stream, in order."""
        return [each["record"] for each in self.told("RECORD") if each["stream"] == stream]

    def log(self, name: str) -> str:
        """What the `tap` or the `target` wrote to stderr, and the target to stdout."""
        path = self.messages.with_suffix(f".{name}.log")
        return path.read_text(encoding="utf-8") + (self.printed if name == "target" else "")


def installed(environment: str, program: str | None = None) -> str:
    """Return the path of a program of a target's environment, which must be there."""
    path = ENVIRONMENTS[environment].program(program or environment)
    assert Path(path).exists(), f"{path} is missing: `python3 -m tests` installs it, once"
    return path


def written(folder: Path, name: str, content: Any) -> str:
    """Write content as JSON, return the file's path."""
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def pipe(folder: Path, settings: dict, target: tuple[str, ...], state: dict | None = None) -> Run:
    """Run `tap | tee | target` in a folder; every process must end with exit code 0."""
    number = len(list(folder.glob("*.singer")))
    messages = folder / f"{number}.singer"
    options = ["--config", written(folder, "tap.json", settings)]
    if state is not None:
        options += ["--state", written(folder, "state.json", state)]
    chain = [(*TAP, *options), ("tee", str(messages)), target]
    logs = [folder / f"{number}.{name}.log" for name in ("tap", "tee", "target")]
    codes, printed = run(chain, logs, folder)
    ends = "\n".join(log.read_text(encoding="utf-8", errors="replace")[-3000:] for log in logs)
    assert codes == [0, 0, 0], f"exit codes {codes}\n{ends}"
    return Run(messages, printed)


def run(chain: list[tuple[str, ...]], logs: list[Path], folder: Path) -> tuple[list[int], str]:
    """Run the processes of a pipeline; return their exit codes and what the last one printed."""
    with ExitStack() as stack:
        processes: list[subprocess.Popen] = []
        for command, log in zip(chain, logs, strict=True):
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=processes[-1].stdout if processes else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context(log.open("wb")),
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            if processes:
                # Only the reader may hold it, otherwise a writer never hears that it ended.
                processes[-1].stdout.close()
            processes.append(process)
        printed = processes[-1].communicate()[0].decode()
        return [process.wait() for process in processes], printed
