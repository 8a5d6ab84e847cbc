"""States as another day would find them: older, or as they stood at some message of a run."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support import when

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support import Run

State = dict[str, Any]


def copied(state: Mapping[str, Any]) -> State:
    """Return a state as it is after a target has kept it, for changes."""
    return json.loads(json.dumps(state))


def aged(state: Mapping[str, Any], days: float = 8) -> State:
    """Return a state whose complete reads, also those that were tried, are so many days older."""
    old = copied(state)
    for told in old["bookmarks"].values():
        for kind in ("sweep", "tried"):
            if kind in told:
                then = when(told[kind]["at"]) - timedelta(days=days)
                told[kind]["at"] = then.isoformat().replace("+00:00", "Z")
    return old


def last_state(messages: Iterable[Mapping[str, Any]]) -> State | None:
    """Return the last state among messages, None if there is none."""
    states = [each["value"] for each in messages if each["type"] == "STATE"]
    return copied(states[-1]) if states else None


def remembered(done: Run, key: str) -> dict[str, Any]:
    """Return what a run's last state remembers under a key, by stream."""
    return {stream: told[key] for stream, told in done.state["bookmarks"].items() if told.get(key)}


def versions(done: Run) -> dict[str, int]:
    """Return the version that a run activated for each stream."""
    return {each["stream"]: each["version"] for each in done.of("ACTIVATE_VERSION")}


class Warehouse:
    """What a target holds that takes ACTIVATE_VERSION at its word: rows by stream and key."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
        self._keys: dict[str, list[str]] = {}
        self._versions: dict[str, dict[tuple[str, ...], int]] = {}

    def load(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Take messages in order."""
        for each in messages:
            name = each.get("stream", "")
            if each["type"] == "SCHEMA":
                self._keys[name] = each["key_properties"]
                self.tables.setdefault(name, {})
                self._versions.setdefault(name, {})
            elif each["type"] == "RECORD":
                key = tuple(str(each["record"][column]) for column in self._keys[name])
                self.tables[name][key] = each["record"]
                self._versions[name][key] = each.get("version") or 0
            elif each["type"] == "ACTIVATE_VERSION":
                told = self._versions[name]
                for key in [key for key, version in told.items() if version < each["version"]]:
                    del self.tables[name][key], told[key]

    def differences(self, truth: Mapping[str, Any]) -> list[str]:
        """Return a line for every table that does not have exactly the keys of a truth."""
        found = []
        for name, rows in self.tables.items():
            known = {
                tuple(map(str, each)) if isinstance(each, list) else (str(each),)
                for each in truth[name]["ids"]
            }
            if rows.keys() != known:
                missing, surplus = known - rows.keys(), rows.keys() - known
                found.append(
                    f"{name}: missing {sorted(missing)[:5]}, surplus {sorted(surplus)[:5]}"
                )
        return found
