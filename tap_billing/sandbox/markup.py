"""What Cheddar's XML documents are written with: elements, ids, instants, amounts, errors."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from tap_billing.sandbox.model import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_billing.sandbox.company import Company

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE: Final = uuid.UUID("5d1b7f4e-8f0c-11ec-b909-0242ac120002")
# Characters that XML 1.0 has no way to tell, escaped or not (section 2.2).
UNTELLABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A parser turns a bare carriage return into a newline (XML 1.0, section 2.11).
ENTITIES: Final = {"\r": "&#13;", '"': "&quot;"}


@dataclass(frozen=True)
class View:
    """What a document is rendered from: the company, the API user's zone, the time of request."""

    company: Company
    zone: tzinfo
    now: datetime
    secret: str
    plans: dict[int, str] = field(default_factory=dict)


def identity(kind: str, number: int | str) -> str:
    """Return the UUID under which Cheddar knows an entity, the same in every document."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}:{number}"))


def text(value: str) -> str:
    """Return a value as character data or the inside of an attribute."""
    return escape(UNTELLABLE.sub("", value), ENTITIES)


def tag(name: str, value: str | int | Decimal | None) -> str:
    """Return an element with a value; an empty one is self-closed, as the vendor's are."""
    told = "" if value is None else text(str(value))
    return f"<{name}>{told}</{name}>" if told else f"<{name}/>"


def tags(values: Iterable[tuple[str, str | int | Decimal | None]]) -> str:
    """Return one element per name and value, in order."""
    return "".join(tag(name, value) for name, value in values)


def instant(view: View, value: datetime | None) -> str:
    """Return an instant with the offset of the API user's zone, in whole seconds; "" for None."""
    if value is None:
        return ""
    told = value if view.zone is UTC else value.astimezone(view.zone)
    return told.isoformat(timespec="seconds")


def money(amount: int, decimals: int) -> str:
    """Return minor units with two decimals, whatever the currency: no document names one."""
    told = decimal_text(amount, decimals)
    return told if decimals else f"{told}.00"


def number(value: Decimal | float | None) -> str:
    """Return a quantity or a rate without needless zeros ("3", "4.8123"); "" for None."""
    if value is None:
        return ""
    told = f"{Decimal(str(value)):f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


def error(serial: int, code: int, message: str, aux: str = "") -> str:
    """Return an error document (recorded: error__sharpy__1)."""
    attributes = f'id="{serial}" code="{code}" auxCode="{aux}"'
    return f"{DECLARATION}<error {attributes}>{text(message)}</error>"
