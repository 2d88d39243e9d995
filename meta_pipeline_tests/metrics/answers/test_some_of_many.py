"""A question about some entities of many reads their rows, and what all have in common once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from psycopg import Connection

from meta_pipeline import metrics
from meta_pipeline.metrics.once import asked_once
from meta_pipeline.warehouse import DEFAULT_TENANT, Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, READ_AT, Rows, ago
from meta_pipeline_tests.postgres import rows_read

ENTITIES, DAYS, CHUNK = 1_000, 20, 20
_PREFIX = {"campaign": "c", "adset": "s", "ad": "a"}
TABLES = (
    "meta_insights",
    "meta_insights_breakdown",
    "campaign_rollups",
    "adset_rollups",
    "ad_rollups",
)
_ENTITIES = """
    WITH c AS (
        INSERT INTO meta_ads.meta_campaigns (campaign_id, account_id, data_as_of)
        SELECT 'c' || n, %(account)s, now() FROM generate_series(1, %(entities)s) AS n
    ), s AS (
        INSERT INTO meta_ads.meta_adsets (adset_id, campaign_id, account_id, data_as_of)
        SELECT 's' || n, 'c' || n, %(account)s, now() FROM generate_series(1, %(entities)s) AS n
    )
    INSERT INTO meta_ads.meta_ads (ad_id, adset_id, campaign_id, account_id, data_as_of)
    SELECT 'a' || n, 's' || n, 'c' || n, %(account)s, now()
    FROM generate_series(1, %(entities)s) AS n
"""
_INSIGHTS = """
    INSERT INTO meta_ads.meta_insights (entity_type, entity_id, date_start, date_stop, account_id,
        campaign_id, adset_id, ad_id, currency, spend, impressions, clicks, actions, data_as_of)
    SELECT 'ad', 'a' || n, day, day, %(account)s, 'c' || n, 's' || n, 'a' || n, 'EUR', n, 10, 1,
           '[{"action_type": "link_click", "value": "3", "7d_click": "2"}]', %(at)s
    FROM generate_series(1, %(entities)s) AS n,
         generate_series(%(since)s::date, %(until)s::date, interval '1 day') AS moment,
         CAST(moment AS date) AS day
"""
_CELLS = """
    INSERT INTO meta_ads.meta_insights_breakdown (entity_type, entity_id, date_start, breakdown,
        cell, cell_values, account_id, campaign_id, adset_id, ad_id, currency, spend, impressions,
        clicks, actions, data_as_of)
    SELECT entity_type, entity_id, date_start, 'country', '["DE"]', '{"country": "DE"}',
           account_id, campaign_id, adset_id, ad_id, currency, spend, impressions, clicks, actions,
           data_as_of
    FROM meta_ads.meta_insights
