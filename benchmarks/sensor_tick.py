"""What a tick of the sensor costs, by the size of the fleet.

Real Postgres, Dagster's own storage in it, every account with 90 days in the ledger, 20 syncs on
record and its meters; a part of the fleet is due. Accounts an hour: `deployments`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import dagster as dg
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks._lab import database
from meta_pipeline.orchestration.defs.next_stale_account import next_stale_account as sensor
from meta_pipeline.orchestration.resources import WarehouseResource, utc_now
from meta_pipeline.warehouse import Warehouse, create_dagster_schema, dagster_url

FLEETS = (10, 100, 1_000, 5_000)
TICK_LIMIT_SECONDS = 1.0
"""For 1,000 accounts."""

_FLEET = """
    INSERT INTO meta_ads.meta_ad_accounts
        (account_id, name, currency, last_listed_at, data_as_of, is_accessible, first_seen_at)
    SELECT 'act_' || n, 'Shop ' || n, 'EUR', now(), now(), true, now() - interval '90 days'
    FROM generate_series(1, %(accounts)s) AS n;
    INSERT INTO meta_ads.sync_cursor (account_id, edge, last_fetched_at)
    SELECT 'act_' || n, edge, now() - (n * 7919 %% 240) * interval '1 minute'
    FROM generate_series(1, %(accounts)s) AS n, unnest(ARRAY['campaigns', 'adsets', 'ads']) AS edge;
    INSERT INTO meta_ads.sync_windows (account_id, dataset, date_start, fetched_at, rows)
    SELECT 'act_' || n, 'insights_ad', (now() - age * interval '1 day')::date,
        now() - (n * 7919 %% 240) * interval '1 minute', 5
    FROM generate_series(1, %(accounts)s) AS n, generate_series(0, 89) AS age;
    INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, status)
    SELECT n || '-' || age, 'act_' || n, 'insights', now() - age * interval '1 hour', 'success'
    FROM generate_series(1, %(accounts)s) AS n, generate_series(1, 20) AS age;
    INSERT INTO meta_ads.meta_insights
        (entity_type, entity_id, account_id, date_start, date_stop, spend, data_as_of)
    SELECT 'account', 'act_' || n, 'act_' || n, day, day, n %% 300, now()
    FROM generate_series(1, %(accounts)s) AS n,
        LATERAL (SELECT (now() - age * interval '1 day')::date AS day
                 FROM generate_series(0, 7) AS age) AS days;
    INSERT INTO meta_ads.usage_readings (scope, key, use_case, usage_pct, read_at)
    SELECT 'account', 'act_' || n, use_case, 20, now()
    FROM generate_series(1, %(accounts)s) AS n,
        unnest(ARRAY['ads_insights', 'ads_management']) AS use_case
"""


def main() -> None:
    ticks(Console())


def ticks(console: Console) -> None:
    """The time of one tick that finds work, by the size of the fleet."""
    table = Table(title="One tick of next_stale_account")
    for name in ("accounts", "median s", "slowest s", "limit s"):
        table.add_column(name, justify="right")
    for accounts in FLEETS:
        with database() as url:
            times = tick_seconds(url, accounts)
        table.add_row(
            f"{accounts:,}", f"{median(times):.3f}", f"{max(times):.3f}", f"{TICK_LIMIT_SECONDS}"
        )
    console.print(table)


def tick_seconds(url: str, accounts: int, times: int = 7) -> list[float]:
    """Ticks of a fleet of which a part is due; the first one, which loads code, is left out."""
    with Warehouse(url) as warehouse:
        warehouse.migrate()
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _FLEET.split(";\n"):
            connection.execute(statement, {"accounts": accounts})
        connection.execute("VACUUM ANALYZE")
    create_dagster_schema(url)
    with dagster_on(url) as instance:
        instance.add_dynamic_partitions("ad_account", [f"act_{n + 1}" for n in range(accounts)])
        seconds = []
        for _ in range(times + 1):
            resources = {"warehouse": WarehouseResource(database_url=url), "clock": utc_now}
            with dg.build_sensor_context(instance=instance, resources=resources) as context:
                began = time.perf_counter()
                found = sensor(context)
                seconds.append(time.perf_counter() - began)
            assert isinstance(found, dg.SensorResult)
            assert found.run_requests
    return seconds[1:]


@contextmanager
def dagster_on(url: str) -> Iterator[dg.DagsterInstance]:
    with tempfile.TemporaryDirectory() as home:
        storage = {"postgres": {"postgres_url": dagster_url(url)}}
        with dg.instance_for_test(temp_dir=home, overrides={"storage": storage}) as instance:
            yield instance


if __name__ == "__main__":
    main()
