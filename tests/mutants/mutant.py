"""What a planted defect is, and the words in which scenarios fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.mutants.plants import setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.mutants.plants import Plant

NO_LOOKBACK = setting(lookback=0.0)
MISSING, STALE, DELETED = "missing: ", "stale: ", "deleted: "
QUIET, ENDLESS = "ended: as if all was well", "more than "


@dataclass(frozen=True)
class Mutant:
    """A defect: the peers that have it, what it does, and how it is planted.

    Peers are GitHub repositories at a commit, or an issue or pull request of theirs. Each scenario
    of `found` fails with it, in words that begin as the pattern says.
    """

    name: str
    peers: tuple[str, ...]
    what: str
    plant: Plant
    found: Mapping[Callable[[], None], str]
