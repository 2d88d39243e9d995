"""Rows for the tests of the warehouse, and short ways to ask it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from meta_pipeline.warehouse import schema

ACCOUNT = "act_1"
MORNING = datetime(2026, 5, 1, 8, tzinfo=UTC)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = date(2026, 4, 30)

CAMPAIGN_COLUMNS = (
    "campaign_id",
    "account_id",
    "name",
    "effective_status",
    "daily_budget",
    "budget_remaining",
    "special_ad_categories",
    "is_deleted",
    "extra",
    "data_as_of",
)
INSIGHT_COLUMNS = (
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
    "clicks",
    "actions",
    "data_as_of",
)


def campaign(campaign_id: str = "c1", *, as_of: datetime = MORNING, **values: Any) -> list[Any]:
    row = {
        "campaign_id": campaign_id,
        "account_id": ACCOUNT,
        "name": "Spring sale",
        "effective_status": "ACTIVE",
        "daily_budget": "20.00",
        "budget_remaining": "5",
        "special_ad_categories": [],
        "is_deleted": False,
        "extra": None,
        "data_as_of": as_of,
    }
    return [(row | values)[name] for name in CAMPAIGN_COLUMNS]


def insight(ad_id: str = "ad1", *, as_of: datetime = MORNING, **values: Any) -> list[Any]:
    day = values.pop("day", DAY)
    row = {
        "entity_type": "ad",
        "entity_id": ad_id,
        "date_start": day,
        "date_stop": day,
        "account_id": ACCOUNT,
        "campaign_id": "c1",
        "adset_id": "s1",
        "ad_id": values.pop("ad", ad_id),
        "currency": "USD",
        "spend": "1.50",
        "impressions": 100,
        "clicks": 5,
        "actions": [{"action_type": "link_click", "value": "5", "7d_click": "4"}],
        "data_as_of": as_of,
    }
    return [(row | values)[name] for name in INSIGHT_COLUMNS]


def insert(connection: psycopg.Connection[Any], table: str, **values: Any) -> None:
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join(["%s"] * len(values))
    connection.execute(
        f"INSERT INTO meta_ads.{table} ({names}) VALUES ({marks})",
        list(values.values()),
    )


def select(
    connection: psycopg.Connection[Any], query: str, values: Sequence[Any] = ()
) -> list[Any]:
    """Rows of a query; a single column comes unpacked."""
    rows = connection.execute(query, values).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


CAMPAIGNS, INSIGHTS = schema.meta_campaigns, schema.meta_insights
