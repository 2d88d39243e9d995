"""The record of one sync: one object, rendered as a `sync_runs` row and as Dagster metadata."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a sync ended; `sync_runs.status`."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAIL = "fail"
    THROTTLED = "throttled"
    REFUSED = "refused"


EXIT_CODES = {
    Status.SUCCESS: 0,
    Status.FAIL: 1,
    Status.RUNNING: 1,
    Status.THROTTLED: 3,
    Status.PARTIAL: 4,
    Status.REFUSED: 5,
}
"""What `meta-pipeline sync` exits with; 2 is kept for wrong usage, as every CLI does."""


@dataclass(slots=True)
class SyncRecord:
    """What one sync did; fields are the columns of `sync_runs`. Times in UTC, durations in ms."""

    sync_run_id: str
    account_id: str
    scope: str
    started_at: datetime
    reason: str = "manual"
    status: Status = Status.RUNNING
    finished_at: datetime | None = None
    since: date | None = None
    until: date | None = None
    campaigns_fetched: int = 0
    ad_sets_fetched: int = 0
    ads_fetched: int = 0
    creatives_fetched: int = 0
    activities_fetched: int = 0
    insights_calls: int = 0
    insights_rows_read: int = 0
    insights_rows_written: int = 0
    entity_rows_written: int = 0
    meta_call_count_total: int = 0
    weighted_cost_total: float = 0.0
    meta_usage_end_snapshot: dict[str, Any] = field(default_factory=dict)
    entity_fetch_ms: float | None = None
    insights_fetch_ms: float | None = None
    db_write_ms: float = 0.0
    error_summary: str | None = None
    missing: list[str] = field(default_factory=list)
    not_before: datetime | None = None
    dagster_run_id: str | None = None
    host: str | None = None

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.status]

    @property
    def duration_seconds(self) -> float:
        return ((self.finished_at or self.started_at) - self.started_at).total_seconds()

    def row(self) -> dict[str, Any]:
        """The record as a `sync_runs` row: column name to value."""
        return asdict(self) | {"status": str(self.status)}
