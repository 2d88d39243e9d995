"""Connections: the rows of what lets us in, with sealed tokens nobody here can open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypeAlias

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.model.connection_state import renews_at
from meta_pipeline.moments import past
from meta_pipeline.warehouse.connect import Connection, Store

TokenRole: TypeAlias = Literal["current", "next", "previous"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """One row of `connections`; the columns' comments say what each field means."""

    connection_id: str
    tenant: str
    kind: str
    name: str
    app_id: str
    user_id: str
    client_business_id: str | None = None
    scopes: list[str]
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    state: str
    problem: str | None = None
    added_at: datetime
    checked_at: datetime
    renewed_at: datetime | None = None
    renewal_failed_at: datetime | None = None
    renewal_problem: str | None = None
    chosen_accounts: list[str] | None = None

    def renews_at(self, now: datetime) -> datetime | None:
        """When the schedule renews its token next; None where that has no end."""
        failed_at = past(self.renewal_failed_at, now)
        return renews_at(self.expires_at, past(self.renewed_at, now), failed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedToken:
    """One row of `connection_tokens`."""

    connection_id: str
    role: TokenRole
    key_id: str
    sealed: bytes
    token_key: str
    stored_at: datetime


_COLUMNS = tuple(field.name for field in fields(ConnectionRow))
_TOKEN_COLUMNS = tuple(field.name for field in fields(SealedToken))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM meta_ads.connections"
# What is chosen may be thousands: who asks of one account is told of that one.
_LIVING = f"""
    SELECT {", ".join(name for name in _COLUMNS if name != "chosen_accounts")},
        CASE
            WHEN %(account)s::text IS NULL OR chosen_accounts IS NULL THEN chosen_accounts
            WHEN chosen_accounts @> to_jsonb(%(account)s::text)
                THEN jsonb_build_array(%(account)s::text)
            ELSE '[]'
        END AS chosen_accounts
    FROM meta_ads.connections WHERE state <> 'replaced' ORDER BY added_at, connection_id
"""
_SAVE = f"""
    INSERT INTO meta_ads.connections ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    ON CONFLICT (connection_id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
"""
_SAVE_TOKEN = f"""
    INSERT INTO meta_ads.connection_tokens ({", ".join(_TOKEN_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _TOKEN_COLUMNS)})
    ON CONFLICT (connection_id, role) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _TOKEN_COLUMNS[2:])}
"""
# Joined to the connection: of one that was removed meanwhile nothing is noted.
_REACHED = """
    INSERT INTO meta_ads.connection_accounts (connection_id, account_id, name, seen_at)
    SELECT connection_id, wanted.account_id, wanted.name, wanted.seen_at
    FROM (VALUES (%s::text, %s::text, %s::timestamptz)) AS wanted (account_id, name, seen_at)
    JOIN meta_ads.connections ON connection_id = %s
    WHERE chosen_accounts IS NULL OR chosen_accounts @> to_jsonb(wanted.account_id)
    ON CONFLICT (connection_id, account_id)
    DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at
"""
# Whether META_ACCESS_TOKEN reads it the table alone says, which each discovery brings up to date:
# a process that changes connections need not have the token, as the web application has not.
_READABLE = """
    UPDATE meta_ads.meta_ad_accounts AS account
    SET is_accessible = NOT account.is_accessible
    WHERE account_id = ANY (%(changed)s)
        AND is_accessible IS DISTINCT FROM (
            environment_listed_at IS NOT NULL
            OR EXISTS (
                SELECT FROM meta_ads.connection_accounts AS reached
                WHERE reached.account_id = account.account_id
            )
        )
"""
_UNLISTED_SINCE = """
    SELECT max(reached.seen_at)
    FROM meta_ads.connection_accounts AS reached
    JOIN meta_ads.connections USING (connection_id)
    WHERE state IN ('active', 'expiring') AND NOT EXISTS (
        SELECT FROM meta_ads.meta_ad_accounts AS account
        WHERE account.account_id = reached.account_id
    )
"""
# Every account is the default tenant's by itself, unless it was taken from it. What somebody
# granted by hand before stays that.
_GRANTED = """
    INSERT INTO meta_ads.tenant_accounts (tenant, account_id, granted_at, is_by_connection)
    SELECT tenant, account_id, %(at)s, true
    FROM meta_ads.connection_accounts JOIN meta_ads.connections USING (connection_id)
    WHERE connection_id = %(connection_id)s AND tenant <> 'default'
    ON CONFLICT DO NOTHING
"""
_RECORD = """
    INSERT INTO meta_ads.connection_events (at, connection_id, tenant, event, actor, detail)
    VALUES (%s, %s, %s, %s, %s, %s)
"""


def all_connections(connection: Connection) -> list[ConnectionRow]:
    """Every connection, the oldest first."""
    cursor = connection.cursor(row_factory=class_row(ConnectionRow))
    return cursor.execute(f"{_SELECT} ORDER BY added_at, connection_id").fetchall()


class ConnectionStore(Store):
    """`connections`, `connection_tokens`, `connection_accounts`, `connection_events`."""

    def all(self, connection: Connection | None = None) -> list[ConnectionRow]:
        """See `all_connections`."""
        with self._using(connection) as used:
            return all_connections(used)

    def living(
        self, account_id: str | None = None, connection: Connection | None = None
    ) -> list[ConnectionRow]:
        """Those that were not replaced, the oldest first.

        With an ad account, `chosen_accounts` has that one at most.
        """
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(ConnectionRow))
            return cursor.execute(_LIVING, {"account": account_id}).fetchall()

    def get(
        self, connection_id: str, connection: Connection | None = None, *, locked: bool = False
    ) -> ConnectionRow | None:
        """The connection; `locked` makes others who change it wait until the transaction ends."""
        query = f"{_SELECT} WHERE connection_id = %s{' FOR UPDATE' if locked else ''}"
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(ConnectionRow))
            return cursor.execute(query, (connection_id,)).fetchone()

    def save(self, row: ConnectionRow, connection: Connection | None = None) -> None:
        with self._using(connection) as used:
            chosen = None if row.chosen_accounts is None else Jsonb(row.chosen_accounts)
            lists = {"scopes": Jsonb(row.scopes), "chosen_accounts": chosen}
            used.execute(_SAVE, asdict(row) | lists)

    def remove(self, connection_id: str, connection: Connection) -> None:
        """Take the connection out, its tokens and accounts with it; its events stay.

        Accounts that nobody else reaches are no longer read; as `set_accounts`.
        """
        # Before they go with it (ON DELETE CASCADE).
        reached = list(self.accounts(connection_id, connection))
        connection.execute(
            "DELETE FROM meta_ads.connections WHERE connection_id = %s", (connection_id,)
        )
        connection.execute(_READABLE, {"changed": reached})

    def erase(self, connection_id: str, connection: Connection) -> dict[str, int]:
        """Take out the connection and all that was said of it but the audit: table to rows.

        Accounts that nobody else reaches are no longer read; as `set_accounts`.
        """
        reached = list(self.accounts(connection_id, connection))
        removed = {
            name: connection.execute(
                f"DELETE FROM meta_ads.{name} WHERE {key} = %s", (prefix + connection_id,)
            ).rowcount
            for name, key, prefix in (
                ("connection_accounts", "connection_id", ""),
                ("connection_tokens", "connection_id", ""),
                ("connections", "connection_id", ""),
                ("alerts", "alert_key", "connection:"),
            )
        }
        connection.execute(_READABLE, {"changed": reached})
        return removed

    def tokens(
        self, connection_id: str | None = None, connection: Connection | None = None
    ) -> list[SealedToken]:
        """The sealed tokens of one connection, or of all; others wait to change them."""
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(SealedToken))
            return cursor.execute(
                f"SELECT {', '.join(_TOKEN_COLUMNS)} FROM meta_ads.connection_tokens "
                "WHERE %s::text IS NULL OR connection_id = %s "
                "ORDER BY connection_id, role FOR UPDATE",
                (connection_id, connection_id),
            ).fetchall()

    def save_token(self, token: SealedToken, connection: Connection | None = None) -> None:
        """Keep the token in its role; the one that had the role is gone."""
        with self._using(connection) as used:
            used.execute(_SAVE_TOKEN, asdict(token))

    def drop_tokens(
        self, connection_id: str, roles: Iterable[TokenRole], connection: Connection | None = None
    ) -> None:
        with self._using(connection) as used:
            used.execute(
                "DELETE FROM meta_ads.connection_tokens "
                "WHERE connection_id = %s AND role = ANY (%s)",
                (connection_id, list(roles)),
            )

    def current_token(
        self, connection_id: str, connection: Connection | None = None
    ) -> SealedToken | None:
        """The sealed token in use, read without making others wait."""
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(SealedToken))
            return cursor.execute(
                f"SELECT {', '.join(_TOKEN_COLUMNS)} FROM meta_ads.connection_tokens "
                "WHERE connection_id = %s AND role = 'current'",
                (connection_id,),
            ).fetchone()

    def reaching(
        self, account_id: str | None = None, connection: Connection | None = None
    ) -> dict[str, tuple[str, ...]]:
        """The connections that reach an ad account, or each, by its id."""
        with self._using(connection) as used:
            rows = used.execute(
                "SELECT account_id, array_agg(connection_id ORDER BY connection_id) "
                "FROM meta_ads.connection_accounts WHERE %s::text IS NULL OR account_id = %s "
                "GROUP BY account_id",
                (account_id, account_id),
            ).fetchall()
        return {reached: tuple(ids) for reached, ids in rows}

    def listed_by_environment(
        self, account_id: str | None = None, connection: Connection | None = None
    ) -> frozenset[str]:
        """The ad accounts that META_ACCESS_TOKEN listed when it was last asked; or whether one.

        None, once a discovery found it not set.
        """
        with self._using(connection) as used:
            rows = used.execute(
                "SELECT account_id FROM meta_ads.meta_ad_accounts "
                "WHERE environment_listed_at IS NOT NULL "
                "AND (%s::text IS NULL OR account_id = %s)",
                (account_id, account_id),
            ).fetchall()
        return frozenset(listed for (listed,) in rows)

    def accounts(
        self, connection_id: str, connection: Connection | None = None
    ) -> dict[str, str | None]:
        """The ad accounts a connection reaches: id to name, as it last saw them."""
        with self._using(connection) as used:
            rows = used.execute(
                "SELECT account_id, name FROM meta_ads.connection_accounts "
                "WHERE connection_id = %s ORDER BY account_id",
                (connection_id,),
            ).fetchall()
        return dict(rows)

    def lose(self, connection_id: str, account_id: str, connection: Connection) -> bool:
        """Note that a connection does not reach an account any more; whether it was noted to."""
        deleted = connection.execute(
            "DELETE FROM meta_ads.connection_accounts WHERE connection_id = %s AND account_id = %s",
            (connection_id, account_id),
        )
        return deleted.rowcount > 0

    def unlist(self, account_id: str, connection: Connection) -> None:
        """The same of META_ACCESS_TOKEN."""
        connection.execute(
            "UPDATE meta_ads.meta_ad_accounts SET environment_listed_at = NULL "
            "WHERE account_id = %s AND environment_listed_at IS NOT NULL",
            (account_id,),
        )

    def set_accounts(
        self,
        connection_id: str,
        accounts: Mapping[str, str | None],
        at: datetime,
        connection: Connection,
    ) -> None:
        """Note which accounts a connection reaches; those it no longer does are taken out.

        Where accounts were chosen, the others are not noted. An account that nobody reaches now,
        META_ACCESS_TOKEN neither, is no longer read; one that was known and is reached again is.
        What a tenant's own connection reaches is the tenant's: noted here, and not in a tenant's
        session, which may not.
        """
        gone = connection.execute(
            "DELETE FROM meta_ads.connection_accounts "
            "WHERE connection_id = %s AND account_id <> ALL (%s) RETURNING account_id",
            (connection_id, list(accounts)),
        ).fetchall()
        connection.cursor().executemany(
            _REACHED,
            [(account_id, name, at, connection_id) for account_id, name in accounts.items()],
        )
        connection.execute(_GRANTED, {"connection_id": connection_id, "at": at})
        changed = [*(account_id for (account_id,) in gone), *accounts]
        connection.execute(_READABLE, {"changed": changed})

    def unlisted_since(self) -> datetime | None:
        """When an account was last reached that no discovery has listed yet; None: all are."""
        with self._using() as used:
            found = used.execute(_UNLISTED_SINCE).fetchone()
        return found[0] if found else None

    def record(
        self,
        row: ConnectionRow,
        event: str,
        *,
        at: datetime,
        actor: str,
        detail: Mapping[str, Any],
        connection: Connection | None = None,
    ) -> None:
        """Add a row to the audit; none is ever changed or taken out."""
        with self._using(connection) as used:
            used.execute(
                _RECORD, (at, row.connection_id, row.tenant, event, actor, Jsonb(dict(detail)))
            )
