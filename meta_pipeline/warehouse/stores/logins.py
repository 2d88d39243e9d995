"""Logins: what was asked of Meta's dialog, what was granted, and the accounts to choose from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginState:
    """One row of `login_states`; the columns' comments say what each field means."""

    state_hash: str
    session_hash: str
    tenant: str
    app_id: str
    redirect_uri: str
    config_id: str | None = None
    scopes: list[str]
    begun_at: datetime
    ends_at: datetime
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRow:
    """One row of `pending_connections`; the columns' comments say what each field means."""

    pending_id: str
    session_hash: str
    tenant: str
    app_id: str
    kind: str | None = None
    name: str | None = None
    user_id: str | None = None
    client_business_id: str | None = None
    scopes: list[str]
    declined: list[str]
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    key_id: str
    sealed: bytes
    token_key: str
    came_at: datetime
    ends_at: datetime
    connection_id: str | None = None


_STATE_COLUMNS = tuple(field.name for field in fields(LoginState))
_PENDING_COLUMNS = tuple(field.name for field in fields(PendingRow))
_ADD_STATE = f"""
    INSERT INTO meta_ads.login_states ({", ".join(_STATE_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _STATE_COLUMNS)})
"""
_CLAIM = f"""
    UPDATE meta_ads.login_states SET answered_at = %(now)s
    WHERE state_hash = %(state)s AND session_hash = %(session)s
        AND answered_at IS NULL AND ends_at > %(now)s
    RETURNING {", ".join(_STATE_COLUMNS)}
"""
_STATE = f"SELECT {', '.join(_STATE_COLUMNS)} FROM meta_ads.login_states WHERE state_hash = %s"
_SAVE_PENDING = f"""
    INSERT INTO meta_ads.pending_connections ({", ".join(_PENDING_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _PENDING_COLUMNS)})
    ON CONFLICT (pending_id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _PENDING_COLUMNS[1:])}
"""
_PENDING = f"SELECT {', '.join(_PENDING_COLUMNS)} FROM meta_ads.pending_connections"
_WHERE_FOUND = """
    WHERE pending_id = %(pending_id)s AND (
        strpos(lower(coalesce(name, '')), lower(%(search)s)) > 0
        OR strpos(account_id, lower(%(search)s)) > 0
    )
"""
_FOUND = f"FROM meta_ads.pending_accounts {_WHERE_FOUND}"


