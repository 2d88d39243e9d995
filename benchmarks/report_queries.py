"""How long the shipped questions take when the API log is long.

    python -m benchmarks.report_queries                     # ten million rows over 90 days
    python -m benchmarks.report_queries --rows 1000000 --days 7

Fills a database of its own on the embedded Postgres (or on --url, where it makes and drops
`report_benchmark`), a slice per hour and with the trigger that keeps the totals, and prints the
best of three of every question beside the limit of one second, then what removing old rows takes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from rich.console import Console
from rich.table import Table

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.reports import ask, period, questions
from meta_pipeline.warehouse import Retention, Warehouse, maintain

LIMIT_MS = 1000.0
ACCOUNTS = 50
DATABASE = "report_benchmark"

_ACCOUNTS = """
    INSERT INTO meta_ads.meta_ad_accounts
        (account_id, name, currency, timezone_name, is_accessible, last_listed_at, is_simulated,
         first_seen_at, data_as_of)
    SELECT 'act_' || n, 'Account ' || n, 'EUR', 'UTC', true, now(), true, now(), now()
    FROM generate_series(1, %(accounts)s) AS n
"""
# Hourly syncs of every account, each of a few calls of eight shapes; one in 500 is refused.
_LOGS = """
    INSERT INTO meta_ads.meta_api_logs
        (account_id, endpoint_key, query_shape, params_hash, method, status_code, error_code,
         error_subcode, error_message, throttled, latency_ms, retry_count, response_size_bytes,
         rows, weighted_cost, usage_headers, "timestamp", sync_run_id)
    SELECT
        'act_' || account,
        (ARRAY['insights_ad', 'ads_list', 'adsets_list', 'campaigns_list'])[1 + shape %% 4],
        'fields=' || shape, md5(shape::text), 'GET',
        CASE WHEN refused THEN 400 ELSE 200 END,
        CASE WHEN refused THEN 80004 END, CASE WHEN refused THEN 2446079 END,
        CASE WHEN refused THEN 'too many calls' END, refused,
        round((80 * exp(1.2 * random()))::numeric, 3), 0, 40000,
        CASE WHEN NOT refused THEN 250 END, 1 + 4 * (shape %% 2),
        jsonb_build_object('x-business-use-case-usage', format(
            '{"%%s":[{"type":"ads_insights","call_count":%%s,"total_cputime":1,"total_time":2,'
            '"estimated_time_to_regain_access":0},{"type":"ads_management","call_count":%%s,'
            '"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":0}]}',
            account, number %% 90, number %% 60)),
        %(hour)s + make_interval(secs => 60 * account + number), 'run-' || account
    FROM (
        SELECT number, 1 + number %% %(accounts)s AS account, number %% 8 AS shape,
            random() < 0.002 AS refused
        FROM generate_series(1, %(calls)s) AS number
    ) AS made
"""
_RUNS = """
    INSERT INTO meta_ads.sync_runs
        (sync_run_id, account_id, scope, started_at, finished_at, status, meta_call_count_total,
         weighted_cost_total, entity_rows_written, insights_rows_written, insights_rows_read,
         entity_fetch_ms, insights_fetch_ms, db_write_ms, error_summary, not_before)
    SELECT
        md5(account || started_at::text), 'act_' || account, 'ads,adsets,campaigns,insights',
        started_at, started_at + interval '20 seconds',
        CASE WHEN account %% 20 = 0 THEN 'throttled' ELSE 'success' END, 90, 300, 20, 500, 900,
        4000, 15000, 2500, CASE WHEN account %% 20 = 0 THEN 'stopped' END,
        CASE WHEN account %% 20 = 0 THEN started_at + interval '10 minutes' END
    FROM generate_series(1, %(accounts)s) AS account
    CROSS JOIN generate_series(
        %(now)s - make_interval(days => %(days)s), %(now)s, interval '1 hour'
    ) AS started_at
"""


def fill(url: str, rows: int, days: int, now: datetime) -> float:
    """Fill the tables; seconds it took."""
    start = time.perf_counter()
    hours = days * 24
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
    with psycopg.connect(url, autocommit=True) as connection:
        values = {"accounts": ACCOUNTS, "now": now, "days": days, "calls": rows // hours}
        connection.execute(_ACCOUNTS, values)
        connection.execute(_RUNS, values)
        for number in range(hours):
            connection.execute(_LOGS, values | {"hour": first + timedelta(hours=number)})
        connection.execute("VACUUM (ANALYZE)")
    return time.perf_counter() - start


def measure(warehouse: Warehouse, days: float) -> list[tuple[str, float, int]]:
    """Question, best of three in milliseconds, rows."""
    found = []
    for question in questions():
        times = []
        for _ in range(3):
            with warehouse.connection() as connection:
                period(connection, days=days)
                start = time.perf_counter()
                answer = ask(connection, question)
                times.append((time.perf_counter() - start) * 1000)
        found.append((question.key, min(times), len(answer.rows)))
    return found


def count(warehouse: Warehouse, table: str) -> int:
    with warehouse.connection() as connection:
        row = connection.execute(f"SELECT count(*) FROM meta_ads.{table}").fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--period", type=float, default=7, help="days the report covers")
    parser.add_argument("--url", help="a Postgres to use instead of the embedded one")
    asked = parser.parse_args()
    console = Console(width=100)
    with _database(asked.url) as url, Warehouse(url) as warehouse:
        warehouse.migrate()
        seconds = fill(url, asked.rows, asked.days, datetime.now(UTC))
        logged, totals = (count(warehouse, table) for table in ("meta_api_logs", "meta_api_hours"))
        console.print(
            f"{logged:,} log rows, {totals:,} hourly totals, written in {seconds:.0f} s "
            f"({logged / seconds:,.0f} rows/s with the trigger)"
        )
        table = Table(title=f"Questions over {asked.period:g} of {asked.days} days")
        for head in ("question", "ms", "rows", f"limit {LIMIT_MS:g} ms"):
            table.add_column(head, justify="left" if head == "question" else "right")
        for key, ms, rows in measure(warehouse, asked.period):
            table.add_row(key, f"{ms:.0f}", str(rows), "ok" if ms <= LIMIT_MS else "OVER")
        console.print(table)
        start = time.perf_counter()
        removed = maintain(warehouse, Retention(log_days=max(1, asked.days - 1)))
        console.print(
            f"retention: {removed['meta_api_logs']:,} log rows removed in "
            f"{time.perf_counter() - start:.1f} s, in slices of 5,000"
        )


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield from _made_on(url)
        return
    folder = Path(tempfile.mkdtemp(prefix="report-benchmark-"))
    folder.chmod(0o755)  # as root the server runs as another user
    server = EmbeddedPostgres(folder / "postgres", durable=False, database="bench")
    try:
        with server.running() as own:
            yield from _made_on(own)
    finally:
        server.reset(force=True)
        shutil.rmtree(folder, ignore_errors=True)


def _made_on(url: str) -> Iterator[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{DATABASE}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


if __name__ == "__main__":
    main()
