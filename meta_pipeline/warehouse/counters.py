"""Counters: sums over tables of which no more is read than what came lately.

What has settled is added to `retired_totals` once, up to the moment in `counted_until`; the rest is
summed as it stands. No row is in both or in neither, so the sums are exact and never fall, also
when retention takes out what was added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .connect import Connection
from .warehouse import Warehouse

_SETTLED_AFTER = timedelta(days=1)
"""A row of an older moment comes no more: it is written within minutes of that."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Source:
    """A table that counters are sums of, by the moment from which on a row stays as it is."""

    moment: str
    columns: str
    totals: str
    """Counter, label and total of the rows called `rows`."""


_SOURCES: Mapping[str, _Source] = {
    "meta_api_hours": _Source(
        moment="hour",
        columns="outcome, calls",
        totals="SELECT 'api_requests', outcome, sum(calls) FROM {rows} GROUP BY outcome",
    ),
    "sync_runs": _Source(
        moment="finished_at",
        columns="status, entity_rows_written, insights_rows_written, error_summary, not_before, "
        "finished_at",
        totals="""
            SELECT 'sync_runs', status, count(*)::numeric
            FROM {rows} WHERE status <> 'running' GROUP BY status
            UNION ALL
            SELECT 'rows_loaded', 'entities', coalesce(sum(entity_rows_written), 0) FROM {rows}
            UNION ALL
            SELECT 'rows_loaded', 'insights', coalesce(sum(insights_rows_written), 0) FROM {rows}
            UNION ALL
            SELECT 'wait_seconds', meta_ads.wait_reason(error_summary),
                sum(extract(epoch FROM not_before - finished_at))
            FROM {rows} WHERE status = 'throttled' AND not_before > finished_at GROUP BY 2
        """,
    ),
}
_RECENT = """
    recent_{table} AS (
        SELECT {columns} FROM meta_ads.{table}
        WHERE {moment} IS NULL OR {moment} >= %({table})s
    )
"""
COUNTERS = """
    WITH {recent}
    SELECT counter, label, sum(total)::float8 AS total
    FROM (
        {totals}
        UNION ALL
        SELECT counter, label, total FROM meta_ads.retired_totals
    ) AS counted (counter, label, total)
    GROUP BY counter, label ORDER BY counter, label
""".format(
    recent=", ".join(
        _RECENT.format(table=table, columns=one.columns, moment=one.moment)
        for table, one in _SOURCES.items()
    ),
    totals=" UNION ALL ".join(
        one.totals.format(rows=f"recent_{table}") for table, one in _SOURCES.items()
    ),
)
"""Every counter with its labels, of the values that `counted_until` gives: Postgres knows by
them how few rows that are. Both have to be read at one moment.
"""

_KNOWN = """
    INSERT INTO meta_ads.counted_until (source, until) VALUES (%(source)s, %(until)s)
    ON CONFLICT DO NOTHING
"""
_TAKE = "SELECT until FROM meta_ads.counted_until WHERE source = %(source)s FOR UPDATE"
# A process whose clock is ahead of the server's adds up nothing that is still to come.
_UNTIL = "SELECT least(%s, meta_ads.present() - %s)"
_ADD = """
    WITH settled AS (
        SELECT {columns} FROM meta_ads.{table}
        WHERE {moment} >= %(since)s AND {moment} < %(until)s
    ),
    added AS (
        INSERT INTO meta_ads.retired_totals AS known (counter, label, total)
        SELECT * FROM ({totals}) AS counted (counter, label, total) ORDER BY 1, 2
        ON CONFLICT (counter, label) DO UPDATE SET total = known.total + excluded.total
    )
    UPDATE meta_ads.counted_until SET until = %(until)s WHERE source = '{table}'
"""


def counted_until(connection: Connection) -> dict[str, datetime]:
    """By table up to when its rows are added up already."""
    rows = connection.execute("SELECT source, until FROM meta_ads.counted_until").fetchall()
    return {**dict.fromkeys(_SOURCES, _BEGINNING), **dict(rows)}


def settle(warehouse: Warehouse, now: datetime) -> dict[str, datetime]:
    """Add up what has settled by `now`; by table up to when that is done. Any number at once."""
    return {table: _settle(warehouse, table, now - _SETTLED_AFTER) for table in _SOURCES}


def _settle(warehouse: Warehouse, table: str, until: datetime) -> datetime:
    source = _SOURCES[table]
    add = _ADD.format(
        table=table,
        columns=source.columns,
        moment=source.moment,
        totals=source.totals.format(rows="settled"),
    )
    with warehouse.connection() as connection:
        connection.execute(_KNOWN, {"source": table, "until": _BEGINNING})
        # Statements of their own: who waited for another sees what that one has added.
        row = connection.execute(_TAKE, {"source": table}).fetchone()
        since: datetime = row[0] if row else _BEGINNING
        (until,) = connection.execute(_UNTIL, (until, _SETTLED_AFTER)).fetchone() or (since,)
        if since >= until:
            return since
        connection.execute(add, {"since": since, "until": until})
    return until
