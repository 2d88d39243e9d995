"""How far the syncs of some Dagster runs are, read from our own tables while they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from rich.table import Table
from rich.text import Text

from meta_pipeline.commands.terminal.console import line, styled
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import Warehouse

# Of a sync that is over its own row has the sums; only while it runs its calls are counted.
_STEPS = """
    SELECT r.sync_run_id, r.account_id, coalesce(a.name, r.account_id) AS name,
           (r.scope LIKE '%%insights%%') AS is_numbers, r.status, r.started_at, r.finished_at,
           CASE WHEN r.finished_at IS NULL THEN coalesce(l.calls, 0)
                ELSE coalesce(r.meta_call_count_total, 0) END AS calls,
           CASE WHEN r.finished_at IS NULL THEN coalesce(l.rows, 0)
                ELSE coalesce(r.campaigns_fetched, 0) + coalesce(r.ad_sets_fetched, 0)
                   + coalesce(r.ads_fetched, 0) + coalesce(r.insights_rows_read, 0)
                END AS rows,
           extract(epoch FROM coalesce(r.finished_at, now()) - r.started_at)::float8 AS seconds,
           r.error_summary
    FROM meta_ads.sync_runs r
    LEFT JOIN meta_ads.meta_ad_accounts a USING (account_id)
    LEFT JOIN LATERAL (
        SELECT count(*) AS calls, sum(rows) AS rows FROM meta_ads.meta_api_logs g
        WHERE g.sync_run_id = r.sync_run_id AND r.finished_at IS NULL
    ) l ON true
    WHERE r.dagster_run_id = ANY (%s)
    ORDER BY r.started_at, r.sync_run_id
"""
_MARKS = {
    "success": ("✓", "green"),
    "partial": ("~", "yellow"),
    "throttled": ("…", "yellow"),
    "refused": ("-", "yellow"),
    "fail": ("✗", "red"),
}


@dataclass(frozen=True)
class StepProgress:
    """One step of one account: structure or numbers."""

    sync_run_id: str
    account_id: str
    name: str
    is_numbers: bool
    status: str
    started_at: datetime
    finished_at: datetime | None
    calls: int
    rows: int
    seconds: float
    error_summary: str | None

    @property
    def step(self) -> str:
        return "insights" if self.is_numbers else "structure"

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None

    @property
    def line(self) -> Text:
        """The step as a line for people."""
        return line(
            styled(*_MARKS.get(self.status, (" ", ""))),
            f" {self.step:<9} {self.rows:>9,} rows {self.calls:>4,} calls {self.seconds:6.1f} s  "
            f"{one_line(self.name)}",
        )


def read_progress(warehouse: Warehouse, dagster_run_ids: Sequence[str]) -> list[StepProgress]:
    """The steps of the runs, in the order they started."""
    with warehouse.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(StepProgress))
        return cursor.execute(_STEPS, (list(dagster_run_ids),)).fetchall()


def progress_table(steps: Sequence[StepProgress]) -> Table:
    """The steps that are running, one line each."""
    table = Table.grid(padding=(0, 2))
    for step in steps:
        table.add_row(step.line)
    return table
