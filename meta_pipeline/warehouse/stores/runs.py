"""Runs: one row for every attempt to sync an ad account."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from meta_pipeline.model.sync_run import SYNC_RUN_COLUMNS, Status, SyncRun
from meta_pipeline.model.usage import APP
from meta_pipeline.warehouse.connect import Connection, Store
from meta_pipeline.warehouse.newest import newest, newest_values

ABANDONED = "abandoned: the process ended"
"""What `error_summary` says of a run whose process did not live to close it."""

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_JSON = ("meta_usage_end_snapshot", "missing")


_COLUMNS = sql.SQL(", ").join(
    # numeric comes as Decimal; durations and costs are floats everywhere in the code
    sql.SQL("{0}::float8 AS {0}").format(sql.Identifier(name))
    if name.endswith("_ms") or name == "weighted_cost_total"
    else sql.Identifier(name)
    for name in SYNC_RUN_COLUMNS
)
_SELECT = sql.SQL("SELECT {} FROM meta_ads.sync_runs ").format(_COLUMNS)
_LISTED = sql.SQL("SELECT {} FROM ({}) AS run ORDER BY started_at DESC, sync_run_id DESC").format(
    _COLUMNS, sql.SQL(newest("sync_runs", "started_at", "sync_run_id"))
)
_UPSERT = sql.SQL(
    "INSERT INTO meta_ads.sync_runs ({columns}) VALUES ({values}) "
    "ON CONFLICT (sync_run_id) DO UPDATE SET {assignments}"
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, SYNC_RUN_COLUMNS)),
    values=sql.SQL(", ").join(map(sql.Placeholder, SYNC_RUN_COLUMNS)),
    assignments=sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in SYNC_RUN_COLUMNS[1:]
    ),
)
_ABANDON = """
    UPDATE meta_ads.sync_runs SET status = 'fail', finished_at = %(now)s, error_summary = %(why)s
    WHERE account_id = %(account_id)s AND status = 'running'
    RETURNING sync_run_id
"""
_BACKWARDS = """
    SELECT meta_ads.past(started_at, %(now)s), status FROM meta_ads.sync_runs
    WHERE account_id = %(account_id)s AND meta_ads.past(started_at, %(now)s) IS NOT NULL
    ORDER BY started_at DESC LIMIT %(most)s
"""
# Back to the last one that brought anything: seldom far, and some accounts never had one.
_LOOKS = (20, 1000)
_GOOD = (Status.SUCCESS, Status.PARTIAL)


# One look into an index for each account, however many runs it has.
_APPS = """
    SELECT account_id, run.app_key
    FROM unnest(%s::text[]) AS wanted (account_id) CROSS JOIN LATERAL (
        SELECT app_key FROM meta_ads.sync_runs AS run
        WHERE run.account_id = wanted.account_id AND app_key IS NOT NULL
        ORDER BY started_at DESC LIMIT 1
    ) AS run
"""


class RunStore(Store):
    """`sync_runs`. Without a connection each call is a transaction of its own and so survives
    whatever the sync's own transaction does.
    """

    def open(self, run: SyncRun, connection: Connection | None = None) -> None:
        """Write the run as it starts; visible to everybody at once."""
        self._save(run, connection)

    def close(self, run: SyncRun, connection: Connection | None = None) -> None:
        """Write the run as it ended, also one that was never opened (a refused sync)."""
        self._save(run, connection)

    def close_abandoned(self, connection: Connection, account_id: str, now: datetime) -> list[str]:
        """Close the account's `running` rows as `fail` and give their ids.

        Call it while holding the account's lock: whoever has it is the only one running, so every
        open row belongs to a process that died.
        """
        values = {"account_id": account_id, "now": now, "why": ABANDONED}
        return [row[0] for row in connection.execute(_ABANDON, values)]

    def get(self, sync_run_id: str) -> SyncRun | None:
        rows = self._read(_SELECT + sql.SQL("WHERE sync_run_id = %s"), (sync_run_id,))
        return rows[0] if rows else None

    def apps(self, account_ids: Iterable[str]) -> dict[str, str]:
        """The app whose meters each account's last sync moved, by its key; `app` before the first.

        The next sync is read over the same connection as the last one, unless that changed since.
        """
        app_of = dict.fromkeys(account_ids, APP)
        with self._using() as connection:
            app_of |= connection.execute(_APPS, (list(app_of),)).fetchall()
        return app_of

    def failing(self, account_id: str, now: datetime) -> tuple[int, datetime | None]:
        """How many runs failed in a row until now, and when the first of them began.

        Of its newest thousand runs; those that were refused or waited for quota say nothing of it.
        """
        asked = {"account_id": account_id, "now": now}
        with self._using() as connection:
            for most in _LOOKS:
                rows = connection.execute(_BACKWARDS, asked | {"most": most}).fetchall()
                since_good = [*takewhile(lambda row: row[1] not in _GOOD, rows)]
                if len(since_good) < most:
                    break
        failed = [at for at, status in since_good if status == Status.FAIL]
        return len(failed), min(failed, default=None)

    def recent(self, limit: int = 50, *, account_id: str | None = None) -> list[SyncRun]:
        """The newest runs, newest first, of one account where it is given."""
        return self._read(
            _SELECT
            + sql.SQL(
                "WHERE %s::text IS NULL OR account_id = %s "
                "ORDER BY started_at DESC, sync_run_id DESC LIMIT %s"
            ),
            (account_id, account_id, limit),
        )

    def listed(
        self,
        limit: int,
        *,
        accounts: Sequence[str] | None = None,
        before: tuple[datetime, str] | None = None,
    ) -> list[SyncRun]:
        """The newest runs, newest first, from behind (started_at, sync_run_id) of the last seen."""
        return self._read(_LISTED, newest_values(limit, accounts, before))

    def of_dagster_run(self, dagster_run_id: str) -> list[SyncRun]:
        """The syncs of one Dagster run, in the order they began."""
        return self._read(
            _SELECT + sql.SQL("WHERE dagster_run_id = %s ORDER BY started_at, sync_run_id"),
            (dagster_run_id,),
        )

    def _save(self, run: SyncRun, connection: Connection | None) -> None:
        row = _storable(run.row())
        values = row | {name: Jsonb(row[name]) for name in _JSON}
        with self._using(connection) as used:
            used.execute(_UPSERT, values)

    def _read(
        self, query: sql.Composed, values: Sequence[Any] | Mapping[str, Any]
    ) -> list[SyncRun]:
        with self._using() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return [*map(SyncRun.of_row, cursor.execute(query, values))]


def _storable(value: Any) -> Any:
    """The value without what no text in Postgres holds; names of Meta's stand in sentences."""
    if isinstance(value, str):
        return _HALF_PAIR.sub("\ufffd", value.replace("\x00", ""))
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list | tuple) else value
