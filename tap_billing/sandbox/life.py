"""What happens to a subscription between its bills: tables of events, drawn again and again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from tap_billing.sandbox import changes, dealings, moves
from tap_billing.sandbox.model import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Subscription

    Event = Callable[[Company, Subscription, Random], object]

CALM = {False: 0.5, True: 0.72}  # by cancelled: how often nothing happens


def live(company: Company, subscription_id: int) -> None:
    """Let something happen to a subscription, or nothing, and come back some days later."""
    subscription = company.subscriptions.get(subscription_id)
    if subscription is None:
        return
    customer = company.customers[subscription.customer_id]
    if customer.subscription_ids[-1] != subscription_id:
        return  # the customer signed up anew
    dice = company.dice("live", subscription_id)
    cancelled = subscription.cancelled is not None
    if dice.random() > CALM[cancelled]:
        events, weights = _tables()[cancelled]
        dice.choices(events, weights)[0](company, subscription, dice)
    if subscription_id in company.subscriptions:
        company.at(company.now + timedelta(days=dice.uniform(8, 30)), live, subscription_id)


def use(company: Company, subscription_id: int) -> None:
    """Report usage of the metered items of a subscription for the days just past."""
    subscription = company.subscriptions.get(subscription_id)
    if subscription is None or subscription.cancelled:
        return
    dice = company.dice("use", subscription_id)
    plan = company.products[subscription.plan_id]
    lines = {line.product_id: line for line in subscription.lines}
    for tracked in subscription.phases[-1].tracked:
        if dice.random() < 1 / 3:
            continue
        periodic = next(each.periodic for each in plan.items if each.item_id == tracked.item_id)
        units = dice.randrange(1, 90) if periodic else dice.randrange(1, 300_000)
        value = Decimal(units) if periodic else Decimal(units) / 10_000
        tracked.quantity = tracked.quantity + value if periodic else value
        tracked.created = tracked.created or company.now
        tracked.modified = company.now
        number = company.next_id("usage")
        subscription.usage_ids.append(number)
        company.usages[number] = Usage(
            number, lines[tracked.item_id].id, subscription_id, subscription.customer_id,
            tracked.item_id, value, "add" if periodic else "max",
            company.now - timedelta(days=7), company.now, f"usage-{number}", company.now,
        )  # fmt: skip
    company.at(company.now + timedelta(days=dice.uniform(6, 12)), use, subscription_id)


def _delete(company: Company, subscription: Subscription, _: Random) -> None:
    changes.delete_customer(company, company.customers[subscription.customer_id])


@cache
def _tables() -> dict[bool, tuple[tuple[Event, ...], tuple[float, ...]]]:
    """Return, by whether the subscription is cancelled, what may happen and how often."""
    alive: dict[Event, float] = {
        moves.upgrade: 8,
        moves.downgrade: 3,
        moves.change_seats: 14,
        moves.cancel: 3.5,
        moves.suspend: 1.5,
        moves.hold: 1.5,
        moves.switch_cycle: 1,
        dealings.note: 8,
        dealings.quote: 4,
        dealings.sell_once: 4,
        dealings.credit: 3,
        dealings.refund: 4,
        dealings.void_payment: 1.2,
        dealings.void_invoice: 8,
        changes.switch_paymethod: 4,
        changes.edit_customer: 5,
        changes.add_contact: 5,
        changes.edit_contact: 5,
        changes.delete_contact: 1.5,
        changes.edit_metadata: 5,
        changes.charge_custom: 6,
        changes.edit_subscription: 3,
        changes.edit_invoice: 2,
        changes.delete_card: 1.5,
        _delete: 0.04,
    }
    over: dict[Event, float] = {
        moves.uncancel: 20,
        moves.come_back: 10,
        moves.rest: 20,
        moves.hold_cancelled: 2,
        dealings.note: 10,
        dealings.refund: 6,
        changes.edit_customer: 3,
        _delete: 0.7,
    }
    return {
        False: (tuple(alive), tuple(alive.values())),
        True: (tuple(over), tuple(over.values())),
    }
