"""What a sync costs in the replay: calls and seconds, as measured on the engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from meta_pipeline.fleet.candidate import DuePart
from meta_pipeline.fleet.choice import Pick
from meta_pipeline.model.account_state import AccountState


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one sync by the use case Meta counts them under."""

    management: float
    insights: float

    @property
    def total(self) -> float:
        return self.management + self.insights


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """Calls and times of syncs, as benchmarks/sync_calls.py measures them."""

    # A refresh: one delta call for campaigns, ad sets and ads each.
    entities: float = 3
    # A refresh: the ad rows of the days that are due.
    insights: float = 1
    # Once a day the account's own rows, the proof of the others.
    account_rows: float = 1
    # A first sync lists all.
    first_sync_entities: float = 4
    # And reads 90 days in windows; or the newest first, the others later.
    first_sync_insights: float = 16
    newest_insights: float = 2
    account_rows_every: timedelta = timedelta(days=1)
    # An answer of Meta, and how many calls are in flight.
    call_seconds: float = 0.5
    parallel: float = 3
    write_seconds: float = 0.3
    # What a Dagster run takes before its first call and after its last.
    run_seconds: float = 3.5

    def calls(
        self, pick: Pick, state: AccountState, now: datetime, account_rows_at: datetime | None
    ) -> Calls:
        if pick.is_first_sync:
            is_all = pick.newest_days is None
            days = self.first_sync_insights if is_all else self.newest_insights
            return Calls(self.first_sync_entities, days)
        insights = 0.0
        if state.has_backfill_gap:
            insights = self.first_sync_insights - self.newest_insights
        elif DuePart.INSIGHTS in pick.parts:
            insights = self.insights + self.account_rows * self.wants_account_rows(
                now, account_rows_at
            )
        return Calls(self.entities if DuePart.ENTITIES in pick.parts else 0.0, insights)

    def wants_account_rows(self, now: datetime, read_at: datetime | None) -> bool:
        return read_at is None or now - read_at >= self.account_rows_every

    def seconds(self, calls: float) -> float:
        return calls * self.call_seconds / self.parallel + self.write_seconds
