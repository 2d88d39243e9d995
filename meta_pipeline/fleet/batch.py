"""Runs: which picks share one.

A Dagster run costs seconds of processor before it does anything, so when many accounts are due a
run takes several. When few are, each gets a run of its own and none waits for another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meta_pipeline.chunks import chunks

from .candidate import DuePart
from .choice import Pick
from .rules import RotationRules

_Kind = tuple[frozenset[DuePart], bool, bool]


@dataclass(frozen=True, slots=True)
class Batch:
    """The accounts of one run, most urgent first; all of them need the same parts."""

    picks: tuple[Pick, ...]

    @property
    def account_ids(self) -> tuple[str, ...]:
        return tuple(pick.account_id for pick in self.picks)

    @property
    def parts(self) -> frozenset[DuePart]:
        return self.picks[0].parts

    @property
    def newest_days(self) -> int | None:
        """How many days are read where only the newest are, else None."""
        return self.picks[0].newest_days

    @property
    def run_key(self) -> str:
        """The pick's own key, or one for this very set of turns."""
        if len(self.picks) == 1:
            return self.picks[0].run_key
        keys = "\n".join(sorted(pick.run_key for pick in self.picks))
        digest = hashlib.sha256(keys.encode()).hexdigest()[:16]
        newest = max(pick.turn_at for pick in self.picks)
        return f"{len(self.picks)}_accounts:{newest:%Y%m%dT%H%M}:{digest}"

    @property
    def tags(self) -> dict[str, str]:
        """`account`, `reason`, `window` as the tags of the run; several values with commas."""
        return {
            "account": ",".join(self.account_ids),
            "reason": ", ".join(_distinct(pick.reason for pick in self.picks)),
            "window": ", ".join(_distinct(pick.days for pick in self.picks)),
        }

    @property
    def why(self) -> str:
        """One line for each account."""
        return "\n".join(f"{pick.account_id}: {pick.why}" for pick in self.picks)


def batches(
    picks: Sequence[Pick], slots: int, rules: RotationRules | None = None, most: int | None = None
) -> tuple[Batch, ...]:
    """Divide picks into at most `slots` runs; what does not fit is not in any and comes back.

    The size follows from the number due: they are spread over the free slots, up to `most` each,
    which is `accounts_per_run` where it is not given. Picks of different parts, and first syncs,
    never share a run; of first syncs that read all days at once a run has few, as each may take
    minutes.
    """
    rules = rules or RotationRules()
    if not picks or slots < 1:
        return ()
    most = most or rules.accounts_per_run
    size = -(-len(picks) // slots)
    groups: dict[_Kind, list[Pick]] = {}
    for pick in picks:
        is_long = pick.is_first_sync and pick.newest_days is None
        groups.setdefault((pick.parts, pick.is_first_sync, is_long), []).append(pick)
    runs = [
        Batch(tuple(some))
        for (_, _, is_long), group in groups.items()
        for some in chunks(group, min(size, most, rules.first_syncs_per_run if is_long else most))
    ]
    place = {pick.account_id: index for index, pick in enumerate(picks)}
    runs.sort(key=lambda run: place[run.picks[0].account_id])
    return tuple(runs[:slots])


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
