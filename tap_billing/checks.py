"""Reads settings from the environment, and tells what is wrong with those that were given."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jsonschema import Draft7Validator

from tap_billing.errors import SettingsError
from tap_billing.settings import BY_NAME, SETTINGS, SITE, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

YEARS = range(1900, 9000)
UNFIT = re.compile(r"[\s\\\x00-\x20\x7f]")


def environment(variables: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Return the settings in environment variables; an empty one is not set.

    Text that does not fit its setting stays text, to be refused by name like any other value.
    """
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        text = variables.get(prefix + setting.name.upper(), "")
        if text:
            try:
                found[setting.name] = PARSERS.get(setting.schema["type"], str)(text)
            except (KeyError, ValueError):
                found[setting.name] = text
    return found


def object_in(path: str, option: str) -> dict[str, Any]:
    """Return the JSON object in a file. Raises SettingsError, which names the command's option."""
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"{option}: {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{option}: {path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{option}: {path} holds no object; allowed: a JSON object")
    return found


def floats(value: Any) -> Any:
    """Return a value with numbers as JSON has them: the SDK reads a file's fractions as Decimal."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: floats(item) for key, item in value.items()}
    return [floats(item) for item in value] if isinstance(value, list) else value


def problems(config: Mapping[str, Any], further: Mapping[str, Any]) -> list[str]:
    """Return a line for each thing that is wrong; `further` are the SDK's own settings."""
    found = [
        _unknown(name, [*BY_NAME, *further]) for name in config if name not in (*BY_NAME, *further)
    ]
    for setting in SETTINGS:
        value = config.get(setting.name)
        if value is None:
            if _is_required(setting.name, config):
                found.append(f"{setting.name}: missing; allowed: {setting.allowed}")
        elif not _fits(setting, value):
            found.append(_refusal(setting, value))
    for name, declared in further.items():
        if name in config and not Draft7Validator(declared).is_valid(config[name]):
            found.append(f"{name}: not as singer-sdk documents it")
    return found


def _is_required(name: str, config: Mapping[str, Any]) -> bool:
    if name == "provider":
        return True
    if config.get("sandbox") is True:
        return False
    provider = config.get("provider")
    return (
        name in ("username", "password")
        or (name == "site" and provider == "chargeover" and not config.get("api_url"))
        or (name == "product_code" and provider == "cheddar")
    )


def _fits(setting: Setting, value: Any) -> bool:
    kind = setting.schema["type"]
    if isinstance(value, bool) != (kind == "boolean"):
        return False
    if isinstance(value, float) and (kind == "integer" or not isfinite(value)):
        return False
    check = CHECKS.get(setting.name)
    return Draft7Validator(setting.schema).is_valid(value) and (check is None or check(value))


def _refusal(setting: Setting, value: Any) -> str:
    given = "a value of the wrong form" if setting.secret else repr(value)
    if "@" in given and setting.name in ("api_url", "site"):
        given = "a URL with credentials"
    if isinstance(value, (dict, list)) and not setting.secret:
        errors = Draft7Validator(setting.schema).iter_errors(value)
        given = next((f"{e.json_path.removeprefix('$')}: {e.message}" for e in errors), "this")
    return f"{setting.name}: {given} is not allowed; allowed: {setting.allowed}"


def _unknown(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(sorted(known))}"
    return f"{name}: unknown setting; {hint}"


def _is_when(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).year in YEARS
    except ValueError:
        return False


def _is_zone(value: str) -> bool:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    # Credentials in a URL end up in logs; a query or fragment would swallow the paths.
    plain = not (parts.username or parts.query or parts.fragment) and UNFIT.search(value) is None
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _is_site(value: str) -> bool:
    return SITE.fullmatch(value) is not None


CHECKS: Mapping[str, Callable[[Any], bool]] = {
    # A colon ends the user name in HTTP Basic (RFC 7617).
    "username": lambda value: ":" not in value,
    "start_date": _is_when,
    "sandbox_now": _is_when,
    "timezone": _is_zone,
    "api_url": _is_url,
    "site": _is_site,
}

BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
PARSERS: Mapping[str, Callable[[str], Any]] = {
    "array": json.loads,
    "boolean": lambda text: BOOLEANS[text.lower()],
    "integer": int,
    "number": float,
    "object": json.loads,
}
