"""Loads what is stored of an account, for the plan; bounded whatever the account's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from psycopg import sql

from meta_pipeline.model.part import Part
from meta_pipeline.moments import past
from meta_pipeline.sync.days import oldest, today
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline.warehouse import CursorRow, Warehouse, WindowRow

RECOMMENDATION_EDGES = (
    "recommendations",
    "business_recommendations",
    "opportunity_score_history",
)
"""Rows of `sync_cursor` about Meta's own advice: when the list was read, when a business told
nothing of the account, when the score's history was read."""
_DATASETS = """
    SELECT DISTINCT dataset FROM meta_ads.sync_windows
    WHERE account_id = %(account_id)s AND date_start >= %(since)s
"""
# Also of a backfill that has begun and brought nothing yet: `keep_first_days` notes its beginning.
_FIRST_DAYS = """
    SELECT dataset, min(day)
    FROM (
        SELECT dataset, min(date_start) AS day FROM meta_ads.sync_windows
        WHERE account_id = %(account_id)s GROUP BY dataset
        UNION ALL
        SELECT edge, first_day FROM meta_ads.sync_cursor
        WHERE account_id = %(account_id)s AND first_day IS NOT NULL
    ) AS known
    GROUP BY dataset
"""
_COUNTS = sql.SQL(" UNION ALL ").join(
    sql.SQL(
        "SELECT {}, count(*) FROM {} WHERE account_id = %(account_id)s AND NOT is_deleted"
    ).format(str(part), sql.Identifier(str(spec.table.schema), spec.table.name))
    for part, spec in ENTITY_SPECS.items()
)


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """What is stored of an account: the ground a plan stands on."""

    account_id: str
    timezone_name: str | None
    cursors: Mapping[str, CursorRow] = field(default_factory=dict)
    """By edge; none of one that was never read."""
    first_days: Mapping[str, date] = field(default_factory=dict)
    """The oldest day that was ever read of each dataset, or that its first backfill began at."""
    stored: Mapping[Part, int] = field(default_factory=dict)
    """Objects of each edge that are not deleted."""
    ledgers: Mapping[str, Mapping[date, WindowRow]] = field(default_factory=dict)
    """What was read of each day, by dataset."""
    business_id: str | None = None
    """The business that owns the account, which may be asked for recommendations of many."""


def load_state(
    warehouse: Warehouse, account_id: str, timezone_name: str | None, now: datetime
) -> StoredAccount:
    """The account's cursors, counts and ledgers; at most one ledger row for each day Meta keeps.

    What was read in the future, under a clock that was wrong, was not read.
    """
    current = today(now, timezone_name)
    since, until = oldest(current), current + timedelta(days=1)
    # "insights" has no delta: its cursor keeps the page size, and up to when no ad was missing.
    edges = (*(spec.edge for spec in ENTITY_SPECS.values()), "activities", "insights")
    edges = (*edges, *RECOMMENDATION_EDGES)
    asked = {"account_id": account_id, "since": since}
    with warehouse.connection() as connection:
        account = warehouse.accounts.get(account_id, connection)
        cursors = [warehouse.cursors.get(account_id, edge, connection) for edge in edges]
        datasets = [dataset for (dataset,) in connection.execute(_DATASETS, asked)]
        ledgers = {
            dataset: warehouse.ledger.fetched(account_id, dataset, since, until, connection)
            for dataset in datasets
        }
        return StoredAccount(
            account_id=account_id,
            timezone_name=timezone_name,
            business_id=(account.business_id if account else None) or None,
            cursors={cursor.edge: cursor.as_of(now) for cursor in cursors if cursor},
            first_days=dict(connection.execute(_FIRST_DAYS, asked).fetchall()),
            stored={Part(part): count for part, count in connection.execute(_COUNTS, asked)},
            ledgers={
                dataset: {day: row for day, row in days.items() if past(row.fetched_at, now)}
                for dataset, days in ledgers.items()
            },
        )
