"""Checks the user's filters against what a resource can be filtered by."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from tap_billing.errors import SettingsError
from tap_billing.providers import chargeover_resources, cheddar_resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_billing.spec import Resource

NULL_OPERATORS = ("IS:NULL", "ISNOT:NULL")


def checked(provider: str, resources: Sequence[Resource], given: Any) -> dict[str, Any]:
    """Return the filters per resource as its provider's `plan` takes them.

    Raises SettingsError for a stream, field, operator or value that is not allowed.
    """
    by_name = {resource.name: resource for resource in resources}
    found: dict[str, Any] = {}
    for stream, wanted in (given or {}).items():
        if stream not in by_name:
            raise _unknown_stream(stream, resources)
        found[stream] = CHECKS[provider](by_name[stream], wanted)
    return found


def _unknown_stream(stream: str, resources: Sequence[Resource]) -> SettingsError:
    for resource in resources:
        if stream in [spec.name for spec in resource.streams]:
            return SettingsError(
                f"filters: {stream} is cut from {resource.name}; filter {resource.name} instead"
            )
    allowed = ", ".join(sorted(resource.name for resource in resources if resource.filterable))
    return SettingsError(f"filters: unknown stream {stream!r}; allowed: {allowed}")


def clauses(resource: Resource, wanted: Any, where: str = "") -> tuple[tuple[str, str, str], ...]:
    """Return ChargeOver's filters as (field, operator, value); see `checked`."""
    where = where or f"filters.{resource.name}"
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise SettingsError(
            f'{where}: not a list; allowed: a list of {{"field", "operator", "value"}} objects'
        )
    return tuple(_clause(resource, each, where) for each in wanted)


def _clause(resource: Resource, wanted: Mapping[str, Any], where: str) -> tuple[str, str, str]:
    for key in wanted:
        if key not in ("field", "operator", "value"):
            raise SettingsError(f"{where}: unknown key {key!r}; allowed: field, operator, value")
    field, operator, value = (wanted.get(key) for key in ("field", "operator", "value"))
    if not isinstance(field, str) or (resource.filterable and field not in resource.filterable):
        allowed = ", ".join(sorted(resource.filterable)) or "no field can be filtered by"
        raise SettingsError(f"{where}: unknown field {field!r}; allowed: {allowed}")
    if not resource.filterable and not where.startswith("custom_streams"):
        raise SettingsError(f"{where}: ChargeOver's {resource.path} cannot be filtered")
    if operator in ("IS", "ISNOT") and str(value).upper() == "NULL":
        operator = f"{operator}:NULL"
    if operator not in chargeover_resources.OPERATORS:
        allowed = ", ".join(chargeover_resources.OPERATORS)
        raise SettingsError(f"{where}: unknown operator {operator!r}; allowed: {allowed}")
    if operator in NULL_OPERATORS:
        name, null = str(operator).split(":")
        return field, name, null
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, (str, int, float)) or value == "":
        raise SettingsError(f"{where}: {field} {operator} needs a value; allowed: text or a number")
    return field, str(operator), str(value)


def parameters(resource: Resource, wanted: Any) -> dict[str, Any]:
    """Return Cheddar's filters as parameters of the resource; see `checked`."""
    where = f"filters.{resource.name}"
    if not isinstance(wanted, dict):
        raise SettingsError(f"{where}: not an object; allowed: an object of parameters")
    for key, value in wanted.items():
        if key not in resource.filterable:
            allowed = ", ".join(sorted(resource.filterable))
            raise SettingsError(f"{where}: unknown parameter {key!r}; allowed: {allowed}")
        refusal = _refused(key, value)
        if refusal:
            raise SettingsError(f"{where}.{key}: {value!r} is not allowed; allowed: {refusal}")
    lookups = [key for key in wanted if key in cheddar_resources.LOOKUPS]
    if lookups and len(wanted) > 1:
        raise SettingsError(
            f"{where}: {lookups[0]} names a single one; allowed: no other parameter beside it"
        )
    return dict(wanted)


def _refused(key: str, value: Any) -> str | None:
    """Return what is allowed for a parameter if the value is not."""
    if key == "planCode":
        several = value if isinstance(value, list) else [value]
        fine = bool(several) and all(isinstance(each, str) and each for each in several)
        return None if fine else "a plan code, or a list of them"
    if key in cheddar_resources.CHOICES:
        allowed = cheddar_resources.CHOICES[key]
        return None if value in allowed else ", ".join(allowed)
    if key in cheddar_resources.DATES:
        return None if _is_day(value) else "a day such as 2026-01-31"
    fine = isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""
    return None if fine else "text"


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


CHECKS: Mapping[str, Callable[[Resource, Any], Any]] = {
    "chargeover": clauses,
    "cheddar": parameters,
}
