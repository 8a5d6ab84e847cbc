"""Any other read-only endpoint as a stream: rows of the catalogue made from settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from tap_billing.cast import EXTRA
from tap_billing.errors import SettingsError
from tap_billing.filters import clauses, further
from tap_billing.spec import Pass, Resource, StreamSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_billing.spec import Record

ROWS: Mapping[str, str] = {"chargeover": "response", "cheddar": ""}
KINDS: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", dict: "object"}
TYPES = ("string", "integer", "number", "boolean", "object", "array")
# A page of ChargeOver; of Cheddar's document as much.
INFERRED_ROWS = 500
STEP = re.compile(r"(?!\.+$)[A-Za-z0-9_~:@.-]+", re.ASCII)
# Cheddar writes on plain GET as well (its clients in PHP and Node do), ChargeOver has actions.
WRITES = {
    *("_action", "_bulk", "_aggregate"),
    *("new", "import", "edit", "edit-customer", "edit-subscription", "cancel", "delete"),
    *("delete-all", "add-item-quantity", "remove-item-quantity", "set-item-quantity"),
    *("add-charge", "delete-charge", "run-outstanding", "paypal-revert"),
    *("refund", "void", "void-or-refund", "send-email"),
}


def resources(
    provider: str, given: Iterable[Mapping[str, Any]] | None, taken: Iterable[str]
) -> tuple[tuple[Resource, ...], dict[str, Any]]:
    """Return the resources of `custom_streams`, and their filters by resource name.

    Raises SettingsError for a name that is taken, a path that is none, or wrong filters.
    """
    names = set(taken)
    made = []
    wanted: dict[str, Any] = {}
    for number, each in enumerate(given or ()):
        where = f"custom_streams[{number}]"
        if each["name"] in names:
            raise SettingsError(f"{where}.name: {each['name']!r} is taken; allowed: another name")
        names.add(each["name"])
        resource = _resource(provider, each, where)
        made.append(resource)
        if each.get("filters"):
            wanted[resource.name] = _filters(provider, resource, each["filters"], where)
    return tuple(made), wanted


def _resource(provider: str, given: Mapping[str, Any], where: str) -> Resource:
    path = given["path"].strip("/")
    try:
        Draft7Validator.check_schema(given.get("schema", {}))
    except SchemaError as error:
        raise SettingsError(f"{where}.schema: {error.message}; allowed: a JSON schema") from None
    _check_columns(given.get("schema", {}).get("properties", {}), f"{where}.schema")
    steps = path.split("/")
    if not all(STEP.fullmatch(step) for step in steps) or WRITES & {each.lower() for each in steps}:
        raise SettingsError(
            f"{where}.path: {given['path']!r} is not allowed; allowed: a path below the API's URL"
            " that only reads, without parameters"
        )
    rows = given.get("records_path") or ROWS[provider]
    if not rows:
        raise SettingsError(
            f"{where}.records_path: missing; allowed: the elements down to a record, such as"
            " customers.customer"
        )
    keys = tuple(given["primary_keys"])
    key = given.get("replication_key")
    return Resource(
        name=given["name"],
        path=path,
        id=keys[0] if len(keys) == 1 else "",
        passes=(
            (Pass("since", "as set", ("new and edited",), since=key),)
            if key and provider == "chargeover"
            else ()
        ),
        provable=False,
        cursors=((key,),) if key else (),
        records_path=tuple(rows.split(".")),
        streams=(
            StreamSpec(
                given["name"],
                keys,
                replication_key=key,
                schema=given.get("schema") or {"type": "object"},
            ),
        ),
    )


def _check_columns(columns: Any, where: str) -> None:
    """Raise SettingsError for a column, nested ones included, that cannot be cast."""
    if not isinstance(columns, dict):
        raise SettingsError(f"{where}.properties: not an object; allowed: an object of columns")
    for name, declared in columns.items():
        _check_column(declared, f"{where}.properties.{name}")


def _check_column(declared: Any, where: str) -> None:
    kinds = declared.get("type") if isinstance(declared, dict) else None
    told = [each for each in (kinds if isinstance(kinds, list) else [kinds]) if each != "null"]
    if len(told) != 1 or told[0] not in TYPES:
        raise SettingsError(f"{where}: no usable type; allowed: one of {', '.join(TYPES)}, or null")
    if told == ["array"]:
        _check_column(declared.get("items"), f"{where}.items")
    _check_columns(declared.get("properties", {}), where)


def _filters(provider: str, resource: Resource, given: Any, where: str) -> Any:
    if provider == "chargeover":
        return clauses(resource, given, f"{where}.filters")
    return further(given, f"{where}.filters")


def complete(spec: StreamSpec, rows: Iterable[Record]) -> dict[str, Any]:
    """Return the stream's schema: as given, or inferred from rows where it names no columns.

    A column's type is that of all its values, text where they differ; keys are text unless rows
    tell otherwise; what later rows add goes into `extra_fields`.
    """
    given = dict(spec.schema or {})
    properties = dict(given.get("properties") or _inferred(rows))
    for key in (*spec.keys, *([spec.replication_key] if spec.replication_key else [])):
        properties.setdefault(key, {"type": ["string", "null"]})
    if spec.replication_key:
        properties[spec.replication_key] = {"type": ["string", "null"], "format": "date-time"}
    properties[EXTRA] = {"type": ["object", "null"], "properties": {}, "additionalProperties": True}
    return {**given, "type": "object", "properties": properties}


def _inferred(rows: Iterable[Record]) -> dict[str, Any]:
    kinds: dict[str, set[str]] = {}
    samples: dict[str, list[Any]] = {}
    for row in rows:
        for key, value in row.items():
            kinds.setdefault(key, set())
            if value is not None:
                kinds[key].add("array" if isinstance(value, list) else _kind(value))
            if isinstance(value, list):
                samples.setdefault(key, []).extend(value)
    return {key: _declared(found, samples.get(key, [])) for key, found in kinds.items()}


def _kind(value: Any) -> str:
    return KINDS.get(type(value), "string")


def _declared(kinds: set[str], items: list[Any]) -> dict[str, Any]:
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    kind = kinds.pop() if len(kinds) == 1 else "string"
    declared: dict[str, Any] = {"type": [kind, "null"]}
    if kind == "object":
        declared |= {"properties": {}, "additionalProperties": True}
    if kind == "array":
        declared["items"] = _declared({_kind(item) for item in items if item is not None}, [])
    return declared
