"""Entities: streamed ids, deletions that are marked, mentions that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from meta_pipeline.warehouse import Warehouse, mark_deleted, orphans, upsert
from meta_pipeline.warehouse.write.entities import Orphan

from .rows import (
    ACCOUNT,
    CAMPAIGN_COLUMNS,
    CAMPAIGNS,
    INSIGHT_COLUMNS,
    INSIGHTS,
    MORNING,
    NOON,
    campaign,
    insert,
    insight,
    select,
)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection[Any]]:
    with warehouse.connection() as opened:
        yield opened


def put(connection: psycopg.Connection[Any], *ids: str, **values: Any) -> None:
    upsert(connection, CAMPAIGNS, CAMPAIGN_COLUMNS, [campaign(one, **values) for one in ids])


def test_deleted_is_marked_never_removed(connection: psycopg.Connection[Any]) -> None:
    put(connection, "c1", "c2")
    put(connection, "c3", account_id="act_2")
    assert mark_deleted(connection, CAMPAIGNS, ACCOUNT, ["c1", "c3"], seen_at=NOON) == 1
    assert mark_deleted(connection, CAMPAIGNS, ACCOUNT, ["c1"], seen_at=MORNING) == 0
    assert mark_deleted(connection, CAMPAIGNS, ACCOUNT, []) == 0
    found = "SELECT campaign_id, is_deleted, deleted_seen_at FROM meta_campaigns ORDER BY 1"
    assert select(connection, found) == [
        ("c1", True, NOON),
        ("c2", False, None),
        ("c3", False, None),
    ]


def test_what_is_mentioned_and_missing(connection: psycopg.Connection[Any]) -> None:
    put(connection, "c1")
    known = {"account_id": ACCOUNT, "data_as_of": NOON}
    insert(connection, "meta_adsets", adset_id="s1", campaign_id="c1", **known)
    insert(connection, "meta_adsets", adset_id="s2", campaign_id="c-of-adset", **known)
    insert(connection, "meta_ads", ad_id="ad1", adset_id="s1", campaign_id="c1", **known)
    insert(connection, "meta_ads", ad_id="ad2", adset_id="s-of-ad", campaign_id="c-of-ad", **known)
    account: dict[str, Any] = {"entity_type": "account", "entity_id": ACCOUNT}
    rows = [
        insight("ad1"),
        insight("ad-gone", campaign_id="c-gone", adset_id="s-gone"),
        insight(**account, campaign_id=None, adset_id=None, ad=None),
        insight(entity_type="campaign", entity_id="c-row", campaign_id="c-row", ad=None),
        insight("ad-of-another", account_id="act_2", campaign_id="c9"),
    ]
    upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows)
    assert orphans(connection, ACCOUNT) == [
        Orphan("ad", "ad-gone"),
        Orphan("adset", "s-gone"),
        Orphan("adset", "s-of-ad"),
        *(Orphan("campaign", one) for one in ("c-gone", "c-of-ad", "c-of-adset", "c-row")),
    ]
    assert orphans(connection, "act_3") == []


def test_a_deleted_entity_is_no_orphan(connection: psycopg.Connection[Any]) -> None:
    put(connection, "c1", is_deleted=True)
    row = insight(entity_type="campaign", entity_id="c1", adset_id=None, ad=None)
    upsert(connection, INSIGHTS, INSIGHT_COLUMNS, [row])
    assert orphans(connection, ACCOUNT) == []
