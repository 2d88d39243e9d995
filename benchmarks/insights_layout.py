"""Whether meta_insights should be cut into months: the table of today against partitions by month.

    python -m benchmarks insights_layout                     # one million rows
    python -m benchmarks.insights_layout --rows 20000000 --url postgresql://.../postgres --keep

Makes two databases, one as `migrate` makes it and one in which meta_insights is range-partitioned
by month of date_start, with the same keys, and fills both with a year of 100 accounts. Then each in
turn: the rows of four weeks of an account written again as a sync writes them, what dashboards ask,
a vacuum after the newest days were restated, and the oldest month taken out. Medians of several
rounds, in milliseconds; the last column is partitions against today. Removing a month is once.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from meta_pipeline.warehouse import Warehouse

from . import _lab

ACCOUNTS, DAYS, ROUNDS = 100, 365, 7
FIRST = date(2025, 12, 1)
LAST = FIRST + timedelta(days=DAYS - 1)
LAYOUTS = ("plain", "months")
_COLUMNS = (
    *("entity_type", "entity_id", "date_start", "date_stop", "account_id", "campaign_id"),
    *("adset_id", "ad_id", "currency", "spend", "impressions", "reach", "clicks", "data_as_of"),
)
_FILL = """
    INSERT INTO meta_ads.meta_insights
        (entity_type, entity_id, date_start, date_stop, account_id, campaign_id, adset_id, ad_id,
         currency, spend, impressions, reach, clicks, data_as_of)
    SELECT 'ad', id, day, day, account, campaign, adset, id, 'EUR', spend, shown, shown / 3,
        shown / 50, day::timestamptz + interval '30 hours'
    FROM (SELECT {first}::date + n AS day FROM generate_series(0, {days} - 1) AS n) AS days, (
        SELECT 'act_' || a AS account, (a * 1000000 + n)::text AS id,
            (a * 1000000 + n / 20)::text AS campaign, (a * 1000000 + n / 5)::text AS adset,
            (n % 97 + a)::numeric / 4 AS spend, n * 37 % 9973 AS shown
        FROM generate_series(1, {accounts}) AS a, generate_series(0, {ads} - 1) AS n OFFSET 0
    ) AS ads
"""
_CUT = """
    CREATE TABLE meta_ads.cut (LIKE meta_ads.meta_insights INCLUDING DEFAULTS INCLUDING COMMENTS)
        PARTITION BY RANGE (date_start);
    DROP TABLE meta_ads.meta_insights CASCADE;
    ALTER TABLE meta_ads.cut RENAME TO meta_insights;
    DELETE FROM meta_ads.schema_views;
"""
_KEYS = """
    ALTER TABLE meta_ads.meta_insights ADD CONSTRAINT meta_insights_pkey
        PRIMARY KEY (entity_type, entity_id, date_start, date_stop);
    CREATE INDEX meta_insights_account_id_date_start_idx
        ON meta_ads.meta_insights (account_id, date_start);
"""
_QUERIES = {
    "an account, 30 days, by campaign": (
        "SELECT campaign_id, sum(spend), sum(impressions) FROM meta_ads.ad_insights"
        " WHERE account_id = 'act_7' AND date_start > %(last)s - 30 GROUP BY 1"
    ),
    "all accounts, 30 days": (
        "SELECT account_id, sum(spend) FROM meta_ads.ad_insights"
        " WHERE date_start > %(last)s - 30 GROUP BY 1"
    ),
    "one ad, 90 days": (
        "SELECT date_start, spend FROM meta_ads.meta_insights WHERE entity_type = 'ad'"
        " AND entity_id = '7000003' AND date_start > %(last)s - 90 ORDER BY 1"
    ),
    "an account, a year, by month": (
        "SELECT date_trunc('month', date_start), sum(spend) FROM meta_ads.ad_insights"
        " WHERE account_id = 'act_7' GROUP BY 1"
    ),
}
_WEEKS = """
    SELECT {columns} FROM meta_ads.meta_insights
    WHERE account_id = 'act_9' AND date_start > %(last)s - 28
"""
_RESTATED = """
    UPDATE meta_ads.meta_insights SET spend = spend + 1, data_as_of = now()
    WHERE date_start > %(last)s - 3 AND date_start <= %(last)s
