"""The daily relations of each level: names beside the ids, sums that agree, one row a day."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from alembic import command

from meta_pipeline import metrics
from meta_pipeline.warehouse import Warehouse, migrator

from .rows import ACCOUNT, TODAY, Rows, ago

LEVELS = ("account", "campaign", "adset", "ad")
NAMES = ("account_name", "campaign_name", "adset_name", "ad_name")


def rolled_up(rows: Rows) -> None:
    """Two days of the ads of two campaigns, with an account row of Meta's for one of them."""
    rows.tree()
    for day in (TODAY, ago(1)):
        for number, ad in enumerate(("a1", "a2", "a3", "a4")):
            rows.insight(ad, day=day, spend=number + 1, impressions=100, reach=10)
    rows.insight(ACCOUNT, level="account", day=TODAY, spend=10, reach=31)
    metrics.rollup(rows.connection, ACCOUNT)


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_adds_up_to_the_same(rows: Rows, level: str) -> None:
    rolled_up(rows)
    found = rows.connection.execute(
        f"SELECT date_start, sum(spend), sum(impressions) FROM meta_ads.daily_{level}_metrics"
        " GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert found == [(ago(1), 10, 400), (TODAY, 10, 400)]


def test_a_row_names_all_it_belongs_to_as_it_is_called_today(rows: Rows) -> None:
    rolled_up(rows)
    rows.connection.execute("UPDATE meta_ads.meta_campaigns SET name = 'Renamed'")
    for depth, level in enumerate(LEVELS, start=1):
        names = ", ".join(NAMES[:depth])
        for row in rows.connection.execute(f"SELECT {names} FROM meta_ads.daily_{level}_metrics"):
            assert all(row)
            assert row[1:2] in ((), ("Renamed",))


def test_what_was_never_read_keeps_its_row(rows: Rows) -> None:
    rolled_up(rows)
    for table in ("meta_ad_accounts", "meta_campaigns", "meta_adsets", "meta_ads"):
        rows.connection.execute(f"DELETE FROM meta_ads.{table}")
    for level in LEVELS:
        row = rows.connection.execute(
            f"SELECT sum(spend), count(account_name) FROM meta_ads.daily_{level}_metrics"
        ).fetchone()
        assert row == (20, 0), level


def test_an_account_has_one_row_a_day_with_metas_own_reach(rows: Rows) -> None:
    rolled_up(rows)
    rows.connection.execute(
        """UPDATE meta_ads.campaign_rollups SET other_metrics = '{"saves": 2.5, "likes": 1}'"""
    )
    found = rows.connection.execute(
        "SELECT date_start, reach, delivering_ads, other_metrics"
        " FROM meta_ads.daily_account_metrics ORDER BY 1"
    ).fetchall()
    campaigns = len(
        rows.connection.execute("SELECT DISTINCT campaign_id FROM meta_ads.meta_ads").fetchall()
    )
    others = {"saves": 2.5 * campaigns, "likes": campaigns}
    assert found == [(ago(1), None, 4, others), (TODAY, 31, 4, others)]


def test_names_cost_nothing_where_nobody_asks_for_them(rows: Rows) -> None:
    rolled_up(rows)
    for level in LEVELS:
        plan = rows.connection.execute(
            f"EXPLAIN SELECT date_start, sum(spend) FROM meta_ads.daily_{level}_metrics GROUP BY 1"
        ).fetchall()
        told = "\n".join(line for (line,) in plan)
        assert not any(f"meta_{one}" in told for one in ("ad", "camp")), told


def test_rights_and_views_on_the_tables_of_before_go_on(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA meta_ads")
    with migrator.engine(empty_url).begin() as connection:
        config = migrator._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0015")
    with psycopg.connect(empty_url, autocommit=True) as before:
        before.execute("GRANT SELECT ON meta_ads.daily_ad_metrics TO pg_monitor, PUBLIC")
        before.execute("CREATE VIEW theirs AS SELECT ad_id, spend FROM meta_ads.daily_ad_metrics")
        before.execute(
            "INSERT INTO meta_ads.daily_ad_metrics (account_id, date_start, ad_id, adset_id,"
            " campaign_id, spend, revenue, impressions, clicks, inline_link_clicks, link_clicks,"
            " landing_page_views, video_views, thruplays, post_engagements, leads, registrations,"
            " purchases, add_to_carts, checkouts_initiated, other_metrics, definition_version,"
            " rolled_up_at) VALUES ('act_1', '2026-01-01', 'a', 's', 'c', 5, 0, 0, 0, 0, 0, 0, 0,"
            " 0, 0, 0, 0, 0, 0, 0, '{}', 'v', now())"
        )

    Warehouse(empty_url).migrate()

    with psycopg.connect(empty_url) as after:
        assert _row(after, "SELECT * FROM theirs") == ("a", 5)
        assert _row(after, "SELECT spend, ad_name FROM meta_ads.daily_ad_metrics") == (5, None)
        for role, may in (("pg_monitor", True), ("public", True)):
            asked = "SELECT has_table_privilege(%s, 'meta_ads.daily_ad_metrics', 'SELECT')"
            assert after.execute(asked, [role]).fetchone() == (may,)
        asked = "SELECT has_table_privilege('pg_monitor', 'meta_ads.daily_adset_metrics', 'SELECT')"
        assert after.execute(asked).fetchone() == (False,)


def _row(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)
