"""Days that were read again since they were last reconciled."""

from __future__ import annotations

from datetime import date
from typing import Any

from psycopg import Connection


def unreconciled_days(connection: Connection[Any], account_id: str) -> list[date]:
    """Days of the ledger whose comparison is missing or older than a read of either side."""
    return [day for (day,) in connection.execute(_UNRECONCILED, (account_id,))]


# greatest() passes over NULL: where one side was never read, the other's reading decides.
_UNRECONCILED = """
    SELECT ledger.date_start
    FROM (
        SELECT account_id, date_start, max(fetched_at) AS fetched_at
        FROM meta_ads.sync_windows
        WHERE account_id = %s AND dataset IN ('insights_ad', 'insights_account')
        GROUP BY account_id, date_start
    ) AS ledger
    LEFT JOIN meta_ads.reconciliations AS done USING (account_id, date_start)
    WHERE done.checked_at IS NULL
       OR greatest(done.ads_as_of, done.account_as_of) IS DISTINCT FROM ledger.fetched_at
    ORDER BY 1
"""
