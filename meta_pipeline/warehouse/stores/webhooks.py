"""Webhooks: the inbox that Meta's deliveries go to as they are, and the changes found in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg

from meta_pipeline.warehouse.connect import Connection, Store


class Unstorable(ValueError):
    """Postgres does not take a value that Meta sent; nothing was kept."""


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
class WebhookDelivery:
    """A delivery that was answered and not yet taken apart."""

    body_hash: str
    body: bytes
    received_at: datetime


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


_RECEIVE = """
    INSERT INTO meta_ads.webhook_deliveries (body_hash, body, received_at)
    VALUES (%s, %b, %s) ON CONFLICT (body_hash) DO NOTHING
"""
# SKIP LOCKED: several processes take apart what none of them waits for.
_OLDEST = """
    SELECT body_hash, body, received_at FROM meta_ads.webhook_deliveries
    ORDER BY received_at, body_hash LIMIT %s FOR UPDATE SKIP LOCKED
"""
_WAITING = """
    SELECT count(*), min(received_at), max(received_at) FROM meta_ads.webhook_deliveries
"""
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
# An account that changes without a pause is served, too, once its oldest change has waited enough.
_DUE = """
    SELECT account_id FROM meta_ads.webhook_changes
    WHERE state = 'pending'
    GROUP BY account_id
    HAVING max(meta_ads.past(received_at, %(now)s)) <= %(quiet_since)s
        OR min(received_at) <= %(late_since)s
        -- One of the future was received no later than now, nobody knows when.
        OR count(meta_ads.past(received_at, %(now)s)) < count(*)
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
    """`webhook_deliveries` and `webhook_changes`."""

    def receive(self, body: bytes, at: datetime) -> bool:
        """Keep a delivery as it is, committed; False where the very same one is waiting."""
        row = (hashlib.sha256(body).hexdigest(), body, at)
        with self._using() as used:
            return used.execute(_RECEIVE, row).rowcount == 1

    def oldest(self, limit: int, connection: Connection) -> list[WebhookDelivery]:
        """The oldest deliveries that nobody else takes apart, locked until the transaction ends."""
        cursor = connection.cursor(binary=True)
        return [WebhookDelivery(*row) for row in cursor.execute(_OLDEST, (limit,))]

    def forget(self, hashes: Iterable[str], connection: Connection) -> None:
        """Remove deliveries whose changes are kept."""
        connection.execute(
            "DELETE FROM meta_ads.webhook_deliveries WHERE body_hash = ANY (%s)", (list(hashes),)
        )

    def keep(
        self, changes: Sequence[ChangeRow], at: datetime, connection: Connection | None = None
    ) -> int:
        """Keep the changes that are new, all or none; gives how many were. Raises Unstorable."""
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
        given = {"changes": document.decode(), "at": at}
        with self._using(connection) as used:
            try:
                with used.transaction():
                    return used.execute(_KEEP, given).rowcount
            except psycopg.DataError as error:
                raise Unstorable(str(error)) from error

    def due(self, quiet_since: datetime, late_since: datetime, now: datetime) -> list[str]:
        """Accounts with pending changes that have been quiet so long, or wait since then."""
        asked = {"quiet_since": quiet_since, "late_since": late_since, "now": now}
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
        """Of changes, by state: how many, the oldest and the newest delivery."""
        with self._using() as used:
            return {row[0]: (row[1], row[2], row[3]) for row in used.execute(_COUNTS)}

    def waiting(self) -> tuple[int, datetime, datetime] | None:
        """Of deliveries nobody has taken apart: how many, the oldest, the newest; None of none."""
        with self._using() as used:
            row = used.execute(_WAITING).fetchone()
        return row if row is not None and row[0] else None
