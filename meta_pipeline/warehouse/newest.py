"""Newest: the newest rows of a table that all accounts share, at a cost that is the asker's own.

By an index of the moments Postgres walks through everybody's rows until it has found enough of a
tenant's, or of the accounts that are named: all rows there are, where these have few. So where only
some accounts are meant, the newest few of each say how far back all of them have to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from .names import SCHEMA

_EACH_UP_TO = 1_000
"""Accounts of a tenant up to which each of them is looked at.

The policy holds every such look against all of the tenant's accounts: 38 ms at 1,000 accounts,
0.8 s at 5,000. Whoever has more finds its own among the newest rows of all.
"""
# - seen.accounts: which accounts are meant; null for all, or for a tenant of very many.
# - few: the newest of each, together at least as many as are wanted, where there are so many.
# - back: so many rows are as new as this, so nothing older is among those that are wanted.
_NEWEST = """
    WITH seen AS MATERIALIZED (
        SELECT CASE
            WHEN %(accounts)s::text[] IS NOT NULL THEN
                ARRAY(SELECT DISTINCT unnest(%(accounts)s::text[]))
            WHEN row_security_active('{table}') THEN (
                SELECT CASE WHEN count(*) <= {most} THEN array_agg(account_id) END
                FROM (SELECT account_id FROM {schema}.tenant_accounts LIMIT {most} + 1) AS own
            )
        END AS accounts
    ), few AS MATERIALIZED (
        SELECT account_id, one.{at}
        FROM unnest((SELECT accounts FROM seen)) AS account (account_id) CROSS JOIN LATERAL (
            SELECT {at} FROM {table} AS one
            WHERE one.account_id = account.account_id AND {wanted} ORDER BY {order}
            LIMIT (SELECT %(limit)s / greatest(cardinality(accounts), 1) + 1 FROM seen)
        ) AS one
    ), back AS MATERIALIZED (
        SELECT coalesce(
            (SELECT {at} FROM few ORDER BY {at} DESC OFFSET greatest(%(limit)s, 1) - 1 LIMIT 1),
            '-infinity'
        ) AS until
    )
    SELECT * FROM (
        (
            SELECT * FROM {table}
            WHERE (SELECT accounts IS NULL FROM seen) AND {wanted} ORDER BY {order} LIMIT %(limit)s
        ) UNION ALL (
            SELECT one.*
            FROM (
                SELECT account_id FROM few
                GROUP BY account_id HAVING max({at}) >= (SELECT until FROM back)
            ) AS account CROSS JOIN LATERAL (
                SELECT * FROM {table} AS one
                WHERE one.account_id = account.account_id AND {at} >= (SELECT until FROM back)
                    AND {wanted}
                ORDER BY {order} LIMIT %(limit)s
            ) AS one
        )
    ) AS newest
    ORDER BY {order} LIMIT %(limit)s
"""


def newest(table: str, at: str, key: str, where: str = "true", *, kind: str = "timestamptz") -> str:
    """SQL of a table's newest rows, newest first by (`at`, `key`), given `newest_values`.

    `where` is what else they have to be, `kind` the type of `at`. The table has an index of
    (account_id, `at`) and one that begins with `at`.
    """
    behind = f"({at}, {key}) < (%(before_at)s, %(before_key)s)"
    return _NEWEST.format(
        schema=SCHEMA,
        table=f"{SCHEMA}.{table}",
        at=at,
        order=f"{at} DESC, {key} DESC",
        wanted=f"({where}) AND (%(before_at)s::{kind} IS NULL OR {behind})",
        most=_EACH_UP_TO,
    )


def newest_values(
    limit: int,
    accounts: Sequence[str] | None = None,
    before: tuple[date, str] | None = None,
) -> dict[str, Any]:
    """What `newest` is given: how many, of which accounts (None: all that are seen), behind whom.

    `before` is the moment (or day) and the key of the last one that was seen.
    """
    at, key = before or (None, None)
    named = None if accounts is None else list(accounts)
    return {"limit": limit, "accounts": named, "before_at": at, "before_key": key}
