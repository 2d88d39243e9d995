"""Entities: what the tables hold of an account, what is gone from it, what is missing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from psycopg import sql

from meta_pipeline.warehouse.connect import Connection

from .history import EntityHistory


@dataclass(frozen=True, slots=True)
class Orphan:
    """An entity that something mentions and no table has; `entity_type` campaign, adset or ad."""

    entity_type: str
    entity_id: str


def mark_deleted(
    connection: Connection,
    table: sa.Table,
    account_id: str,
    ids: Collection[str],
    *,
    seen_at: datetime | None = None,
    history: EntityHistory | None = None,
) -> int:
    """Mark entities as deleted, and give how many were not yet; the rows stay.

    `seen_at` is when the deletion was seen, now by default. `history` writes the change too.
    Give the ids in pages: each call is one statement.
    """
    note = sql.SQL(", history AS ({})").format(sql.SQL(_DELETED)) if history else sql.SQL("")
    # What accounts share has a row, and a key, for each of them.
    (column,) = (one for one in table.primary_key if one.name != "account_id")
    qualified = sql.Identifier(table.schema or "public", table.name)
    query = sql.SQL(
        "WITH marked AS (UPDATE {table} SET is_deleted = true, "
        "deleted_seen_at = coalesce(%(deleted_at)s::timestamptz, now()) "
        "WHERE account_id = %(account_id)s AND {id} = ANY (%(ids)s) AND NOT is_deleted "
        "RETURNING {id} AS entity_id){note} SELECT count(*) FROM marked"
    ).format(table=qualified, id=sql.Identifier(column.name), note=note)
    values = {
        "account_id": account_id,
        "ids": list(ids),
        "deleted_at": seen_at or (history.seen_at if history else None),
        **(history.parameters() if history else {}),
    }
    row = connection.execute(query, values).fetchone()
    return int(row[0]) if row else 0


_DELETED = """
    INSERT INTO meta_ads.entity_changes
        (account_id, entity_type, entity_id, field, old_value, new_value, seen_at, sync_run_id)
    SELECT %(account_id)s, %(entity_type)s, entity_id, 'is_deleted', 'false', 'true',
           %(seen_at)s, %(sync_run_id)s
    FROM marked
"""


def orphans(connection: Connection, account_id: str, *, since: date | None = None) -> list[Orphan]:
    """Entities the account's insights, ads or ad sets mention and no table has.

    Normally none or a handful; they are to be fetched by id. One pass over each table, over the
    insights from `since` on where it is given.
    """
    rows = connection.execute(_ORPHANS, {"account_id": account_id, "since": since})
    return [Orphan(*row) for row in rows]


# Insights name their parents too, so that a missing campaign of a present ad is seen as well. The
# distinct ids come first: an account has far fewer entities than rows.
_ORPHANS = """
    WITH mentioned AS (
        SELECT DISTINCT level.entity_type, level.entity_id
        FROM (
            SELECT DISTINCT campaign_id, adset_id, ad_id, entity_type, entity_id
            FROM meta_ads.meta_insights
            WHERE account_id = %(account_id)s
              AND (%(since)s::date IS NULL OR date_start >= %(since)s::date)
        ) AS insight
        CROSS JOIN LATERAL (VALUES
            ('campaign', campaign_id), ('adset', adset_id), ('ad', ad_id),
            (insight.entity_type, insight.entity_id)
        ) AS level (entity_type, entity_id)
        WHERE level.entity_id IS NOT NULL AND level.entity_type <> 'account'
        UNION
        SELECT 'campaign', campaign_id FROM meta_ads.meta_ads
        WHERE account_id = %(account_id)s AND campaign_id IS NOT NULL
        UNION
        SELECT 'adset', adset_id FROM meta_ads.meta_ads
        WHERE account_id = %(account_id)s AND adset_id IS NOT NULL
        UNION
        SELECT 'campaign', campaign_id FROM meta_ads.meta_adsets
        WHERE account_id = %(account_id)s AND campaign_id IS NOT NULL
    )
    SELECT entity_type, entity_id
    FROM mentioned
    WHERE NOT EXISTS (
        SELECT FROM meta_ads.meta_campaigns
        WHERE entity_type = 'campaign' AND campaign_id = entity_id
        UNION ALL
        SELECT FROM meta_ads.meta_adsets WHERE entity_type = 'adset' AND adset_id = entity_id
        UNION ALL
        SELECT FROM meta_ads.meta_ads WHERE entity_type = 'ad' AND ad_id = entity_id
    )
    ORDER BY entity_type, entity_id
"""
