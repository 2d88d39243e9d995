"""What an account and the app have spent of their daily budgets, in weighted cost."""

from __future__ import annotations

from datetime import UTC, datetime

from meta_pipeline.governor import BudgetState, day_start
from meta_pipeline.sync.days import zone
from meta_pipeline.warehouse import Warehouse

# From the calls, not from the syncs: a sync that was killed spent too, one that is running is
# spending, and one may go on over midnight. The app's day begins on an hour, an account's may not.
_SPENT_BY_ACCOUNT = """
    SELECT coalesce(sum(weighted_cost), 0)::float8 FROM meta_ads.meta_api_logs
    WHERE account_id = %(account_id)s AND "timestamp" >= %(since)s
"""
_SPENT_BY_APP = """
    SELECT coalesce(sum(weighted_cost), 0)::float8 FROM meta_ads.meta_api_hours
    WHERE hour >= %(since)s
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
        account_used=_spent(warehouse, _SPENT_BY_ACCOUNT, day_start(now, own), account_id),
        app_limit=per_app,
        app_used=_spent(warehouse, _SPENT_BY_APP, day_start(now, UTC), account_id),
        app_zone=UTC,
    )


def _spent(warehouse: Warehouse, query: str, since: datetime, account_id: str) -> float:
    with warehouse.connection() as connection:
        row = connection.execute(query, {"since": since, "account_id": account_id}).fetchone()
    return float(row[0]) if row else 0.0
