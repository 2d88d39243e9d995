"""Sensor `failed_runs`: records each run that failed and that no record of a sync explains.

Not a `run_failure_sensor`: that refuses a tick in which one run is skipped and another is not,
forgets the run it stumbled over, and stands still for ever before an event that cannot be read.
Here each run is looked at by itself, and the cursor moves once what was found is in our table.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
import psycopg

from meta_pipeline.alerts import AlertStore, Condition, run_condition
from meta_pipeline.orchestration.dagster_internals import (
    WILL_RETRY_TAG,
    RunStatusChangeRecordsFilter,
)
from meta_pipeline.orchestration.place import here
from meta_pipeline.redaction import redact
from meta_pipeline.warehouse import Connection, WarehouseError
from meta_pipeline.words import times

RUNS = "runs"
"""Source of these problems in the stored alerts."""
# Dagster ends a tick after a minute; the next one goes on where this one stopped.
RUNS_A_TICK = 100
UNREADABLE_A_TICK = 10
"""Each of them takes some thirty questions to find; the next tick goes on."""
UNKNOWN = "unknown job"
UNREADABLE = "Dagster's record of this run cannot be read"
_EXPLAINED = """
    SELECT EXISTS (
        SELECT FROM meta_ads.sync_runs
        WHERE dagster_run_id = %s AND started_at >= %s AND status NOT IN ('running', 'success')
    )
"""
# Bounds the search in sync_runs: no run lasts so long, and no look is so late.
_PATIENCE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Failures:
    """What one look found: `seen` events, the problems among them, and the last event's id."""

    last_id: int
    conditions: tuple[Condition, ...] = ()
    seen: int = 0

    @property
    def sentence(self) -> str:
        if not self.seen:
            return "No run has failed since the last look."
        runs = times(self.seen, "failed run")
        return (
            f"{runs} looked at, {len(self.conditions)} recorded in the alerts; the rest is told by "
            "the record of its sync, or Dagster starts it again by itself."
        )


def failures_since(
    instance: dg.DagsterInstance, connection: Connection, last_id: int, now: datetime
) -> Failures:
    """The failed runs after event `last_id`, oldest first, at most RUNS_A_TICK of them.

    A run that is gone, or that cannot be read, is a problem like any other and ends nothing. Only
    our own database can: then nothing is lost, the next look finds the same runs again.
    """
    conditions: list[Condition] = []
    seen = 0
    for event_id, record in _events(instance, last_id):
        last_id, seen = event_id, seen + 1
        condition = _condition(instance, connection, record, event_id, now)
        if condition is not None:
            conditions.append(condition)
    return Failures(last_id, tuple(conditions), seen)


def newest_event(instance: dg.DagsterInstance) -> int:
    """Id of the newest event there is: where a sensor that never looked begins."""
    return int(instance.event_log_storage.get_maximum_record_id() or 0)


def note(connection: Connection, failures: Failures, now: datetime) -> None:
    """Write them into the stored alerts, in the caller's transaction."""
    store = AlertStore(connection)
    for condition in failures.conditions:
        store.note(RUNS, condition, now)


def _condition(
    instance: dg.DagsterInstance,
    connection: Connection,
    record: dg.EventLogRecord | None,
    event_id: int,
    now: datetime,
) -> Condition | None:
    run_id = record.run_id if record is not None else ""
    job = UNKNOWN
    try:
        if record is None:
            return run_condition(job, "", f"{UNREADABLE} (event {event_id}).", now)
        run = instance.get_run_by_id(run_id)
        # Deleted meanwhile: nobody waits for it. Or of somebody else, who looks after it.
        if run is None or not here().has(run):
            return None
        job = run.job_name
        if run.tags.get(WILL_RETRY_TAG) == "true":
            return None
        row = connection.execute(_EXPLAINED, (run_id, now - _PATIENCE)).fetchone()
        if row and row[0]:
            return None
        return run_condition(job, run_id, error_of(instance, run_id, record), now)
    except (psycopg.Error, WarehouseError):
        raise
    except Exception as error:  # one run must not hide the others
        return run_condition(job, run_id, f"{UNREADABLE} ({type(error).__name__}).", now)


def error_of(instance: dg.DagsterInstance, run_id: str, record: dg.EventLogRecord) -> str:
    """What broke first and underneath, rather than that something did; without secrets."""
    failure = record.event_log_entry
    steps = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events = [entry.dagster_event for entry in [*steps, failure]]
    errors = (getattr(event.event_specific_data, "error", None) for event in events if event)
    error = next((one for one in errors if one is not None), None)
    while error is not None and error.cause is not None:
        error = error.cause
    said = error.message if error is not None else failure.get_dagster_event().message
    return redact(said or "The run failed without saying why.")


def _events(
    instance: dg.DagsterInstance, last_id: int
) -> Iterator[tuple[int, dg.EventLogRecord | None]]:
    """Id and event of each failure after `last_id`; None for one that cannot be read."""
    left = RUNS_A_TICK
    for _ in range(UNREADABLE_A_TICK):
        broken: int | None = None
        try:
            records = _fetch(instance, left, after=last_id)
        except Exception:  # Dagster cannot read one of them back, and then gives none
            broken = _unreadable(instance, left, last_id)
            records = _fetch(instance, left, after=last_id, before=broken)
        yield from ((record.storage_id, record) for record in records)
        if broken is None:
            return
        yield broken, None
        last_id, left = broken, left - len(records) - 1
        if not left:
            return


def _unreadable(instance: dg.DagsterInstance, limit: int, last_id: int) -> int:
    """Id of the first failure after `last_id` that cannot be read, found by halving."""
    low, high = last_id + 1, newest_event(instance)
    while low < high:
        middle = (low + high) // 2
        try:
            _fetch(instance, limit, after=last_id, before=middle + 1)
        except Exception:  # it is among these
            high = middle
        else:
            low = middle + 1
    return low


def _fetch(
    instance: dg.DagsterInstance, limit: int, *, after: int, before: int | None = None
) -> Sequence[dg.EventLogRecord]:
    asked = RunStatusChangeRecordsFilter(
        event_type=dg.DagsterEventType.RUN_FAILURE,
        after_storage_id=after,
        before_storage_id=before,
    )
    return instance.fetch_run_status_changes(asked, limit=limit, ascending=True).records
