"""What a run reads by id: the objects that the requests of a claim name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from meta_pipeline.sync.request import SyncRequest
from meta_pipeline.warehouse import SyncRequestRow, Warehouse

from .asking import ANEW_SECONDS
from .claims import mean_the_account, objects_of, parts_named


def named_sync(
    warehouse: Warehouse, rows: Sequence[SyncRequestRow], dagster_run_id: str
) -> SyncRequest:
    """The sync of one account that serves rows which name objects: by id, or of their parts.

    A claim of an older version may name more than one sync reads by id.
    """
    account_id, parts = rows[0].account_id, parts_named(rows)
    if mean_the_account(rows):
        return SyncRequest(
            account_id,
            parts=parts,
            reason="requested",
            dagster_run_id=dagster_run_id,
            max_age=timedelta(seconds=ANEW_SECONDS),
        )
    return SyncRequest(
        account_id,
        parts=parts,
        objects=objects_of(warehouse.sync_requests.whole([row.request_id for row in rows])),
        reason="requested",
        dagster_run_id=dagster_run_id,
    )
