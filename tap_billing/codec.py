"""JSON, fast where orjson can and by the standard library where it cannot."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from math import isfinite
from types import MappingProxyType
from typing import Any

import orjson

from tap_billing.instants import render

# Every digit a zero, everything else a blank: a regular expression costs thirty times as much.
DIGITS = bytes(ord("0") if each in b"0123456789" else ord(" ") for each in range(256))
OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def decode(text: bytes) -> Any:
    """Return what a JSON text says. Raises ValueError.

    The standard library reads what orjson refuses (a byte order mark, NaN, lone surrogates) or
    would round (integers beyond 64 bits).
    """
    if not _has_long_number(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return json.loads(text)


def _has_long_number(text: bytes) -> bool:
    """Whether there are 19 digits in a row: then there are four among every fourth byte."""
    return b"0" * 4 in text[::4].translate(DIGITS) and b"0" * 19 in text.translate(DIGITS)


def encode(value: Any) -> bytes:
    """Return a value as a line of JSON, aware datetimes in UTC with `Z`.

    The standard library writes what orjson refuses: integers beyond 64 bits, lone surrogates.
    """
    try:
        return orjson.dumps(value, default=_plain, option=OPTIONS)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(_finite(value), default=_plain).encode() + b"\n"


def _finite(value: Any) -> Any:
    """Return a value with null for NaN and infinity, which JSON does not know."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return render(value)
    if isinstance(value, MappingProxyType):
        return dict(value)
    if isinstance(value, Decimal):
        return float(value)
    return str(value)
