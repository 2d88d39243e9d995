"""One sync of one ad account: the row of `sync_runs`, and what everybody is told of it.

A counter of its own takes a field here, a line where it is counted
(`AccountSync.note_counts`), and a migration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self

from .missing import Missing
from .part import Part


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
class SyncRun:
    """What one sync did; fields are the columns of `sync_runs`. Times in UTC, durations in ms."""

    sync_run_id: str
    account_id: str
    scope: str
    """The parts that were asked for, with commas."""
    started_at: datetime
    reason: str = "manual"
    """Why it was made, in a word or two: manual, rotation, first sync."""
    status: Status = Status.RUNNING
    finished_at: datetime | None = None
    since: date | None = None
    """First day of insights that was asked for, in the account's zone; `until` is the last."""
    until: date | None = None
    campaigns_fetched: int = 0
    ad_sets_fetched: int = 0
    ads_fetched: int = 0
    creatives_fetched: int = 0
    activities_fetched: int = 0
    insights_calls: int = 0
    insights_rows_read: int = 0
    insights_rows_written: int = 0
    """New or changed, as `entity_rows_written`: a row that is the same is not written."""
    entity_rows_written: int = 0
    meta_call_count_total: int = 0
    """Calls as Meta counts them, also those that failed."""
    weighted_cost_total: float = 0.0
    """The same calls, each by the weight of its shape."""
    meta_usage_end_snapshot: dict[str, Any] = field(default_factory=dict)
    """What was known of every meter at the end: `Meters.snapshot`."""
    entity_fetch_ms: float | None = None
    """None where no entity was due; as `insights_fetch_ms`."""
    insights_fetch_ms: float | None = None
    db_write_ms: float = 0.0
    """Spent on writing slices, while the next ones were fetched."""
    error_summary: str | None = None
    """Why it did not succeed, in a sentence; of one that did, what the account has that is odd."""
    missing: list[Missing] = field(default_factory=list)
    """Stored as sentences."""
    not_before: datetime | None = None
    """Until when Meta may not be asked about the account again."""
    dagster_run_id: str | None = None
    host: str | None = None
    connection_id: str | None = None
    """The connection its calls ended with; None for META_ACCESS_TOKEN."""
    app_key: str | None = None
    """Whose meters counted: a key of `usage_readings`."""
    recommendations_fetched: int = 0
    """What Meta recommends for this account."""
    custom_conversions_fetched: int = 0
    custom_audiences_fetched: int = 0
    images_fetched: int = 0

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.status]

    @property
    def duration_seconds(self) -> float:
        return ((self.finished_at or self.started_at) - self.started_at).total_seconds()

    @property
    def facts(self) -> dict[str, object]:
        """What a log line says of it besides its sentence."""
        wait = None
        if self.finished_at is not None and self.not_before is not None:
            wait = round((self.not_before - self.finished_at).total_seconds(), 1)
        return {
            "account_id": self.account_id,
            "sync_run_id": self.sync_run_id,
            "status": str(self.status),
            "calls": self.meta_call_count_total,
            "wait_seconds": wait,
            "not_before": self.not_before,
        }

    def is_in(self, part: Part) -> bool:
        """Whether a part can be called materialized.

        Of a partial sync that is what was read whole, and insights: the days that were read are
        committed, and those that were not are named and read by the next sync.
        """
        if self.status is Status.PARTIAL:
            return not any(one.is_whole and one.part is part for one in self.missing)
        return self.status is Status.SUCCESS

    def row(self) -> dict[str, Any]:
        """The run as a `sync_runs` row: column name to value."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"status": str(self.status), "missing": [str(one) for one in self.missing]}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """The run of a `sync_runs` row; what is null there keeps its default."""
        values = {name: value for name, value in row.items() if value is not None}
        missing = [Missing(sentence) for sentence in values.get("missing", ())]
        return cls(**values | {"status": Status(values["status"]), "missing": missing})


SYNC_RUN_COLUMNS = tuple(each.name for each in fields(SyncRun))
