"""Retention: what is old goes, slice by slice; what somebody still needs stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from meta_pipeline.reports.exporter import WarehouseCollector
from meta_pipeline.warehouse import Retention, Warehouse, maintain
from meta_pipeline.warehouse.counters import COUNTERS, counted_until, settle
from meta_pipeline_tests.postgres import rows_touched

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def fill(url: str, days: int = 10) -> None:
    """A call, a sync, a delivery and a movement on each of the last days."""
    with psycopg.connect(url, autocommit=True) as connection:
        for age in range(days):
            at = NOW - timedelta(days=age, hours=1)
            connection.execute(
                "INSERT INTO meta_ads.meta_api_logs (account_id, endpoint_key, status_code, "
                'latency_ms, throttled, "timestamp") VALUES '
                "('act_1', 'ads_list', 200, 80, false, %s)",
                [at],
            )
            connection.execute(
                "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, "
                "finished_at, status, entity_rows_written, insights_rows_written, not_before, "
                "error_summary) VALUES (%s, 'act_1', 'ads', %s, %s, %s, 2, 3, %s, %s)",
                [
                    f"run-{age}",
                    at,
                    at + timedelta(seconds=5),
                    "throttled" if age % 2 else "success",
                    at + timedelta(seconds=65) if age % 2 else None,
                    "act_1 stopped until 14:32 UTC and Meta refuses calls" if age % 2 else None,
                ],
            )
            connection.execute(
                "INSERT INTO meta_ads.webhook_deliveries (body_hash, body, received_at) "
                "VALUES (%s, 'never taken apart', %s)",
                [f"delivery-{age}", at],
            )
            connection.execute(
                "INSERT INTO meta_ads.unrecognized_values (account_id, source, field, value, "
                "first_seen_at, last_seen_at, seen_count) "
                "VALUES ('act_1', 'ads', 'name', %s, %s, %s, 1)",
                [str(age), NOW - timedelta(days=500), at],
            )
            connection.execute(
                "INSERT INTO meta_ads.insights_changes (account_id, entity_type, date_start, "
                "read_at) VALUES ('act_1', 'ad', %s, %s)",
                [at.date(), at],
            )


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM meta_ads.{table}").fetchone()
    assert row is not None
    return int(row[0])


def counters(warehouse: Warehouse) -> dict[tuple[Any, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in WarehouseCollector(warehouse).collect()
        if metric.type == "counter"
        for sample in metric.samples
    }


def test_each_table_by_its_own_setting(database_url: str, warehouse: Warehouse) -> None:
    fill(database_url)
    kept = Retention(log_days=3, total_days=5, run_days=7, change_days=0)
    removed = maintain(warehouse, kept, now=NOW)
    assert removed == {
        "meta_api_logs": 7,
        "meta_api_hours": 5,
        "meta_api_days": 5,
        "meta_api_latency_hours": 5,
        "sync_runs": 3,
        "sync_requests": 0,
        "webhook_changes": 0,
        "webhook_deliveries": 3,
        "unrecognized_values": 3,
    }
    assert count(database_url, "webhook_deliveries") == 7
    assert count(database_url, "unrecognized_values") == 7
    assert count(database_url, "insights_changes") == 10
    assert not any(maintain(warehouse, kept, now=NOW).values()), "a second time there is nothing"


def test_slices_end(database_url: str, warehouse: Warehouse) -> None:
    fill(database_url, days=9)
    kept = Retention(log_days=1, total_days=1, run_days=1, change_days=1)
    removed = maintain(warehouse, kept, now=NOW, slice_rows=2)
    assert removed["meta_api_logs"] == removed["insights_changes"] == 8
    assert count(database_url, "meta_api_logs") == 1


def test_the_newest_of_each_kind_stays(database_url: str, warehouse: Warehouse) -> None:
    fill(database_url)
    maintain(warehouse, Retention(run_days=1), now=NOW + timedelta(days=500))
    with warehouse.connection() as connection:
        left = connection.execute(
            "SELECT sync_run_id, status FROM meta_ads.sync_runs ORDER BY 1"
        ).fetchall()
    assert left == [("run-0", "success"), ("run-1", "throttled")]


def test_a_running_sync_stays_however_old(database_url: str, warehouse: Warehouse) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for number in (1, 2):
            connection.execute(
                "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, "
                "status) VALUES (%s, 'act_1', 'ads', %s, 'running')",
                [f"run-{number}", NOW - timedelta(days=1000 + number)],
            )
    assert maintain(warehouse, Retention(), now=NOW)["sync_runs"] == 0


def test_counters_never_fall(database_url: str, warehouse: Warehouse) -> None:
    fill(database_url)
    before = counters(warehouse)
    assert before["metaads_api_requests_total", "ok"] == 10
    assert before["metaads_rows_loaded_total", "insights"] == 30
    assert before["metaads_wait_seconds_total", "blocked"] == 5 * 60
    kept = Retention(log_days=1, total_days=1, run_days=1, change_days=1)
    assert maintain(warehouse, kept, now=NOW)["sync_runs"] == 8
    assert counters(warehouse) == before


def test_a_scrape_reads_no_more_than_what_came_lately(
    database_url: str, warehouse: Warehouse
) -> None:
    fill(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, "
            "finished_at, status, entity_rows_written) "
            "SELECT 'old-' || n, 'act_' || n %% 9, 'ads', at, at, 'success', 1 "
            "FROM generate_series(1, 3000) AS n, "
            "LATERAL (SELECT %s::timestamptz - make_interval(days => 2, mins => n) AS at) AS one",
            [NOW],
        )
        connection.execute("ANALYZE meta_ads.sync_runs")
    before = counters(warehouse)
    assert read_of(warehouse, "sync_runs") >= 3010
    for _ in range(2):
        maintain(warehouse, Retention(0, 0, 0, 0), now=NOW)
        assert counters(warehouse) == before
        assert read_of(warehouse, "sync_runs") <= 2
        assert read_of(warehouse, "meta_api_hours") <= 2
    late = "UPDATE meta_ads.sync_runs SET status = 'fail' WHERE sync_run_id = 'run-0'"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(late)
    maintain(warehouse, Retention(), now=NOW + timedelta(days=2))
    after = counters(warehouse)
    assert after["metaads_sync_runs_total", "fail"] == 1
    assert sum(after.values()) == sum(before.values())


def read_of(warehouse: Warehouse, table: str) -> int:
    """Rows of the table that a scrape's counters read."""
    with warehouse.connection() as connection:
        # So few rows as most tables have here would be read whole, whatever is asked.
        connection.execute("SET LOCAL enable_seqscan = off")
        return rows_touched(connection, COUNTERS, counted_until(connection), table=table)


