"""The sample company: its books, and the agenda that keeps them, deterministic in absolute time."""

from __future__ import annotations

import hashlib
import heapq
import random
import zlib
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_billing.sandbox import catalogue, charges, signups, tally
from tap_billing.sandbox.days import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_billing.sandbox.model import (
        Account,
        Card,
        Charge,
        Contact,
        Coupon,
        Customer,
        Invoice,
        Note,
        Phase,
        Product,
        Promotion,
        Quote,
        Subscription,
        Transaction,
        Usage,
    )

    Action = Callable[["Company", int], None]

FOUNDED = datetime(2023, 11, 1, tzinfo=UTC)
GROWTH = timedelta(days=1096)  # `customers` sign-ups happen in this time, and go on at that rate
# Where the sequences of ids begin, so that the ids of different kinds are told apart at sight.
FIRST_IDS = {
    "customer": 1, "contact": 301, "subscription": 551, "line": 2001, "invoice": 10000,
    "charge": 20001, "transaction": 91, "number": 1, "product": 4, "tierset": 4,
}  # fmt: skip


class Company:
    """The books of a company that was founded at `founded` and has advanced to `now`.

    All of it is a function of (seed, customers, founded, now): however many steps led there, ids
    and values are the same, and what happened before an instant never changes afterwards.
    """

    def __init__(self, seed: int = 1, customers: int = 400, founded: datetime = FOUNDED) -> None:
        """Found the company; nothing but its price list exists until it advances."""
        self.seed = seed
        self.founded = whole(founded)
        self.now = self.founded
        self.interval = GROWTH / max(customers, 1)  # between two sign-ups
        self.customers: dict[int, Customer] = {}
        self.contacts: dict[int, Contact] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.invoices: dict[int, Invoice] = {}
        self.transactions: dict[int, Transaction] = {}
        self.products: dict[int, Product] = {}
        self.promotions: dict[int, Promotion] = {}
        self.coupons: dict[int, Coupon] = {}
        self.cards: dict[int, Card] = {}
        self.achs: dict[int, Account] = {}
        self.tokens: dict[int, Account] = {}
        self.usages: dict[int, Usage] = {}
        self.notes: dict[int, Note] = {}
        self.quotes: dict[int, Quote] = {}
        self.phase_invoices: dict[int, list[Invoice]] = defaultdict(list)
        self.currencies = catalogue.CURRENCIES
        self.countries = catalogue.COUNTRIES
        self.languages = catalogue.LANGUAGES
        self.terms = catalogue.TERMS
        self.brands = catalogue.BRANDS
        self.campaigns = catalogue.CAMPAIGNS
        self.classes = catalogue.CLASSES
        self.categories = catalogue.CATEGORIES
        self.admins = catalogue.admins(self.founded)
        self._ids = dict(FIRST_IDS)
        self._agenda: list[tuple[datetime, int, Action, int]] = []
        self._scheduled = 0
        catalogue.open_shop(self)
        if customers > 0:
            self.at(self.founded + self.interval / 2, signups.sign_up, 1)

    def advance(self, to: datetime) -> None:
        """Let business happen up to and including `to` (aware); an earlier instant does nothing."""
        end = whole(to)
        agenda = self._agenda
        while agenda and agenda[0][0] <= end:
            self.now, _, action, entity = heapq.heappop(agenda)
            action(self, entity)
        self.now = max(self.now, end)

    def pause(self) -> None:
        """Let nothing more happen by itself: time passes, and what others do to the books."""
        self._agenda.clear()

    def at(self, instant: datetime, action: Action, entity: int) -> None:
        """Put an action on the agenda; those of one instant happen in the order they came in."""
        self._scheduled += 1
        moment = max(instant.replace(microsecond=0), self.now)
        heapq.heappush(self._agenda, (moment, self._scheduled, action, entity))

    def next_id(self, kind: str) -> int:
        """Return the next id of that kind; ids of a kind increase with creation."""
        number = self._ids.get(kind, 1)
        self._ids[kind] = number + 1
        return number

    def dice(self, kind: str, entity: int) -> random.Random:
        """Return dice whose throws depend on the seed, the entity and the present instant only."""
        mixed = (self.seed * 1_000_003 + zlib.crc32(kind.encode())) * 1_000_003 + entity
        moment = int(self.now.timestamp())
        return random.Random(mixed * 4_294_967_291 + moment)  # noqa: S311 -- no secrets

    def token(self, kind: str, entity: int) -> str:
        """Return the twelve hexadecimal characters that name an entity in links."""
        return hashlib.blake2b(f"{self.seed}:{kind}:{entity}".encode(), digest_size=6).hexdigest()

    def plan(self, product_id: int) -> Product:
        """Return a product by its id."""
        return self.products[product_id]

    def phases(self, customer: Customer) -> list[tuple[Subscription, Phase]]:
        """Return Cheddar's subscriptions of a customer, the newest, current one first."""
        mine = [self.subscriptions[number] for number in customer.subscription_ids]
        return [(each, phase) for each in reversed(mine) for phase in reversed(each.phases)]

    def pending_charges(self, subscription: Subscription) -> list[Charge]:
        """Return what the open invoice would bill now; computed charges have the id 0."""
        return charges.pending(self, subscription)

    def truth(self, provider: str) -> dict[str, dict[str, Any]]:
        """Return count, ids and sums (decimal strings) per stream of the provider, at `now`."""
        return tally.truth(self, provider)
