"""Requests as tests want them: what matters is given, the rest is plain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from meta_pipeline.warehouse import SyncRequestRow, Warehouse

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def row(request_id: str, account_id: str = "act_1", **given: Any) -> SyncRequestRow:
    values: dict[str, Any] = {
        "source": "web",
        "requested_by": "ana",
        "reason": "",
        "requested_at": NOW,
        "max_age_seconds": 60,
    }
    return SyncRequestRow(request_id=request_id, account_id=account_id, **values | given)


def account(warehouse: Warehouse, account_id: str = "act_1", **given: Any) -> None:
    """An ad account that was discovered and never synced."""
    values: dict[str, Any] = {"account_id": account_id, "name": account_id, "currency": "EUR"}
    values |= {"timezone_name": "Europe/Berlin", "account_status": 1, **given}
    warehouse.accounts.upsert_one(values, NOW - timedelta(days=1))
