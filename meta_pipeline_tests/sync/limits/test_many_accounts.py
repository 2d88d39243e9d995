"""What a plan's price costs where there are a thousand accounts: a bounded number of rows."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg

from meta_pipeline.governor import Weights
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import AccountSpec
from meta_pipeline.sync import SyncRequest
from meta_pipeline.sync.limits import estimate
from meta_pipeline.sync.limits.spending import budget_of
from meta_pipeline.sync.limits.weights import Prices
from meta_pipeline.sync_requests import Wish, price
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import WRITER
from meta_pipeline.warehouse.stores import costs
from meta_pipeline_tests.postgres import rows_read, rows_touched
from meta_pipeline_tests.sync.lab import Lab, lab

ACCOUNTS = 1000
HOUR = timedelta(hours=1)
_STORED = """
    INSERT INTO meta_ads.meta_ad_accounts (account_id, data_as_of, last_listed_at)
    SELECT 'act_9' || n, now(), now() FROM generate_series(1, %s) AS n
"""
_LEDGER = """
    INSERT INTO meta_ads.sync_windows (account_id, dataset, date_start, fetched_at, rows)
    SELECT account_id, 'insights_ad', date '2026-11-01' - day, now(), 40
    FROM meta_ads.meta_ad_accounts, generate_series(0, 99) AS day
    WHERE account_id LIKE 'act_9%%'
"""
_HOURS = """
    INSERT INTO meta_ads.meta_api_hours (hour, account_id, endpoint_key, params_hash, outcome,
        query_shape, calls, throttled_calls, retried_calls, rows, response_bytes, latency_ms,
        weighted_cost, observations, moved_pct, moved_pct_squared, account_moved_pct,
        use_case_moved_pct, insights_moved_pct)
    SELECT date_trunc('hour', now()) - make_interval(hours => n), account_id, 'insights_ad',
        CASE n % 2 WHEN 0 THEN 'daily' ELSE 'long' END, 'ok',
        CASE n % 2 WHEN 0 THEN 'level=ad increment=1 days=7' ELSE 'level=ad days=90' END,
        1, 0, 0, 5, 5, 5, 1, 1, 2, 4, 0, 2, 2
    FROM meta_ads.meta_ad_accounts, generate_series(0, 167) AS n
    WHERE account_id LIKE 'act_9%'
"""
_LOGS = """
    INSERT INTO meta_ads.meta_api_logs (account_id, endpoint_key, status_code, throttled,
        weighted_cost, "timestamp")
    SELECT account_id, 'insights_ad', 200, false, 2, now()
    FROM meta_ads.meta_ad_accounts, generate_series(1, 3) WHERE account_id LIKE 'act_9%'
"""
_WEIGHT = """
    INSERT INTO meta_ads.call_weights (endpoint_key, params_hash, query_shape, accounts,
        observations, observed_weight, learned_at)
    VALUES ('insights_ad', 'daily', 'level=ad increment=1 days=7', 7, 900, 3, %s)
