"""The table of all defects, and those of peers that this tap has no place for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutants import own, peers, users

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (*peers.MUTANTS, *users.MUTANTS, *own.MUTANTS)
# What cannot be planted here, and why.
ELSEWHERE: Mapping[tuple[str, str], str] = {
    (peers.SDK, "one state partition per tenant is quadratic"): (
        "a run reads one account, and no stream has partitions"
    ),
}
# Each defect that was read in a peer's source, and the mutants that plant it.
DEFECTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    (peers.CHARGIFY, "compares strictly with a bookmark that it advances while iterating"): (
        "strict-moving-bookmark",
        "strict-bookmark",
    ),
    (peers.RECURLY, "swallows errors while there is more"): (
        "errors-asked-again-for-ever",
        "errors-end-the-list",
    ),
    (peers.RECURLY, "404 becomes an empty stream"): ("404-is-empty",),
    (peers.RECURLY, "a null cursor resets the bookmark"): ("null-resets-the-bookmark",),
    (peers.CHARGEBEE, "lookback of 2 seconds for 2 minutes"): ("lookback-in-the-wrong-unit",),
    (peers.CHARGEBEE, "STATE per page of unsorted streams"): (
        "state-per-page",
        "stopped-among-equals",
    ),
    (peers.STRIPE, "children of a parent on a window's edge are dropped"): (
        "children-on-the-edge",
        "window-edges",
    ),
    (peers.HOTGLUE, "bookmark and one second, then strictly after"): ("bookmark-and-a-second",),
    (peers.HOTGLUE, "an error in the parent's fetch becomes an empty list"): (
        "failed-details-are-empty",
        "errors-end-the-list",
    ),
    (peers.SHOPIFY, "drops every row equal to the bookmark"): ("strict-bookmark",),
    (peers.MYKAARMA, "offsets over a mutable sort, then the bookmark is now"): (
        "offset-over-edits",
        "offset-over-deletions",
    ),
    (peers.MYKAARMA, "starts from now when no start is given"): ("starts-now",),
    (peers.MYKAARMA, "its entities do not exist"): ("entities-that-do-not-exist",),
    (peers.AMP, "no order"): ("no-order",),
    (peers.AMP, "transactions by transaction_datetime only"): ("transactions-by-their-time-only",),
    (peers.AMP, "an upper bound on a mutable column"): ("upper-bound-on-an-edit",),
    (peers.SDK, "a SCHEMA again for every parent"): ("schema-per-parent",),
}
