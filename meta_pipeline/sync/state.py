"""Loads what is stored of an account, for the plan; bounded whatever the account's size."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import chain

from psycopg import sql

from meta_pipeline.warehouse import CursorRow, Warehouse

from .days import oldest, today
from .fields import ENTITY_SPECS, EntitySpec
from .plan import AccountState

_DATASETS = """
    SELECT DISTINCT dataset FROM meta_ads.sync_windows
    WHERE account_id = %s AND date_start >= %s
"""
_COUNT = sql.SQL("SELECT count(*) FROM {} WHERE account_id = %s AND NOT is_deleted")


def load_state(
    warehouse: Warehouse, account_id: str, timezone_name: str | None, now: datetime
) -> AccountState:
    """The account's cursors, counts and ledgers; at most one ledger row for each day Meta keeps."""
    current = today(now, timezone_name)
    since, until = oldest(current), current + timedelta(days=1)
    edges = chain((spec.edge for spec in ENTITY_SPECS.values()), ("activities", "insights"))
    return AccountState(
        account_id=account_id,
        timezone_name=timezone_name,
        cursors=_cursors(warehouse, account_id, list(edges)),
        stored={part: _stored(warehouse, spec, account_id) for part, spec in ENTITY_SPECS.items()},
        ledgers={
            dataset: warehouse.ledger.fetched(account_id, dataset, since, until)
            for dataset in _datasets(warehouse, account_id, since)
        },
    )


def _cursors(warehouse: Warehouse, account_id: str, edges: list[str]) -> dict[str, CursorRow]:
    found = {edge: warehouse.cursors.get(account_id, edge) for edge in edges}
    return {edge: cursor for edge, cursor in found.items() if cursor is not None}


def _stored(warehouse: Warehouse, spec: EntitySpec, account_id: str) -> int:
    query = _COUNT.format(sql.Identifier(str(spec.table.schema), spec.table.name))
    with warehouse.connection() as connection:
        row = connection.execute(query, (account_id,)).fetchone()
    return int(row[0]) if row else 0


def _datasets(warehouse: Warehouse, account_id: str, since: date) -> list[str]:
    with warehouse.connection() as connection:
        return [row[0] for row in connection.execute(_DATASETS, (account_id, since))]
