"""Values as both sides agree on them, whatever types a target keeps them in."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tap_billing.cast import DECIMAL, EXTRA, moment, render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Normal = Callable[[Any], str]

# What a DOUBLE keeps of any amount of money, and more digits than any of them has.
PLACES = Decimal("0.000001")
EXACT = Context(prec=100)
TRUTHS = {"1": "true", "t": "true", "0": "false", "f": "false"}
# They move by the day, or tell another column in a form for readers.
VOLATILE = frozenset({"days_overdue", EXTRA})
FOR_READERS = "_formatted"


def folded(name: str) -> str:
    """Return a name as all databases agree on it: letters and digits in lower case."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def normal(name: str, declared: Mapping[str, Any]) -> Normal | None:
    """Return the function from a column's value to a text that is equal where the values are.

    Null and blank text are the same; an instant is in UTC, a naive one is taken for it. None for
    what is not compared: lists and objects, whose form is the target's, and what is volatile.
    """
    if name in VOLATILE or name.endswith(FOR_READERS):
        return None
    kind = _kind(declared)
    shape = declared.get("format")
    if kind == "string":
        convert = {"date-time": _instant, "date": _day, DECIMAL: _number}.get(shape or "", _text)
    else:
        known = {"integer": _integer, "number": _number, "boolean": _truth}.get(kind)
        if known is None:
            return None
        convert = known

    def normalise(value: Any) -> str:
        if value is None or value == "":
            return ""
        try:
            return convert(value)
        except (ValueError, ArithmeticError):
            return f"?{value}"

    return normalise


def _kind(declared: Mapping[str, Any]) -> str:
    kinds = declared.get("type", "")
    return next((k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null"), "")


def _text(value: Any) -> str:
    return " ".join(str(value).replace("\0", "").split())


def _number(value: Any) -> str:
    number = Decimal(str(value)).quantize(PLACES, context=EXACT)
    return format(number.normalize(EXACT), "f") if number else "0"


def _integer(value: Any) -> str:
    if type(value) is int:
        return str(value)
    number = Decimal(str(value))
    if number != number.to_integral_value(context=EXACT):
        raise ValueError(value)
    return str(int(number))


def _truth(value: Any) -> str:
    text = str(value).strip().lower()
    return TRUTHS.get(text, text)


def _instant(value: Any) -> str:
    return _told(value.isoformat() if isinstance(value, datetime) else str(value).strip())


@lru_cache(maxsize=65536)
def _told(text: str) -> str:
    return render(moment(text, "UTC"))


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value).strip()[:10]
