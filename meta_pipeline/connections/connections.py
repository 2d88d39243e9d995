"""Connections: add, check and remove them; their tokens are stored sealed or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from meta_pipeline.graph import GraphError, Reauthorize, Retriable, Throttled
from meta_pipeline.graph.tokens import token_key
from meta_pipeline.warehouse import (
    DEFAULT_TENANT,
    Connection,
    ConnectionRow,
    SealedToken,
    Warehouse,
)
from meta_pipeline.warehouse.stores.connections import TokenRole

from .access import Access, Owner
from .audit import changes, impersonal
from .errors import ConnectionUnknown, NotRevoked, TokenRefused, TokenUnreadable
from .inspection import kind_of, standing_of
from .sealing import Keyring, Sealed
from .state import ConnectionKind, ConnectionState, state_at


@dataclass(frozen=True, slots=True)
class Connections:
    """The stored connections of one warehouse, and the access to Meta to ask about them.

    `actor` is who changes them, for the audit. What Meta answers badly raises a GraphError and
    leaves everything as it was; everything else wrong is a ConnectionsError.
    """

    warehouse: Warehouse
    access: Access
    keyring: Keyring
    actor: str

    def add(
        self, token: str, *, name: str | None = None, tenant: str = DEFAULT_TENANT
    ) -> ConnectionRow:
        """Store a token as a connection, after Meta said whose it is and what it reaches.

        A connection of the same tenant, user and app is replaced; the accounts are the tenant's.
        Raises KeyMissing or TenantUnknown before Meta is asked, TokenRefused for what cannot be
        one; then nothing is written.
        """
        # Before Meta is asked: a token that cannot be kept is not looked at either.
        _ = self.keyring.first
        self.warehouse.tenants.get(tenant)
        info = self.access.inspect(token)
        kind = kind_of(info)
        app_id = info.app_id or self.access.settings.app_id
        if app_id is None:
            raise TokenRefused("Meta did not say which app the token belongs to: set META_APP_ID.")
        owner = self.access.owner(token, app_id=app_id)
        now = self.access.clock()
        row = ConnectionRow(
            connection_id=f"conn_{secrets.token_hex(6)}",
            tenant=tenant,
            kind=kind,
            name=name or owner.name,
            app_id=app_id,
            user_id=info.user_id or owner.user_id,
            scopes=sorted(info.scopes),
            expires_at=info.expires_at,
            data_access_expires_at=info.data_access_expires_at,
            state=state_at(
                now, ConnectionState.ACTIVE, info.expires_at, info.data_access_expires_at
            ),
            added_at=now,
            checked_at=now,
        )
        with self.warehouse.connection() as connection:
            # One token in two connections: ending one of them would end the other.
            if known := self._holder(token, connection):
                raise TokenRefused(
                    f"This very token is stored already, as {known.connection_id} ({known.name}). "
                    "Nothing was written."
                )
            self.insert(row, token, owner.accounts, connection)
        return row

    def insert(
        self,
        row: ConnectionRow,
        token: str,
        accounts: Mapping[str, str | None],
        connection: Connection,
    ) -> None:
        """Store a new connection, in the place of one of the same user and app.

        `accounts` are those that the token reaches; those of `row.chosen_accounts` are kept.
        """
        # Before the new one is kept: two living connections of one user would both be renewed.
        old = self._replace_same(row, connection)
        self.warehouse.connections.save(row, connection)
        self.keep_token(row, token, "current", connection)
        if old is not None and old != token:
            self.keep_token(row, old, "previous", connection)
        self.note_accounts(row, accounts, row.added_at, connection)
        chosen = "all" if row.chosen_accounts is None else len(row.chosen_accounts)
        detail = {"kind": row.kind, "app_id": row.app_id, "accounts": len(accounts)}
        self.record(row, "added", detail | {"chosen": chosen}, connection)

    def check(self, row: ConnectionRow) -> ConnectionRow:
        """Ask Meta about the stored token and keep the answer: state, ends, scopes, accounts.

        A valid token whose calls are refused all the same (the app is blocked, say) keeps its
        state and accounts, and why as its problem.
        """
        # Meta is asked outside of a transaction: a lock that waits for the internet is waited for
        # by all.
        token = self.token(row)
        info = self.access.inspect(token)
        now = self.access.clock()
        said, owner = standing_of(info, now), None
        if info.is_valid:
            try:
                owner = self.access.owner(token, app_id=row.app_id)
            except (Retriable, Throttled):
                raise
            except GraphError as error:
                said["problem"] = str(error)
                if isinstance(error, Reauthorize):
                    said["state"] = ConnectionState.REVOKED
        with self.warehouse.connection() as connection:
            known = self.warehouse.connections.get(row.connection_id, connection, locked=True)
            if known is None:
                raise ConnectionUnknown(f"Connection {row.connection_id} was removed meanwhile.")
            current = self._sealed(row.connection_id, connection).get("current")
            if current is None or current.token_key != token_key(token):
                return known  # renewed or replaced meanwhile: the answer is about another token
            checked = replace(known, checked_at=now, **said)
            self.warehouse.connections.save(checked, connection)
            accounts = self._accounts_changed(checked, owner, connection)
            if detail := accounts | changes(known, checked):
                self.record(checked, "checked", detail, connection)
        return checked

    def note(self, row: ConnectionRow, error: Exception) -> str:
        """Keep with the connection why it could not be cared for, which its alert tells.

        And the moment: it was tried, and waits for its next turn. Gives the text that is kept.
        """
        with self.warehouse.connection() as connection:
            known = self.warehouse.connections.get(row.connection_id, connection, locked=True)
            if known is not None:
                noted = replace(known, problem=str(error), checked_at=self.access.clock())
                self.warehouse.connections.save(noted, connection)
        return str(error)

    def erase(self, row: ConnectionRow, code: str, connection: Connection) -> dict[str, int]:
        """Take out what a person's request with this code is about, as `remove`: table to rows."""
        removed = self.warehouse.connections.erase(row.connection_id, connection)
        self.record(row, "data_deleted", {"confirmation_code": code}, connection)
        self.warehouse.tenants.take_back(self.actor, connection)
        return removed

    def remove(self, row: ConnectionRow, *, revoke: bool = False) -> None:
        """Forget a connection and its tokens; `revoke` ends them at Meta first.

        When Meta does not revoke one, that is raised and the connection stays.
        """
        if revoke:
            self._revoke_all(row)
        with self.warehouse.connection() as connection:
            if self.warehouse.connections.get(row.connection_id, connection, locked=True) is None:
                raise ConnectionUnknown(f"Connection {row.connection_id} is gone already.")
            self.warehouse.connections.remove(row.connection_id, connection)
            self.record(row, "removed", {"revoked": revoke}, connection)
            self.warehouse.tenants.take_back(self.actor, connection)

    def note_accounts(
        self,
        row: ConnectionRow,
        accounts: Mapping[str, str | None],
        at: datetime,
        connection: Connection,
    ) -> None:
        """Note which accounts a connection reaches, and take back what tenants lost by it."""
        self.warehouse.connections.set_accounts(row.connection_id, accounts, at, connection)
        self.warehouse.tenants.take_back(self.actor, connection)

    def find(self, given: str, *, tenant: str | None = None) -> ConnectionRow:
        """The connection of this id or name; ConnectionUnknown lists those it may be.

        With `tenant` among those of it alone: of others not even that they exist is told.
        """
        rows = [
            row
            for row in self.warehouse.connections.all()
            if tenant is None or row.tenant == tenant
        ]
        wanted = given.strip().casefold()
        # An id is one connection; a name may be that of a replaced one, too.
        by_id = [row for row in rows if row.connection_id == wanted]
        living = [row for row in rows if row.state != ConnectionState.REPLACED]
        named = by_id or [row for row in living if row.name.casefold() == wanted]
        if len(named) == 1:
            return named[0]
        which = "several connections have this name" if named else "no connection is called that"
        known = ", ".join(f"{row.connection_id} ({row.name})" for row in named or rows) or "none"
        raise ConnectionUnknown(f"{given}: {which}. There are: {known}.")

    def reseal(self) -> int:
        """Seal every stored token with the first key again; how many were under another.

        All of them or, when one does not open, none: TokenUnreadable then names it.
        """
        first, count = self.keyring.first, 0
        with self.warehouse.connection() as connection:
            rows = {row.connection_id: row for row in self.warehouse.connections.all(connection)}
            for stored in self.warehouse.connections.tokens(connection=connection):
                if stored.key_id == first:
                    continue
                row = rows[stored.connection_id]
                token = self._opened(row, stored)
                self.keep_token(row, token, stored.role, connection, as_of=stored)
                detail = {"role": stored.role, "from": stored.key_id, "to": first}
                self.record(row, "resealed", detail, connection)
                count += 1
            count += self._reseal_pending(connection)
        return count

    def _reseal_pending(self, connection: Connection) -> int:
        old = [
            row
            for row in self.warehouse.logins.all(connection)
            # A choice that is changed has no token of its own to be sealed.
            if row.connection_id is None and row.key_id != self.keyring.first
        ]
        for row in old:
            whose = {"tenant": row.tenant, "connection_id": row.pending_id}
            token = self.keyring.open(Sealed(row.key_id, bytes(row.sealed)), **whose)
            sealed = self.keyring.seal(token, **whose)
            renewed = replace(row, key_id=sealed.key_id, sealed=sealed.data)
            self.warehouse.logins.save(renewed, connection)
        return len(old)

    def token(self, row: ConnectionRow) -> str:
        """The token in use; TokenUnreadable when there is none or it does not open."""
        current = self.tokens(row).get("current")
        if current is None:
            raise TokenUnreadable(
                f"Connection {row.connection_id} has no token any more: it is {row.state}."
            )
        return current

    def tokens(self, row: ConnectionRow) -> dict[TokenRole, str]:
        """Every stored token of the connection, by role."""
        with self.warehouse.connection() as connection:
            sealed = self._sealed(row.connection_id, connection)
        return {role: self._opened(row, stored) for role, stored in sealed.items()}

    def keep_token(
        self,
        row: ConnectionRow,
        token: str,
        role: TokenRole,
        connection: Connection | None = None,
        *,
        as_of: SealedToken | None = None,
    ) -> None:
        """Seal the token and store it in its role; `as_of` keeps the time it came."""
        sealed = self.keyring.seal(token, tenant=row.tenant, connection_id=row.connection_id)
        stored = SealedToken(
            connection_id=row.connection_id,
            role=role,
            key_id=sealed.key_id,
            sealed=sealed.data,
            token_key=token_key(token),
            stored_at=as_of.stored_at if as_of else self.access.clock(),
        )
        self.warehouse.connections.save_token(stored, connection)

    def record(
        self,
        row: ConnectionRow,
        event: str,
        detail: Mapping[str, Any],
        connection: Connection | None = None,
    ) -> None:
        """Add a row to the audit, which outlives the person: no name or id of one is in it."""
        self.warehouse.connections.record(
            row,
            event,
            at=self.access.clock(),
            actor=self.actor,
            detail=impersonal(detail, row),
            connection=connection,
        )

    def _sealed(self, connection_id: str, connection: Connection) -> dict[TokenRole, SealedToken]:
        stored = self.warehouse.connections.tokens(connection_id, connection)
        return {one.role: one for one in stored}

    def _opened(self, row: ConnectionRow, stored: SealedToken) -> str:
        return self.keyring.open(
            Sealed(stored.key_id, bytes(stored.sealed)),
            tenant=row.tenant,
            connection_id=row.connection_id,
        )

    def _holder(self, token: str, connection: Connection) -> ConnectionRow | None:
        """The connection that has this very token in use."""
        stored = self.warehouse.connections.tokens(connection=connection)
        of_token = (one for one in stored if one.token_key == token_key(token))
        holder = next((one for one in of_token if one.role == "current"), None)
        if holder is None:
            return None
        return self.warehouse.connections.get(holder.connection_id, connection)

    def _replace_same(self, new: ConnectionRow, connection: Connection) -> str | None:
        """Mark those of the same user and app as replaced; the old token, if it is ours to end.

        That of a business integration came by our own login: nobody else uses it.
        """
        store = self.warehouse.connections
        ours: str | None = None
        for row in store.all(connection):
            same = (row.tenant, row.app_id, row.user_id) == (new.tenant, new.app_id, new.user_id)
            if row.state == ConnectionState.REPLACED or not same:
                continue
            if row.kind == ConnectionKind.BUSINESS_INTEGRATION:
                current = self._sealed(row.connection_id, connection).get("current")
                with suppress(TokenUnreadable):
                    ours = self._opened(row, current) if current else None
            old = replace(row, state=ConnectionState.REPLACED)
            store.save(old, connection)
            store.drop_tokens(row.connection_id, ("current", "next", "previous"), connection)
            store.set_accounts(row.connection_id, {}, new.added_at, connection)
            self.record(old, "replaced", {"by": new.connection_id}, connection)
        return ours

    def _accounts_changed(
        self, row: ConnectionRow, owner: Owner | None, connection: Connection
    ) -> dict[str, Any]:
        if owner is None:
            return {}
        store = self.warehouse.connections
        before = store.accounts(row.connection_id).keys()
        self.note_accounts(row, owner.accounts, row.checked_at, connection)
        # Accounts that were not chosen are not read: that they came or went is nobody's news.
        chosen = row.chosen_accounts
        reached = owner.accounts.keys() & (owner.accounts if chosen is None else set(chosen))
        new, lost = reached - before, before - reached
        changed = {"accounts_new": sorted(new), "accounts_lost": sorted(lost)}
        return {name: ids for name, ids in changed.items() if ids}

    def _revoke_all(self, row: ConnectionRow) -> None:
        if not self.access.knows_app(row.app_id):
            raise TokenRefused(
                f"Revoking takes the secret of app {row.app_id}: set META_APP_ID and "
                "META_APP_SECRET, or revoke the token in Meta's business settings and remove the "
                "connection without --revoke. Nothing was changed."
            )
        for role, token in self.tokens(row).items():
            with self.access.client(token, app_id=row.app_id) as client:
                try:
                    client.revoke_token(token, app_id=row.app_id)
                except Reauthorize:
                    continue  # it is dead already
                except GraphError as error:
                    told = f"Meta did not end the token of {row.name}. {error}"
                    raise NotRevoked(f"{told} Nothing was changed.") from error
            self.record(row, "token_revoked", {"role": role})
