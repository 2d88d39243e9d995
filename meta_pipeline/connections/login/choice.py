"""The choice of accounts: a list that is kept here, looked through by name, and what was chosen."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.errors import ChoiceRefused, PendingUnknown
from meta_pipeline.connections.renewal import revoke_previous
from meta_pipeline.connections.state import Kind, State, state_at
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import Connection, ConnectionRow, PendingRow

from . import answers
from .answers import Pending
from .pending import discard, hashed, opened

PAGE = 50
_NAMED = 3


@dataclass(frozen=True, slots=True)
class PickedAccount:
    """An ad account that may be chosen."""

    account_id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Some of the accounts that were looked for: `total` of them in all, from `offset` on."""

    accounts: tuple[PickedAccount, ...]
    total: int
    offset: int
    next_offset: int | None
    """Where the next page begins; None at the end."""


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """The accounts behind a token that was granted; `session` is the one that logged in.

    Everything here raises PendingUnknown once it is over: chosen, cancelled, swept after half an
    hour, or another session's; or another tenant's than `tenant`, where that is given.
    """

    connections: Connections
    session: str = field(repr=False)
    pending_id: str
    tenant: str | None = None

    def pending(self) -> Pending:
        """What was granted, as `Granted.pending` says it."""
        row = self._row()
        return answers.pending(row, len(self.connections.warehouse.logins.accounts(row.pending_id)))

    def page(self, search: str = "", *, offset: int = 0, limit: int = PAGE) -> AccountPage:
        """Accounts whose name or id has `search` in it, by name; all of them without."""
        row, offset = self._row(), max(offset, 0)
        total, found = self.connections.warehouse.logins.search(
            row.pending_id, one_line(search), offset=offset, limit=max(limit, 1)
        )
        after = offset + len(found)
        return AccountPage(
            accounts=tuple(PickedAccount(*one) for one in found),
            total=total,
            offset=offset,
            next_offset=after if found and after < total else None,
        )

    def choose(self, accounts: Collection[str], *, name: str | None = None) -> ConnectionRow:
        """Connect these accounts ("act_<n>") and no others, also later.

        Raises ChoiceRefused, and changes nothing, for none or for one that is not in the list.
        """
        return self._connect(accounts, name)

    def choose_all(self, *, name: str | None = None) -> ConnectionRow:
        """Connect every account the token reaches, now and later."""
        return self._connect(None, name)

    def cancel(self) -> None:
        """Forget the token; that of a business integration is ended at Meta too."""
        discard(self.connections, self._row())

    def _row(self, connection: Connection | None = None) -> PendingRow:
        is_id = self.pending_id.isascii() and self.pending_id.isprintable()
        row = self.connections.warehouse.logins.get(
            self.pending_id if is_id else "", connection, locked=connection is not None
        )
        now = self.connections.access.clock()
        is_mine = (
            row is not None
            and row.session_hash == hashed("session", self.session)
            and self.tenant in (None, row.tenant)
        )
        if row is None or not is_mine or row.kind is None or row.ends_at <= now:
            raise PendingUnknown(
                "There is nothing to choose from any more: it was chosen or cancelled, half an "
                "hour passed, or it belongs to another browser or another tenant. Connect again."
            )
        return row

    def _connect(self, chosen: Collection[str] | None, name: str | None) -> ConnectionRow:
        connections, now = self.connections, self.connections.access.clock()
        with connections.warehouse.connection() as connection:
            pending = self._row(connection)
            offered = connections.warehouse.logins.accounts(pending.pending_id, connection)
            if chosen is not None:
                _check(chosen, offered)
            row = ConnectionRow(
                connection_id=f"conn_{secrets.token_hex(6)}",
                tenant=pending.tenant,
                kind=Kind(str(pending.kind)),
                name=one_line(name or "") or str(pending.name),
                app_id=pending.app_id,
                user_id=str(pending.user_id),
                client_business_id=pending.client_business_id,
                scopes=pending.scopes,
                expires_at=pending.expires_at,
                data_access_expires_at=pending.data_access_expires_at,
                state=state_at(
                    now, State.ACTIVE, pending.expires_at, pending.data_access_expires_at
                ),
                added_at=now,
                checked_at=pending.came_at,
                chosen_accounts=None if chosen is None else sorted(set(chosen)),
            )
            connections.insert(row, opened(connections, pending), offered, connection)
            connections.warehouse.logins.remove(pending.pending_id, connection)
        revoke_previous(connections, row)
        return row


def _check(chosen: Collection[str], offered: Collection[str]) -> None:
    if not chosen:
        raise ChoiceRefused("Choose at least one ad account, or all. Nothing was stored.")
    if unknown := sorted(set(chosen) - set(offered)):
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise ChoiceRefused(
            f"{', '.join(unknown[:_NAMED])}{more}: not among the accounts that access was given "
            "to. Nothing was stored."
        )