def test_a_clock_that_is_ahead_leaves_what_is_to_come_to_be_counted(
    database_url: str, warehouse: Warehouse
) -> None:
    fill(database_url)
    before = counters(warehouse)
    maintain(warehouse, Retention(0, 0, 0, 0), now=NOW + timedelta(days=3_000))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta_ads.sync_runs "
            "(sync_run_id, account_id, scope, started_at, finished_at, status) "
            "VALUES ('new', 'act_1', 'ads', now(), now(), 'fail')"
        )
    assert sum(counters(warehouse).values()) == sum(before.values()) + 1


def test_two_who_add_up_at_once_count_nothing_twice(
    database_url: str, warehouse: Warehouse
) -> None:
    fill(database_url)
    before = counters(warehouse)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: settle(warehouse, NOW), range(8)))
    assert found == [dict.fromkeys(found[0], NOW - timedelta(days=1))] * 8
    assert counters(warehouse) == before


KEPT, GOING = 400, 100
PASSED_OVER = {
    # The first of its kind each, so it stays, and all are older than those that go.
    "sync_runs": """
        INSERT INTO meta_ads.sync_runs
            (sync_run_id, account_id, scope, started_at, finished_at, status)
        SELECT 'run-' || n, 'act_1', CASE WHEN n <= %(kept)s THEN 'ads,' || n ELSE 'ads' END,
            at, at, 'success'
        FROM generate_series(1, %(kept)s + %(going)s + 1) AS n, LATERAL (
            SELECT %(now)s - make_interval(days => 500, secs => -n) AS at
        ) AS one
    """,
    "sync_requests": """
        INSERT INTO meta_ads.sync_requests
            (request_id, account_id, source, requested_by, reason, force, requested_at, state,
             attempts, finished_at)
        SELECT 'request-' || n, 'act_1', 'cli', 'ann', 'why', false, %(now)s, 'done', 1,
            %(now)s - make_interval(days => CASE WHEN n <= %(kept)s THEN 1 ELSE 500 END)
        FROM generate_series(1, %(kept)s + %(going)s) AS n
    """,
    "insights_changes": """
        INSERT INTO meta_ads.insights_changes (account_id, entity_type, date_start, read_at)
        SELECT 'act_1', 'ad', %(now)s::date,
            %(now)s - make_interval(days => CASE WHEN n <= %(kept)s THEN 1 ELSE 500 END)
        FROM generate_series(1, %(kept)s + %(going)s) AS n
    """,
}


@pytest.mark.parametrize("table", PASSED_OVER)
def test_what_is_kept_is_passed_over_once_and_not_by_every_slice(
    database_url: str, table: str
) -> None:
    with psycopg.connect(database_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as one:
        values = {"kept": KEPT, "going": GOING, "now": NOW}
        one.execute(PASSED_OVER[table].replace("%(now)s", "%(now)s::timestamptz"), values)
        # So few rows would be read whole, whatever is asked.
        name = sql.Identifier(one.info.dbname)
        one.execute(sql.SQL("ALTER DATABASE {} SET enable_seqscan = off").format(name))
        one.execute("SELECT pg_stat_force_next_flush()")
    with Warehouse(database_url, max_connections=1) as warehouse:
        before = rows_read(warehouse, table)
        assert maintain(warehouse, Retention(), now=NOW, slice_rows=5)[table] == GOING
        # Added up for the counters, passed over, held against the newest of its kind, removed.
        assert rows_read(warehouse, table) - before <= 4 * (KEPT + GOING)


def rows_read(warehouse: Warehouse, table: str) -> int:
    """Rows of the table that were read so far, by whatever statement."""
    with warehouse.connection() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
    with warehouse.connection() as connection:
        row = connection.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = %s",
            [table],
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_rows_in_use_are_left_for_the_next_time(database_url: str, warehouse: Warehouse) -> None:
    fill(database_url)
    with psycopg.connect(database_url) as somebody:
        somebody.execute("SELECT 1 FROM meta_ads.meta_api_logs WHERE id = 10 FOR UPDATE")
        assert maintain(warehouse, Retention(log_days=1), now=NOW)["meta_api_logs"] == 8
        somebody.rollback()
    assert maintain(warehouse, Retention(log_days=1), now=NOW)["meta_api_logs"] == 1


def test_negative_days_are_refused() -> None:
    with pytest.raises(ValueError, match="0 keeps everything"):
        Retention(log_days=-1)