class LoginStore(Store):
    """`login_states`, `pending_connections`, `pending_accounts`."""

    def begin(self, state: LoginState) -> None:
        with self._using() as used:
            used.execute(_ADD_STATE, asdict(state) | {"scopes": Jsonb(state.scopes)})

    def claim(self, state_hash: str, session_hash: str, now: datetime) -> LoginState | None:
        """Take the answer to a login, which only one caller ever can.

        None: not begun here, by another session, answered before, or too late; `state` says which.
        """
        values = {"state": state_hash, "session": session_hash, "now": now}
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(LoginState))
            return cursor.execute(_CLAIM, values).fetchone()

    def state(self, state_hash: str) -> LoginState | None:
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(LoginState))
            return cursor.execute(_STATE, (state_hash,)).fetchone()

    def save(self, row: PendingRow, connection: Connection | None = None) -> None:
        lists = {name: Jsonb(getattr(row, name)) for name in ("scopes", "declined")}
        with self._using(connection) as used:
            used.execute(_SAVE_PENDING, asdict(row) | lists)

    def get(
        self, pending_id: str, connection: Connection | None = None, *, locked: bool = False
    ) -> PendingRow | None:
        """What is pending; `locked` makes others who change it wait until the transaction ends."""
        query = f"{_PENDING} WHERE pending_id = %s{' FOR UPDATE' if locked else ''}"
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(PendingRow))
            return cursor.execute(query, (pending_id,)).fetchone()

    def all(self, connection: Connection | None = None) -> list[PendingRow]:
        """Everything that is pending, the oldest first; others wait to change it."""
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(PendingRow))
            return cursor.execute(f"{_PENDING} ORDER BY came_at, pending_id FOR UPDATE").fetchall()

    def remove(self, pending_id: str, connection: Connection | None = None) -> bool:
        """Take out what is pending and its accounts; False when it is gone already."""
        with self._using(connection) as used:
            gone = used.execute(
                "DELETE FROM meta_ads.pending_connections WHERE pending_id = %s", (pending_id,)
            )
            return gone.rowcount == 1

    def erase(self, app_id: str, user_id: str, connection: Connection) -> int:
        """Take out what is pending of a person; how much that was. An empty `app_id` is any app."""
        return connection.execute(
            "DELETE FROM meta_ads.pending_connections WHERE user_id = %s AND %s IN ('', app_id)",
            (user_id, app_id),
        ).rowcount

    def set_accounts(
        self,
        pending_id: str,
        accounts: Mapping[str, str | None],
        connection: Connection,
        *,
        chosen: Collection[str] = (),
    ) -> None:
        """Keep the accounts that may be chosen, id to name; those of `chosen` are ticked."""
        ticked = frozenset(chosen)
        connection.cursor().executemany(
            "INSERT INTO meta_ads.pending_accounts (pending_id, account_id, name, is_chosen) "
            "VALUES (%s, %s, %s, %s)",
            [(pending_id, one, name, one in ticked) for one, name in accounts.items()],
        )

    def tick(
        self, pending_id: str, ids: Collection[str], ticked: Collection[str], connection: Connection
    ) -> int:
        """Tick of these accounts those of `ticked`, and no others of them; how many there are."""
        return connection.execute(
            "UPDATE meta_ads.pending_accounts SET is_chosen = account_id = ANY (%s) "
            "WHERE pending_id = %s AND account_id = ANY (%s)",
            (list(ticked), pending_id, list(ids)),
        ).rowcount

    def tick_found(
        self, pending_id: str, search: str, connection: Connection, *, is_chosen: bool
    ) -> None:
        """Tick every account that a search finds, or none of them."""
        values = {"pending_id": pending_id, "search": search, "is_chosen": is_chosen}
        connection.execute(
            f"UPDATE meta_ads.pending_accounts SET is_chosen = %(is_chosen)s {_WHERE_FOUND}", values
        )

    def ticked(self, pending_id: str, connection: Connection | None = None) -> list[str]:
        """The accounts that are ticked, on whichever page."""
        with self._using(connection) as used:
            rows = used.execute(
                "SELECT account_id FROM meta_ads.pending_accounts "
                "WHERE pending_id = %s AND is_chosen ORDER BY account_id",
                (pending_id,),
            ).fetchall()
        return [account_id for (account_id,) in rows]

    def accounts(
        self, pending_id: str, connection: Connection | None = None
    ) -> dict[str, str | None]:
        """All accounts that may be chosen: id to name."""
        with self._using(connection) as used:
            rows = used.execute(
                "SELECT account_id, name FROM meta_ads.pending_accounts WHERE pending_id = %s",
                (pending_id,),
            ).fetchall()
        return dict(rows)

    def search(
        self, pending_id: str, search: str, *, offset: int, limit: int
    ) -> tuple[int, list[tuple[str, str | None, bool]]]:
        """How many accounts have `search` in name or id, and some of them by name: id, name, tick.

        Letters count the same large and small; no character is a wildcard.
        """
        values = {"pending_id": pending_id, "search": search, "offset": offset, "limit": limit}
        with self._using() as used:
            count = used.execute(f"SELECT count(*) {_FOUND}", values).fetchone()
            rows = used.execute(
                f"SELECT account_id, name, is_chosen {_FOUND} "
                "ORDER BY lower(name) NULLS LAST, account_id "
                "OFFSET %(offset)s LIMIT %(limit)s",
                values,
            ).fetchall()
        return (int(count[0]) if count else 0), rows

    def forget_states(self, before: datetime) -> int:
        """Take out logins that ended before; how many."""
        with self._using() as used:
            return used.execute(
                "DELETE FROM meta_ads.login_states WHERE ends_at < %s", (before,)
            ).rowcount
