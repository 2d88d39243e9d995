"""Runs: what each sync did, waited for and met, from `sync_runs` and `meta_api_logs` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from meta_pipeline.warehouse import Warehouse, WarehouseError
from meta_pipeline.warehouse.newest import newest, newest_values

# Enough to see which is meant; with one more character there is usually one.
_SHOWN = 8
# One cause repeats; the first of them tell it.
_ERRORS_SHOWN = 20
_SHOWN_OF = """
    SELECT run.*, account.name AS account_name,
        extract(epoch FROM coalesce(run.finished_at, meta_ads.present()) - run.started_at)::float8
            AS seconds
    FROM {} AS run
    LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
"""
_RUN = _SHOWN_OF.format("meta_ads.sync_runs")
_OF_STATUS = "%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s)"
_LIST = f"""
    {_SHOWN_OF.format(f"({newest('sync_runs', 'started_at', 'sync_run_id', _OF_STATUS)})")}
    ORDER BY run.started_at DESC, run.sync_run_id DESC
"""
_FOUND = f"{_RUN} WHERE {{}} ORDER BY run.started_at DESC, run.sync_run_id DESC LIMIT 1000"
# A whole id is found by index; only for a beginning all runs are looked through.
_WHOLE = _FOUND.format("run.sync_run_id = %(id)s OR run.dagster_run_id = %(id)s")
_BEGINNING = _FOUND.format(
    "starts_with(run.sync_run_id, %(id)s) OR starts_with(run.dagster_run_id, %(id)s)"
)
_NEWEST = f"{_RUN} ORDER BY run.started_at DESC, run.sync_run_id DESC LIMIT 1"
_CALLS = """
    SELECT endpoint_key, count(*) AS attempts,
        count(*) FILTER (WHERE retry_count > 0) AS retries,
        count(*) FILTER (WHERE throttled) AS throttled,
        count(*) FILTER (WHERE error_message IS NOT NULL) AS refused,
        coalesce(sum(rows), 0)::bigint AS rows,
        coalesce(sum(weighted_cost), 0)::float8 AS weighted_cost,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms)::float8 AS latency_p50_ms,
        min("timestamp") AS first_at, max("timestamp") AS last_at
    FROM meta_ads.meta_api_logs WHERE sync_run_id = %s
    GROUP BY endpoint_key ORDER BY min("timestamp"), endpoint_key
"""
_ERRORS = f"""
    SELECT endpoint_key, status_code, error_code, error_subcode, error_message, throttled,
        count(*) AS times, min("timestamp") AS first_at, max("timestamp") AS last_at,
        (array_agg(fbtrace_id ORDER BY "timestamp" DESC))[1] AS fbtrace_id
    FROM meta_ads.meta_api_logs WHERE sync_run_id = %s AND error_message IS NOT NULL
    GROUP BY endpoint_key, status_code, error_code, error_subcode, error_message, throttled
    ORDER BY max("timestamp") DESC LIMIT {_ERRORS_SHOWN}
"""


_WAITS = """
    SELECT wait_reason AS reason, count(*) AS times, (sum(waited_ms) / 1000)::float8 AS seconds,
        min("timestamp") AS first_at, max("timestamp") AS last_at
    FROM meta_ads.meta_api_logs WHERE sync_run_id = %s AND waited_ms > 0
    GROUP BY wait_reason ORDER BY min("timestamp")
"""
_WAITED = """
    SELECT sync_run_id, (sum(waited_ms) / 1000)::float8
    FROM meta_ads.meta_api_logs WHERE sync_run_id = ANY (%s) AND waited_ms > 0
    GROUP BY sync_run_id
"""


class RunUnknown(WarehouseError):
    """No run has that id, or several begin so."""


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run: its row of `sync_runs` and what the log of calls says of it."""

    facts: Mapping[str, Any]
    calls: Sequence[Mapping[str, Any]]
    waits: Sequence[Mapping[str, Any]]
    """Pauses before calls, added up by their reason."""
    errors: Sequence[Mapping[str, Any]]

    @property
    def is_forgotten(self) -> bool:
        """Whether it made calls that retention has removed."""
        return not self.calls and bool(self.facts["meta_call_count_total"])


def read_runs(
    warehouse: Warehouse,
    *,
    accounts: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
    limit: int = 20,
) -> list[dict[str, Any]]:
    """The newest runs, newest first; of these accounts (ids) and statuses where they are given.

    Rows of `sync_runs` with `account_name`, `seconds` (until now while it runs) and
    `waited_seconds`, which its calls were held back for quota altogether.
    """
    of_status = {"statuses": None if statuses is None else list(statuses)}
    values = newest_values(limit, accounts) | of_status
    with warehouse.connection() as connection:
        runs = connection.cursor(row_factory=dict_row).execute(_LIST, values).fetchall()
        ids = [one["sync_run_id"] for one in runs]
        # For the runs shown only: in one query the log of calls would be added up for all runs.
        waited = dict(connection.execute(_WAITED, (ids,)).fetchall())
    return [one | {"waited_seconds": waited.get(one["sync_run_id"], 0.0)} for one in runs]


def read_run(warehouse: Warehouse, run_id: str | None = None) -> list[RunDetail]:
    """The run of this id, or of an id that begins so; all syncs of a Dagster run; else the newest.

    RunUnknown when none is it, or several are.
    """
    with warehouse.connection() as connection:
        details: list[RunDetail] = []
        for one in _found(connection, run_id):
            cursor = connection.cursor(row_factory=dict_row)
            values = (one["sync_run_id"],)
            details.append(
                RunDetail(
                    facts=one,
                    calls=cursor.execute(_CALLS, values).fetchall(),
                    waits=cursor.execute(_WAITS, values).fetchall(),
                    errors=cursor.execute(_ERRORS, values).fetchall(),
                )
            )
        return details


def _found(connection: Connection[Any], run_id: str | None) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row)
    if run_id is None:
        if newest := cursor.execute(_NEWEST).fetchall():
            return newest
        raise RunUnknown("No sync has run yet. meta-pipeline sync starts one.")
    wanted = run_id.strip()
    # Ids of ours are ASCII; an empty one would begin every id.
    is_id = bool(wanted) and wanted.isascii() and wanted.isprintable()
    looks = (cursor.execute(one, {"id": wanted}).fetchall() for one in (_WHOLE, _BEGINNING))
    steps = next(filter(None, looks), []) if is_id else []
    if not steps:
        raise RunUnknown(f"There is no run {run_id!r}. meta-pipeline runs list shows the newest.")
    of_dagster = {one["dagster_run_id"] for one in steps}
    # Entities and insights of one Dagster run are one thing to whoever asks for it by that id.
    if len(steps) > 1 and (len(of_dagster) > 1 or None in of_dagster):
        ids = ", ".join(
            f"{one['sync_run_id']} ({one['started_at']:%Y-%m-%d %H:%M})" for one in steps[:_SHOWN]
        )
        more = f" and {len(steps) - _SHOWN} more" if len(steps) > _SHOWN else ""
        raise RunUnknown(f"{len(steps)} runs begin with {wanted!r}: {ids}{more}. Give more of it.")
    return steps