"""


@pytest.fixture
def many(rows: Rows) -> Rows:
    """As many campaigns as ad sets and ads, each of which delivered on every day."""
    rows.account()
    days = [ago(n) for n in range(1, DAYS + 1)]
    values = {"account": ACCOUNT, "entities": ENTITIES, "since": days[-1], "until": days[0]}
    for text in (_ENTITIES, _INSIGHTS, _CELLS):
        rows.connection.execute(text, values | {"at": READ_AT})
    for dataset in ("insights_ad", "breakdown:country"):
        rows.fetched(days, dataset=dataset)
    metrics.rollup(rows.connection, ACCOUNT)
    rows.connection.commit()
    rows.connection.execute(
        "ANALYZE meta_ads.meta_insights, meta_ads.meta_insights_breakdown,"
        " meta_ads.campaign_rollups, meta_ads.adset_rollups, meta_ads.ad_rollups"
    )
    rows.connection.commit()
    return rows


def test_the_last_of_many_chunks_reads_the_rows_of_that_chunk(
    many: Rows, warehouse: Warehouse
) -> None:
    asked: dict[str, dict[str, Any]] = {
        "campaign_rollups_campaign_id_date_start_idx": {"level": "campaign"},
        "adset_rollups_adset_id_date_start_idx": {"level": "adset"},
        "meta_insights_pkey": {"level": "ad", "attribution": "7d_click"},
        "meta_insights_breakdown_pkey": {"level": "ad", "breakdown": ["country"]},
    }
    tenant = warehouse.of_tenant(DEFAULT_TENANT)
    with tenant.snapshot() as seen, asked_once(seen), seen.connection() as connection:
        for index, one in asked.items():
            read = []
            for chunk in range(3):
                before = rows_read(connection, *TABLES)
                sums = check_chunk(seen, chunk, **one)
                read.append(rows_read(connection, *TABLES) - before)
            assert read[-1] == CHUNK * DAYS, (one, read)
            # By the index of accounts and days it would walk the entries of all.
            assert indexes_used(connection, sums) == {index}


def test_some_of_many_in_cells_are_found_without_the_cells_of_all(
    many: Rows, warehouse: Warehouse
) -> None:
    with (
        warehouse.of_tenant(DEFAULT_TENANT).snapshot() as seen,
        seen.connection() as connection,
    ):
        before = rows_read(connection, *TABLES, "sync_windows")
        check_chunk(seen, 0, level="ad", breakdown=["country"])
        read = rows_read(connection, *TABLES, "sync_windows") - before
        # Beside their own rows the ledger: which breakdowns there are, and which days are whole.
        assert CHUNK * DAYS <= read <= CHUNK * DAYS + 10 * DAYS


def test_what_is_in_one_campaign_or_ad_set_is_found_by_its_own_rows(
    many: Rows, warehouse: Warehouse
) -> None:
    for filters, level, found in (
        ({"campaign": "c5"}, "adset", "s5"),
        ({"campaign": "c5"}, "ad", "a5"),
        ({"adset": "s5"}, "ad", "a5"),
    ):
        for window, clicks in (("default", 3), ("7d_click", 2)):
            asked: dict[str, Any] = {
                "account": ACCOUNT,
                "level": level,
                "filters": filters,
                "attribution": window,
                "date_range": (ago(DAYS), ago(1)),
                "now": NOW,
            }
            tenant = warehouse.of_tenant(DEFAULT_TENANT)
            with tenant.snapshot() as seen, seen.connection() as connection:
                before = rows_read(connection, *TABLES)
                ranked = metrics.ranking(seen, order="link_clicks", **asked)
                read = rows_read(connection, *TABLES) - before
                assert ranked.places == (metrics.PagePosition(found, str(DAYS * clicks)),)
                # An attribution window is in no rollup: it reads the account's days.
                assert window != "default" or read <= DAYS, (filters, level)
                answer = metrics.answer(seen, metrics=["link_clicks"], **asked)
                assert [row["link_clicks"] for row in answer.rows] == [DAYS * clicks]


def test_a_window_is_looked_for_in_every_row_before_it_is_refused(
    many: Rows, warehouse: Warehouse
) -> None:
    asked: dict[str, Any] = {"metrics": ["leads"], "date_range": (ago(DAYS), ago(1)), "now": NOW}
    with pytest.raises(metrics.ImpossibleQuestion, match="None of the 20000 rows with actions"):
        metrics.answer(warehouse, account=ACCOUNT, attribution="1d_view", **asked)
    rows = many.connection.execute(
        "UPDATE meta_ads.meta_insights SET actions ="
        """ '[{"action_type": "lead", "value": "3", "1d_view": "2"}]'"""
        " WHERE entity_id = 'a7' AND date_start = %s",
        (ago(DAYS),),
    )
    assert rows.rowcount == 1
    many.connection.commit()
    found = metrics.answer(warehouse, account=ACCOUNT, attribution="1d_view", **asked)
    assert [row["leads"] for row in found.rows] == [2]


def check_chunk(
    warehouse: Any, chunk: int, *, level: str, breakdown: Any = (), attribution: str = "default"
) -> str:
    """Ask about the entities of a chunk; gives the SQL of their sums."""
    numbers = range(chunk * CHUNK + 1, (chunk + 1) * CHUNK + 1)
    of = {_PREFIX[level] + str(n): n for n in numbers}
    answer = metrics.answer(
        warehouse,
        account=[ACCOUNT],
        metrics=["spend", "link_clicks"],
        level=level,
        by=[level, *breakdown],
        filters={level: list(of)},
        attribution=attribution,
        date_range=(ago(DAYS), ago(1)),
        now=NOW,
    )
    clicks = 3 if attribution == "default" else 2
    assert {row[f"{level}_id"]: (row["spend"], row["link_clicks"]) for row in answer.rows} == {
        one: (DAYS * spend, DAYS * clicks) for one, spend in of.items()
    }
    return str(answer.about["sql"])


def indexes_used(connection: Connection[Any], query: str) -> set[str]:
    plan = connection.execute(f"EXPLAIN {query}".encode()).fetchall()
    return set(re.findall(r"\b\w+_(?:idx|pkey)\b", str(plan)))
