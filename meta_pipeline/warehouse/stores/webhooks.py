"""Webhook changes: the inbox that Meta's deliveries go to before anybody looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change as it came; `value` is JSON text."""

    change_hash: str
    object: str
    entry_id: str
    account_id: str | None
    field: str
    occurred_at: datetime | None
    value: str


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change of an account that nobody has read yet; `value` is decoded."""

    change_hash: str
    account_id: str
    field: str
    value: Any
    received_at: datetime
    is_known: bool
    """Whether the account is one of ours."""


# Sorted, so that the same changes delivered twice at once do not wait for each other in a circle.
_KEEP = """
    INSERT INTO meta_ads.webhook_changes (
        change_hash, object, entry_id, account_id, field, occurred_at, value, received_at, state
    )
    SELECT one ->> 0, one ->> 1, one ->> 2, one ->> 3, one ->> 4, (one ->> 5)::timestamptz,
        one -> 6, %(at)s, CASE WHEN one ->> 3 IS NULL THEN 'kept' ELSE 'pending' END
    FROM jsonb_array_elements(%(changes)s::jsonb) AS given (one)
    ORDER BY one ->> 0
    ON CONFLICT (change_hash) DO NOTHING
"""
_DUE = """
    SELECT account_id FROM meta_ads.webhook_changes
    WHERE state = 'pending'
    GROUP BY account_id
    HAVING max(received_at) <= %(quiet_since)s OR min(received_at) <= %(late_since)s
    ORDER BY min(received_at)
"""
_PENDING = """
    SELECT change_hash, account_id, field, value, received_at,
        EXISTS (SELECT FROM meta_ads.meta_ad_accounts WHERE account_id = change.account_id)
    FROM meta_ads.webhook_changes AS change
    WHERE state = 'pending' AND account_id = %s
    ORDER BY received_at, change_hash LIMIT %s FOR UPDATE SKIP LOCKED
"""
_COUNTS = """
    SELECT state, count(*), min(received_at), max(received_at)
    FROM meta_ads.webhook_changes GROUP BY state
"""


class WebhookStore(Store):
    """`webhook_changes`."""

    def keep(
        self, changes: Sequence[ChangeRow], at: datetime, connection: Connection | None = None
    ) -> int:
        """Keep the changes that are new, all or none; gives how many were."""
        # One document: a thousand changes as seven arrays cost ten times as much.
        document = orjson.dumps(
            [
                (
                    one.change_hash,
                    one.object,
                    one.entry_id,
                    one.account_id,
                    one.field,
                    one.occurred_at,
                    orjson.Fragment(one.value),
                )
                for one in changes
            ]
        )
        with self._using(connection) as used:
            return used.execute(_KEEP, {"changes": document.decode(), "at": at}).rowcount

    def due(self, quiet_since: datetime, late_since: datetime) -> list[str]:
        """Accounts with pending changes that have been quiet so long, or wait since then."""
        asked = {"quiet_since": quiet_since, "late_since": late_since}
        with self._using() as used:
            return [row[0] for row in used.execute(_DUE, asked)]

    def pending(self, account_id: str, limit: int, connection: Connection) -> list[PendingChange]:
        """The oldest pending changes of an account, locked until the transaction ends."""
        rows = connection.execute(_PENDING, (account_id, limit)).fetchall()
        return [PendingChange(*row) for row in rows]

    def settle(
        self,
        hashes: Iterable[str],
        state: str,
        connection: Connection,
        *,
        request_id: str | None = None,
    ) -> None:
        """Note that changes were requested, or that there is nothing to read for them."""
        connection.execute(
            "UPDATE meta_ads.webhook_changes SET state = %s, request_id = %s "
            "WHERE change_hash = ANY (%s)",
            (state, request_id, list(hashes)),
        )

    def counts(self) -> dict[str, tuple[int, datetime, datetime]]:
        """By state: how many, the oldest and the newest delivery."""
        with self._using() as used:
            return {row[0]: (row[1], row[2], row[3]) for row in used.execute(_COUNTS)}
