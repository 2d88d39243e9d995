"""Retention: old rows of the logs go, in slices.

What counters need is added up before (`counters`); nothing goes that is not in their sums.
Each slice is a transaction of its own that locks nobody out: a run may be interrupted anywhere
and goes on where it was. Two at once share the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .counters import settle
from .warehouse import Warehouse

# Each slice is a transaction of its own: no lock is held long, and an end loses one slice.
SLICE_ROWS = 5_000
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days of each table are kept; 0 keeps everything.

    `log_days` is for single calls (`meta_api_logs`), `total_days` for their totals by hour and day,
    `run_days` for `sync_runs`, settled `sync_requests`, `webhook_changes`, the
    `webhook_deliveries` that nobody took apart and what syncs noted in `unrecognized_values`, since
    it was last seen, `change_days` for `insights_changes` and for what
    Meta recommends no more.
    """

    log_days: int = 90
    total_days: int = 400
    run_days: int = 400
    change_days: int = 400

    def __post_init__(self) -> None:
        days = (self.log_days, self.total_days, self.run_days, self.change_days)
        if min(days) < 0:
            raise ValueError("days to keep cannot be negative; 0 keeps everything")


def maintain(
    warehouse: Warehouse,
    retention: Retention,
    *,
    now: datetime | None = None,
    slice_rows: int = SLICE_ROWS,
) -> dict[str, int]:
    """Remove what is older than `retention` says; rows removed by table.

    Never removed: a running sync, and of each account and scope the newest run of each status,
    so that `sync_health` knows about an account however long ago it was synced.
    """
    at = now or datetime.now(UTC)
    counted = settle(warehouse, at)
    days = {
        "meta_api_logs": retention.log_days,
        "meta_api_hours": retention.total_days,
        "meta_api_days": retention.total_days,
        "meta_api_latency_hours": retention.total_days,
        "sync_runs": retention.run_days,
        "insights_changes": retention.change_days,
        "meta_recommendations": retention.change_days,
        "sync_requests": retention.run_days,
        "webhook_changes": retention.run_days,
        "webhook_deliveries": retention.run_days,
        "unrecognized_values": retention.run_days,
    }
    return {
        table: sum(
            _slices(
                warehouse,
                _REMOVE[table],
                slice_rows,
                before=at - timedelta(days=kept),
                counted=counted.get(table),
            )
        )
        for table, kept in days.items()
        if kept
    }


def _slices(
    warehouse: Warehouse, statement: str, slice_rows: int, **moments: datetime | None
) -> Iterator[int]:
    # Each begins where the one before ended: what is kept, and what is gone and not yet vacuumed,
    # is passed over once. A slice that was not full was the last one.
    removed, after = slice_rows, _BEFORE_ALL
    while removed >= slice_rows:
        values = {**moments, "rows": slice_rows, "after": after}
        with warehouse.connection() as connection:
            row = connection.execute(statement, values).fetchone()
        removed, last = row or (0, None)
        after = last or after
        yield removed


def _plain(table: str, key: str, moment: str) -> str:
    return f"""
        WITH old AS (
            SELECT {key} FROM meta_ads.{table}
            WHERE {moment} >= %(after)s AND {moment} < %(before)s
            ORDER BY {moment} LIMIT %(rows)s FOR UPDATE SKIP LOCKED
        ),
        gone AS (
            DELETE FROM meta_ads.{table} USING old WHERE ({_of(table, key)}) = ({_of("old", key)})
            RETURNING {table}.{moment} AS moment
        )
        SELECT count(*), max(moment) FROM gone
    """


def _of(table: str, key: str) -> str:
    return ", ".join(f"{table}.{name}" for name in key.split(", "))


_HOURS = """
    WITH old AS (
        SELECT hour, account_id, endpoint_key, params_hash, outcome, app_key
        FROM meta_ads.meta_api_hours
        WHERE hour >= %(after)s AND hour < %(before)s AND hour < %(counted)s
        ORDER BY hour LIMIT %(rows)s FOR UPDATE SKIP LOCKED
    ),
    gone AS (
        DELETE FROM meta_ads.meta_api_hours AS total USING old
        WHERE (total.hour, total.account_id, total.endpoint_key, total.params_hash, total.outcome,
                total.app_key)
            = (old.hour, old.account_id, old.endpoint_key, old.params_hash, old.outcome,
                old.app_key)
        RETURNING total.hour
    )
    SELECT count(*), max(hour) FROM gone
"""
# The newest of each kind is looked up as a maximum, in one step down an index: as EXISTS it would
# be looked for among all newer runs of the account.
_RUNS = """
    WITH old AS (
        SELECT sync_run_id FROM meta_ads.sync_runs AS run
        WHERE started_at >= %(after)s AND started_at < %(before)s AND finished_at < %(counted)s
            AND status <> 'running'
            AND started_at < (
                SELECT max(newer.started_at) FROM meta_ads.sync_runs AS newer
                WHERE newer.account_id = run.account_id AND newer.scope = run.scope
                    AND newer.status = run.status
            )
        ORDER BY started_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
    ),
    gone AS (
        DELETE FROM meta_ads.sync_runs AS run USING old
        WHERE run.sync_run_id = old.sync_run_id RETURNING run.started_at
    )
    SELECT count(*), max(started_at) FROM gone
"""
_REMOVE: Mapping[str, str] = {
    "meta_api_logs": _plain("meta_api_logs", "id", '"timestamp"'),
    "meta_api_hours": _HOURS,
    "meta_api_days": _plain("meta_api_days", "day, app_key, account_id", "day"),
    "meta_api_latency_hours": _plain("meta_api_latency_hours", "hour, endpoint_key, step", "hour"),
    "sync_runs": _RUNS,
    "sync_requests": _plain("sync_requests", "request_id", "finished_at"),
    "webhook_changes": _plain("webhook_changes", "change_hash", "received_at"),
    "webhook_deliveries": _plain("webhook_deliveries", "body_hash", "received_at"),
    "unrecognized_values": _plain(
        "unrecognized_values", "account_id, source, field, value", "last_seen_at"
    ),
    "insights_changes": _plain("insights_changes", "change_id", "read_at"),
    "meta_recommendations": _plain("meta_recommendations", "recommendation_id", "gone_at"),
}
