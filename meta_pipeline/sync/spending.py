"""What an account and the app have spent of their daily budgets, in weighted cost."""

from __future__ import annotations

from datetime import UTC, datetime

from meta_pipeline.governor import BudgetState, day_start
from meta_pipeline.warehouse import Warehouse

from .days import zone

_SPENT = """
    SELECT coalesce(sum(weighted_cost_total), 0)::float8
    FROM meta_ads.sync_runs
    WHERE started_at >= %(since)s AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
"""


def budget_of(
    warehouse: Warehouse,
    account_id: str,
    timezone_name: str | None,
    now: datetime,
    *,
    per_account: float | None,
    per_app: float | None,
) -> BudgetState | None:
    """The day's budgets at `now`; None where none is set.

    An account's day is its own, the app's is UTC's.
    """
    if per_account is None and per_app is None:
        return None
    own = zone(timezone_name)
    return BudgetState.of_day(
        account_id,
        own,
        now,
        account_limit=per_account,
        account_used=_spent(warehouse, account_id, day_start(now, own)),
        app_limit=per_app,
        app_used=_spent(warehouse, None, day_start(now, UTC)),
        app_zone=UTC,
    )


def _spent(warehouse: Warehouse, account_id: str | None, since: datetime) -> float:
    with warehouse.connection() as connection:
        row = connection.execute(_SPENT, {"since": since, "account_id": account_id}).fetchone()
    return float(row[0]) if row else 0.0
