"""The sample company in a DuckDB file, from a bare checkout: needs nothing but Python."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
DATABASE = DEMO / "sample.duckdb"
PROVIDERS = ("chargeover", "cheddar")
# duckdb 1.0.0, the one that target-duckdb 0.8.0 needs, has wheels for no later Python.
PYTHONS = ((3, 12), (3, 11))
TARGET_DUCKDB = ("target-duckdb==0.8.0", "duckdb==1.0.0")
DEFINING = ("pyproject.toml", "constraints.txt")
COUNTING = """
import duckdb, json, sys
base = duckdb.connect(sys.argv[1], read_only=True)
def told(query): return [[str(cell) for cell in row] for row in base.execute(query).fetchall()]
tables = told("select table_schema, table_name from information_schema.tables order by 1, 2")
counts = [[*one, *told('select count(*) from "%s"."%s"' % tuple(one))[0]] for one in tables]
sums = [[name, *row] for name, query in json.loads(sys.argv[2]).items() for row in told(query)]
print(json.dumps([counts, sums]))
"""
# One line per currency: money of two currencies is never added up.
SUMS = {
    "chargeover": {
        "invoices, total": "select currency_iso4217, cast(sum(total) as decimal(18, 2)) "
        "from chargeover.invoices group by 1 order by 1",
        "payments, amount": "select currency_iso4217, cast(sum(amount) as decimal(18, 2)) "
        "from chargeover.transactions where transaction_type = 'pay' group by 1 order by 1",
    },
    "cheddar": {
        "charges, eachAmount x quantity": "select '', "
        "cast(sum(eachamount * quantity) as decimal(18, 2)) from cheddar.charges",
        "transactions, amount": "select '', cast(sum(amount) as decimal(18, 2)) "
        "from cheddar.transactions where response = 'approved'",
    },
}


class SetupError(Exception):
    """What was to be set up cannot be, and why, in one line."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the arguments of `pip install` that define it."""

    path: Path
    install: tuple[str, ...]

    def program(self, name: str) -> str:
        """Return the path of one of its commands."""
        return str(self.path / ("Scripts" if os.name == "nt" else "bin") / name)


def python() -> str:
    """Return a Python that everything here has wheels for; raise SetupError when there is none."""
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return found
    version = ".".join(map(str, sys.version_info[:3]))
    message = f"Python 3.11 or 3.12 is needed (duckdb 1.0.0 has no other wheels), not {version}"
    raise SetupError(message)


def prepare(*environments: Environment) -> None:
    """Make the environments that are missing or out of date, side by side.

    Raises SetupError with the last words of the command that failed.
    """
    with ThreadPoolExecutor() as pool:
        list(pool.map(_prepare, environments))


def _prepare(environment: Environment) -> None:
    stamp = environment.path / "stamp"
    wanted = _digest(environment)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    say(f"installing {environment.path.relative_to(ROOT)} (once) ...")
    if environment.path.exists():
        shutil.rmtree(environment.path)
    _make(environment.path)
    pip = (environment.program("python"), "-m", "pip", "--disable-pip-version-check", "install")
    if "--group" in environment.install:
        _run(*pip, "--quiet", "--upgrade", "pip>=25.1")
    _run(*pip, "--quiet", *environment.install)
    stamp.write_text(wanted, encoding="utf-8")


def _make(path: Path) -> None:
    chosen = python()
    if chosen == sys.executable:
        try:
            venv.create(path, with_pip=True)
        except subprocess.CalledProcessError as error:
            message = (
                "this Python cannot make virtual environments (Debian: python3-venv is missing)"
            )
            raise SetupError(message) from error
    else:
        _run(chosen, "-m", "venv", str(path))


def _digest(environment: Environment) -> str:
    parts = [python(), str(environment.path), *environment.install]
    if any(argument in {".", "-e"} for argument in environment.install):
        parts += [(ROOT / name).read_text(encoding="utf-8") for name in DEFINING]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        message = f"{' '.join(command[1:])} failed: {''.join(last) or done.returncode}"
        raise SetupError(message)


