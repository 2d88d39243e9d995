"""Who is synced next: the one decision of this room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from meta_pipeline.model.account_state import AccountState
from meta_pipeline.words import duration

from . import order
from .candidate import LONG_AGO, Candidate, DuePart, candidate
from .policy import Cadences, Policy, Tier
from .reasons import why_now
from .rules import RotationRules
from .skipped import Out, Skipped, Why

FIRST_SYNC = "first sync"


@dataclass(frozen=True, slots=True)
class Pick:
    """One account to sync now.

    `reason` is one word for tags and records (`rotation`, `priority`, `fallback`, `first sync`),
    `why` a sentence for people. `due_at` is when its turn came, `turn_at` the same moved on while
    no request of it leaves a trace; it names the request. `max_age` is how old numbers may be
    for this account: what is older should be read again. `days` says which days are read;
    `newest_days` is how many of them where only the newest are, else None.
    """

    account_id: str
    tenant: str
    parts: frozenset[DuePart]
    reason: str
    why: str
    due_at: datetime
    turn_at: datetime
    max_age: timedelta
    days: str
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
    rotation, an account id; other policies hand it on. `next_at` is when a turn comes next, None
    when nothing is waited for, and `next_account` whose, where it is to come.
    """

    picks: tuple[Pick, ...]
    skipped: Skipped
    cursor: str | None = None
    next_at: datetime | None = None
    next_account: str | None = None


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
            if (out := self._out(state)) is not None:
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
        newest_days = self._newest_days(due)
        picks = tuple(self._pick(each, late, newest_days) for each in ordered[:places])
        skipped |= {each.state.account_id: each for each in ordered[places:]}
        next_at = next_up.due_at if next_up else None
        return Choice(
            picks,
            Skipped(skipped, self.now, self.rules.fresh),
            self._moved(picks),
            self.now if len(due) > places else next_at,
            next_up.state.account_id if next_up else None,
        )

    def _out(self, state: AccountState) -> Out | None:
        if not self.rules.names(state.account_id):
            return Out.EXCLUDED
        if state.is_running:
            return Out.RUNNING
        if state.is_requested:
            return Out.REQUESTED
        return None if state.is_accessible else Out.NO_ACCESS

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

    def _newest_days(self, due: list[Candidate]) -> int | None:
        """How many days a first sync reads: all in one while few wait, the newest while many do."""
        waiting = sum(each.state.is_first_sync for each in due)
        days = self.rules.newest_days
        is_crowd = waiting > self.rules.accounts_per_run
        return days if is_crowd and days < self.rules.backfill_days else None

    def _moved(self, picks: tuple[Pick, ...]) -> str | None:
        return picks[-1].account_id if picks and self.policy is Policy.ROTATION else self.cursor

    def _pick(self, each: Candidate, late: frozenset[str], newest_days: int | None) -> Pick:
        state = each.state
        days = newest_days if state.is_first_sync else None
        return Pick(
            account_id=state.account_id,
            tenant=state.tenant,
            parts=each.parts,
            reason=self._reason(state, late),
            why=self._why(each, late, days),
            due_at=each.due_at,
            turn_at=self._turn_at(each),
            max_age=each.cadence.insights,
            days=self._days(each, days),
            newest_days=days,
            tier=each.cadence.tier,
        )

    def _reason(self, state: AccountState, late: frozenset[str]) -> str:
        if state.is_first_sync:
            return FIRST_SYNC
        if state.account_id in late:
            return str(Policy.FALLBACK)
        return str(Policy.PRIORITY if self.policy is Policy.HYBRID else self.policy)

    def _why(self, each: Candidate, late: frozenset[str], newest_days: int | None) -> str:
        why = why_now(each, self.now, self.rules.backfill_days, newest_days)
        if each.state.account_id in late and each.due_at > LONG_AGO:
            return f"{duration(self.now - each.due_at)} late: {why}"
        return why

    def _turn_at(self, each: Candidate) -> datetime:
        """Dagster forgets no run key: a turn whose run died without a trace needs another one."""
        again = self.rules.request_again_after
        return each.due_at + again * ((self.now - each.due_at) // again)

    def _days(self, each: Candidate, newest_days: int | None) -> str:
        if DuePart.INSIGHTS not in each.parts:
            return "no days"
        if newest_days is not None:
            return f"last {newest_days} days"
        if each.state.is_first_sync or each.state.has_backfill_gap:
            return f"last {self.rules.backfill_days} days"
        return "days due by age"
