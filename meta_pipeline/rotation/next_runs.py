"""One tick as a whole: who is picked, which runs that makes, where the round goes on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from .batch import Batch, batches
from .choice import Choice, choose
from .policy import Policy
from .settings import RotationSettings
from .state import SyncState


@dataclass(frozen=True, slots=True)
class NextRuns:
    """What one tick has to do: the runs to request, and what to tell of everybody else.

    `cursor` is for the next tick.
    """

    runs: tuple[Batch, ...]
    choice: Choice
    cursor: str | None

    @property
    def reason(self) -> str:
        """What is done, or why there is nothing to do, in a line."""
        reason = self.choice.summary
        if not self.choice.picks and self.choice.next_at is not None:
            reason += f"; the next turn comes at {self.choice.next_at:%Y-%m-%d %H:%M} UTC"
        return reason


def next_runs(
    states: Collection[SyncState],
    now: datetime,
    policy: Policy = Policy.HYBRID,
    settings: RotationSettings | None = None,
    *,
    cursor: str | None = None,
    slots: int = 1,
) -> NextRuns:
    """Choose for `slots` free runs and divide the picks over them."""
    settings = settings or RotationSettings()
    limit = max(slots, 0) * settings.accounts_per_run
    choice = choose(states, now, policy, settings, cursor=cursor, limit=limit)
    runs = batches(choice.picks, slots, settings)
    if policy is Policy.ROTATION:
        cursor = _moved(choice, runs, cursor)
    return NextRuns(runs, choice, cursor)


def _moved(choice: Choice, runs: Collection[Batch], cursor: str | None) -> str | None:
    """The round goes on before the first pick that found no run, so that none is passed over."""
    done = {account_id for run in runs for account_id in run.account_ids}
    for pick in choice.picks:
        if pick.account_id not in done:
            return cursor
        cursor = pick.account_id
    return cursor
