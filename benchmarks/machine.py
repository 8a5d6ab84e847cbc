"""The machine and the versions that figures were measured with; no names of hosts or people."""

from __future__ import annotations

import os
import platform
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.rivals import RIVALS, WHERE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.rivals import Rival

# The names in front of the first comparison.
NAMES = re.compile(r"[a-z][a-z0-9-]*(?=[^=~<>]*[=~<>])")
PACKAGES = ("tap-billing", "singer-sdk", "aiohttp", "orjson", "xmltodict")
GIBIBYTE = 1 << 30


def facts(rivals: Iterable[str]) -> dict[str, str]:
    """Return the day (UTC), what the machine is, and the versions, those of rivals included."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIBIBYTE
    told = [f"Python {platform.python_version()}", *_versions(PACKAGES)]
    for name in rivals:
        told += [each for each in _of_rival(RIVALS[name]) if each not in told]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory,"
        f" {platform.system()} {platform.release()}",
        "versions": ", ".join(told),
    }


def _of_rival(rival: Rival) -> list[str]:
    if not rival.environment:
        return []
    places = (WHERE / rival.environment).glob("lib/python*/site-packages")
    # `singer-sdk[msgspec]~=0.54.9` is two packages, `-c constraints.txt` none.
    wanted = [name for each in rival.requirements for name in re.findall(NAMES, each)]
    return _versions(wanted, path=[str(each) for each in places])


def _versions(names: Iterable[str], path: list[str] | None = None) -> list[str]:
    places = sys.path if path is None else path
    found = [next(iter(distributions(name=name, path=places)), None) for name in names]
    return [f"{each.name} {each.version}" for each in found if each is not None]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    told = re.search(r"model name\s*:\s*(.+)", info.read_text("utf-8") if info.exists() else "")
    return told[1] if told else platform.processor() or platform.machine()
