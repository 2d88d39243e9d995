"""Who is synced next: the one decision of this room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from meta_pipeline.model.account_state import AccountState
from meta_pipeline.moments import LONG_AGO
from meta_pipeline.words import duration

from . import order
from .candidate import Candidate, DuePart, candidate
from .policy import Cadences, Policy, Tier
from .rules import RotationRules
from .skipped import Skipped, Why, out_of
from .why_now import why_now

FIRST_SYNC = "first sync"


@dataclass(frozen=True, slots=True)
class Pick:
    """One account to sync now."""

    account_id: str
    tenant: str
    parts: frozenset[DuePart]
    # One word for tags and records: rotation, priority, fallback, first sync.
    reason: str
    # A sentence for people.
    why: str
    # When its turn came.
    due_at: datetime
    # The same, moved on while no request of it leaves a trace; it names the request.
    turn_at: datetime
    # How old numbers may be for this account: what is older should be read again.
    max_age: timedelta
    # Which days are read, in words.
    days: str
    # How many of them where only the newest are, else None.
    newest_days: int | None = None
    tier: Tier | None = None

    @property
    def run_key(self) -> str:
        """The same for every tick that finds this turn, another one for the next turn."""
        return f"{self.account_id}:{self.turn_at:%Y%m%dT%H%M}"

    @property
    def is_first_sync(self) -> bool:
        return self.reason == FIRST_SYNC


@dataclass(frozen=True, slots=True)
class Choice:
    """What one look at the fleet came to.

    `skipped` says for every other account why not, as `<kind>: <sentence>`. `cursor` is that of
    rotation, an account id; other policies hand it on. `next_at` is when a turn comes next and
    `next_account` whose: now, where somebody is due and not picked; both None when nothing is
    waited for.
    """

    picks: tuple[Pick, ...]
    skipped: Skipped
    cursor: str | None
    next_at: datetime | None
    next_account: str | None
    # Whether there are accounts due, all of which lack what never came: their newest days, or the
    # days before them.
    is_fill: bool


def choose(
    states: Collection[AccountState],
    now: datetime,
    policy: Policy = Policy.HYBRID,
    rules: RotationRules | None = None,
    *,
    cursor: str | None = None,
    limit: int = 1,
) -> Choice:
    """Pick at most `limit` accounts to sync at `now`, most urgent first.

    Everything is decided from the stored state: a tick may be lost or done twice, and the policy
    may change between two ticks. Only rotation keeps a cursor, and a lost one costs nothing but
    the place in the round.
    """
    rules = rules or RotationRules()
    chooser = _Chooser(now, policy, rules, cursor, max(limit, 0))
    return chooser.choose(states)


@dataclass(frozen=True)
class _Chooser:
    now: datetime
    policy: Policy
    rules: RotationRules
    cursor: str | None
    limit: int

    def choose(self, states: Collection[AccountState]) -> Choice:
        skipped: dict[str, Why] = {}
        due: list[Candidate] = []
        next_up: Candidate | None = None
        cadences = Cadences(self.policy, self.rules)
        for state in states:
            if (out := out_of(state, self.rules)) is not None:
                skipped[state.account_id] = out
                continue
            each = candidate(state, cadences.of(state), self.now, self.rules)
            if each.due_at <= self.now:
                due.append(each)
                continue
            skipped[state.account_id] = each
            if next_up is None or each.due_at < next_up.due_at:
                next_up = each
        ordered, late, places = self._ordered(due, states)
        # All days in one sync while few accounts are new, the newest first while many are.
        is_crowd = sum(each.state.is_first_sync for each in due) > self.rules.accounts_per_run
        is_part = is_crowd and self.rules.newest_days < self.rules.backfill_days
        newest_days = self.rules.newest_days if is_part else None
        picks = tuple(self._pick(each, late, newest_days) for each in ordered[:places])
        skipped |= {each.state.account_id: each for each in ordered[places:]}
        next_up = ordered[places] if len(ordered) > places else next_up
        moves = picks and self.policy is Policy.ROTATION
        return Choice(
            picks,
            Skipped(skipped, self.now, self.rules.fresh),
            picks[-1].account_id if moves else self.cursor,
            max(next_up.due_at, self.now) if next_up else None,
            next_up.state.account_id if next_up else None,
            bool(due)
            and all(
                is_part if each.state.is_first_sync else each.is_for_history(self.now)
                for each in due
            ),
        )

    def _ordered(
        self, due: list[Candidate], states: Collection[AccountState]
    ) -> tuple[list[Candidate], frozenset[str], int]:
        """The order, who is in it for being late, and how many of it are taken."""
        nobody: frozenset[str] = frozenset()
        if self.policy is Policy.ROTATION:
            return order.round_robin(due, self.cursor), nobody, self.limit
        busy = Counter(state.tenant for state in states if state.is_busy)
        if self.policy is Policy.FALLBACK:
            ordered, places = order.with_forgotten_limited(
                order.by_waiting(due, busy), self.rules.fallback_at_most
            )
            return ordered, nobody, min(places, self.limit)
        firsts_busy = sum(state.is_busy and state.is_first_sync for state in states)
        ordered = order.with_first_syncs_spread(
            order.by_lateness(due, self.now, busy), self.rules.first_syncs_at_once - firsts_busy
        )
        late = nobody
        if self.policy is Policy.HYBRID:
            ordered, late = order.with_places_kept(ordered, self.now, self.limit, self.rules, busy)
        return order.with_history_last(ordered, self.now, late), late, self.limit

    def _pick(self, each: Candidate, late: frozenset[str], newest_days: int | None) -> Pick:
        state = each.state
        days = newest_days if state.is_first_sync else None
        # Dagster forgets no run key: a turn whose run died without a trace needs another one.
        again = self.rules.request_again_after
        why = why_now(each, self.now, self.rules.backfill_days, days)
        reason = Policy.PRIORITY if self.policy is Policy.HYBRID else self.policy
        if state.account_id in late:
            reason = Policy.FALLBACK
            if each.due_at > LONG_AGO:
                why = f"{duration(self.now - each.due_at)} late: {why}"
        return Pick(
            account_id=state.account_id,
            tenant=state.tenant,
            parts=each.parts,
            reason=FIRST_SYNC if state.is_first_sync else str(reason),
            why=why,
            due_at=each.due_at,
            turn_at=each.due_at + again * ((self.now - each.due_at) // again),
            max_age=each.cadence.insights,
            days=self._days(each, days),
            newest_days=days,
            tier=each.cadence.tier,
        )

    def _days(self, each: Candidate, newest_days: int | None) -> str:
        if DuePart.INSIGHTS not in each.parts:
            return "no days"
        if newest_days is not None:
            return f"last {newest_days} days"
        if each.state.is_first_sync or each.state.has_backfill_gap:
            return f"last {self.rules.backfill_days} days"
        return "days due by age"
