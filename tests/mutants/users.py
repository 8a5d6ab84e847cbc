"""Defects that users of other connectors have reported."""

from __future__ import annotations

from tap_billing.errors import Forbidden
from tests.mutants import failing, killing, reading, sweeping
from tests.mutants import plants_cursors as cursors
from tests.mutants import plants_pages as pages
from tests.mutants import plants_states as states
from tests.mutants.mutant import DELETED, ENDLESS, MISSING, QUIET, Mutant
from tests.mutants.plants import good_by_signal

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "null-cursors-filtered-out",
        ("PostHog/posthog#76090",),
        "asks for rows with a modified time only",
        cursors.nulls_filtered,
        {reading.null_modified_times: MISSING},
    ),
    Mutant(
        "one-failure-stops-all",
        ("meltano/sdk#1064",),
        "writes no STATE for other streams once one has failed",
        pages.one_fails_all,
        {failing.broken_endpoint: "missing: the STATE|ended: without"},
    ),
    Mutant(
        "full-refresh-with-a-cursor",
        ("airbytehq/airbyte#76465",),
        "goes on from the bookmark in a full refresh",
        cursors.refresh_with_a_cursor,
        {sweeping.full_refresh: MISSING},
    ),
    Mutant(
        "partial-taken-for-complete",
        ("cloudquery/cloudquery#10850",),
        "deletes what any read that ended well did not bring",
        states.always_proven,
        {sweeping.partial_sweep: DELETED, sweeping.mass_deletion: DELETED},
    ),
    Mutant(
        "filtered-taken-for-complete",
        ("cloudquery/cloudquery#10850",),
        "deletes what filters left out",
        states.filters_count_as_whole,
        {sweeping.filtered_sweep: DELETED},
    ),
    Mutant(
        "deletions-unseen",
        ("singer-io/tap-stripe#35", "airbytehq/airbyte#44845"),
        "never tells what was deleted",
        states.never_proven,
        {sweeping.sweep_of_a_deleted_row: "surplus: "},
    ),
    Mutant(
        "403-is-empty",
        ("singer-io/tap-stripe PR#216", "airbytehq/airbyte PR#15686"),
        "takes 403 for an empty table",
        pages.swallowing(ends=True, kinds=Forbidden),
        {failing.forbidden_endpoint: QUIET},
    ),
    Mutant(
        "killed-and-green",
        ("hotgluexyz/tap-quickbooks#187",),
        "ends with the exit code 0 at a signal",
        good_by_signal,
        {killing.killed_by_a_signal: "ended: with the exit code 0"},
    ),
    Mutant(
        "no-retry-after",
        ("meltano/sdk#2012",),
        "asks again while the server wants a pause",
        pages.impatient,
        {failing.long_pause: "repeated: "},
    ),
    Mutant(
        "same-page-for-ever",
        ("singer-io/tap-xero PR#104",),
        "asks for the same page again and again",
        pages.same_page,
        {failing.same_page_again: ENDLESS},
    ),
)
