"""Which other ad accounts of a business are due: one call to it may bring the lists of all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meta_pipeline.sync.plan.stored import RECOMMENDATION_EDGES
from meta_pipeline.warehouse import Warehouse

_LIST, _BUSINESS_LIST, _ = RECOMMENDATION_EDGES
_PEERS = """
    SELECT account.account_id, account.timezone_name
    FROM meta_ads.meta_ad_accounts AS account
    LEFT JOIN meta_ads.sync_cursor AS listed
        ON listed.account_id = account.account_id AND listed.edge = %(list)s
    LEFT JOIN meta_ads.sync_cursor AS refused
        ON refused.account_id = account.account_id AND refused.edge = %(business_list)s
    WHERE account.business_id = %(business_id)s AND account.account_id <> %(account_id)s
        AND account.is_accessible
        AND coalesce(meta_ads.past(listed.last_fetched_at, %(now)s), '-infinity') <= %(not_since)s
        AND coalesce(meta_ads.past(refused.last_fetched_at, %(now)s), '-infinity')
            <= %(refused_since)s
    ORDER BY meta_ads.past(listed.last_fetched_at, %(now)s) NULLS FIRST, account.account_id
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another ad account of the same business whose list is due: the same call may bring it."""

    account_id: str
    timezone_name: str | None


def peers_of(
    warehouse: Warehouse,
    business_id: str,
    account_id: str,
    *,
    not_since: datetime,
    refused_since: datetime,
    now: datetime,
) -> list[Peer]:
    """Accounts of the business whose list was not read since, those that waited longest first."""
    with warehouse.connection() as connection:
        found = connection.execute(
            _PEERS,
            {
                "business_id": business_id,
                "account_id": account_id,
                "not_since": not_since,
                "refused_since": refused_since,
                "now": now,
                "list": _LIST,
                "business_list": _BUSINESS_LIST,
            },
        ).fetchall()
    return [Peer(*row) for row in found]
