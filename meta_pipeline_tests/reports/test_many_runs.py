"""What is looked at every few seconds costs no more with a long history of runs than with a short."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from meta_pipeline.reports import status
from meta_pipeline.reports.status import read_status
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import rows_touched

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
ACCOUNTS, RUNS = 20, 1_500
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
            "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, status)"
            " SELECT n || '-' || run, 'act_' || n, 'insights',"
            " %(now)s - run * interval '10 minutes',"
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
    counts = {"campaigns", "adsets", "ads", "active"}
    counted, uncounted = (read_status(fleet, now=NOW, counts=counts) for counts in (True, False))
    for one, other in zip(counted, uncounted, strict=True):
        kept = {name: value for name, value in one.facts.items() if name not in counts}
        assert kept == {name: value for name, value in other.facts.items() if name not in counts}
    with fleet.connection() as connection:
        for columns, read in (("*", 50 * (ACCOUNTS - 2)), (status._UNCOUNTED, 0)):
            query = status._HEALTH.format(columns)
            assert rows_touched(connection, query, ALL, table="meta_ads") == read
