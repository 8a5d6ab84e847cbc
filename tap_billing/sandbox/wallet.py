"""What customers pay with: cards, bank accounts, tokens, or on invoice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_billing.sandbox.days import add_months
from tap_billing.sandbox.model import Account, Card

if TYPE_CHECKING:
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Customer, Paymethod, Product

CARDS = (("visa", "1111"), ("visa", "0002"), ("mast", "4444"), ("amex", "0005"), ("disc", "1117"))


def add_paymethod(
    company: Company, customer: Customer, plan: Product, dice: Random
) -> tuple[Paymethod, int | None]:
    """Add a way to pay that suits the plan: the customer's card, bank account, token or none."""
    throw = dice.random()
    if plan.code == "ENTERPRISE" or throw < 1 / 8:
        return "inv", None
    if throw < 1 / 5:
        number = company.next_id("ach")
        company.achs[number] = Account(
            number, customer.id, dice.choice(("chec", "busi", "savi")), _holder(customer),
            f"xxxxx{dice.randrange(10000):04d}", "072403004", company.now,
        )  # fmt: skip
        return "ach", number
    if throw < 1 / 4:
        number = company.next_id("tokenized")
        company.tokens[number] = Account(
            number, customer.id, "customer", _holder(customer),
            f"tok_{company.token('tokenized', number)}", "", company.now,
        )  # fmt: skip
        return "tok", number
    return "crd", add_card(company, customer, dice).id


def add_card(company: Company, customer: Customer, dice: Random) -> Card:
    """Add a card to a customer."""
    number = company.next_id("card")
    kind, last_four = dice.choice(CARDS)
    expires = add_months(company.now.date().replace(day=1), dice.randrange(2, 48))
    card = Card(
        number, customer.id, kind, last_four, expires, _holder(customer), customer.address,
        company.token("card", number), company.now,
    )  # fmt: skip
    company.cards[number] = card
    customer.card_ids.append(number)
    return card


def _holder(customer: Customer) -> str:
    return f"{customer.first_name} {customer.last_name}"
