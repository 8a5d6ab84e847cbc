"""Writes the README's tables from the code: `python -m tests.readme`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tap_billing.providers import chargeover_resources, cheddar_resources
from tap_billing.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_billing.spec import Pass, Resource

README = Path(__file__).parents[1] / "README.md"
PROVIDERS = {
    "ChargeOver": chargeover_resources.RESOURCES,
    "Cheddar": cheddar_resources.RESOURCES,
}
AT_ONCE, AT_SWEEP, NEVER = "at once", "at the next sweep", "never"
# What a resource without passes brings at once.
WHOLE = ("new", "edited")
DELETED = "deleted"


@dataclass(frozen=True)
class Change:
    """A row of what is captured when: a change of a resource, by which passes, and why."""

    resource: str
    name: str
    captured: str
    passes: tuple[str, ...]
    why: str


def changes(resources: Iterable[Resource]) -> list[Change]:
    """Return what the resources declare of every change, in their order."""
    found = []
    for resource in resources:
        seen = dict.fromkeys(each for one in resource.passes for each in one.sees)
        for name in seen:
            # The one that exists for the fewest changes says best why.
            passes = sorted(_seeing(resource, name), key=lambda one: len(one.sees))
            names = tuple(one.name for one in passes)
            found.append(Change(resource.name, name, AT_ONCE, names, passes[0].why))
        found += [
            Change(resource.name, name, AT_ONCE, (), "read whole by every run")
            for name in (() if resource.passes else WHOLE)
        ]
        for name, why in resource.blind.items():
            captured = AT_SWEEP if resource.provable or name != DELETED else NEVER
            found.append(Change(resource.name, name, captured, (), why))
    return found


def _seeing(resource: Resource, change: str) -> list[Pass]:
    return [one for one in resource.passes if change in one.sees]


def behavior(resources: Sequence[Resource]) -> str:
    """Return the table of what is captured when; changes that are captured alike share a row."""
    quiet = {one.name for one in resources if not any(each.selected for each in one.streams)}
    rows: dict[tuple[str, str, tuple[str, ...], str], list[Change]] = {}
    for each in changes(resources):
        # What holds for all tables is said once.
        alone = each.passes or (each.captured == AT_SWEEP and each.name != DELETED)
        key = (each.resource if alone else "", each.captured, each.passes, each.why)
        rows.setdefault(key, []).append(each)
    lines = []
    for (alone, captured, passes, why), told in sorted(rows.items(), key=lambda row: not row[0][0]):
        by = f", by {', '.join(f'`{name}`' for name in passes)}" if passes else ""
        where = f"`{alone}`" if alone else _where(told, quiet)
        names = "; ".join(dict.fromkeys(each.name for each in told))
        lines.append(f"| {where}: {names} | {captured}{by} | {why} |")
    return "\n".join(["| change | captured | why |", "| --- | --- | --- |", *lines])


def _where(told: Sequence[Change], quiet: set[str]) -> str:
    """Return the resources of some changes; those that nobody selects go without their names."""
    resources = dict.fromkeys(each.resource for each in told)
    shown = [f"`{each}`" for each in resources if each not in quiet]
    return ", ".join([*shown, *(["streams not selected by default"] if quiet else [])])


def settings() -> str:
    """Return the table of settings."""
    lines = ["| setting | allowed | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in SETTINGS:
        default = "" if setting.default is None else f"`{str(setting.default).lower()}`"
        if setting.required:
            default = "required" if setting.required == "always" else f"required {setting.required}"
        name = f"`{setting.name}`" + (" (secret)" if setting.secret else "")
        lines.append(f"| {name} | {setting.allowed} | {default} | {setting.description} |")
    return "\n".join(lines)


def streams() -> str:
    """Return the table of streams, a row per endpoint; those that nobody selects share a row."""
    lines = ["| read from | streams (key) | passes of an incremental run |", "| --- | --- | --- |"]
    for provider, resources in PROVIDERS.items():
        further = []
        for resource in resources:
            told = ", ".join(f"`{each.name}` ({', '.join(each.keys)})" for each in resource.streams)
            if not any(each.selected for each in resource.streams):
                further.append(told)
                continue
            asked = "; ".join(_asked(each) for each in resource.passes)
            lines.append(f"| {provider} `/{resource.path}` | {told} | {asked or 'full table'} |")
        if further:
            lines.append(
                f"| {provider}, not selected by default | {', '.join(further)} | full table |"
            )
    return "\n".join(lines)


def _asked(one: Pass) -> str:
    """Return a pass's name and what it asks for."""
    if one.since:
        return f"{one.name} (`{one.since}`{', windowed' if one.windowed else ''})"
    if one.where:
        return f"{one.name} (`{one.where[0]}:EQUALS:{one.where[1]}`)"
    return f"{one.name} (named by {' and '.join(each.resource for each in one.of)})"


def written(text: str) -> str:
    """Return the README's text with its tables as the code has them."""
    tables = {"settings": settings(), "streams": streams()}
    tables |= {f"behavior {name}": behavior(resources) for name, resources in PROVIDERS.items()}
    for name, table in tables.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, table=table: f"{found[1]}{table}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
    return text


if __name__ == "__main__":
    before = README.read_text(encoding="utf-8")
    README.write_text(written(before), encoding="utf-8")
    sys.exit(0)
