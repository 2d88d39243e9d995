"""What an account and its app have spent of their daily budgets, in weighted cost."""

from __future__ import annotations

from datetime import UTC, date, datetime

from meta_pipeline.governor import BudgetState, day_start
from meta_pipeline.model.time_zone import zone
from meta_pipeline.model.usage import APP, named
from meta_pipeline.warehouse import Warehouse

# From the calls, not from the syncs: a sync that was killed spent too, one that is running is
# spending, and one may go on over midnight. The app's day is UTC's, whose totals are kept: a row
# for each account, as one for the app would have all that log wait for each other.
_SPENT_BY_ACCOUNT = """
    SELECT coalesce(sum(weighted_cost), 0)::float8 FROM meta_ads.meta_api_logs
    WHERE account_id = %(account_id)s AND "timestamp" >= %(since)s
"""
_SPENT_BY_APP = """
    SELECT coalesce(sum(weighted_cost), 0)::float8 FROM meta_ads.meta_api_days
    WHERE day = %(day)s AND app_key = %(app)s
"""


def budget_of(
    warehouse: Warehouse,
    account_id: str,
    timezone_name: str | None,
    now: datetime,
    *,
    per_account: float | None,
    per_app: float | None,
    app: str = APP,
) -> BudgetState | None:
    """The day's budgets at `now`; None where none is set.

    `app` is the key of the app whose connection reads the account: each app has a budget of its
    own, which all its connections share. An account's day is its own, the app's is UTC's.
    """
    if per_account is None and per_app is None:
        return None
    own = zone(timezone_name)
    return BudgetState.of_day(
        account_id,
        own,
        now,
        account_limit=per_account,
        account_used=_spent(
            warehouse, _SPENT_BY_ACCOUNT, since=day_start(now, own), account_id=account_id
        ),
        app_limit=per_app,
        app_used=_spent(warehouse, _SPENT_BY_APP, day=now.astimezone(UTC).date(), app=app),
        app_zone=UTC,
        app_name=named(app),
    )


def _spent(warehouse: Warehouse, query: str, **values: date | str) -> float:
    with warehouse.connection() as connection:
        row = connection.execute(query, values).fetchone()
    return float(row[0]) if row else 0.0
