"""What happens to a subscription itself: plan changes, holds, cancellations and the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tap_billing.sandbox import billing, catalogue, changes, life, signups
from tap_billing.sandbox.days import CYCLES, local_date, run_at

if TYPE_CHECKING:
    from random import Random

    from tap_billing.sandbox.company import Company
    from tap_billing.sandbox.model import Subscription


DAY = timedelta(days=1)


def upgrade(company: Company, subscription: Subscription, dice: Random) -> None:
    """Upgrade to the next plan: a new phase, new lines, a new modified time."""
    _change_plan(company, subscription, catalogue.UPGRADES, dice)


def downgrade(company: Company, subscription: Subscription, dice: Random) -> None:
    """Downgrade to the plan before."""
    back = {new: old for old, new in catalogue.UPGRADES.items() if old != "PRO_2025"}
    _change_plan(company, subscription, back, dice)


def change_seats(company: Company, subscription: Subscription, dice: Random) -> None:
    """Change the quantity of a plan that is priced per seat: the line gets a new id."""
    line = subscription.lines[0]
    if line.tierset.pricemodel != "uni":
        return
    subscription.seats = line.quantity = max(1, line.quantity + dice.choice((-2, -1, 1, 2, 5)))
    line.id = company.next_id("line")  # an upgraded line gets a new line_item_id
    subscription.modified = company.now


def cancel(company: Company, subscription: Subscription, dice: Random) -> None:
    """Cancel at the customer's wish."""
    reason = dice.choice(("", "Too expensive", 'Moved to "Other & Co."', "会社を閉じました"))
    billing.stop(company, subscription, "customer", reason)


def suspend(company: Company, subscription: Subscription, dice: Random) -> None:
    """Suspend for some days or weeks; no bill meanwhile, and the modified time does not move."""
    if subscription.next_bill is None or subscription.pending is None:
        return
    subscription.suspended_from = company.now
    subscription.suspended_to = company.now + timedelta(days=dice.randrange(5, 40))
    if subscription.next_bill < subscription.suspended_to:
        billing.shift(company, subscription, local_date(subscription.suspended_to) + DAY)


def hold(company: Company, subscription: Subscription, dice: Random) -> None:
    """Put the next bill off; the modified time does not move."""
    if subscription.next_bill is None or subscription.pending is None:
        return
    day = local_date(subscription.next_bill) + timedelta(days=dice.randrange(3, 30))
    subscription.hold_until = run_at(day, subscription.id)
    billing.shift(company, subscription, day)


def switch_cycle(_: Company, subscription: Subscription, dice: Random) -> None:
    """Switch to another pay cycle from the next bill on; the modified time does not move."""
    subscription.paycycle = dice.choice([each for each in CYCLES if each != subscription.paycycle])


def uncancel(company: Company, subscription: Subscription, dice: Random) -> None:
    """Take a cancellation of the last two months back, with a new card."""
    if subscription.cancelled is None or company.now - subscription.cancelled > 60 * DAY:
        return
    subscription.cancelled, subscription.cancel_type, subscription.cancel_reason = None, "", ""
    subscription.trial_until = None
    customer = company.customers[subscription.customer_id]
    customer.active = True
    if subscription.paymethod == "crd":
        changes.new_card(company, subscription, dice)
    billing.shift(company, subscription, local_date(company.now) + DAY)
    if company.products[subscription.plan_id].items:
        company.at(company.now + DAY, life.use, subscription.id)


def hold_cancelled(company: Company, subscription: Subscription, dice: Random) -> None:
    """Give a cancelled package a next invoice date again, as one of the recorded has it."""
    if subscription.cancelled:
        day = local_date(company.now) + timedelta(days=dice.randrange(3, 30))
        subscription.hold_until = subscription.next_bill = run_at(day, subscription.id)


def come_back(company: Company, subscription: Subscription, dice: Random) -> None:
    """Sign up anew after a cancellation."""
    signups.subscribe(company, company.customers[subscription.customer_id], dice)


def rest(company: Company, subscription: Subscription, _: Random) -> None:
    """Become inactive."""
    company.customers[subscription.customer_id].active = False


def _change_plan(
    company: Company, subscription: Subscription, steps: dict[str, str], dice: Random
) -> None:
    code = steps.get(company.products[subscription.plan_id].code)
    if code is None or (subscription.trial_until is None and not subscription.bills):
        return
    plan = catalogue.product(company, code)
    metered = bool(company.products[subscription.plan_id].items)
    subscription.plan_id = plan.id
    subscription.seats = dice.randrange(2, 20) if plan.units == "seat" else 1
    subscription.paycycle = plan.paycycle
    signups.begin_phase(company, subscription, subscription.phases[-1].card)
    subscription.modified = company.now
    if plan.items and not metered:
        company.at(company.now + timedelta(days=dice.uniform(1, 9)), life.use, subscription.id)
