"""Defects of other connectors, as they were read in their sources at a commit."""

from __future__ import annotations

from datetime import timedelta

from tap_billing import clock
from tap_billing.errors import NotFound
from tests.mutants import changes, failing, killing, reading
from tests.mutants import plants_cursors as cursors
from tests.mutants import plants_pages as pages
from tests.mutants import plants_states as states
from tests.mutants.mutant import (
    ENDLESS,
    MISSING,
    NO_LOOKBACK,
    QUIET,
    STALE,
    Mutant,
)
from tests.mutants.plants import all_of, renamed, schema_again, setting

CHARGIFY = "singer-io/tap-chargify@999d81b"
RECURLY = "singer-io/tap-recurly@c5d3946"
CHARGEBEE = "singer-io/tap-chargebee@0578159"
STRIPE = "singer-io/tap-stripe@3c0a3ee"
HOTGLUE = "hotgluexyz/tap-chargebee@79c0aa3"
SHOPIFY = "Matatika/tap-shopify@bfaa99f"
MYKAARMA = "mykaarma/mk-kafka-connect@4bc2039"
AMP = "amp-labs/connectors@30bbef6d8"
SDK = "meltano/sdk@0.54"


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "strict-moving-bookmark",
        (CHARGIFY,),
        "compares strictly with the bookmark that every row moves",
        cursors.comparing_while_iterating,
        {reading.rows_of_one_instant_in_any_order: MISSING},
    ),
    Mutant(
        "strict-bookmark",
        (CHARGIFY, SHOPIFY, "airbytehq/airbyte#27146", "singer-io/tap-stripe PR#125"),
        "drops every row equal to the bookmark",
        all_of(NO_LOOKBACK, cursors.strictly_after),
        {reading.second_of_the_bookmark: MISSING, reading.row_that_shows_late: MISSING},
    ),
    Mutant(
        "bookmark-and-a-second",
        (HOTGLUE,),
        "goes on one second after the bookmark, and strictly",
        all_of(NO_LOOKBACK, cursors.strictly_after, cursors.bookmark_later),
        {reading.second_of_the_bookmark: MISSING},
    ),
    Mutant(
        "errors-asked-again-for-ever",
        (RECURLY, "hotgluexyz/tap-chargebee#84"),
        "swallows every error but 401, 403 and 404 while there is more",
        pages.swallowing(*pages.REFUSALS, ends=False),
        {failing.broken_endpoint: ENDLESS},
    ),
    Mutant(
        "errors-end-the-list",
        (RECURLY, HOTGLUE),
        "takes every error for the end of the list",
        pages.swallowing(ends=True),
        {
            failing.broken_endpoint: QUIET,
            failing.missing_endpoint: QUIET,
            failing.forbidden_endpoint: QUIET,
        },
    ),
    Mutant(
        "404-is-empty",
        (RECURLY,),
        "takes 404 for an empty stream",
        pages.swallowing(ends=True, kinds=NotFound),
        {failing.missing_endpoint: QUIET},
    ),
    Mutant(
        "null-resets-the-bookmark",
        (RECURLY,),
        "forgets the bookmark at a row whose cursor is null",
        cursors.null_resets,
        {reading.null_cursor_comes_last: "repeated: "},
    ),
    Mutant(
        "lookback-in-the-wrong-unit",
        (CHARGEBEE,),
        "looks back a sixtieth of what was meant",
        setting(lookback=lambda seconds: seconds / 60),
        {reading.row_that_shows_late: MISSING},
    ),
    Mutant(
        "state-per-page",
        (CHARGEBEE,),
        "saves the bookmark with every page of an unsorted list",
        states.state_per_page,
        {killing.killed_between_sweeps: STALE},
    ),
    Mutant(
        "children-on-the-edge",
        (STRIPE,),
        "drops the children of a parent created exactly on a window's edge",
        pages.children_of_edges_left_out,
        {reading.large_document: MISSING},
    ),
    Mutant(
        "window-edges",
        (STRIPE, "singer-io/tap-stripe PR#44"),
        "leaves out the day on which a window begins",
        pages.edges_left_out,
        {reading.large_document: MISSING},
    ),
    Mutant(
        "failed-details-are-empty",
        (HOTGLUE,),
        "takes an error in a parent's request for no children",
        pages.details_swallowed,
        {failing.broken_details: MISSING},
    ),
    Mutant(
        "offset-over-edits",
        (MYKAARMA, "airbytehq/airbyte PR#79639"),
        "pages by offset over the modified time, then moves the bookmark to now",
        all_of(pages.offsets("mod_datetime:ASC"), cursors.bookmark(lambda _: clock.now())),
        {reading.edits_while_paging: MISSING},
    ),
    Mutant(
        "offset-over-deletions",
        (MYKAARMA, "airbytehq/airbyte#21500"),
        "pages by offset over identifiers",
        pages.offsets("{id}:ASC"),
        {reading.deletions_while_paging: MISSING},
    ),
    Mutant(
        "starts-now",
        (MYKAARMA,),
        "starts from now when no start is given",
        cursors.now_without_a_bookmark,
        # With sweeps the first run is one, and brings everything all the same.
        {reading.first_load_without_sweeps: MISSING},
    ),
    Mutant(
        "entities-that-do-not-exist",
        (MYKAARMA,),
        "asks for an object payment",
        renamed("transaction", "payment"),
        {reading.first_load_without_sweeps: "ended: incomplete: .*transactions"},
    ),
    Mutant(
        "no-order",
        (AMP,),
        "pages by offset without an order",
        pages.offsets(None),
        {reading.edits_while_paging: MISSING},
    ),
    Mutant(
        "transactions-by-their-time-only",
        (AMP,),
        "never looks at a transaction again",
        setting(transaction_window=timedelta()),
        {changes.voided: STALE},
    ),
    Mutant(
        "upper-bound-on-an-edit",
        (AMP, MYKAARMA),
        "asks for rows modified before now, by offset",
        all_of(pages.upper_bound, pages.offsets("{id}:ASC")),
        {reading.edits_while_paging: MISSING},
    ),
    Mutant(
        "stopped-among-equals",
        (CHARGIFY, CHARGEBEE, "airbytehq/airbyte#15427"),
        "saves the bookmark among rows of one second, and goes on strictly after it",
        all_of(NO_LOOKBACK, cursors.strictly_after, states.state_per_page),
        {killing.killed_in_a_bulk_edit: STALE},
    ),
    Mutant(
        "schema-per-parent",
        (SDK,),
        "writes a SCHEMA again for every parent",
        schema_again,
        {killing.killed_while_loading: "a second SCHEMA"},
    ),
)
