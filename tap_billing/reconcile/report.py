"""Tells what a comparison has shown: as a table for people, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_billing.codec import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from tap_billing.reconcile.comparison import Outcome, Total
    from tap_billing.reconcile.layout import Key

NAMED = 20
HEAD = (
    f"{'stream':26} {'month':7} {'API':>10} {'warehouse':>10}"
    f"  {'sum':3} {'API':>16} {'warehouse':>16}"
)


def table(outcomes: Sequence[Outcome], store: str) -> str:
    """Return the table, then the rows that differ by key, and a closing line."""
    lines = [HEAD]
    for each in outcomes:
        for month, total in each.months.items():
            lines += _month(each.stream, month, total)
    lines.append("")
    for each in outcomes:
        lines += _named(each)
    lines.append(closing(outcomes, store))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def closing(outcomes: Sequence[Outcome], store: str) -> str:
    """Return the line that sums it all up."""
    numbers = {
        "missing": sum(len(each.missing) for each in outcomes),
        "stale": sum(len(each.stale) for each in outcomes),
        "surplus": sum(len(each.surplus) for each in outcomes),
        "not proven": sum(bool(each.doubts) for each in outcomes),
        "failed": sum(bool(each.failure) for each in outcomes),
    }
    told = ", ".join(f"{number:,} {what}" for what, number in numbers.items() if number)
    rows = sum(total.api for each in outcomes for total in each.months.values())
    return f"{store}: {told or f'equal, {rows:,} rows in {len(outcomes)} streams'}"


def _month(stream: str, month: str, total: Total) -> Iterator[str]:
    mark = "" if total.api == total.held else "  <"
    start = f"{stream:26} {month:7} {total.api:>10,} {total.held:>10,}"
    if not total.sums:
        yield f"{start}{mark}"
    for currency, (api, held) in total.sums.items():
        differs = mark or ("" if api == held else "  <")
        yield f"{start}  {currency or '-':3} {money(api):>16} {money(held):>16}{differs}"
        start, mark = " " * len(start), ""


def money(amount: Decimal) -> str:
    """Return an amount with at least two decimals."""
    exact = amount.normalize()
    places = max(2, -int(exact.as_tuple().exponent)) if exact else 2
    return f"{amount:,.{places}f}"


def _named(each: Outcome) -> Iterator[str]:
    if each.failure:
        yield f"{each.stream}: failed: {each.failure}"
    for what, keys in (("missing", each.missing), ("surplus", each.surplus)):
        if keys:
            yield f"{each.stream}: {len(keys):,} {what}: {_few([key_of(key) for key in keys])}"
    if each.stale:
        told = [f"{key_of(key)} ({', '.join(names)})" for key, names in each.stale.items()]
        yield f"{each.stream}: {len(told):,} stale: {_few(told)}"
    for text in (*each.doubts, *each.notes):
        yield f"{each.stream}: {text}"


def _few(told: Sequence[str]) -> str:
    more = f", ... and {len(told) - NAMED:,} more" if len(told) > NAMED else ""
    return ", ".join(told[:NAMED]) + more


def key_of(key: Key) -> str:
    """Return a key for people."""
    return "/".join(key)


def document(outcomes: Sequence[Outcome], store: str) -> str:
    """Return everything as one line of JSON: all keys, sums as text."""
    told: dict[str, Any] = {
        "against": store,
        "equal": all(each.equal for each in outcomes),
        "streams": {each.stream: _stream(each) for each in outcomes},
    }
    return encode(told).decode()


def _stream(each: Outcome) -> dict[str, Any]:
    return {
        "months": [
            {
                "month": month,
                "api": total.api,
                "warehouse": total.held,
                "sums": {
                    currency or "-": {"api": str(api), "warehouse": str(held)}
                    for currency, (api, held) in total.sums.items()
                },
            }
            for month, total in each.months.items()
        ],
        "missing": each.missing,
        "stale": [{"key": key, "columns": names} for key, names in each.stale.items()],
        "surplus": each.surplus,
        "notes": each.notes,
        "doubts": each.doubts,
        "failure": each.failure or None,
    }
