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
    """Calls and times of syncs.

    A refresh is one delta call for campaigns, ad sets and ads each and one for ad rows; once a day
    one more for the account's own rows. A first sync lists all and reads 90 days in windows; where
    many accounts wait it reads the newest days (`newest_insights`) and the others later.
    `run_seconds` is what a Dagster run takes before its first call and after its last.
    """

    entities: float = 3
    insights: float = 1
    account_rows: float = 1
    first_sync_entities: float = 4
    first_sync_insights: float = 16
    newest_insights: float = 2
    account_rows_every: timedelta = timedelta(days=1)
    call_seconds: float = 0.5
    parallel: float = 3
    write_seconds: float = 0.3
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
