"""Defects that this tap could have by itself: its passes, its watermark, its sweeps."""

from __future__ import annotations

from tests.mutants import changes, killing, peers, reading, sweeping
from tests.mutants import plants_cursors as cursors
from tests.mutants import plants_pages as pages
from tests.mutants import plants_states as states
from tests.mutants.mutant import DELETED, MISSING, STALE, Mutant
from tests.mutants.plants import all_of, without

PASSES = (
    ("chargeover", "modified", changes.edited),
    ("chargeover", "created", changes.created_without_a_modified_time),
    ("chargeover", "live", changes.held),
    ("chargeover", "suspended", changes.changed_while_suspended),
    # Elsewhere the cancelled row is fetched because it was live at the last run.
    ("chargeover", "cancelled", changes.cancelled_beyond_memory),
    ("chargeover", "billed", changes.paid_after_the_end),
    ("chargeover", "open", changes.overdue),
    ("chargeover", "applied", changes.paid_again),
    ("chargeover", "moved", changes.paid),
    ("chargeover", "transacted", changes.paid_again),
    ("chargeover", "refunded", changes.refunded),
    ("cheddar", "created", changes.customer_created),
    ("cheddar", "transacted", changes.customer_paid),
    ("cheddar", "cancelled", changes.customer_cancelled),
)
MUTANTS: tuple[Mutant, ...] = (
    *(
        Mutant(
            f"{provider}-without-{name}",
            (),
            f"leaves out the pass {name} of {provider}",
            without(name, provider),
            {scenario: f"{MISSING}|{STALE}"},
        )
        for provider, name, scenario in PASSES
    ),
    Mutant(
        "nothing-stood",
        (),
        "does not remember which rows stood open or live",
        pages.nothing_stood,
        {changes.expired: STALE, changes.written_off: STALE},
    ),
    Mutant(
        "stood-so-far",
        (),
        "remembers at a checkpoint only what stood up to it",
        states.standing_so_far,
        {changes.written_off_beyond_a_checkpoint: STALE},
    ),
    Mutant(
        "names-forgotten",
        (),
        "does not remember which rows others have named",
        pages.named_forgotten,
        {changes.voided_and_written_off: STALE},
    ),
    Mutant(
        "whole-reads-name-nobody",
        (),
        "believes that rows of a whole read tell nothing of others",
        pages.whole_names_nobody,
        {changes.overdue_in_a_full_refresh: STALE},
    ),
    Mutant(
        "nothing-named",
        (),
        "does not fetch the rows that others name",
        pages.nothing_named,
        {changes.paid: STALE},
    ),
    Mutant(
        "selected-only",
        (),
        "does not read what is not selected, though it names rows",
        pages.selected_only,
        {changes.paid_again_unselected: STALE},
    ),
    Mutant(
        "names-swallowed",
        (peers.HOTGLUE,),
        "takes an error in what names rows for no names",
        pages.look_swallowed,
        {changes.paid_again_while_broken: STALE},
    ),
    Mutant(
        "once-per-pass",
        (),
        "emits a row with every pass that brings it",
        pages.every_pass_anew,
        {reading.once_per_run: "repeated: "},
    ),
    Mutant(
        "one-by-one",
        (),
        "asks for every named row alone",
        pages.one_by_one,
        {reading.many_named_rows: "repeated: |more than "},
    ),
    Mutant(
        "never-sweeps",
        (),
        "never reads anything whole again",
        states.never_due,
        {sweeping.sweep_of_a_deleted_row: "surplus: "},
    ),
    Mutant(
        "any-share-may-be-gone",
        (),
        "ignores max_deletions",
        states.any_share,
        {sweeping.mass_deletion: DELETED},
    ),
    Mutant(
        "no-watermark",
        (),
        "moves bookmark and watermark to the largest value seen",
        all_of(
            cursors.bookmark(lambda horizon: horizon.seen),
            cursors.claimed_by_the_bookmark,
        ),
        {reading.row_from_the_future: MISSING},
    ),
    Mutant(
        "own-clock-only",
        (),
        "takes its watermark from the machine's clock alone",
        cursors.own_clock,
        {
            reading.row_from_the_future_and_a_fast_clock: MISSING,
            killing.killed_while_loading_by_a_fast_clock: STALE,
        },
    ),
    Mutant(
        "changes-since-the-checkpoint",
        (),
        "goes on with a first load as if nothing had changed behind it",
        states.checkpoint_of_now,
        {killing.killed_while_loading_with_edits: STALE},
    ),
    Mutant(
        "claims-before-rows",
        (),
        "saves how far it came before the rows are written",
        states.checkpoint_first,
        {killing.killed_while_loading: MISSING},
    ),
    Mutant(
        "parts-believed",
        (),
        "believes the bookmark where only some streams have ended a whole read",
        states.parts_believed,
        {killing.stopped_after_filters_were_taken_away: MISSING},
    ),
    Mutant(
        "states-one-by-one",
        (),
        "lets a signal come between the states of a resource's streams, and believes them",
        all_of(states.one_by_one, states.parts_believed),
        {killing.killed_after_filters_were_taken_away: MISSING},
    ),
    Mutant(
        "second-part-counted",
        (),
        "takes the count of what the last of several runs has read for that of a sweep",
        states.second_part_counted,
        {sweeping.sweep_in_two_runs: DELETED},
    ),
    Mutant(
        "progress-forgotten",
        (),
        "begins a first load anew in every run",
        states.progress_forgotten,
        {killing.stopped_again_and_again: MISSING},
    ),
    Mutant(
        "activated-first",
        (),
        "writes ACTIVATE_VERSION before the rows",
        states.activated_first,
        {killing.killed_while_sweeping: DELETED},
    ),
    Mutant(
        "order-believed",
        (),
        "believes that Cheddar tells customers by creation",
        states.always_in_order,
        {killing.killed_while_loading_in_any_order: MISSING},
    ),
    Mutant(
        "days-half-read",
        (),
        "takes the day of the last customer for read to its end",
        states.days_half_read,
        {killing.killed_while_loading_by_days: MISSING},
    ),
    Mutant(
        "zone-believed",
        (),
        "asks Cheddar for whole days from the bookmark's own day on",
        cursors.no_day_before,
        {reading.zone_of_the_user: MISSING},
    ),
    Mutant(
        "filters-forgotten",
        (),
        "goes on from the bookmark of other filters",
        cursors.same_filters,
        {sweeping.filters_taken_away: MISSING},
    ),
)
