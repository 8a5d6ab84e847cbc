"""How each participant is started: its arguments, settings, catalog and state."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from benchmarks import rivals
from benchmarks.measure import Command, Failed, last_object, lines
from benchmarks.rivals.work import LIST_COLUMNS
from benchmarks.spec import ALONE, BY_HAND, BY_HAND_FILE, FLOOR, MSGSPEC, ORDINARY, TAP
from tap_billing.demo import ROOT, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.spec import Participant, Server

    Address = Mapping[str, Any]

OURS = ("TAP_BILLING_", "TARGET_", "MELTANO_", "LOGLEVEL", "PYTHON")
TINY = "promotions"
# What a server says of itself that is a setting.
ADDRESS = ("api_url", "username", "password", "product_code")
BELOW_CUSTOMERS = (
    *("customers", "contacts", "customer_metadata", "subscriptions", "subscription_items"),
    *("invoices", "charges", "transactions"),
)
# Which streams are selected, None for those that are by default.
SELECTIONS: Mapping[str, tuple[str, ...] | None] = {
    "all": None,
    "nested": ("invoices",),
    "default": ("invoices", "invoice_line_items"),
    "tiny": (TINY,),
    "lists": ("list*",),
    "customers": BELOW_CUSTOMERS,
}
# Columns that are selected beside the default ones: a rival has no stream of its own for them.
NESTED = {"nested": ("line_items",)}
TAPS: Mapping[str, tuple[str, ...]] = {
    TAP: ("-m", "tap_billing"),
    ALONE: ("-m", "benchmarks.alone"),
}
BESIDE = (FLOOR, BY_HAND, BY_HAND_FILE)
PLAIN: Mapping[str, tuple[str, ...]] = {
    "python": ("-c", "import singer_sdk"),
    "--version": ("-m", "tap_billing", "--version"),
    "--help": ("-m", "tap_billing", "--help"),
}


def environment() -> dict[str, str]:
    """Return this process's environment without what would set a participant."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "PYTHONPATH": str(ROOT)}


def python(name: str, folder: Path, *arguments: str) -> Command:
    """Return a command of this Python, logging to a file of that name."""
    return Command((sys.executable, *arguments), environment(), folder / f"{name}.log")


def server(wanted: Server, folder: Path) -> Command:
    """Return the command that serves; a Cheddar document is written first."""
    told = ["-m", "benchmarks.server", "--provider", wanted.provider]
    told += ["--latency", str(wanted.latency)]
    if wanted.document:
        told += ["--document", str(document(wanted.document, folder))]
    else:
        told += ["--rows", str(wanted.rows)]
    if wanted.lists:
        told += ["--small", f"{wanted.lists}x2"]
    return python(f"server-{abs(hash(wanted))}", folder, *told)


def document(megabytes: int, folder: Path) -> Path:
    """Write a Cheddar document of a size, unless it is there; return its path."""
    path = folder / f"customers-{megabytes}.xml"
    if not path.exists():
        size = (str(megabytes), str(path))
        for _ in lines(python("documents", folder, "-m", "benchmarks.documents", *size)):
            pass
    return path


def start(participant: Participant, address: Address, folder: Path) -> Command:
    """Return the command of a participant that reads from a server's address.

    Raises Failed where it needs a catalog or a state that cannot be made.
    """
    name = "-".join(re.findall(r"[\w.]+", participant.name))
    program = participant.program
    if program in PLAIN:
        return python(name, folder, *PLAIN[program])
    if program == FLOOR:
        rows = str(participant.rows)
        return python(name, folder, "-m", "benchmarks.floors", "invoices", "--rows", rows)
    if program in (BY_HAND, BY_HAND_FILE) and participant.server:
        source = str(document(participant.server.document, folder))
        if program == BY_HAND:
            source = _whole(address)
        return python(name, folder, "-m", "benchmarks.floors", "cheddar", source)
    if program in TAPS:
        return _tap(participant, address, folder, name)
    return _rival(participant, address, folder, name)


