"""What a user would pick instead, each at its best settings, and how it is started."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_billing.demo import ROOT, Environment, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WHERE = ROOT / ".venvs"


@dataclass(frozen=True, slots=True)
class Rival:
    """A program that reads the same: its module, what it needs installed, and how it works.

    Without `requirements` it runs with the Python that runs this. `concurrent` ones are told how
    many requests may be in flight; `state` is the option under which they keep, in a file or folder
    that they make, what an incremental run goes on from: a Singer tap writes its state to stdout.
    """

    module: str
    note: str
    requirements: tuple[str, ...] = ()
    environment: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    concurrent: bool = True
    state: str = ""


SDK = ("singer-sdk[msgspec]~=0.54.9", "-c", "constraints.txt")
DLT = ("dlt>=1.31,<2",)
AIRBYTE = ("airbyte-cdk>=7.39,<8",)
RIVALS: Mapping[str, Rival] = {
    "SDK tap": Rival(
        "benchmarks.rivals.sdk_tap",
        "singer-sdk RESTStream, one request after the other, the SDK's own writer",
        concurrent=False,
    ),
    "SDK tap, MsgSpecWriter": Rival(
        "benchmarks.rivals.sdk_tap",
        "the same with singer_sdk.contrib.msgspec.MsgSpecWriter",
        SDK,
        "rival-sdk",
        settings={"writer": "msgspec"},
        concurrent=False,
    ),
    "dlt": Rival(
        "benchmarks.rivals.dlt_rest",
        "dlt rest_api, extraction only; the one list as parallelized resources over id ranges",
        DLT,
        "rival-dlt",
        state="--folder",
    ),
    "dlt, pages": Rival(
        "benchmarks.rivals.dlt_rest",
        "dlt rest_api, extraction only; the one list as a resource that depends on its pages",
        DLT,
        "rival-dlt",
        options=("--cut", "pages"),
        state="--folder",
    ),
    "dlt, one resource": Rival(
        "benchmarks.rivals.dlt_rest",
        "dlt rest_api, extraction only; each list one parallelized resource",
        DLT,
        "rival-dlt",
        options=("--cut", "none"),
        state="--folder",
    ),
    "Airbyte CDK": Rival(
        "benchmarks.rivals.airbyte",
        "Airbyte's declarative CDK; each list one partition; nulls are left out of its records",
        AIRBYTE,
        "rival-airbyte",
        state="--state",
    ),
    "Airbyte CDK, id ranges": Rival(
        "benchmarks.rivals.airbyte",
        "Airbyte's declarative CDK; the one list as a ListPartitionRouter over id ranges; no nulls",
        AIRBYTE,
        "rival-airbyte",
        options=("--ranges",),
        state="--state",
    ),
}


def install(name: str) -> None:
    """Make the environment that a rival needs, unless it is there. Raises demo.SetupError."""
    rival = RIVALS[name]
    if rival.environment:
        prepare(_environment(rival))


def command(
    name: str,
    settings: Mapping[str, Any],
    folder: Path,
    *,
    concurrency: int = 8,
    again: bool = False,
) -> tuple[str, ...]:
    """Return the arguments that start a rival, to be run in the project's folder.

    `settings` are the server's `api_url`, `username`, `password`, and what to read: `streams` "all"
    or "invoices", the default, or `lists`, a number of small ones. They are written to a file in
    the folder. With `again` a run goes on from the one before it that was started with the same
    folder; a Singer tap needs `--state FILE` added to it.
    """
    rival = RIVALS[name]
    known = "".join(letter if letter.isalnum() else "-" for letter in name)
    config = folder / f"{known}.config.json"
    config.write_text(json.dumps({**settings, **rival.settings}), encoding="utf-8")
    python = _environment(rival).program("python") if rival.environment else sys.executable
    told = [python, "-m", rival.module, "--config", str(config), *rival.options]
    if rival.concurrent:
        told += ["--concurrency", str(concurrency)]
    if again and rival.state:
        told += [rival.state, str(folder / f"{known}.state")]
    return tuple(told)


def _environment(rival: Rival) -> Environment:
    return Environment(WHERE / rival.environment, rival.requirements)
