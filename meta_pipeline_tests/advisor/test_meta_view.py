"""What Meta recommends: what is shown is read, and not its history nor that of all accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from meta_pipeline.advisor import count_recommended, recommended, scores_now
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import NOW, TODAY, Rows, ago
from meta_pipeline_tests.postgres import TestPostgres, rows_read

ACCOUNTS, SCORED_DAYS, CURRENT, GONE = 200, 300, 5, 40
SHOWN = 50


@pytest.fixture(scope="module")
def connection(postgres: TestPostgres) -> Iterator[psycopg.Connection[Any]]:
    """Of 200 accounts 300 days of scores, five recommendations of now and 40 that are gone."""
    with (
        postgres.fresh_database() as url,
        Warehouse(url) as opened,
        opened.connection() as connection,
    ):
        rows = Rows(connection)
        for n in range(ACCOUNTS):
            rows.account(f"act_{1000 + n}")
        connection.execute(
            "INSERT INTO meta_ads.opportunity_scores (account_id, day, live_score, data_as_of)"
            " SELECT account_id, %s::date - back, back %% 100, %s"
            " FROM meta_ads.meta_ad_accounts, generate_series(1, %s) AS back",
            (TODAY, NOW, SCORED_DAYS),
        )
        connection.execute(
            "INSERT INTO meta_ads.meta_recommendations (recommendation_id, account_id,"
            " recommendation_type, object_ids, opportunity_score_lift, first_seen_at, last_seen_at,"
            " gone_at, data_as_of)"
            " SELECT account_id || '-' || n, account_id, (ARRAY['MUSIC', 'AUTO_FLOW', 'AUTOMATIC'])"
            " [1 + n %% 3], '[]', nullif(n / 2, 1), %s, %s, CASE WHEN n >= %s THEN %s END, %s"
            " FROM meta_ads.meta_ad_accounts, generate_series(0, %s - 1) AS n",
            (NOW, NOW, CURRENT, NOW, NOW, CURRENT + GONE),
        )
        connection.execute("ANALYZE")
        yield connection


def test_the_newest_score_is_read_and_not_the_history(connection: psycopg.Connection[Any]) -> None:
    for accounts, number in ((None, ACCOUNTS), (["act_1007", "act_1003"], 2)):
        before = rows_read(connection, "opportunity_scores")
        found = scores_now(connection, accounts)
        assert rows_read(connection, "opportunity_scores") - before <= 2 * number
        assert len(found) == number
        assert found == sorted(found, key=lambda one: one.account_id)
        assert {(one.day, one.score, one.before) for one in found} == {(ago(1), 1, 29)}
    assert len(scores_now(connection, limit=SHOWN)) == SHOWN
    assert scores_now(connection, ["act_404"]) == []


def test_what_meta_recommends_is_read_as_far_as_it_is_shown(
    connection: psycopg.Connection[Any],
) -> None:
    everything = recommended(connection)
    assert len(everything) == count_recommended(connection) == ACCOUNTS * CURRENT
    in_order = sorted(everything, key=lambda one: one.recommendation_id)
    in_order.sort(key=lambda one: (one.account_id, -(one.opportunity_score_lift or 0), one.name))
    assert everything == in_order
    before = rows_read(connection, "meta_recommendations")
    assert recommended(connection, limit=SHOWN) == everything[:SHOWN]
    assert rows_read(connection, "meta_recommendations") - before <= SHOWN + CURRENT
    before = rows_read(connection, "meta_recommendations")
    assert len(recommended(connection, ["act_1007"])) == CURRENT
    assert rows_read(connection, "meta_recommendations") - before <= CURRENT
    assert count_recommended(connection, ["act_1007", "act_404"]) == CURRENT