def _tap(participant: Participant, address: Address, folder: Path, name: str) -> Command:
    provider = participant.server.provider if participant.server else "chargeover"
    settings: dict[str, Any] = {
        "provider": provider,
        **{key: value for key, value in address.items() if key in ADDRESS},
        "max_concurrency": participant.concurrency,
    }
    if participant.select == "lists" and participant.server:
        settings["custom_streams"] = [_list(n + 1) for n in range(participant.server.lists)]
    config = _written(folder / f"{name}.json", settings)
    manifest = folder / f"{name}.manifest.json"
    arguments = [*TAPS[participant.program], "--config", str(config), "--manifest", str(manifest)]
    wanted = SELECTIONS[participant.select]
    if wanted is not None:
        found = _discovered(python(f"{name}-catalog", folder, *arguments, "--discover"))
        chosen = selected(found, wanted, NESTED.get(participant.select, ()))
        arguments += ["--catalog", str(_written(folder / f"{name}.catalog.json", chosen))]
    command = python(name, folder, *arguments)
    return _again(command, folder / f"{name}.state.json") if participant.again else command


def _whole(address: Address) -> str:
    """Return the URL of all customers of Cheddar, with the credentials in it."""
    parts = urlsplit(f"{address['api_url']}/customers/get/productCode/{address['product_code']}")
    login = ":".join(quote(address[each], safe="") for each in ("username", "password"))
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()


def _rival(participant: Participant, address: Address, folder: Path, name: str) -> Command:
    settings: dict[str, Any] = {key: address[key] for key in ("api_url", "username", "password")}
    if participant.select == "lists" and participant.server:
        settings["lists"] = participant.server.lists
    elif participant.select == "all":
        settings["streams"] = "all"
    # Participants of one rival have settings of their own.
    own = folder / name
    own.mkdir(exist_ok=True)
    try:
        rivals.install(participant.program)
    except SetupError as error:
        raise Failed(f"{participant.name}: {error}") from None
    arguments = rivals.command(
        participant.program, settings, own, concurrency=participant.concurrency
    )
    command = Command(arguments, environment(), folder / f"{name}.log")
    return _again(command, folder / f"{name}.state.json") if participant.again else command


def rows(command: Command) -> int | None:
    """Return how many rows a run has read by its own account; None if it told nothing."""
    arguments = list(command.argv)
    if "--manifest" in arguments:
        manifest = Path(arguments[arguments.index("--manifest") + 1])
        told = json.loads(manifest.read_bytes())
        return sum(int(stream["rows"]) for stream in told["streams"])
    found = last_object(command.log).get("rows")
    return None if found is None else int(found)


def tells_records(participant: Participant) -> bool:
    """Tell whether a participant writes Singer's messages."""
    return participant.program in (*TAPS, ORDINARY, MSGSPEC)


def counted(command: Command) -> int:
    """Run a tap once and count its records: those with the same key once.

    Raises Failed as `measure.run` does, and for a record without SCHEMA.
    """
    keys: dict[str, list[str]] = {}
    seen: dict[str, set[tuple[Any, ...]]] = {}
    for line in lines(command):
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            keys[message["stream"]] = message["key_properties"]
            seen.setdefault(message["stream"], set())
        elif message["type"] == "RECORD":
            stream, record = message["stream"], message["record"]
            if stream not in keys:
                raise Failed(f"{command.log.stem}: a record of {stream} before its SCHEMA")
            seen[stream].add(tuple(record[key] for key in keys[stream]))
    return sum(map(len, seen.values()))


def _again(command: Command, state: Path) -> Command:
    """Run a command once, and return it going on from the state which that has written."""
    last = None
    for line in lines(command):
        if line.startswith((b'{"type":"STATE"', b'{"type": "STATE"')):
            last = line
    if last is None:
        raise Failed(f"{command.log.stem}: no STATE")
    _written(state, json.loads(last)["value"])
    return replace(command, argv=(*command.argv, "--state", str(state)))


def _list(number: int) -> dict[str, Any]:
    name = f"list{number:02}"
    # With its columns, so that no request is spent on telling them.
    return {"name": name, "path": name, "primary_keys": ["id"], "schema": LIST_COLUMNS}


def _discovered(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"".join(lines(command)))
    return found


def selected(
    catalog: dict[str, Any], wanted: tuple[str, ...], columns: tuple[str, ...]
) -> dict[str, Any]:
    """Select the streams whose names match, and these columns beside their default ones."""
    for entry in catalog["streams"]:
        chosen = any(fnmatch(entry["stream"], name) for name in wanted)
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = chosen
            elif chosen and item["breadcrumb"][-1] in columns:
                item["metadata"]["selected"] = True
    return catalog


def _written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
