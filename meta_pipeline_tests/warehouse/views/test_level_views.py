"""One relation a level: what an analyst adds up is counted once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from meta_pipeline.warehouse.schema import SCHEMA, metadata
from meta_pipeline_tests.warehouse.rows import (
    ACCOUNT,
    DAY,
    INSIGHT_COLUMNS,
    MORNING,
    insert,
    insight,
    select,
)

LEVELS = ("account", "campaign", "adset", "ad")
NAMES = {"campaign": ("c1", "Spring sale"), "adset": ("s1", "Women"), "ad": ("ad1", "Video")}


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Two days of one ad, read at every level, and the things they belong to."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        insert(
            opened,
            "meta_ad_accounts",
            account_id=ACCOUNT,
            name="Bakery",
            last_listed_at=MORNING,
            data_as_of=MORNING,
        )
        parents: dict[str, str] = {}
        for level, (entity_id, name) in NAMES.items():
            parents[f"{level}_id"] = entity_id
            insert(
                opened,
                f"meta_{level}s",
                account_id=ACCOUNT,
                name=name,
                is_deleted=False,
                data_as_of=MORNING,
                **parents,
            )
        for day in (DAY, DAY - timedelta(days=1)):
            for depth, level in enumerate(LEVELS):
                own = {f"{each}_id": NAMES[each][0] for each in LEVELS[1 : depth + 1]}
                row = dict(zip(INSIGHT_COLUMNS, insight(day=day), strict=True))
                entity_id = own.get(f"{level}_id", ACCOUNT)
                above = {"campaign_id": None, "adset_id": None, "ad_id": None, "actions": None}
                insert(
                    opened,
                    "meta_insights",
                    **row | above | own | {"entity_type": level, "entity_id": entity_id},
                )
        yield opened


@pytest.mark.parametrize("level", LEVELS)
def test_the_sum_over_a_level_counts_every_amount_once(
    connection: psycopg.Connection[Any], level: str
) -> None:
    assert select(connection, f"SELECT sum(spend) FROM meta_ads.{level}_insights") == [
        Decimal("3.00")
    ]


def test_a_row_names_all_it_belongs_to(connection: psycopg.Connection[Any]) -> None:
    assert select(
        connection,
        "SELECT account_name, campaign_name, adset_name, ad_name FROM meta_ads.ad_insights"
        " GROUP BY 1, 2, 3, 4",
    ) == [("Bakery", "Spring sale", "Women", "Video")]


def test_what_was_never_listed_keeps_its_row(connection: psycopg.Connection[Any]) -> None:
    connection.execute("DELETE FROM meta_ads.meta_campaigns")

    rows = "SELECT campaign_id, campaign_name FROM meta_ads.campaign_insights"
    assert select(connection, rows) == [("c1", None)] * 2


def test_rows_of_several_days_are_in_no_daily_relation(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("UPDATE meta_ads.meta_insights SET date_stop = date_start + 1")

    for level in LEVELS:
        assert select(connection, f"SELECT count(*) FROM meta_ads.{level}_insights") == [0]


def test_the_table_of_all_levels_warns_first() -> None:
    comment = metadata.tables[f"{SCHEMA}.meta_insights"].comment or ""

    assert "more than once" in comment
    assert all(f"{level}_insights" in comment for level in LEVELS)
