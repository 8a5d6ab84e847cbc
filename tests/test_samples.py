"""What holds for every recorded body of both providers."""

from __future__ import annotations

import pytest

from tests.bodies import RECORDED, errors, recorded, records

PATHS = [path for paths in RECORDED.values() for path in paths]
every_sample = pytest.mark.parametrize(
    "path", PATHS, ids=lambda path: f"{path.parent.name}/{path.name}"
)
# Stream -> keys of recorded documents that its schema does not declare; there are none.
UNDECLARED: dict[str, set[str]] = {}


def made(path, decimals="number"):
    """Yield each record of a sample with its stream and schema."""
    resource, told = recorded(path)
    for spec in resource.streams:
        for record, schema in records(path.parent.name, spec, told, decimals):
            yield spec, record, schema


@pytest.mark.parametrize("decimals", ["number", "string"])
@every_sample
def test_records_conform_to_their_schema(path, decimals):
    for _, record, schema in made(path, decimals):
        assert errors(record, schema) == []


@every_sample
def test_records_have_no_undeclared_key(path):
    for spec, record, _ in made(path):
        assert set(record.get("extra_fields", {})) <= UNDECLARED.get(spec.name, set())


@every_sample
def test_records_have_their_keys(path):
    for spec, record, _ in made(path):
        assert all(record[key] not in (None, "") for key in spec.keys)
