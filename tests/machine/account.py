"""A ChargeOver account in memory: its rows, what follows from them, and what passes can see.

Recordings of 2015 show that cancelling, holding, paying and voiding leave mod_datetime alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.machine.clock import Clock, text
from tests.machine.ledger import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from tests.machine.ledger import Document, Rows

RESOURCES = {
    "customers": "customer",
    "subscriptions": "package",
    "invoices": "invoice",
    "transactions": "transaction",
}
# Which rows name which: through the column of another resource.
NAMED = (
    ("transactions", "invoices", "applied_to"),
    ("invoices", "subscriptions", "package_id"),
    ("invoices", "customers", "customer_id"),
    ("transactions", "customers", "customer_id"),
)
PASSES = {"customers": 2, "subscriptions": 5, "invoices": 3, "transactions": 1}
TIMES = ("write_datetime", "mod_datetime", "cancel_datetime", "transaction_datetime")


@dataclass
class Row:
    """A row's facts; what follows from others' is computed when it is asked for."""

    id: int
    visible: datetime
    facts: dict[str, Any]
    lines: dict[int, Any] = field(default_factory=dict)


@dataclass
class Account:
    """The account: `naive` tells datetimes in local time without an offset, as until 2024.

    `dateless` invoices do not tell the mod_datetime that they are searched by. A void transaction
    may be `forgetful` of the invoices that it was applied to.
    """

    clock: Clock
    lookback: timedelta
    window: timedelta
    zone: ZoneInfo
    page_size: int = 3
    naive: bool = False
    dateless: bool = False
    forgetful: bool = False
    tables: dict[str, dict[int, Row]] = field(
        default_factory=lambda: {path: {} for path in RESOURCES.values()}
    )
    last: int = 0

    def facts(self, path: str, row: Row) -> dict[str, Any]:
        """Return all columns of a row: its own, and those that follow from other rows."""
        return {f"{path}_id": row.id, **row.facts, **getattr(self, f"_{path}")(row)}

    def _customer(self, row: Row) -> dict[str, Any]:
        sums = self._sums("customer_id", row.id)
        overdue = sums.pop("overdue")
        return {**sums, "customer_status_str": "active-overdue" if overdue else "active-current"}

    def _package(self, row: Row) -> dict[str, Any]:
        sums = self._sums("package_id", row.id)
        return {
            "amount_invoiced": sums["total"],
            "amount_collected": sums["paid"],
            "amount_due": sums["balance"],
            "is_overdue": sums["overdue"],
        }

    def _sums(self, key: str, number: int) -> dict[str, Any]:
        bills = [
            self.facts("invoice", each)
            for each in self.tables["invoice"].values()
            if each.facts[key] == number
        ]
        return {
            "total": sum(each["total"] for each in bills if not each["is_void"]),
            "paid": sum(each["payments"] for each in bills),
            "balance": sum(each["balance"] for each in bills),
            "overdue": any(each["is_overdue"] for each in bills),
        }

    def _invoice(self, row: Row) -> dict[str, Any]:
        facts = row.facts
        payments = sum(
            each.lines.get(row.id, 0)
            for each in self.tables["transaction"].values()
            if each.facts["void_datetime"] is None
        )
        void = facts["void_datetime"] is not None
        balance = 0 if void else facts["total"] - payments - facts["writeoffs"]
        due = datetime.fromisoformat(facts["due_date"]).date()
        days = (self.clock.now.astimezone(self.zone).date() - due).days
        overdue = balance > 0 and days > 0
        return {
            "is_void": void,
            "payments": payments,
            "balance": max(balance, 0),
            "invoice_status_state": "o" if balance > 0 else "c",
            "is_overdue": overdue,
            "days_overdue": days if overdue else 0,
        }

    def _transaction(self, row: Row) -> dict[str, Any]:
        void = row.facts["void_datetime"] is not None
        applied = 0 if void else sum(row.lines.values())
        return {
            "applied": applied,
            "unapplied": row.facts["amount"] - applied,
            "transaction_status_state": "c" if void else "o",
        }

    def documents(self) -> dict[Document, Rows]:
        """Return all rows as a target has to hold them."""
        return {
            (resource, row.id): self._rows(resource, path, row)
            for resource, path in RESOURCES.items()
            for row in self.tables[path].values()
        }

    def _rows(self, resource: str, path: str, row: Row) -> Rows:
        facts = {key: self._held(value) for key, value in self.facts(path, row).items()}
        if path == "invoice" and self.dateless:
            del facts["mod_datetime"]
        rows: Rows = {resource: {(row.id,): facts}}
        if path == "package":
            rows["subscription_line_items"] = {
                (number,): {"line_item_id": number, "package_id": row.id, "descrip": name}
                for number, name in row.lines.items()
            }
        if path == "transaction":
            rows["transaction_applications"] = {
                (row.id, number): {"transaction_id": row.id, "invoice_id": number, "applied": each}
                for number, each in row.lines.items()
            }
        return rows

    def _held(self, value: Any) -> Any:
        if value == "":
            return None
        if not isinstance(value, datetime):
            return value
        if self.naive:
            # A local time that comes twice is told as if it were the first one.
            value = value.astimezone(self.zone).replace(fold=0, tzinfo=None)
            value = value.replace(tzinfo=self.zone)
        return text(value.astimezone(UTC))

    def cursors(self) -> dict[Document, datetime]:
        """Return the latest of the times that a row is searched by."""
        return {
            (resource, row.id): max(each for each in map(row.facts.get, TIMES) if each)
            for resource, path in RESOURCES.items()
            for row in self.tables[path].values()
        }

    def visible(self, document: Document, when: datetime) -> bool:
        """Whether lists showed a row at an instant."""
        return self.tables[RESOURCES[document[0]]][document[1]].visible <= when

    def standing(self) -> set[Document]:
        """Return the visible rows that are open, live or suspended."""
        live = self._visible("subscriptions")
        bills = self._visible("invoices")
        return {
            *(key for key, row in live.items() if row["package_status_state"] in ("a", "s")),
            *(key for key, row in bills.items() if row["invoice_status_state"] == "o"),
        }

    def seen(
        self,
        since: datetime | None,
        known: set[Document],
        marks: Mapping[str, datetime] = NONE,
    ) -> set[Document]:
        """Return the visible rows that an incremental read must bring.

        Without `since` all; otherwise what a time or a status shows, what of the `known` has left
        that status, and what those rows name.
        """
        rows = {key: row for name in RESOURCES for key, row in self._visible(name).items()}
        if since is None:
            return set(rows)
        found = self.standing() | (known & rows.keys())
        for key, row in rows.items():
            window = self.window if key[0] == "transactions" else timedelta()
            floor = marks.get(key[0], since) - self.lookback - window
            if any(row[name] >= floor for name in TIMES if row.get(name)):
                found.add(key)
        for origin, resource, column in NAMED:
            for name, number in [key for key in found if key[0] == origin]:
                lines = self.tables[RESOURCES[name]][number].lines
                named = lines if column == "applied_to" else [rows[name, number][column]]
                found |= {(resource, each) for each in named} & rows.keys()
        return found

    def latest(self) -> dict[str, datetime]:
        """Return the latest time that each resource's visible rows tell, at most the clocks'."""
        now = min(self.clock.now, self.clock.machine())
        found: dict[str, datetime] = {}
        for resource, path in RESOURCES.items():
            for row in self.tables[path].values():
                for name in TIMES:
                    when = row.facts.get(name)
                    if (
                        not when
                        or row.visible > self.clock.now
                        or (self.dateless and name == "mod_datetime")
                    ):
                        continue
                    told = datetime.fromisoformat(self._held(when))
                    found[resource] = max(found.get(resource, told), min(told, now))
        return found

    def budget(self, more: int) -> int:
        """Return how many requests a run may need: each pass page by page, and what is named."""
        total = 0
        for resource, path in RESOURCES.items():
            rows = len(self.tables[path]) + more
            total += (PASSES[resource] + 1) * (rows // self.page_size + 2) + rows + 3
        return total

    def _visible(self, resource: str) -> dict[Document, dict[str, Any]]:
        path = RESOURCES[resource]
        return {
            (resource, row.id): self.facts(path, row)
            for row in self.tables[path].values()
            if row.visible <= self.clock.now
        }
