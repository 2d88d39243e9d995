"""What the steps of one run share: the engine, and whose structure could not be read."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from functools import cached_property

from meta_pipeline.sync import (
    Discovery,
    Extras,
    Progress,
    Status,
    SyncEngine,
    SyncRecord,
    SyncRequest,
)
from meta_pipeline.sync.presets import Preset, days_of

from .record_metadata import Account
from .tables import AccountTable

RECENT_RUNS = 20
logger = logging.getLogger("meta_pipeline.progress")


class SyncSession:
    """One run's use of the engine: made by the resource, closed with it.

    Steps run in one process, so what the first step learned of an account reaches the next one
    here: numbers are not read for an account whose structure just failed.
    """

    def __init__(self, engine: SyncEngine, *, is_simulated: bool) -> None:
        self._engine = engine
        self.is_simulated = is_simulated
        self.failed: dict[str, str] = {}

    @property
    def extras(self) -> Extras:
        """Which extras are on for which accounts."""
        return self._engine.extras

    def discover(self) -> Discovery:
        """Refresh the list of ad accounts."""
        return self._engine.discover()

    def sync(self, request: SyncRequest) -> tuple[SyncRecord, Account]:
        """Sync one account; its progress goes to the ordinary log, not to Dagster's events."""
        account = Account(
            request.account_id,
            self._names.get(request.account_id),
            self.is_simulated,
            self._previous_success_at(request),
        )
        return self._engine.sync(request, progress=log_progress), account

    def days_of(self, preset: Preset, account_id: str) -> tuple[date, date]:
        """First and last day of a preset, in the account's own time zone."""
        return days_of(preset, self._engine.today(account_id))

    def first_of_newest(self, days: int, account_id: str) -> date:
        """The first of so many days up to the account's today."""
        return self._engine.today(account_id) - timedelta(days=days - 1)

    def now(self) -> datetime:
        """The time of the engine's clock."""
        return self._engine.now()

    def rows_stored(self, table: AccountTable, account_id: str) -> int | None:
        """Rows the table holds of the account; None for a table too big to count each time."""
        if not table.is_counted:
            return None
        query = f"SELECT count(*) FROM {table.table.fullname} WHERE account_id = %s"
        with self._engine.warehouse.connection() as connection:
            row = connection.execute(query, (account_id,)).fetchone()
        return int(row[0]) if row else None

    def _previous_success_at(self, request: SyncRequest) -> datetime | None:
        """When a sync last brought all of what is asked for; looked for in the last few runs."""
        recent = self._engine.warehouse.runs.recent(RECENT_RUNS, account_id=request.account_id)
        return next(
            (
                run.finished_at
                for run in recent
                if run.status == Status.SUCCESS and request.parts <= set(run.scope.split(","))
            ),
            None,
        )

    @cached_property
    def _names(self) -> dict[str, str | None]:
        return {row.account_id: row.name for row in self._engine.warehouse.accounts.all()}


def log_progress(progress: Progress) -> None:
    """One line of ordinary log: a Dagster event would cost a row and a connection each."""
    logger.info(
        "%s  %s  %s rows  %s calls  %.1f s",
        progress.account_id,
        progress.message or progress.step,
        progress.rows,
        progress.calls,
        progress.seconds,
        extra={
            "facts": {
                "account_id": progress.account_id,
                "step": progress.step,
                "rows": progress.rows,
                "calls": progress.calls,
                "seconds": round(progress.seconds, 1),
            }
        },
    )
