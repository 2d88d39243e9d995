"""What the steps of one run share: the engine, and whose structure could not be read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property

from meta_pipeline.graph import GraphClient
from meta_pipeline.sync import (
    Discovery,
    Extras,
    Progress,
    Status,
    SyncEngine,
    SyncRequest,
    SyncRun,
)
from meta_pipeline.sync.plan.presets import Preset, days_of
from meta_pipeline.warehouse import Warehouse

from .record_metadata import Account
from .tables import AccountTable

# An older success is told as none: to look through all runs would cost more than it says.
RECENT_RUNS = 20
EVENT_SECONDS = 29.0
"""At most so often a run's events are told how far a sync is; a pulse comes every 30 s."""
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
        self.tell: Callable[[str], None] = lambda _: None
        """Where a line goes now and then while a sync lasts: the events of the run."""
        self.note: Callable[[Progress], None] | None = None
        """Told of each step too, where somebody asked for the sync and waits for it."""

    @property
    def extras(self) -> Extras:
        """Which extras are on for which accounts."""
        return self._engine.extras

    def graph(self) -> GraphClient:
        """The Graph API client, with the recorder of calls and the governor's gate attached."""
        return self._engine.graph()

    def discover(self) -> Discovery:
        """Refresh the list of ad accounts."""
        return self._engine.discover()

    def sync(self, request: SyncRequest) -> tuple[SyncRun, Account]:
        """Sync one account. Each step goes to the ordinary log; `tell` gets a line now and then."""
        account = Account(
            request.account_id,
            self._names.get(request.account_id),
            self.is_simulated,
            self._previous_success_at(request),
        )
        telling = Telling(account.label, self.tell, note=self.note)
        record = self._engine.sync(request, progress=telling)
        used = self._engine.connection_of(record)
        if used is None:
            return record, account
        # After the sync: it may have gone over to another connection on the way.
        left = used.days_left(self._engine.now())
        return record, replace(account, connection=used.label, connection_days_left=left)

    @property
    def warehouse(self) -> Warehouse:
        """The tables that the engine writes."""
        return self._engine.warehouse

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
    """One line of the ordinary log, with its facts as fields."""
    facts = {
        "account_id": progress.account_id,
        "step": progress.step,
        "rows": progress.rows,
        "calls": progress.calls,
        "seconds": round(progress.seconds, 1),
        "quota_pct": progress.quota_pct,
        "seconds_left": progress.seconds_left,
    }
    logger.info("%s", progress.sentence, extra={"facts": facts})


class Telling:
    """Each step as a line of the ordinary log, and every half minute one as an event of the run.

    An event costs Dagster a row and a connection, so most syncs, which take seconds, have none.
    """

    def __init__(
        self,
        label: str,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[Progress], None] | None = None,
    ) -> None:
        self._note = note
        self._label = label
        self._tell = tell
        self._clock = clock
        self._told_at = clock()

    def __call__(self, progress: Progress) -> None:
        log_progress(progress)
        if self._note is not None:
            self._note(progress)
        if self._clock() - self._told_at >= EVENT_SECONDS:
            self._told_at = self._clock()
            self._tell(f"{self._label}: {progress.message or progress.step}: {progress.facts}")