"""
_KEY = ("entity_type", "entity_id", "date_start", "date_stop")
_OTHERS = [name for name in _COLUMNS if name not in _KEY]
_MERGE = f"""
    INSERT INTO meta_ads.meta_insights ({", ".join(_COLUMNS)})
    SELECT {", ".join(f"new.{name}" for name in _COLUMNS)}
    FROM staging AS new LEFT JOIN LATERAL (
        SELECT * FROM meta_ads.meta_insights AS one
        WHERE {" AND ".join(f"one.{name} = new.{name}" for name in _KEY)} OFFSET 0
    ) AS old ON true
    WHERE old.entity_id IS NULL OR ({", ".join(f"new.{name}" for name in _OTHERS)})
        IS DISTINCT FROM ({", ".join(f"old.{name}" for name in _OTHERS)})
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _OTHERS)}
"""
console = Console(width=110)


def main() -> None:
    asked = _lab.asked_rows(__doc__)
    with _lab.server(asked.url) as url:
        opened = {
            name: _lab.filled(
                url,
                f"bench_layout_{name}_{asked.rows}",
                partial(_fill, layout=name, rows=asked.rows),
                keep=asked.keep,
            )
            for name in LAYOUTS
        }
        with opened["plain"] as plain, opened["months"] as months:
            _show(asked.rows, _rounds({"plain": plain, "months": months}))


def _show(rows: int, found: dict[str, dict[str, list[float]]]) -> None:
    load = os.getloadavg()[0]
    table = Table(title=f"{rows:,} rows, ms, medians of {ROUNDS} rounds, load {load:.0f}")
    for head in ("what", "today", "by month", "ratio"):
        table.add_column(head, justify="left" if head == "what" else "right")
    for what, times in found.items():
        plain, months = (statistics.median(times[name]) for name in LAYOUTS)
        table.add_row(what, f"{plain:,.1f}", f"{months:,.1f}", f"{months / plain:.2f}")
    console.print(table)


def _rounds(databases: dict[str, str]) -> dict[str, dict[str, list[float]]]:
    """What is measured, to the times of each layout; the layouts in turn, round by round."""
    found: dict[str, dict[str, list[float]]] = {}

    def note(what: str, layout: str, run: Callable[[], object]) -> None:
        started = time.perf_counter()
        run()
        took = 1000 * (time.perf_counter() - started)
        found.setdefault(what, {name: [] for name in LAYOUTS})[layout].append(took)

    for turn in range(ROUNDS + 1):
        for layout, database in databases.items():
            with psycopg.connect(database, autocommit=True) as connection:
                for what, text in _QUERIES.items():
                    note(what, layout, partial(_ask, connection, text))
                for pct in (0, 5, 100):
                    rows = _weeks(connection, pct, turn)
                    what = f"{len(rows):,} rows written again, {pct} % changed"
                    note(what, layout, partial(_write, connection, rows))
                connection.execute(_RESTATED, {"last": LAST})
                note("vacuum after three days restated", layout, partial(_vacuum, connection))
        if not turn:
            found.clear()  # the first fills the caches
    for layout, database in databases.items():
        with psycopg.connect(database, autocommit=True) as connection:
            note(
                "the oldest month taken out, and vacuum",
                layout,
                partial(_take_out, connection, layout),
            )
    return found


def _ask(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text, {"last": LAST}).fetchall()


def _weeks(connection: psycopg.Connection[Any], pct: int, turn: int) -> list[list[object]]:
    """The stored rows of four weeks of an account, so many percent of them with other numbers."""
    query = _WEEKS.format(columns=", ".join(_COLUMNS))
    rows = [list(row) for row in connection.execute(query, {"last": LAST}).fetchall()]
    spend = _COLUMNS.index("spend")
    for number, row in enumerate(rows):
        if number % 100 < pct:
            row[spend] += 1 + turn % 2
    return rows


def _write(connection: psycopg.Connection[Any], rows: list[list[object]]) -> None:
    """As `upsert` writes, but for what it returns: that needs a table that is not partitioned."""
    names = ", ".join(_COLUMNS)
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL jit = off")
        connection.execute(
            f"CREATE TEMP TABLE staging ON COMMIT DROP AS SELECT {names}"
            " FROM meta_ads.meta_insights WITH NO DATA"
        )
        with connection.cursor().copy(f"COPY staging ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        connection.execute(_MERGE)


def _vacuum(connection: psycopg.Connection[Any]) -> None:
    """Of what holds the dead rows, as autovacuum does it: a table, or the partition."""
    for name in _relations(connection, f"{LAST:%Y_%m}"):
        connection.execute(sql.SQL("VACUUM {}").format(name))


def _take_out(connection: psycopg.Connection[Any], layout: str) -> None:
    if layout == "months":
        for name in _relations(connection, f"{FIRST:%Y_%m}"):
            connection.execute(sql.SQL("DROP TABLE {}").format(name))
        return
    connection.execute(
        "DELETE FROM meta_ads.meta_insights WHERE date_start < %s",
        [(FIRST + timedelta(days=31)).replace(day=1)],
    )
    _vacuum(connection)


def _relations(connection: psycopg.Connection[Any], month: str) -> list[sql.Identifier]:
    """The partition of a month; the table itself where there is none."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'meta_ads'::regnamespace"
        " AND relname = %s",
        [f"meta_insights_{month}"],
    ).fetchone()
    return [sql.Identifier("meta_ads", found[0] if found else "meta_insights")]


def _fill(database: str, *, layout: str, rows: int) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        _fill_table(connection, layout, rows)
    with Warehouse(database) as warehouse:
        warehouse.migrate()  # the views again


def _fill_table(connection: psycopg.Connection[Any], layout: str, rows: int) -> None:
    """Rows first, then their indexes: the order that is quick."""
    if layout == "months":
        connection.execute(_CUT)
        month = FIRST
        while month <= LAST:
            following = (month + timedelta(days=31)).replace(day=1)
            connection.execute(
                sql.SQL(
                    "CREATE TABLE {} PARTITION OF meta_ads.meta_insights"
                    " FOR VALUES FROM ({}) TO ({}) WITH (fillfactor = 90)"
                ).format(
                    sql.Identifier("meta_ads", f"meta_insights_{month:%Y_%m}"),
                    sql.Literal(month.isoformat()),
                    sql.Literal(following.isoformat()),
                )
            )
            month = following
    else:
        connection.execute(
            "ALTER TABLE meta_ads.meta_insights DROP CONSTRAINT meta_insights_pkey;"
            "DROP INDEX meta_ads.meta_insights_account_id_date_start_idx"
        )
    ads = rows // (ACCOUNTS * DAYS)
    for start in range(0, DAYS, 30):
        days = min(30, DAYS - start)
        first = f"'{FIRST + timedelta(days=start)}'"
        connection.execute(_FILL.format(first=first, days=days, accounts=ACCOUNTS, ads=ads))
    connection.execute(_KEYS)
    connection.execute("VACUUM ANALYZE meta_ads.meta_insights")


if __name__ == "__main__":
    main()