def say(line: str) -> None:
    """Tell the user what goes on, on stderr."""
    # One write: threads tell at the same time.
    sys.stderr.write(f"{line}\n")


def load(provider: str, tap: Environment, target: Environment) -> None:
    """Run `tap-billing | target-duckdb` for one provider, from where its last run stopped.

    Raises SetupError when either ends with an exit code other than 0.
    """
    state, log = DEMO / f"{provider}.state.json", DEMO / f"{provider}.log"
    source = _write(f"{provider}.json", {"provider": provider, "sandbox": True})
    sink = _write(
        f"{provider}.target.json", {"filepath": str(DATABASE), "default_target_schema": provider}
    )
    resume = ["--state", str(state)] if state.exists() else []
    say(f"tap-billing | target-duckdb: {provider}{', what is new' if resume else ''} ...")
    # Syntax of old Pythons, for they too must come as far as to be told what is needed.
    with ExitStack() as stack:
        noise = stack.enter_context(log.open("wb"))
        reader = stack.enter_context(
            subprocess.Popen(
                [tap.program("tap-billing"), "--config", source, *resume],
                stdout=subprocess.PIPE,
                stderr=None if sys.stderr.isatty() else noise,
            )
        )
        writer = subprocess.run(
            [target.program("target-duckdb"), "--config", sink],
            stdin=reader.stdout,
            stdout=subprocess.PIPE,
            stderr=noise,
            check=False,
        )
    if reader.returncode or writer.returncode:
        message = f"loading {provider} failed; {log.relative_to(ROOT)} or the lines above say why"
        raise SetupError(message)
    states = writer.stdout.splitlines()
    if states:
        state.write_bytes(states[-1])


def _write(name: str, settings: dict[str, object]) -> str:
    path = DEMO / name
    path.write_text(json.dumps(settings), encoding="utf-8")
    return str(path)


def show(providers: tuple[str, ...], target: Environment) -> None:
    """Print the tables of the database with their row counts, then sums of money."""
    queries = {
        f"{provider} {name}": query
        for provider in providers
        for name, query in SUMS[provider].items()
    }
    command = [target.program("python"), "-c", COUNTING, str(DATABASE), json.dumps(queries)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        message = f"reading {DATABASE.name} failed: {told.stderr.splitlines()[-1]}"
        raise SetupError(message)
    counts, sums = json.loads(told.stdout)
    print(f"\n{'table':44}{'rows':>10}")
    for schema, table, rows in counts:
        if schema in providers:
            print(f"{schema + '.' + table:44}{int(rows):>10,}")
    print(f"\n{'sum':44}{'':>4}{'amount':>16}")
    for name, currency, amount in sums:
        print(f"{name:44}{currency:>4}{float(amount):>16,.2f}")
    print(f"\n{DATABASE.relative_to(ROOT)} holds them; run this again to load what is new.")


def main(argv: list[str] | None = None) -> int:
    """Install, load and show the sample company; return the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m tap_billing.demo", description=__doc__)
    parser.add_argument("--provider", choices=PROVIDERS, help="default: both")
    parser.add_argument("--fresh", action="store_true", help="forget what was loaded before")
    given = parser.parse_args(argv)
    providers = (given.provider,) if given.provider else PROVIDERS
    if not (ROOT / "pyproject.toml").exists():
        say("demo: needs a clone of the project, not an installed package")
        return 1
    tap = Environment(DEMO / "tap", ("-e", ".", "-c", "constraints.txt"))
    target = Environment(DEMO / "target", ("--only-binary=duckdb", *TARGET_DUCKDB))
    try:
        DEMO.mkdir(exist_ok=True)
        prepare(tap, target)
        if given.fresh or not DATABASE.exists():
            for stale in (DATABASE, *DEMO.glob("*.state.json")):
                stale.unlink(missing_ok=True)
        for provider in providers:
            load(provider, tap, target)
        show(providers, target)
    except SetupError as error:
        say(f"demo: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
