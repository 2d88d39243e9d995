"""What a plan's price costs where there are a thousand accounts: a bounded number of rows."""

from __future__ import annotations

from meta_pipeline.simulator import AccountSpec
from meta_pipeline.sync import SyncRequest
from meta_pipeline.sync.limits import estimate
from meta_pipeline_tests.postgres import rows_touched
from meta_pipeline_tests.sync.lab import Lab, lab

ACCOUNTS = 1000
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
