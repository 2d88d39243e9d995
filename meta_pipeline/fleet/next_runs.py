"""One tick as a whole: who is picked, which runs that makes, where the round goes on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from meta_pipeline.model.account_state import AccountState

from .batch import Batch, batches
from .choice import Choice, choose
from .policy import Policy
from .rules import RotationRules


@dataclass(frozen=True, slots=True)
class NextRuns:
    """What one tick has to do: the runs to request, and what to tell of everybody else.

    `cursor` is for the next tick.
    """

    runs: tuple[Batch, ...]
    choice: Choice
    cursor: str | None


def next_runs(
    states: Collection[AccountState],
    now: datetime,
    policy: Policy = Policy.HYBRID,
    rules: RotationRules | None = None,
    *,
    cursor: str | None = None,
    slots: int = 1,
) -> NextRuns:
    """Choose for `slots` free runs and divide the picks over them."""
    rules = rules or RotationRules()
    most, slots = rules.accounts_per_run, max(slots, 0)
    choice = choose(states, now, policy, rules, cursor=cursor, limit=slots * most)
    if choice.is_fill and len(choice.picks) == slots * most:
        most = rules.accounts_per_fill_run
        choice = choose(states, now, policy, rules, cursor=cursor, limit=slots * most)
    # The newest days are spread over all free runs: none goes to days of long ago meanwhile.
    newest = [pick for pick in choice.picks if pick.is_first_sync] if choice.is_fill else []
    runs = batches(newest or choice.picks, slots, rules, most)
    if policy is Policy.ROTATION:
        # The round goes on before the first pick that found no run, so that none is passed over.
        taken = {account_id for run in runs for account_id in run.account_ids}
        done = takewhile(lambda pick: pick.account_id in taken, choice.picks)
        cursor = next((pick.account_id for pick in reversed(list(done))), cursor)
    return NextRuns(runs, choice, cursor)
