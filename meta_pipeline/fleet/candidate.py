"""When an account's turn comes, and what holds it back until then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from meta_pipeline.model.account_state import AccountState
from meta_pipeline.moments import LONG_AGO, awaited, past

from .policy import Cadence
from .rules import RotationRules

# A part that is due within this share of its cadence goes along, but no earlier than half the
# freshness: the steps of one sync begin minutes apart and must not drift into runs of their own.
_ALONG = 0.1
# A run that still says `running` and is not under way died in the middle.
_NOT_THROUGH = frozenset({"fail", "partial", "running"})
# Far past retry_longest already; without it a thousand failures make a number too big.
_DOUBLED_AT_MOST = 10
_NONE: frozenset[DuePart] = frozenset()


class DuePart(StrEnum):
    """What is read of an account on a cadence of its own."""

    ENTITIES = "entities"
    INSIGHTS = "insights"


class Hold(StrEnum):
    """What an account waits for."""

    CADENCE = "not due"
    FRESH = "fresh"
    RETRY = "failing"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One account with its turn.

    `due_at` is when its turn comes or came; it depends on nothing but the stored state, so lost
    and doubled ticks find the same. `hold` is what it waits for until then. `turn_seconds` is how
    long one turn of it may last: what its lateness is measured in.
    """

    state: AccountState
    cadence: Cadence
    due_at: datetime
    hold: Hold
    turn_seconds: float
    parts: frozenset[DuePart] = frozenset()

    def is_for_history(self, now: datetime) -> bool:
        """Whether it waits for days of long ago and for nothing else."""
        state = self.state
        if not state.has_backfill_gap or state.insights_synced_at is None:
            return False
        return now - state.insights_synced_at < self.cadence.insights

    def overdue_turns(self, now: datetime) -> float:
        """How late it is, in turns of its own: 1.0 has missed a whole one."""
        return (now - self.due_at).total_seconds() / self.turn_seconds


def candidate(
    state: AccountState, cadence: Cadence, now: datetime, rules: RotationRules
) -> Candidate:
    """The account's turn: when by the cadence of its parts, but not before what holds it back."""
    # What was written under a clock that was wrong is not believed.
    state = replace(
        state,
        entities_synced_at=past(state.entities_synced_at, now),
        insights_synced_at=past(state.insights_synced_at, now),
        last_attempt_at=past(state.last_attempt_at, now),
        first_seen_at=past(state.first_seen_at, now),
        not_before=awaited(state.not_before, now),
    )
    due_at, hold = _by_cadence(state, cadence, rules), Hold.CADENCE
    for until, why in _holds(state, rules):
        if until > due_at:
            due_at, hold = until, why
    turn = rules.first_sync_within if state.is_first_sync else cadence.insights
    parts = _parts(state, cadence, now, rules.fresh) if due_at <= now else _NONE
    return Candidate(state, cadence, due_at, hold, turn.total_seconds(), parts)


def retry_pause(failures: int, rules: RotationRules) -> timedelta:
    """How long an account is left alone after so many failures in a row."""
    doubled: timedelta = rules.retry_first * 2 ** min(max(failures, 1) - 1, _DOUBLED_AT_MOST)
    return min(doubled, rules.retry_longest)


def _by_cadence(state: AccountState, cadence: Cadence, rules: RotationRules) -> datetime:
    if state.insights_synced_at is None or state.entities_synced_at is None:
        return state.first_seen_at or LONG_AGO
    insights_at = state.insights_synced_at + cadence.insights
    if state.has_backfill_gap:
        pause = timedelta(0) if state.awaits_its_history else rules.fresh
        insights_at = state.insights_synced_at + pause
    return min(insights_at, state.entities_synced_at + cadence.entities)


def _holds(state: AccountState, rules: RotationRules) -> list[tuple[datetime, Hold]]:
    holds = []
    if state.brought_at is not None and not state.awaits_its_history:
        holds.append((state.brought_at + rules.fresh, Hold.FRESH))
    if state.not_before is not None:
        holds.append((state.not_before, Hold.THROTTLED))
    # A row left `running` by nobody is a sync that died; a throttle without a time, a failure.
    if state.last_status == "throttled":
        did_fail = state.not_before is None
    else:
        did_fail = state.last_status in _NOT_THROUGH and not state.is_running
    if state.last_attempt_at is not None and did_fail:
        pause = retry_pause(state.failures, rules)
        holds.append((state.last_attempt_at + pause, Hold.RETRY))
    return holds


def _parts(
    state: AccountState, cadence: Cadence, now: datetime, fresh: timedelta
) -> frozenset[DuePart]:
    parts = set()

    def is_due(synced_at: datetime | None, every: timedelta) -> bool:
        return synced_at is None or now - synced_at >= every - min(every * _ALONG, fresh / 2)

    if state.has_backfill_gap or is_due(state.insights_synced_at, cadence.insights):
        parts.add(DuePart.INSIGHTS)
    if is_due(state.entities_synced_at, cadence.entities):
        parts.add(DuePart.ENTITIES)
    return frozenset(parts)
