"""Replay: a policy on simulated time, with the very `next_runs` of production.

Everything is drawn from the seed, per account, so that all policies meet the same accounts, days
and failures.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from meta_pipeline.fleet.choice import Pick
from meta_pipeline.fleet.next_runs import next_runs
from meta_pipeline.fleet.policy import Policy, Tier, tier_of
from meta_pipeline.fleet.rules import RotationRules
from meta_pipeline.model.account_state import AccountState

from .accounts import FleetAccount
from .allowances import AccessTier, SimulatedAllowances
from .costs import CostModel

# A Monday, so that weeks in the result are whole; the year does not matter.
START = datetime(2026, 3, 2, tzinfo=UTC)
# Nothing is synced at the start: the first day measures the backlog, not the policy.
WARM_UP_DAYS = 1
_DAY = timedelta(days=1)
# Ages move by minutes: a finer sample gives the same quantiles, and more of them.
_SAMPLED_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the replay assumes of everything but the policy."""

    days: int = 7
    """After the warm-up."""
    tick: timedelta = timedelta(minutes=1)
    slots: int = 3
    """Runs at once."""
    failing_share: float = 0.01
    """Of all attempts."""
    access_tier: AccessTier = AccessTier.FULL
    app_calls_per_hour: float | None = None
    """The app's own allowance; None: it has none that matters."""
    seed: int = 1
    costs: CostModel = field(default_factory=CostModel)


