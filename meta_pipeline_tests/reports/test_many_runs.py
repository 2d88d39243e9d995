"""What is looked at every few seconds costs no more with a long history of runs than without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from meta_pipeline.orchestration.failures import runs as failures
from meta_pipeline.reports import runs as reports
from meta_pipeline.reports import status
from meta_pipeline.reports.status import read_status
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.stores import runs
from meta_pipeline_tests.postgres import rows_read, rows_touched

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
ACCOUNTS, RUNS = 10, 6_000
ALL: dict[str, Any] = {"account": None}


@pytest.fixture
def fleet(warehouse: Warehouse) -> Warehouse:
    """Accounts with many runs each; the last two accounts were never given by Meta."""
    with warehouse.connection() as connection:
        known = "FROM generate_series(1, %(accounts)s - 2) AS n"
        values = {"now": NOW, "accounts": ACCOUNTS, "runs": RUNS}
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts"
            " (account_id, last_listed_at, data_as_of, first_seen_at)"
            f" SELECT 'act_' || n, %(now)s, %(now)s, %(now)s {known}",
            values,
        )
        connection.execute(
            "INSERT INTO meta_ads.sync_runs"
            " (sync_run_id, account_id, scope, started_at, finished_at, status)"
            " SELECT n || '-' || run, 'act_' || n,"
            " CASE WHEN run %% 8 = 0 THEN 'campaigns,adsets,ads' ELSE 'insights' END,"
            " %(now)s - run * interval '10 minutes', %(now)s - run * interval '10 minutes',"
            " CASE WHEN run = 1 THEN 'refused' WHEN n = %(accounts)s THEN 'throttled'"
            " ELSE 'success' END"
            " FROM generate_series(1, %(accounts)s) AS n, generate_series(1, %(runs)s) AS run",
            values,
        )
        connection.execute(
            "INSERT INTO meta_ads.meta_ads (ad_id, account_id, is_deleted, first_seen_at,"
            " data_as_of, effective_status)"
            " SELECT 'ad' || ad, 'act_' || n, false, %(now)s, %(now)s, 'ACTIVE'"
            f" {known}, LATERAL generate_series(n * 100, n * 100 + 49) AS ad",
            values,
        )
        connection.execute(
            "INSERT INTO meta_ads.sync_windows (account_id, dataset, date_start, fetched_at, rows)"
            f" SELECT 'act_' || n, 'insights_ad', day, %(now)s, 7 {known},"
            " generate_series(%(now)s - interval '99 days', %(now)s, interval '1 day') AS day",
            values,
        )
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return warehouse


def test_accounts_that_meta_never_gave_are_found_by_a_look_at_each(fleet: Warehouse) -> None:
    found = {one.account_id: one for one in read_status(fleet, now=NOW)}
    assert len(found) == ACCOUNTS
    unknown = [found[f"act_{number}"] for number in (ACCOUNTS - 1, ACCOUNTS)]
    assert [one.facts["last_status"] for one in unknown] == ["success", "throttled"]
    assert {one.facts["staleness"] for one in unknown} == {"never"}
    (alone,) = read_status(fleet, now=NOW, account=f"act_{ACCOUNTS}")
    assert alone.facts == unknown[1].facts
    with fleet.connection() as connection:
        touched = rows_touched(connection, status._FIRST_SYNCS, ALL, table="sync_runs")
        assert touched <= 3 * ACCOUNTS
        one = {"account": f"act_{ACCOUNTS}"}
        assert rows_touched(connection, status._FIRST_SYNCS, one, table="sync_runs") <= 2


def test_whoever_shows_no_counts_has_nothing_counted(fleet: Warehouse) -> None:
    counts = {"campaigns", "adsets", "ads", "active", "insight_rows"}
    counts |= {"insight_days_fetched", "insight_days_missing"}
    counted, uncounted = (read_status(fleet, now=NOW, counts=counts) for counts in (True, False))
    for one, other in zip(counted, uncounted, strict=True):
        kept = {name: value for name, value in one.facts.items() if name not in counts}
        assert kept == {name: value for name, value in other.facts.items() if name not in counts}
    with fleet.connection() as connection:
        for columns, read in (("*", 50 * (ACCOUNTS - 2)), (status._UNCOUNTED, 0)):
            query = status._HEALTH.format(columns)
            assert rows_touched(connection, query, ALL, table="meta_ads") == read
        query = status._HEALTH.format(status._UNCOUNTED)
        assert rows_touched(connection, query, ALL, table="sync_windows") == 0
        assert fleet.ledger.begun(["act_1", "act_2", "act_0"], "insights_ad") == {"act_1", "act_2"}


def test_when_accounts_were_synced_last_is_told_by_their_last_runs(fleet: Warehouse) -> None:
    by_id = {one.account_id: one.facts for one in read_status(fleet, now=NOW)}
    read_at = {name: by_id["act_1"][f"{name}_synced_at"] for name in ("entities", "insights")}
    assert read_at == {
        "entities": NOW - timedelta(minutes=80),
        "insights": NOW - timedelta(minutes=20),
    }
    with fleet.connection() as connection:
        for columns in ("*", status._UNCOUNTED):
            query = status._HEALTH.format(columns)
            # Back to the last of each kind, not through all of an account's runs.
            assert rows_touched(connection, query, ALL, table="sync_runs") <= 20 * ACCOUNTS


def test_health_walks_no_history_of_an_account_that_never_succeeded(fleet: Warehouse) -> None:
    """Entities of the first account were read long ago, those of the others never."""
    with fleet.connection() as connection:
        connection.execute("UPDATE meta_ads.sync_runs SET scope = 'insights'")
        connection.execute(
            "UPDATE meta_ads.sync_runs SET scope = 'campaigns,adsets,ads,insights'"
            " WHERE account_id = 'act_1' AND sync_run_id = '1-5000'"
        )
        connection.execute(
            "UPDATE meta_ads.sync_runs SET status = 'fail' WHERE account_id = 'act_2'"
        )
        connection.execute(
            "UPDATE meta_ads.sync_runs SET scope = 'creatives' WHERE account_id = 'act_3'"
        )
        connection.execute(
            "UPDATE meta_ads.sync_runs SET started_at = started_at + interval '1 year'"
            " WHERE sync_run_id = '4-2'"
        )
    with psycopg.connect(fleet.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE meta_ads.sync_runs")
    with fleet.connection() as connection:
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
        before = rows_read(connection, "sync_runs")
        found = {
            row[0]: row[1:]
            for row in connection.execute(
                "SELECT account_id, last_success_at, entities_synced_at, insights_synced_at,"
                " last_attempt_at FROM meta_ads.sync_health"
            )
        }
        # Of one lateral look at most a hundred runs, and what each kind has; there are four looks.
        assert rows_read(connection, "sync_runs") - before <= 4 * 110 * (ACCOUNTS - 2)

    def ago(run: int) -> datetime:
        return NOW - run * timedelta(minutes=10)

    assert found["act_1"] == (ago(2), ago(5000), ago(2), ago(2))
    assert found["act_2"] == (None, None, None, ago(1))
    assert found["act_3"] == (None, None, None, None)
    assert found["act_4"] == (ago(3), None, ago(3), ago(3))
    assert found["act_5"] == (ago(2), None, ago(2), ago(2))


def test_failures_are_counted_back_to_the_last_success_and_no_further(fleet: Warehouse) -> None:
    with fleet.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.sync_runs SET status = 'fail' WHERE account_id = 'act_2'"
            " OR account_id = 'act_1' AND started_at > %s",
            (NOW - timedelta(hours=1),),
        )
    assert fleet.runs.failing("act_1", NOW) == (5, NOW - timedelta(minutes=50))
    assert fleet.runs.failing("act_2", NOW) == (1000, NOW - timedelta(minutes=10_000))
    assert fleet.runs.failing("act_3", NOW) == (0, None)
    with fleet.connection() as connection:
        for account_id in ("act_1", "act_2"):
            asked = {"account_id": account_id, "now": NOW}
            for most in runs._LOOKS:
                values = asked | {"most": most}
                assert rows_touched(connection, runs._BACKWARDS, values, table="sync_runs") == most


def test_syncs_of_a_dagster_run_and_requests_of_a_claim_are_found_by_index(
    fleet: Warehouse,
) -> None:
    with fleet.connection() as connection:
        connection.execute("UPDATE meta_ads.sync_runs SET dagster_run_id = 'of ' || sync_run_id")
        connection.execute(
            "INSERT INTO meta_ads.sync_requests (request_id, account_id, source, requested_by,"
            " reason, force, requested_at, state, attempts, claim_id)"
            " SELECT 'r' || n, 'act_1', 'api', '', '', false, %s, 'done', 1, 'c' || n"
            " FROM generate_series(1, 5000) AS n",
            (NOW,),
        )
        connection.execute("ANALYZE meta_ads.sync_runs, meta_ads.sync_requests")
    assert [one.sync_run_id for one in fleet.runs.of_dagster_run("of 7-7")] == ["7-7"]
    assert [one.request_id for one in fleet.sync_requests.claimed("c7")] == ["r7"]
    with fleet.connection() as connection:
        for table, column, value in (
            ("sync_runs", "dagster_run_id", "of 7-7"),
            ("sync_requests", "claim_id", "c7"),
        ):
            query = f"SELECT FROM meta_ads.{table} WHERE {column} = %s"
            assert rows_touched(connection, query, (value,), table=table) == 1
        explained = failures._EXPLAINED
        assert rows_touched(connection, explained, ("of 7-7", NOW), table="sync_runs") <= 1
        for run_id in ("7-7", "of 7-7"):
            asked = {"id": run_id}
            assert rows_touched(connection, reports._WHOLE, asked, table="sync_runs") <= 2
