"""Writes the README's tables from the code: `python -m tests.readme`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tap_billing.providers import chargeover_resources, cheddar_resources
from tap_billing.settings import SETTINGS

README = Path(__file__).parents[1] / "README.md"
PROVIDERS = {
    "ChargeOver": chargeover_resources.RESOURCES,
    "Cheddar": cheddar_resources.RESOURCES,
}


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
    lines = ["| read from | streams (key) | incremental by |", "| --- | --- | --- |"]
    for provider, resources in PROVIDERS.items():
        further = []
        for resource in resources:
            told = ", ".join(f"`{each.name}` ({', '.join(each.keys)})" for each in resource.streams)
            if not any(each.selected for each in resource.streams):
                further.append(told)
                continue
            since = ", ".join(f"`{each.since}`" for each in resource.passes)
            lines.append(f"| {provider} `/{resource.path}` | {told} | {since or 'full table'} |")
        if further:
            lines.append(
                f"| {provider}, not selected by default | {', '.join(further)} | full table |"
            )
    return "\n".join(lines)


def written(text: str) -> str:
    """Return the README's text with its tables as the code has them."""
    for name, table in (("settings", settings()), ("streams", streams())):
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
