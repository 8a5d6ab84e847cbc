"""The files around the code say what the code does: meltano.yml, constraints, .env.example."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch

import pytest
import yaml

from tap_billing.demo import ROOT
from tap_billing.settings import PROVIDERS, SETTINGS
from tap_billing.tap import TapBilling
from tests.targets import REQUIREMENTS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
EXTRACTOR = MELTANO["plugins"]["extractors"][0]
LOADERS = {each["name"]: each for each in MELTANO["plugins"]["loaders"]}
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def chosen(breadcrumb):
    """Return whether Meltano selects a stream or a property: no exclusion, some inclusion."""
    rules = EXTRACTOR["select"]
    excluded = [rule[1:] for rule in rules if rule.startswith("!")]
    included = [rule for rule in rules if not rule.startswith("!")]
    return any(fnmatch(breadcrumb, rule) for rule in included) and not any(
        fnmatch(breadcrumb, rule) for rule in excluded
    )


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_meltano_knows_every_setting():
    known = {each["name"]: each for each in EXTRACTOR["settings"]}

    assert known.keys() == {setting.name for setting in SETTINGS}
    for setting in SETTINGS:
        assert known[setting.name].get("sensitive", False) == setting.secret, setting.name


def test_meltano_offers_the_allowed_values():
    for each in EXTRACTOR["settings"]:
        declared = next(one.schema for one in SETTINGS if one.name == each["name"])
        if "enum" in declared:
            assert [option["value"] for option in each["options"]] == declared["enum"]


def test_meltano_knows_the_capabilities():
    assert EXTRACTOR["capabilities"] == sorted(each.value for each in TapBilling.capabilities)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_meltano_selects_what_the_tap_selects_by_default(provider):
    tap = TapBilling(config={"provider": provider, "sandbox": True})
    for stream in tap.catalog_dict["streams"]:
        for entry in stream["metadata"]:
            name = stream["tap_stream_id"]
            if len(entry["breadcrumb"]) != 2 or entry["metadata"]["inclusion"] == "automatic":
                continue
            default = entry["metadata"].get("selected-by-default", True)
            on = next(e for e in stream["metadata"] if not e["breadcrumb"])["metadata"]["selected"]

            assert chosen(f"{name}.{entry['breadcrumb'][1]}") == (on and default), entry


def test_every_plugin_is_complete_without_the_hub():
    for each in (EXTRACTOR, *LOADERS.values()):
        assert {"namespace", "pip_url", "executable", "settings"} <= each.keys()
        assert each.get("config", {}).keys() <= {one["name"] for one in each["settings"]}


def test_meltano_loads_with_the_versions_under_test():
    for name, loader in LOADERS.items():
        pins = [pin for pin in REQUIREMENTS[name] if not pin.startswith("--")]

        assert loader["pip_url"].split() == pins


def test_constraints_pin_every_dependency_and_nothing_but_versions():
    pinned = {normal(pin.partition("==")[0]) for pin in PINS}
    groups = [each for group in PROJECT["dependency-groups"].values() for each in group]
    wanted = [*PROJECT["project"]["dependencies"], *filter(lambda e: isinstance(e, str), groups)]

    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin) for pin in PINS)
    assert {normal(re.match(r"[\w.-]+", each)[0]) for each in wanted} <= pinned
    # Both bring the module `backoff`; with both installed, whichever came last wins.
    assert "backoff" not in pinned


def test_the_example_of_an_environment_names_settings():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^(?:# )?TAP_BILLING_(\w+)=", text, flags=re.MULTILINE)

    assert names
    assert {name.lower() for name in names} <= {setting.name for setting in SETTINGS}
