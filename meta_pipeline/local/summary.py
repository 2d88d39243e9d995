"""The accounts and what is known of them, as a table for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from meta_pipeline.commands.terminal.console import add_row, styled, table
from meta_pipeline.commands.terminal.sheet import Sheet
from meta_pipeline.warehouse import AccountHealth, Warehouse
from meta_pipeline.words import ago, times

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

# What it took to bring an account in: the newest attempt at each of its parts.
_LAST_EFFORT = """
    SELECT account_id, sum(calls)::int, sum(seconds)::float8
    FROM (
        SELECT DISTINCT ON (account_id, scope) account_id, meta_call_count_total AS calls,
               extract(epoch FROM finished_at - started_at) AS seconds
        FROM meta_ads.sync_runs WHERE status IN ('success', 'partial')
        ORDER BY account_id, scope, started_at DESC
    ) newest
    GROUP BY account_id
"""


@dataclass(frozen=True)
class Effort:
    """Calls and seconds of the newest sync of an account."""

    calls: int = 0
    seconds: float = 0.0


def read_efforts(warehouse: Warehouse) -> dict[str, Effort]:
    with warehouse.connection() as connection:
        rows = connection.execute(_LAST_EFFORT).fetchall()
    return {row[0]: Effort(row[1] or 0, row[2] or 0.0) for row in rows}


def summary_table(accounts: list[AccountHealth], efforts: dict[str, Effort]) -> Sheet:
    """One line for each account and one for all: what is there and what it took.

    All of it fits into 80 columns.
    """
    numbers = ("Entities", "Insights", "Calls", "Took")
    shown = table("Account", "Id", "Synced", *numbers, right=numbers, whole=("Id", "Synced"))
    for one in sorted(accounts, key=_entities, reverse=True):
        add_row(shown, *_row(one, efforts.get(one.account_id, Effort())))
    totals = (
        f"{times(len(accounts), 'account')}",
        "",
        "",
        f"{sum(_entities(one) for one in accounts):,}",
        f"{sum(one.insight_rows for one in accounts):,}",
        f"{sum(effort.calls for effort in efforts.values()):,}",
        f"{sum(effort.seconds for effort in efforts.values()):,.0f} s",
    )
    add_row(shown, *(styled(text, "bold") for text in totals))
    return shown


def is_fresh(account: AccountHealth, within: timedelta) -> bool:
    """Whether both structure and numbers were synced lately and the last attempt went well."""
    return (
        account.last_status == "success"
        and account.entities_synced_at is not None
        and account.insights_synced_at is not None
        and account.staleness_seconds is not None
        and account.staleness_seconds < within.total_seconds()
    )


def _entities(account: AccountHealth) -> int:
    return account.campaigns + account.adsets + account.ads


def _row(account: AccountHealth, effort: Effort) -> list[str]:
    return [
        account.name or account.account_id,
        account.account_id,
        ago(account.staleness_seconds),
        f"{_entities(account):,}",
        f"{account.insight_rows:,}",
        f"{effort.calls:,}",
        f"{effort.seconds:,.1f} s",
    ]
