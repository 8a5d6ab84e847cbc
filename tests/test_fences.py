from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "tap_billing"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")
}
# What may be imported, from the ground up; a module may use what stands in an earlier row.
ROWS = (
    {"spec", "errors", "pacing", "bridge", "line", "headers", "clock", "instants"},
    {"scalars"},
    {"signatures"},
    {"cut", "cast", "progress"},
    {"codec", "horizon", "memory", "disk", "closing"},
    {"emission", "files", "rows", "schemas", "settings", "writer", "sweeps", "providers.*"},
    {"batches", "checks", "filters", "retries", "tls"},
    {"transport"},
    {"custom", "feed", "paging"},
    {"session", "streams"},
    {"plans"},
    {"sampling", "writing"},
    {"saving"},
    {"run"},
    {"tap"},
    {"doctor.*", "reconcile.*"},
    {"cli"},
)
# An outside package -> the only modules that may know it.
KEEPERS = {
    "aiohttp": {"transport", "sandbox"},
    "backoff": {"retries"},
    "requests": set(),
    "pyarrow": {"files"},
    "singer_sdk": {"batches", "emission", "tap", "streams", "writer"},
    "sqlite3": set(),
    "xmltodict": {"providers.cheddar", "providers.cheddar_xml"},
    "yarl": {"transport"},
}
# Packages whose modules know each other.
PACKAGES = {"providers", "doctor", "reconcile"}
TOP = {"__init__", "__main__", "demo"}


def imports(path):
    """Yield the name of every module that a file imports, wherever in it, but for typing only."""
    nodes = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            nodes.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def own(name):
    """Return a module of ours without the package, None for anything else."""
    parts = name.split(".")
    inner = parts[1:]
    while (
        inner and ".".join(inner) not in MODULES and ".".join([*inner, "__init__"]) not in MODULES
    ):
        inner = inner[:-1]
    return ".".join(inner) if parts[0] == "tap_billing" and inner else None


def row(module):
    for number, names in enumerate(ROWS):
        if module in names or f"{module.split('.')[0]}.*" in names:
            return number
    raise AssertionError(f"{module} stands in no row: say what it may import")


def inner(module):
    return module.startswith("sandbox")


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not inner(name)))
def test_imports_point_one_way(module):
    if module in TOP or module.endswith("__init__"):
        return
    for name in imports(MODULES[module]):
        used = own(name)
        if used in {None, module, "providers"}:
            continue
        if inner(used):
            assert used in {"sandbox", "sandbox.cli"}
            assert module in {"doctor.connection", "session"}
        else:
            same = used.split(".")[0] == module.split(".")[0] in PACKAGES
            assert row(used) < row(module) or same, f"{module} imports {used}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if inner(name)))
def test_sandbox_knows_nothing_of_the_tap(module):
    for name in imports(MODULES[module]):
        assert own(name) is None or inner(own(name)), f"{module} imports {name}"
        assert name.split(".")[0] not in {"singer_sdk", "xmltodict", "backoff"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_outside_packages_stay_behind_their_keepers(module):
    for name in imports(MODULES[module]):
        keepers = KEEPERS.get(name.split(".")[0])
        if keepers is not None:
            assert module in keepers or module.split(".")[0] in keepers, f"{module} imports {name}"
        if name.startswith("aiohttp.web"):
            assert inner(module)


@pytest.mark.parametrize("module", ["__init__", "demo", "sandbox.__init__"])
def test_bootstrap_needs_the_standard_library_only(module):
    import sys  # noqa: PLC0415

    for name in imports(MODULES[module]):
        assert name.split(".")[0] in {*sys.stdlib_module_names, "tap_billing"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_says_what_it_is_in_its_first_line(module):
    told = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    assert told
    assert told.splitlines()[0].endswith(".")
