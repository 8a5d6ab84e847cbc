"""What the pure tests share: bodies as replies, samples, and documents made into records."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator, FormatChecker

from tap_billing import schemas
from tap_billing.cast import caster
from tap_billing.cut import cutter
from tap_billing.providers import chargeover_resources, cheddar_resources
from tap_billing.providers.chargeover import ChargeOver
from tap_billing.providers.cheddar import Cheddar
from tap_billing.spec import Reply, Request, Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_billing.spec import Document, Record, StreamSpec

SAMPLES = Path(__file__).parent / "samples"
RECEIVED = datetime(2026, 2, 1, 12, tzinfo=UTC)
CHICAGO = "America/Chicago"
CATALOGUE = {
    "chargeover": chargeover_resources.RESOURCES,
    "cheddar": cheddar_resources.RESOURCES,
}
STREAMS = [
    (provider, resource, spec)
    for provider, resources in CATALOGUE.items()
    for resource in resources
    for spec in resource.streams
]
STREAM_IDS = [f"{provider}.{spec.name}" for provider, _, spec in STREAMS]


def samples(provider: str, pattern: str) -> list[Path]:
    """Return the provider's sample files of a name, of which there must be some."""
    found = sorted((SAMPLES / provider).glob(pattern))
    assert found, f"no samples {provider}/{pattern}"
    return found


RECORDED = {
    "chargeover": [
        path
        for path in samples("chargeover", "*.json")
        if not path.name.startswith(("write_", "webhook_", "error_"))
    ],
    "cheddar": [
        path
        for path in samples("cheddar", "*.xml")
        if path.name.split("_")[0] in ("customers", "plans", "promotions")
    ],
}


def recorded(path: Path) -> tuple[Resource, list[Document]]:
    """Return the resource of a sample that holds rows or documents, and what it holds."""
    if path.parent.name == "cheddar":
        resource = resource_of("cheddar", path.name.split("_")[0])
        request = first(cheddar(), resource.name)
        return resource, documents(cheddar(), request, reply(path.read_bytes()))
    called = path.name.partition("__")[0]
    resource = next(each for each in CATALOGUE["chargeover"] if each.path == called)
    request = first(chargeover(), resource.name)
    if isinstance(json.loads(path.read_bytes())["response"], dict):
        request = replace(request, position=replace(request.position, single=True))
    return resource, documents(chargeover(), request, reply(path.read_bytes()))


def resource_of(provider: str, name: str) -> Resource:
    """Return a resource of the catalogue."""
    return next(each for each in CATALOGUE[provider] if each.name == name)


def chargeover(page_size: int = 500, zone: str = CHICAGO) -> ChargeOver:
    """Return a provider."""
    return ChargeOver(page_size, zone)


def cheddar(zone: str = "UTC") -> Cheddar:
    """Return a provider."""
    return Cheddar("SAMPLE", zone)


def first(provider: Any, name: str, **scope: Any) -> Request:
    """Return the first request for a resource."""
    kind = "cheddar" if isinstance(provider, Cheddar) else "chargeover"
    return next(iter(provider.plan(resource_of(kind, name), Scope(**scope))))


def reply(body: bytes | str | dict[str, Any], status: int = 200) -> Reply:
    """Return a body as a reply."""
    if isinstance(body, dict):
        body = json.dumps(body)
    return Reply(status, {}, body.encode() if isinstance(body, str) else body, RECEIVED, None)


def rows(*found: Any, **further: Any) -> Reply:
    """Return ChargeOver's answer with these rows."""
    return reply({"code": 200, "status": "OK", "message": "", "response": list(found), **further})


def documents(provider: Any, request: Request, answer: Reply) -> list[Document]:
    """Return what an answer holds, and close it."""
    page = provider.decode(request, answer)
    try:
        return list(page.documents)
    finally:
        page.close()


def records(
    provider: str, spec: StreamSpec, told: Iterable[Document], decimals: str = "number"
) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Yield the records of a stream with their schema."""
    shape = schemas.load(provider, spec.name, decimals=decimals)
    zone = CHICAGO if provider == "chargeover" else "UTC"
    cast = caster(shape.casting, zone, partial=spec.partial, report=lambda *_: None)
    for document in told:
        for raw in cutter(spec)(document):
            yield cast(raw), shape.schema


def errors(record: Record, schema: dict[str, Any]) -> list[str]:
    """Return what is wrong with a record."""
    checker = Draft7Validator(schema, format_checker=FormatChecker())
    return [f"{each.json_path}: {each.message}" for each in checker.iter_errors(record)]