class Ages:
    """How old numbers were, in minutes, each age counted."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, minutes: int) -> None:
        self._counts[minutes] += 1

    def percentile(self, share: float) -> int | None:
        """The age that `share` of all samples do not exceed; None without samples."""
        wanted, seen = share * self._counts.total(), 0
        for minutes in sorted(self._counts):
            seen += self._counts[minutes]
            if seen >= wanted:
                return minutes
        return None

    @property
    def count(self) -> int:
        return self._counts.total()

    @property
    def longest(self) -> int | None:
        return max(self._counts, default=None)


@dataclass(slots=True)
class Replayed:
    """What one policy did in the days after the warm-up."""

    policy: Policy
    calls: float = 0.0
    """As Meta counts them, of all accounts together."""
    syncs: int = 0
    """Those that made a call, also those that failed."""
    runs: int = 0
    failures: int = 0
    throttled: int = 0
    """Turns that came while a meter was at its stop: nothing was called."""
    busiest_hour_calls: float = 0.0
    ages: dict[Tier, Ages] = field(default_factory=lambda: {tier: Ages() for tier in Tier})
    """Those of the numbers, sampled every ten minutes over all accounts."""
    accounts: Counter[Tier] = field(default_factory=Counter)
    """How many there are of each tier at the end."""
    first_sync_minutes: Ages = field(default_factory=Ages)
    """How long new accounts waited for their first sync to end."""
    history_minutes: Ages = field(default_factory=Ages)
    """How long for all of their days."""


def replay(
    policy: Policy,
    fleet: Sequence[FleetAccount],
    conditions: Conditions | None = None,
    rules: RotationRules | None = None,
) -> Replayed:
    """Let the policy keep the fleet for some days; the same arguments give the same result."""
    conditions = conditions or Conditions()
    return _Replay(policy, fleet, conditions, rules or RotationRules()).run()


class _Replay:
    def __init__(
        self,
        policy: Policy,
        fleet: Sequence[FleetAccount],
        conditions: Conditions,
        rules: RotationRules,
    ) -> None:
        self._policy = policy
        self._fleet = {account.account_id: account for account in fleet}
        self._conditions = conditions
        self._rules = rules
        self._result = Replayed(policy)
        self._allowances = SimulatedAllowances(
            conditions.access_tier, app_calls_per_hour=conditions.app_calls_per_hour
        )
        self._luck = {
            name: Random(f"luck:{conditions.seed}:{name}")  # noqa: S311 (a simulation)
            for name in self._fleet
        }
        self._states = {name: self._settled(name) for name in self._fleet}
        self._account_rows_at: dict[str, datetime] = {}
        self._ends: list[tuple[datetime, int, str | None, AccountState | None]] = []
        self._numbers = count()
        self._free = conditions.slots
        self._cursor: str | None = None
        self._counts_from = START + WARM_UP_DAYS * _DAY
        self._hours: defaultdict[int, float] = defaultdict(float)

    def run(self) -> Replayed:
        now, end = START, self._counts_from + self._conditions.days * _DAY
        sample_at, day = self._counts_from, -1
        while now < end:
            self._finish(now)
            if (now - START).days != day:
                day = (now - START).days
                for name, state in self._states.items():
                    spend_7d = self._fleet[name].spend_7d(day)
                    self._states[name] = replace(state, spend_7d=spend_7d)
            if now >= sample_at:
                self._sample(now)
                sample_at += _SAMPLED_EVERY
            if self._free:
                self._tick(now)
            now += self._conditions.tick
        tiers = (tier_of(state, self._rules) for state in self._states.values())
        self._result.accounts = Counter(tiers)
        self._result.busiest_hour_calls = max(self._hours.values(), default=0.0)
        return self._result

    def _settled(self, name: str) -> AccountState:
        """An account as the replay finds it: known ones were synced at some time of the day
        before, new ones never.
        """
        account = self._fleet[name]
        at = START - timedelta(seconds=self._luck[name].uniform(0, 43_200))
        read = None if account.first_seen_at > START else at
        return AccountState(
            account_id=name,
            tenant=account.tenant,
            entities_synced_at=read,
            insights_synced_at=read,
            last_attempt_at=read,
            last_status="success" if read else None,
            currency="EUR",
            can_deliver=account.can_deliver,
            first_seen_at=account.first_seen_at,
        )

    def _tick(self, now: datetime) -> None:
        known = [
            state
            for state in self._states.values()
            if state.first_seen_at is not None and state.first_seen_at <= now
        ]
        coming = next_runs(
            known, now, self._policy, self._rules, cursor=self._cursor, slots=self._free
        )
        self._cursor = coming.cursor
        for run in coming.runs:
            self._free -= 1
            counted = now >= self._counts_from
            self._result.runs += counted
            at = now + timedelta(seconds=self._conditions.costs.run_seconds)
            for pick in run.picks:  # one after the other
                state = self._states[pick.account_id]
                self._states[pick.account_id] = replace(state, is_requested=True)
                ended, seconds = self._synced(state, pick, at, counted=counted)
                at += timedelta(seconds=seconds)
                self._push(at, pick.account_id, ended)
            self._push(at, None, None)

    def _synced(
        self, state: AccountState, pick: Pick, at: datetime, *, counted: bool
    ) -> tuple[AccountState, float]:
        """How the account stands after the sync, and how long that takes."""
        name, costs = pick.account_id, self._conditions.costs
        ads = self._fleet[name].active_ads
        elapsed = (at - START).total_seconds()
        tried = replace(state, last_attempt_at=at, not_before=None)
        until = self._allowances.blocked_until(name, ads, elapsed)
        if until is not None:
            self._result.throttled += counted
            not_before = START + timedelta(seconds=until)
            return replace(tried, last_status="throttled", not_before=not_before), 0.0
        calls = costs.calls(pick, state, at, self._account_rows_at.get(name))
        failed = self._luck[name].random() < self._conditions.failing_share
        management, insights = (1.0, 0.0) if failed else (calls.management, calls.insights)
        self._allowances.charge(name, ads, elapsed, management=management, insights=insights)
        if counted:
            self._result.calls += management + insights
            self._result.syncs += 1
            self._result.failures += failed
            self._hours[int(elapsed // 3600)] += management + insights
        seconds = costs.seconds(management + insights)
        if failed:
            return replace(tried, last_status="fail", failures=state.failures + 1), seconds
        if insights and costs.wants_account_rows(at, self._account_rows_at.get(name)):
            self._account_rows_at[name] = at
        return self._read(tried, pick, at), seconds

    def _read(self, state: AccountState, pick: Pick, at: datetime) -> AccountState:
        has_all_days = state.has_backfill_gap or (pick.is_first_sync and pick.newest_days is None)
        if state.first_seen_at is not None:
            waited = int((at - state.first_seen_at).total_seconds() // 60)
            if pick.is_first_sync:
                self._result.first_sync_minutes.add(waited)
            if has_all_days:
                self._result.history_minutes.add(waited)
        return replace(
            state,
            has_backfill_gap=pick.newest_days is not None,
            has_newest_days_only=pick.newest_days is not None,
            last_status="success",
            failures=0,
            entities_synced_at=at if "entities" in pick.parts else state.entities_synced_at,
            insights_synced_at=at if "insights" in pick.parts else state.insights_synced_at,
        )

    def _push(self, at: datetime, name: str | None, state: AccountState | None) -> None:
        heapq.heappush(self._ends, (at, next(self._numbers), name, state))

    def _finish(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, _, name, state = heapq.heappop(self._ends)
            if name is None or state is None:
                self._free += 1
            else:
                spend_7d = self._states[name].spend_7d
                self._states[name] = replace(state, is_requested=False, spend_7d=spend_7d)

    def _sample(self, now: datetime) -> None:
        for state in self._states.values():
            if state.insights_synced_at is not None:
                age = now - state.insights_synced_at
                tier = tier_of(state, self._rules)
                self._result.ages[tier].add(max(0, int(age.total_seconds() // 60)))
