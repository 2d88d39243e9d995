"""Gives each call of one process its turn: now, in a moment, after an answer, or not today."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meta_pipeline.words import clock

from .decision import Action, Decision, Needs, decide
from .meters import Meters


@dataclass(frozen=True, slots=True)
class Permit:
    """When a call may start: `starts_at` for a go, None otherwise.

    Without a start, either `decision` is a stop, or as many calls as may be are on their way and
    the next answer is worth waiting for.
    """

    decision: Decision
    starts_at: datetime | None = None

    @property
    def stops(self) -> bool:
        return self.decision.action is Action.STOP


class RateLimiter:
    """Turns decisions into starts of calls; not thread-safe, no clock of its own.

    A call that was given its turn counts as on its way until `meters.answered`.
    """

    def __init__(self, meters: Meters, max_parallel: int = 4) -> None:
        self.meters = meters
        self.max_parallel = max_parallel
        self._last_start: dict[str | None, datetime] = {}

    def ask(
        self, account_id: str | None, use_case: str, now: datetime, *, calls: int = 1
    ) -> Permit:
        """The turn of a call that Meta counts as `calls`; a start is reserved at once."""
        needs = Needs(frozenset({use_case}), calls, calls)
        decision = decide(
            account_id=account_id,
            meters=self.meters,
            now=now,
            needs=needs,
            max_parallel=self.max_parallel,
        )
        if decision.action is Action.STOP:
            return Permit(decision)
        # One call looks first: had somebody else filled the meter meanwhile, it alone is refused.
        parallel = decision.parallel if self.meters.is_fresh(account_id, now) else 1
        on_its_way = self.meters.in_flight(account_id)
        if on_its_way and on_its_way + calls > parallel:
            return Permit(decision)
        # The pace is the account's, not the process's: a sync that starts anew goes on with it.
        last = self._last_start.get(account_id) or self.meters.heard_at(account_id)
        starts_at = now
        if last is not None and decision.pause_seconds > 0:
            starts_at = max(now, last + timedelta(seconds=decision.pause_seconds))
        longest = timedelta(seconds=self.meters.thresholds.max_pause_seconds)
        if starts_at - now > longest:
            return Permit(_come_back(decision, account_id, starts_at, now))
        self._last_start[account_id] = starts_at
        self.meters.sent(account_id, use_case, calls)
        return Permit(decision, starts_at)


def _come_back(
    decision: Decision, account_id: str | None, starts_at: datetime, now: datetime
) -> Decision:
    """A pause too long to hold a worker for."""
    slow = decision.reason.partition(" because ")[2] or decision.reason
    return replace(
        decision,
        action=Action.STOP,
        parallel=0,
        until=starts_at,
        reason=f"{account_id or 'calls without an account'} stopped until "
        f"{clock(starts_at, now)}, one call every {decision.pause_seconds:.0f} s is too "
        f"slow to hold a worker for, because {slow}",
    )
