"""Turns single values into what a schema's types declare."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from tap_billing.instants import day, reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Convert = Callable[[Any], Any]

BOOLEANS = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True}
INTEGERS = range(-(2**63), 2**63)
MOST_DIGITS = 64
# So many digits are always within 64 bits.
SURE_DIGITS = 18
REPEATED = 4096
# Texts that are decimals as they are to be told: no blanks, exponents or leading zeros.
DECIMALS = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
DECIMAL = "x-singer.decimal"
JSON = "x-json"


def scalar(kind: str, shape: str | None, zone: str) -> Convert:
    """Return the function that casts a value to a type, in the format `shape` if it is text.

    It returns None for blank text in place of anything but text, and raises ValueError,
    OverflowError or InvalidOperation for what cannot be cast. `zone` is that of naive datetimes.
    """
    if kind == "string":
        if shape == "date-time":
            instant = reader(zone)
            return lambda value: instant(text(value)) if value != "" else None
        return {"date": _date, DECIMAL: _decimal}.get(shape or "", text)
    return {"integer": _integer, "number": _number, "boolean": _boolean}[kind]


def text(value: Any) -> str:
    """Return a scalar as text. Raises ValueError for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise ValueError(type(value))


def public(value: Any, hidden: frozenset[str]) -> Any:
    """Return a value that is passed on as it came, without what is secret in it.

    Numbers that JSON does not know become text.
    """
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [public(item, hidden) for item in value]
    if isinstance(value, dict):
        return {key: public(item, hidden) for key, item in value.items() if key not in hidden}
    return value


def written(value: Any) -> str:
    """Return a value as JSON text."""
    return json.dumps(value, default=str, ensure_ascii=False)


def _integer(value: Any) -> int | None:
    if isinstance(value, str):
        value = _digits(value)
        if not value:
            return None
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    if not isinstance(value, (int, float, str)):
        raise ValueError(type(value))  # noqa: TRY004 - one exception for all that cannot be cast
    number = int(value)
    if number not in INTEGERS:
        raise ValueError(number)
    return number


def _digits(told: str) -> str:
    """Return a number's text without blanks. Raises ValueError for what only Python reads."""
    if "_" in told or not told.isascii():
        raise ValueError(told)
    return told.strip()


def _number(value: Any) -> float | int | None:
    if type(value) is float or type(value) is int:
        number: float | int = value
    elif isinstance(value, str):
        told = _digits(value)
        if not told:
            return None
        number = float(told)
    else:
        raise ValueError(type(value))
    if not isfinite(number):
        raise ValueError(number)
    return number


def _decimal(value: Any) -> str | None:
    if isinstance(value, str) and not value.strip():
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(type(value))  # noqa: TRY004 - as above
    told = str(value)
    if DECIMALS.fullmatch(told):
        return told
    number = Decimal(_digits(told))
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        raise ValueError(number)
    return format(number, "f")


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, str)):
        told = str(value).strip().lower()
        if not told:
            return None
        if told in BOOLEANS:
            return BOOLEANS[told]
    raise ValueError(value)


def _date(value: Any) -> str | None:
    return day(text(value))


def _whole(told: str) -> int | None:
    return (
        int(told)
        if len(told) <= SURE_DIGITS and told.isdecimal() and told.isascii()
        else _integer(told)
    )


# The same for text, as all values of XML are: amounts and truth values repeat.
OF_TEXT: Mapping[str, Convert] = {
    "integer": _whole,
    "number": lru_cache(maxsize=REPEATED)(_number),
    "boolean": lru_cache(maxsize=REPEATED)(_boolean),
}
