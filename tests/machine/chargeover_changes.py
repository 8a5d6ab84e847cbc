"""What happens in a ChargeOver account; every change picks its rows by plain numbers."""

# ruff: noqa: ARG001 - every change takes two numbers, whether it needs them or not

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.machine.account import Account, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _pick(account: Account, path: str, number: int) -> Row | None:
    rows = list(account.tables[path].values())
    return rows[number % len(rows)] if rows else None


def _insert(account: Account, path: str, late: int, facts: dict[str, Any]) -> Row:
    """Add a row that lists show up to `lookback` late; the number says how much."""
    account.last += 1
    delay = timedelta(seconds=(late % 4) * account.lookback.total_seconds() // 3)
    row = Row(account.last, account.clock.now + delay, facts)
    account.tables[path][row.id] = row
    return row


def _modify(account: Account, row: Row) -> None:
    row.facts["mod_datetime"] = account.clock.now


def new_customer(account: Account, a: int, b: int) -> None:
    now = account.clock.now
    facts = {
        "company": f"Company {a}",
        "customer_status_state": "a",
        "write_datetime": now,
        "mod_datetime": None if a % 3 == 0 else now,
    }
    _insert(account, "customer", b, facts)


def new_package(account: Account, a: int, b: int) -> None:
    now = account.clock.now
    customer = _pick(account, "customer", a)
    facts = {
        "customer_id": customer.id if customer else None,
        "nickname": "new",
        "paycycle": "mon",
        "package_status_state": "a",
        "holduntil_datetime": None,
        "cancel_datetime": None,
        "next_invoice_datetime": now + timedelta(days=30),
        "write_datetime": now,
        # The vendor's webhook sample of 2014 has none.
        "mod_datetime": None if a % 3 == 0 else now,
    }
    row = _insert(account, "package", b, facts)
    account.last += 1
    row.lines[account.last] = "a line"


def new_invoice(account: Account, a: int, b: int) -> None:
    now = account.clock.now
    package = _pick(account, "package", a)
    customer = _pick(account, "customer", a)
    facts = {
        "customer_id": package.facts["customer_id"] if package else customer and customer.id,
        "package_id": package.id if package and a % 4 else None,
        "memo": "new",
        "total": 10 + a % 50,
        "writeoffs": 0,
        "due_date": (now.astimezone(account.zone) + timedelta(days=a % 3)).date().isoformat(),
        "void_datetime": None,
        "write_datetime": now,
        "mod_datetime": now,
    }
    _insert(account, "invoice", b, facts)


def pay(account: Account, a: int, b: int) -> None:
    """Pay an invoice in full or in part, or too much; its mod_datetime stays."""
    invoice = _pick(account, "invoice", a)
    customer = _pick(account, "customer", a)
    balance = account.facts("invoice", invoice)["balance"] if invoice else 0
    amount = balance if b % 2 else (balance + 1) // 2
    facts = {
        "customer_id": invoice.facts["customer_id"] if invoice else customer and customer.id,
        "transaction_type": "pay",
        "amount": (amount or 1 + b) + 3 * (b % 5 == 0),
        "void_datetime": None,
        "transaction_datetime": account.clock.now,
    }
    row = _insert(account, "transaction", b // 2, facts)
    if invoice:
        row.lines[invoice.id] = amount or 1 + b


def refund(account: Account, a: int, b: int) -> None:
    paid = _pick(account, "transaction", a)
    if paid is None or paid.facts["void_datetime"] or not paid.lines:
        return
    number, amount = next(iter(paid.lines.items()))
    facts = {
        "customer_id": paid.facts["customer_id"],
        "transaction_type": "ref",
        "amount": -amount,
        "void_datetime": None,
        "transaction_datetime": account.clock.now,
    }
    _insert(account, "transaction", b, facts).lines[number] = -amount


def void_transaction(account: Account, a: int, b: int) -> None:
    row = _pick(account, "transaction", a)
    if row and not row.facts["void_datetime"]:
        row.facts["void_datetime"] = account.clock.now
        if account.forgetful:
            row.lines.clear()


def reapply(account: Account, a: int, b: int) -> None:
    """Apply a payment to another invoice of whatever customer."""
    row, invoice = _pick(account, "transaction", a), _pick(account, "invoice", b)
    if row and invoice and row.lines and not row.facts["void_datetime"]:
        number, amount = next(iter(row.lines.items()))
        if number != invoice.id:
            del row.lines[number]
            row.lines[invoice.id] = row.lines.get(invoice.id, 0) + amount


def edit(account: Account, a: int, b: int) -> None:
    path, column = (("customer", "company"), ("package", "nickname"), ("invoice", "memo"))[b % 3]
    row = _pick(account, path, a)
    if row:
        row.facts[column] = f"edited {a} {b}"
        _modify(account, row)


def edit_all(account: Account, a: int, b: int) -> None:
    """Edit all rows of a kind in one second."""
    path, column = (("customer", "company"), ("package", "nickname"), ("invoice", "memo"))[b % 3]
    for row in account.tables[path].values():
        row.facts[column] = f"all edited {a}"
        _modify(account, row)


def upgrade(account: Account, a: int, b: int) -> None:
    """Replace a package's lines: new ones get new identifiers."""
    row = _pick(account, "package", a)
    if row:
        account.last += 1
        row.lines = {account.last: f"upgraded {b}"}
        _modify(account, row)


def cancel(account: Account, a: int, b: int) -> None:
    row = _pick(account, "package", a)
    if row and row.facts["package_status_state"] in "as":
        row.facts |= {
            "package_status_state": "c",
            "cancel_datetime": account.clock.now,
            "next_invoice_datetime": "",
        }


def revive(account: Account, a: int, b: int) -> None:
    row = _pick(account, "package", a)
    if row and row.facts["package_status_state"] == "c":
        row.facts |= {"package_status_state": "a", "cancel_datetime": None}


def hold(account: Account, a: int, b: int) -> None:
    row = _pick(account, "package", a)
    if row:
        until = account.clock.now + timedelta(days=1 + b)
        row.facts |= {"holduntil_datetime": until, "next_invoice_datetime": until}


def pay_cycle(account: Account, a: int, b: int) -> None:
    row = _pick(account, "package", a)
    if row:
        row.facts["paycycle"] = ("mon", "qtr", "yrl")[b % 3]


def suspend(account: Account, a: int, b: int) -> None:
    row = _pick(account, "package", a)
    if row and row.facts["package_status_state"] in "as":
        row.facts["package_status_state"] = "s" if b % 2 else "a"


def expire(account: Account, a: int, b: int) -> None:
    row = _pick(account, "package", a)
    if row and row.facts["package_status_state"] in "as":
        row.facts["package_status_state"] = "e"


def deactivate(account: Account, a: int, b: int) -> None:
    row = _pick(account, "customer", a)
    if row:
        row.facts["customer_status_state"] = "ai"[b % 2]


def void_invoice(account: Account, a: int, b: int) -> None:
    """Void an invoice; whether that moves mod_datetime was never recorded."""
    row = _pick(account, "invoice", a)
    if row and not row.facts["void_datetime"]:
        row.facts["void_datetime"] = account.clock.now
        if b % 2:
            _modify(account, row)


def write_off(account: Account, a: int, b: int) -> None:
    row = _pick(account, "invoice", a)
    if row and not row.facts["void_datetime"]:
        row.facts["writeoffs"] += account.facts("invoice", row)["balance"]


def delete(account: Account, a: int, b: int) -> None:
    path = ("customer", "package", "invoice", "transaction")[b % 4]
    row = _pick(account, path, a)
    if row:
        del account.tables[path][row.id]


CHANGES: Mapping[str, Callable[[Account, int, int], None]] = {
    each.__name__: each
    for each in (
        *(new_customer, new_package, new_invoice, pay, refund, void_transaction, reapply),
        *(edit, edit_all, upgrade, cancel, revive, hold, pay_cycle, suspend, expire),
        *(deactivate, void_invoice, write_off, delete),
    )
}
