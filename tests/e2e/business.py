"""Changes made to a sample company on purpose, so that days of business lack no kind of them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from tap_billing.sandbox import life, payments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.life import Event
    from tap_billing.sandbox.model import Subscription


def change(company: Company, seed: int, *, cancelled: bool) -> set[str]:
    """Make each kind of change that can happen to subscriptions that live, or are cancelled.

    Each happens at once, at the company's time. Return the names of those that found somebody to
    happen to.
    """
    dice = Random(seed)
    further = () if cancelled else (pay, give_up)
    used: set[int] = set()
    made = set()
    for event in (*life._tables()[cancelled][0], *further):
        several = list(_candidates(company, cancelled=cancelled))
        dice.shuffle(several)
        several.sort(key=lambda each: each.id in used)
        number = _happen(company, event, several, dice)
        if number is not None:
            used.add(number)
            made.add(event.__name__)
    return made


def pay(company: Company, subscription: Subscription, _: Random) -> None:
    """Pay an open invoice of the customer, at least in part."""
    for number in _unpaid(company, subscription):
        payments.settle(company, number)
        return


def give_up(company: Company, subscription: Subscription, _: Random) -> None:
    """Write an open invoice of the customer off, or void it, or leave it."""
    for number in _unpaid(company, subscription):
        payments.give_up(company, number)


def _unpaid(company: Company, subscription: Subscription) -> Iterator[int]:
    customer = company.customers[subscription.customer_id]
    yield from (each for each in customer.invoice_ids if company.invoices[each].balance > 0)


def _candidates(company: Company, *, cancelled: bool) -> Iterator[Subscription]:
    """Yield the customers' last subscriptions that are cancelled, or those that are not."""
    for customer in company.customers.values():
        subscription = company.subscriptions[customer.subscription_ids[-1]]
        if (subscription.cancelled is not None) == cancelled:
            yield subscription


def _happen(
    company: Company, event: Event, several: Iterable[Subscription], dice: Random
) -> int | None:
    """Let an event happen to the first for whom it changes anything; return its identifier."""
    for each in several:
        before = _told(company, each)
        event(company, each, dice)
        if _told(company, each) != before:
            return each.id
    return None


def _told(company: Company, subscription: Subscription) -> list[Any]:
    """Return all that an event may change of a customer, None if it is gone."""
    customer = company.customers.get(subscription.customer_id)
    if customer is None:
        return []
    invoices = [company.invoices[number] for number in customer.invoice_ids]
    numbers = [*customer.credit_ids, *(each for one in invoices for each in one.transaction_ids)]
    return [
        repr(subscription),
        repr(customer),
        repr(invoices),
        repr([company.transactions[number] for number in numbers]),
        repr([company.contacts[number] for number in customer.contact_ids]),
        *map(len, (company.cards, company.notes, company.quotes, company.subscriptions)),
    ]