"""


def now() -> datetime:
    return datetime.now(UTC)


def many(place: Lab, *fill: str) -> None:
    """A thousand accounts beside those of the world, and what `fill` puts in for them."""
    with place.warehouse.connection() as connection:
        connection.execute(_STORED, (ACCOUNTS,))
        for statement in fill:
            connection.execute(statement)
        connection.execute("ANALYZE")


def test_plans_of_new_accounts_look_at_the_ledger_of_all_others_once(database_url: str) -> None:
    specs = [AccountSpec(name, 2, 4, 8, (1, 2, 4)) for name in ("Eins", "Zwei")]
    with lab(database_url, *specs) as two:
        many(two, _LEDGER)
        engine = two.engine
        plans = [engine.plan(SyncRequest(one.id)) for one in two.world.accounts()]
        sizes = [engine.estimate(plans[0]).unsized]
        with two.warehouse.connection() as connection:
            read = rows_touched(connection, estimate._ROWS_A_DAY, table="sync_windows")
            connection.execute("TRUNCATE meta_ads.sync_windows")
        sizes.append(engine.estimate(plans[1]).unsized)
    assert read <= ACCOUNTS * 30, "the newest days of each, not all of a hundred"
    assert [one.accounts for one in sizes if one] == [ACCOUNTS, ACCOUNTS], "asked for once"
    assert all(one.rows == (one.days * 40, one.days * 40) for one in sizes if one)


def test_what_calls_cost_is_learned_once_an_hour_for_all(small: Lab) -> None:
    plan = small.engine.plan(SyncRequest(small.account_id))
    many(small, _HOURS)
    settings = Settings.load(env_file=None, database_url=small.warehouse.url)
    weighed = []
    with small.warehouse.of_tenant("default").transaction() as one, one.connection() as connection:

        def read(price: Callable[[], object]) -> int:
            before = rows_read(connection, "meta_api_hours")
            price()
            return rows_read(connection, "meta_api_hours") - before

        def engine() -> None:
            weighed.append(small.engine.changed(warehouse=one).estimate(plan).weighted_cost)

        assert read(engine) >= ACCOUNTS * 168
        assert read(engine) == 0, "another run, within the hour"
        assert read(lambda: price(one, settings, Wish(small.account_id), small.clock.now())) == 0
        connection.execute("UPDATE meta_ads.call_weights SET learned_at = now() - %s", (HOUR,))
        assert read(engine) >= ACCOUNTS * 168
        connection.execute("UPDATE meta_ads.call_weights SET learned_at = now() + %s", (HOUR,))
        assert read(engine) >= ACCOUNTS * 168, "learned under a clock that was ahead"
    assert len(set(weighed)) == 1
    guessed = small.engine.changed(warehouse=small.warehouse)
    assert weighed[0] < Prices(Weights()).of_plan(plan), "daily rows turned out to be no dearer"
    assert guessed.estimate(plan).weighted_cost == weighed[0], "it was committed"


def test_who_prices_while_another_learns_does_not_wait(warehouse: Warehouse) -> None:
    hasty = replace(WRITER, lock_seconds=0.05, statement_seconds=5)
    with warehouse.connection() as connection:
        connection.execute(_WEIGHT, (now() - 2 * HOUR,))
    with (
        psycopg.connect(warehouse.url) as another,
        Warehouse(warehouse.url, patience=hasty) as mine,
    ):
        assert another.execute(costs._TURN).fetchone() == (True,)
        another.execute(costs._FORGET)
        mine.costs.learn()
        assert [one.weight for one in mine.costs.observed()] == [3.0]
        another.commit()
        assert mine.costs.observed() == []


def test_who_may_not_write_prices_by_what_others_have_learned(warehouse: Warehouse) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    reading = replace(WRITER, is_read_only=True)
    with warehouse.connection() as connection:
        connection.execute(_WEIGHT, (now() - 2 * HOUR,))
    with Warehouse(warehouse.url, patience=reading) as mine:
        mine.costs.learn()
        assert [one.weight for one in mine.costs.observed()] == [3.0]
    with closing(psycopg.connect(warehouse.url)) as connection:
        connection.execute(f"CREATE ROLE {role}")
        connection.execute(f"GRANT USAGE ON SCHEMA meta_ads TO {role}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA meta_ads TO {role}")
        connection.execute(f"SET LOCAL ROLE {role}")
        store = costs.CostStore(lambda: nullcontext(connection))
        store.learn()
        assert [one.weight for one in store.observed()] == [3.0]


def test_the_day_of_an_app_is_a_row_for_each_account(small: Lab) -> None:
    many(small, _HOURS, _LOGS)
    tables = ("meta_api_hours", "meta_api_days")
    with small.warehouse.of_tenant("default").transaction() as one, one.connection() as connection:
        before = {table: rows_read(connection, table) for table in tables}
        budget = budget_of(one, "act_91", None, now(), per_account=None, per_app=9_000.0)
        read = {table: rows_read(connection, table) - before[table] for table in before}
    assert budget is not None
    assert budget.app.used == ACCOUNTS * 3 * 2
    assert read == {"meta_api_hours": 0, "meta_api_days": ACCOUNTS}
