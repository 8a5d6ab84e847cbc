"""How ChargeOver writes values: instants by era, money as int or float, statuses by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import (
        Address,
        Currency,
        Customer,
        Invoice,
        Subscription,
        Transaction,
    )

Row = dict[str, Any]
SITE = "https://sample.chargeover.com"
COLLECTIONS = timedelta(days=60)  # overdue for longer is in collections
METHODS = {"crd": "Credit Card", "ach": "ACH/eCheck", "tok": "Token", "inv": "Invoice"}
# What a subscription's way of being cancelled makes of it: id, name, str, state.
ENDED = {
    "customer": (5, "Canceled Manually", "canceled-manual", "c"),
    "nonpayment": (4, "Canceled Nonpayment", "canceled-nonpayment", "c"),
    "trial": (7, "Expired Trial", "expired-trial", "e"),
}


@dataclass(frozen=True)
class Telling:
    """What a response is rendered from: the company at the instant of the request, zone and era."""

    company: Company
    zone: ZoneInfo
    era: str  # "2026" or "2015"
    now: datetime
    today: date

    @property
    def modern(self) -> bool:
        """Return whether it is told in today's form: offsets, `details`, all fields."""
        return self.era != "2015"

    def when(self, instant: datetime | None) -> str | None:
        """Return an instant in the account's zone, with its offset or, in 2015, without."""
        if instant is None:
            return None
        local = instant.astimezone(self.zone)
        return local.isoformat() if self.modern else f"{local:%Y-%m-%d %H:%M:%S}"


def telling(company: Company, zone: ZoneInfo, era: str, now: datetime) -> Telling:
    """Return what responses at `now` (aware) are rendered from."""
    return Telling(company, zone, era, now.astimezone(UTC), now.astimezone(zone).date())


def money(amount: int, currency: Currency) -> int | float:
    """Return minor units as the vendor's JSON number: int when whole, float otherwise."""
    unit: int = 10**currency.decimals
    whole, part = divmod(amount, unit)
    return amount / unit if part else whole


def ip_address(number: int) -> str:
    """Return the invented address that an entity was written from."""
    return f"203.0.113.{number % 250}"


def currency_fields(currency: Currency) -> Row:
    """Return the three keys that name a currency."""
    return {
        "currency_id": currency.id,
        "currency_symbol": currency.symbol,
        "currency_iso4217": currency.iso4217,
    }


def terms_fields(told: Telling, terms_id: int) -> Row:
    """Return the three keys that name payment terms."""
    terms = next(each for each in told.company.terms if each.id == terms_id)
    return {"terms_id": terms.id, "terms_name": terms.name, "terms_days": terms.days}


def block(address: Address, newline: str) -> str:
    """Return an address as the lines of a letter; customers have LF, invoices CR LF."""
    first, second, city, state, postcode, country = address
    place = f"{city}, {state} {postcode}" if state else f"{city} {postcode}"
    return newline.join(line for line in (first, second, place, country) if line)


def address_fields(address: Address | None, prefix: str) -> Row:
    """Return the eight address keys of bill_ or ship_; all null without an address."""
    first, second, city, state, postcode, country = address or (None,) * 6
    return {
        f"{prefix}_addr1": first,
        f"{prefix}_addr2": second,
        f"{prefix}_addr3": "" if address else None,
        f"{prefix}_city": city,
        f"{prefix}_state": state,
        f"{prefix}_postcode": postcode,
        f"{prefix}_country": country,
        f"{prefix}_notes": None,
    }


def invoice_status(told: Telling, invoice: Invoice) -> tuple[str, str, str]:
    """Return name, str and state of an invoice at the time of the telling."""
    if invoice.voided:
        return "Void", "closed-void", "c"
    if invoice.balance <= 0:
        if invoice.written_off:
            return "Written Off", "closed-writeoff", "c"
        return "Paid", "closed-paid", "c"
    late = told.today - invoice.due_date
    if late > COLLECTIONS:
        return "Collections", "open-collections", "o"
    return (
        ("Overdue", "open-overdue", "o") if late > timedelta() else ("Unpaid", "open-unpaid", "o")
    )


def days_overdue(told: Telling, invoice: Invoice) -> int:
    """Return for how many days an open invoice has been overdue, else 0."""
    return max((told.today - invoice.due_date).days, 0) if invoice.balance > 0 else 0


def package_state(told: Telling, package: Subscription) -> str:
    """Return package_status_state: a active, c cancelled, e expired, s suspended."""
    if package.cancelled:
        return ENDED[package.cancel_type][3]
    start, end = package.suspended_from, package.suspended_to
    return "s" if start and start <= told.now and (end is None or told.now < end) else "a"


def package_overdue(told: Telling, package: Subscription) -> int:
    """Return for how many days a package's oldest unpaid invoice has been overdue, else 0."""
    invoices = (told.company.invoices[number] for number in package.invoice_ids)
    return max((days_overdue(told, each) for each in invoices), default=0)


def package_due(told: Telling, package: Subscription) -> int:
    """Return what is still to be paid of a package's invoices, in minor units."""
    return sum(told.company.invoices[number].balance for number in package.invoice_ids)


def package_status(told: Telling, package: Subscription) -> tuple[int, str, str, str]:
    """Return id, name, str and state of a package at the time of the telling."""
    if package.cancelled:
        return ENDED[package.cancel_type]
    if package_state(told, package) == "s":
        return 8, "Suspended", "suspended-suspended", "s"
    if package.trial_until and told.now < package.trial_until:
        return 1, "Trial", "active-trial", "a"
    if package_overdue(told, package):
        return 3, "Over Due", "active-overdue", "a"
    return 2, "Current", "active-current", "a"


def customer_status(told: Telling, customer: Customer) -> tuple[int, str, str, str]:
    """Return id, name, str and state of a customer at the time of the telling."""
    if not customer.active:
        return 3, "Inactive", "inactive-manual", "i"
    invoices = told.company.invoices
    if customer.balance > 0 and any(
        days_overdue(told, invoices[number]) for number in customer.invoice_ids
    ):
        return 2, "Overdue", "active-overdue", "a"
    return 1, "Current", "active-current", "a"


def transaction_status(row: Transaction) -> tuple[str, str, str]:
    """Return name, str and state; only ok-successful and its o are known, the others are ours."""
    if row.voided:
        return "Void", "void-void", "v"
    return ("Successful", "ok-successful", "o") if row.approved else ("Failed", "fail-failed", "f")
