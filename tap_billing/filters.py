"""Checks the user's filters against what a resource can be filtered by."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from tap_billing.errors import SettingsError
from tap_billing.providers import chargeover_resources, cheddar_resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_billing.spec import Resource

FIELD = re.compile(r"[A-Za-z0-9_.]+")
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
    allowed = ", ".join(sorted(resource.filterable))
    if not allowed and not where.startswith("custom_streams"):
        raise SettingsError(f"{where}: ChargeOver's {resource.path} cannot be filtered")
    if (
        not isinstance(field, str)
        or FIELD.fullmatch(field) is None
        or (allowed and field not in resource.filterable)
    ):
        raise SettingsError(f"{where}: unknown field {field!r}; allowed: {allowed or 'a name'}")
    if operator in ("IS", "ISNOT") and str(value).upper() == "NULL":
        operator = f"{operator}:NULL"
    if operator not in chargeover_resources.OPERATORS:
        allowed = ", ".join(chargeover_resources.OPERATORS)
        raise SettingsError(f"{where}: unknown operator {operator!r}; allowed: {allowed}")
    if operator in NULL_OPERATORS:
        name, null = str(operator).split(":")
        return field, name, null
    return field, str(operator), _value(value, f"{where}: {field} {operator}")


def _value(value: Any, where: str) -> str:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if not isinstance(value, (str, int, float)) or text == "":
        raise SettingsError(f"{where} needs a value; allowed: text or a number")
    if text.endswith("\\"):
        # It would escape the comma after it, and there is no documented way to write it.
        raise SettingsError(f"{where}: allowed: a value without a backslash at its end")
    return text


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
    return None if _is_plain(value) else "text"


def further(wanted: Any, where: str) -> dict[str, Any]:
    """Return the parameters of an endpoint that nothing is known of; see `checked`."""
    if not isinstance(wanted, dict):
        raise SettingsError(f"{where}: not an object; allowed: an object of parameters")
    for key, value in wanted.items():
        several = value if isinstance(value, list) else [value]
        if not several or not all(_is_plain(each) for each in several):
            raise SettingsError(f"{where}.{key}: {value!r} is not allowed; allowed: text")
    return dict(wanted)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


CHECKS: Mapping[str, Callable[[Resource, Any], Any]] = {
    "chargeover": clauses,
    "cheddar": parameters,
}
