"""Forgetting: all that is stored of an ad account, in every table that there is."""

from __future__ import annotations

import sqlalchemy as sa
from psycopg import sql

from meta_pipeline.warehouse.locks import account_lock
from meta_pipeline.warehouse.schema import SCHEMA, metadata

# The account's own meters; those of the app are everybody's.
_SCOPED = "DELETE FROM meta_ads.usage_readings WHERE key = %s"
_REPORT_TABLES = """
    SELECT 'report_' || report FROM meta_ads.custom_reports
    WHERE to_regclass(format('meta_ads.%I', 'report_' || report)) IS NOT NULL ORDER BY report
"""


def forget_account(url: str, account_id: str) -> dict[str, int]:
    """Take out every row of the account, in one transaction: table to number of rows.

    Holds the account's lock. Raises AccountBusy while it is synced; then nothing is taken out.
    """
    with (
        account_lock(url, account_id, holder="meta_pipeline deletion") as connection,
        connection.transaction(),
    ):
        # Tables of custom reports are in no declaration.
        names = [
            *(table.name for table in of_accounts()),
            *(name for (name,) in connection.execute(_REPORT_TABLES)),
        ]
        removed = {}
        for name in names:
            statement = sql.SQL("DELETE FROM {} WHERE account_id = %s")
            table = sql.Identifier(SCHEMA, name)
            removed[name] = connection.execute(statement.format(table), (account_id,)).rowcount
        removed["usage_readings"] = connection.execute(_SCOPED, (account_id,)).rowcount
    return {name: rows for name, rows in removed.items() if rows}


def of_accounts() -> list[sa.Table]:
    """The tables with rows of single ad accounts, those that others refer to last."""
    return [one for one in reversed(metadata.sorted_tables) if "account_id" in one.columns]
