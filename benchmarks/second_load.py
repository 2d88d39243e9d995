"""Whether a load that was made once costs the same again, now that Postgres has statistics.

One simulated account of many ads is synced for a year into an empty database; the tables are
analyzed, and the whole year is read again with force, unchanged. Each load is told in its parts:
reading and writing rows, then making the daily metrics. A third time every row differs, and after
that every daily row of the year goes. Each ratio to the first load has its limit beside it.

    python -m benchmarks second_load                 # 600 ads: 219,000 ad days
    python -m benchmarks.second_load --ads 2800      # a million

Beyond some 190,000 ad days the planner thought a `NOT IN` too big for its memory: the second load
then took hours in one statement.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
from rich.console import Console
from rich.table import Table

from meta_pipeline import metrics
from meta_pipeline.warehouse import InsightsHistory, Warehouse, account_lock, upsert
from meta_pipeline.warehouse.schema import meta_insights

from ._lab import database

DAYS, LIMIT = 365, 1.5
ACCOUNT = "act_1"
TODAY = date(2026, 3, 18)
COLUMNS = (
    "entity_type",
    "entity_id",
    "date_start",
    "date_stop",
    "account_id",
    "campaign_id",
    "adset_id",
    "ad_id",
    "currency",
    "spend",
    "impressions",
    "reach",
    "clicks",
    "actions",
    "action_values",
    "data_as_of",
)
_ENTITIES = """
    INSERT INTO meta_ads.meta_ad_accounts
        (account_id, name, currency, timezone_name, last_listed_at, data_as_of)
    VALUES ('act_1', 'Account', 'EUR', 'UTC', now(), now());

    INSERT INTO meta_ads.meta_ads
        (ad_id, account_id, adset_id, campaign_id, name, effective_status, data_as_of)
    SELECT 'ad' || n, 'act_1', 'set' || n / 5, 'c' || n / 20, 'Ad ' || n, 'ACTIVE', now()
    FROM generate_series(0, {ads} - 1) AS n;

    INSERT INTO meta_ads.meta_adsets
        (adset_id, account_id, campaign_id, name, effective_status, optimization_goal, data_as_of)
    SELECT DISTINCT adset_id, account_id, campaign_id, 'Ad set', 'ACTIVE', 'LEAD_GENERATION', now()
    FROM meta_ads.meta_ads;

    INSERT INTO meta_ads.meta_campaigns
        (campaign_id, account_id, name, objective, goal, effective_status, data_as_of)
    SELECT DISTINCT campaign_id, account_id, 'Campaign', 'OUTCOME_SALES', 'purchases', 'ACTIVE',
           now()
    FROM meta_ads.meta_ads;
"""
_LEDGER = """
    INSERT INTO meta_ads.sync_windows (account_id, dataset, date_start, fetched_at, rows, is_final)
    SELECT 'act_1', 'insights_ad', day, %(at)s, %(rows)s, false
    FROM unnest(%(days)s::date[]) AS day
    ON CONFLICT (account_id, dataset, date_start) DO UPDATE SET fetched_at = excluded.fetched_at
"""


def main() -> None:
    """Print what each load took, its ratio to the first and the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ads", type=int, default=600)
    ads = parser.parse_args().ads
    table = Table(title=f"{ads:,} ads, {DAYS} days: {ads * DAYS:,} ad days (limit {LIMIT} x)")
    for name in ("load", "rows, s", "ratio", "daily metrics, s", "ratio", "whole, s", "ratio", ""):
        table.add_column(name, justify="left" if name == "load" else "right")
    first: tuple[float, float] | None = None
    with database() as url, Warehouse(url) as warehouse:
        for name, rows_seconds, metrics_seconds in _loads(warehouse, ads):
            first = first or (rows_seconds, metrics_seconds)
            whole, whole_first = rows_seconds + metrics_seconds, sum(first)
            table.add_row(
                name,
                f"{rows_seconds:.1f}",
                f"{rows_seconds / first[0]:.2f}",
                f"{metrics_seconds:.1f}",
                f"{metrics_seconds / first[1]:.2f}",
                f"{whole:.1f}",
                f"{whole / whole_first:.2f}",
                "ok" if whole <= LIMIT * whole_first else "OVER",
            )
    Console(width=110).print(table)


def _loads(warehouse: Warehouse, ads: int) -> Iterator[tuple[str, float, float]]:
    warehouse.migrate()
    with warehouse.connection() as connection:
        connection.execute(_ENTITIES.format(ads=ads))
    yield "first", *_load(warehouse, ads, 1)
    _analyze(warehouse.url)
    yield "again, unchanged", *_load(warehouse, ads, 1)
    yield "again, all changed", *_load(warehouse, ads, 2)
    _analyze(warehouse.url)
    yield "again, unchanged", *_load(warehouse, ads, 2)
    with warehouse.connection() as connection:
        connection.execute("DELETE FROM meta_ads.meta_insights")
    yield "all taken back", *_load(warehouse, 0, 1)


def _load(warehouse: Warehouse, ads: int, factor: int) -> tuple[float, float]:
    """Seconds to write a year of rows as a sync does, week by week, and to make daily metrics."""
    at = datetime.now(UTC)
    days = [TODAY - timedelta(days=back) for back in range(DAYS)]
    with account_lock(warehouse.url, ACCOUNT, holder="benchmark") as connection:
        reading = _seconds(lambda: _write(connection, days, ads, factor, at))
    with warehouse.connection() as pooled:
        making = _seconds(lambda: metrics.rollup(pooled, ACCOUNT, days, only=True))
    return reading, making


def _write(
    connection: psycopg.Connection[object], days: list[date], ads: int, factor: int, at: datetime
) -> None:
    for start in range(0, len(days), 7):
        week = days[start : start + 7]
        rows = [_row(ad, day, factor, at) for day in week for ad in range(ads)]
        with connection.transaction():
            history = InsightsHistory(None, at)
            upsert(connection, meta_insights, COLUMNS, rows, history=history)
            connection.execute(_LEDGER, {"at": at, "rows": ads, "days": week})


def _row(ad: int, day: date, factor: int, at: datetime) -> tuple[object, ...]:
    number = (ad * 7_919 + day.toordinal() * 104_729) % 1_000
    return (
        *("ad", f"ad{ad}", day, day, ACCOUNT, f"c{ad // 20}", f"set{ad // 5}", f"ad{ad}", "EUR"),
        *(number * factor / 100, number * 40, number * 20, number % 128),
        [
            {"action_type": "link_click", "value": "9", "7d_click": "9"},
            {"action_type": "omni_purchase", "value": str(factor), "7d_click": "1"},
            {"action_type": "lead", "value": "1"},
        ],
        [{"action_type": "omni_purchase", "value": "59.90"}],
        at,
    )


def _analyze(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
