"""Dagster's own history: what is old goes, in slices, and what the UI lives on stays.

Dagster prunes ticks but keeps every event and run for ever (1.4 KB an event, 31 events a run). Here
the events of a run go after some days, except what happened to assets; that and the runs go later,
except the newest of each asset's partition and of each check. Our own tables hold the audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa

SLICE_ROWS = 5_000
KEPT = (
    "ASSET_MATERIALIZATION",
    "ASSET_MATERIALIZATION_PLANNED",
    "ASSET_OBSERVATION",
    "ASSET_CHECK_EVALUATION",
    "ASSET_CHECK_EVALUATION_PLANNED",
    "ASSET_FAILED_TO_MATERIALIZE",
)
"""Events the asset pages read; the rest only tells the story of one run."""

Connect = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True, slots=True)
class DagsterHistory:
    """The storages of one instance, each by the way a connection to it is opened."""

    events: Connect
    runs: Connect
    ticks: Connect

    @classmethod
    def of(cls, instance: dg.DagsterInstance) -> DagsterHistory | None:
        """The history of the instance; None where it is not kept in Postgres."""
        events: Any = instance.event_log_storage
        runs: Any = instance.run_storage
        ticks: Any = instance.schedule_storage
        if not all(type(one).__module__.startswith("dagster_postgres") for one in (events, runs)):
            return None
        return cls(events.index_connection, runs.connect, ticks.connect)

    def prune(
        self, events_before: datetime, history_before: datetime, slice_rows: int = SLICE_ROWS
    ) -> dict[str, int]:
        """Remove what is older; rows removed by what they were. May be stopped anywhere."""
        removed: dict[str, int] = {}
        # Events before what hangs on them: a tag is left over once its event is gone.
        with self.events() as connection:
            border = _first_id_after(connection, events_before)
            oldest = _first_id_after(connection, history_before)
            slices = {
                "events": _sliced(connection, _EVENTS, slice_rows, border=border),
                "asset_events": _sliced(connection, _ASSET_EVENTS, slice_rows, border=oldest),
                "asset_event_tags": _sliced(connection, _TAGS, slice_rows, border=oldest),
                "check_executions": _sliced(connection, _CHECKS, slice_rows, before=history_before),
            }
            removed |= {what: sum(counts) for what, counts in slices.items()}
        with self.runs() as connection:
            removed["runs"] = sum(_sliced(connection, _RUNS, slice_rows, before=history_before))
        with self.ticks() as connection:
            old = {"before": history_before, "skipped_before": events_before}
            removed["ticks"] = sum(_sliced(connection, _TICKS, slice_rows, **old))
        return removed


def _sliced(connection: sa.Connection, statement: str, rows: int, **values: Any) -> Iterator[int]:
    """Run the statement until a slice is not full; each slice is committed by itself.

    Each goes on after the last id of the one before: what is kept is passed over once, not by
    every slice.
    """
    given: dict[str, Any] = {
        # Dagster's columns are in UTC and have no zone.
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in values.items()
    }
    given |= {"rows": rows, "after": _BEFORE_ALL}
    removed = rows
    while removed >= rows:
        ids = connection.execute(sa.text(statement), given).scalars().all()
        if connection.in_transaction():
            connection.commit()
        removed = len(ids)
        given["after"] = max(ids, default=given["after"])
        yield removed


def _first_id_after(connection: sa.Connection, moment: datetime) -> int:
    """The smallest event id from that moment on, by halving: events have no index on their time."""
    low, high = connection.execute(sa.text(_ENDS)).one()
    while low < high:
        middle = (low + high) // 2
        following = connection.execute(sa.text(_NEXT), {"id": middle}).one()
        if following.timestamp < moment.replace(tzinfo=None):
            low = following.id + 1
        else:
            high = middle
    return int(low)


_BEFORE_ALL = -1
_ENDS = "SELECT coalesce(min(id), 0), coalesce(max(id) + 1, 0) FROM event_logs"
_NEXT = 'SELECT id, "timestamp" FROM event_logs WHERE id >= :id ORDER BY id LIMIT 1'
_NAMES = ", ".join(f"'{name}'" for name in KEPT)
_EVENTS = f"""
    DELETE FROM event_logs WHERE id > :after AND id IN (
        SELECT id FROM event_logs
        WHERE id > :after AND id < :border
            AND (dagster_event_type IS NULL OR dagster_event_type NOT IN ({_NAMES}))
        ORDER BY id LIMIT :rows
    )
    RETURNING id
"""
_ASSET_EVENTS = f"""
    DELETE FROM event_logs WHERE id > :after AND id IN (
        SELECT id FROM event_logs AS old
        WHERE id > :after AND id < :border AND dagster_event_type IN ({_NAMES}) AND CASE
            WHEN asset_key IS NULL THEN true
            WHEN partition IS NULL THEN EXISTS (
                SELECT FROM event_logs AS newer
                WHERE newer.asset_key = old.asset_key AND newer.partition IS NULL
                    AND newer.dagster_event_type = old.dagster_event_type AND newer.id > old.id
            )
            ELSE EXISTS (
                SELECT FROM event_logs AS newer
                WHERE newer.asset_key = old.asset_key AND newer.partition = old.partition
                    AND newer.dagster_event_type = old.dagster_event_type AND newer.id > old.id
            )
        END
        ORDER BY id LIMIT :rows
    )
    RETURNING id
"""
_TAGS = """
    DELETE FROM asset_event_tags WHERE id > :after AND id IN (
        SELECT id FROM asset_event_tags AS tag
        WHERE id > :after AND event_id < :border
            AND NOT EXISTS (SELECT FROM event_logs WHERE event_logs.id = tag.event_id)
        ORDER BY id LIMIT :rows
    )
    RETURNING id
"""
_CHECKS = """
    DELETE FROM asset_check_executions WHERE id > :after AND id IN (
        SELECT id FROM asset_check_executions AS old
        WHERE id > :after AND create_timestamp < :before AND EXISTS (
            SELECT FROM asset_check_executions AS newer
            WHERE newer.asset_key = old.asset_key AND newer.check_name = old.check_name
                AND newer.id > old.id
        )
        ORDER BY id LIMIT :rows
    )
    RETURNING id
"""
_RUNS = """
    DELETE FROM runs WHERE id > :after AND id IN (
        SELECT id FROM runs
        WHERE id > :after AND create_timestamp < :before
            AND status IN ('SUCCESS', 'FAILURE', 'CANCELED')
        ORDER BY id LIMIT :rows
    )
    RETURNING id
"""
_TICKS = """
    DELETE FROM job_ticks WHERE id > :after AND id IN (
        SELECT id FROM job_ticks
        WHERE id > :after AND (
            "timestamp" < :before OR ("timestamp" < :skipped_before AND status = 'SKIPPED')
        )
        ORDER BY id LIMIT :rows
    )
    RETURNING id
"""
