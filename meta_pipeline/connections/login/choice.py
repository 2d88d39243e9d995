"""The choice of accounts: a list that is kept here, looked through by name, and what was chosen."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.errors import ChoiceRefused, PendingUnknown
from meta_pipeline.connections.renewal import revoke_previous
from meta_pipeline.connections.state import ConnectionKind, ConnectionState, state_at
from meta_pipeline.graph import GraphError
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import Connection, ConnectionRow, PendingRow

from . import answers
from .answers import Pending
from .pending import PENDING_LIVES, discard, hashed, opened

PAGE = 50
_NAMED = 3


@dataclass(frozen=True, slots=True)
class PickedAccount:
    """An ad account that may be chosen."""

    account_id: str
    name: str | None
    is_chosen: bool = False
    """Whether it is ticked."""


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Some of the accounts that were looked for: `total` of them in all, from `offset` on."""

    accounts: tuple[PickedAccount, ...]
    total: int
    offset: int
    next_offset: int | None
    """Where the next page begins; None at the end."""
    previous_offset: int | None
    """Where the page before begins; None at the beginning."""
    chosen: int
    """How many are ticked, on all pages and whatever is looked for."""


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """The accounts behind a token that was granted; `session` is the one that logged in.

    Ticks are kept here, page by page, until `choose_ticked`. `change_choice` opens that of a stored
    connection, to be changed. Everything here raises PendingUnknown once it is over: chosen,
    cancelled, swept after half an hour, or another session's; or another tenant's than `tenant`,
    where that is given.
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
        total, accounts = self.connections.warehouse.logins.search(
            row.pending_id, one_line(search), offset=offset, limit=max(limit, 1)
        )
        after = offset + len(accounts)
        size = max(limit, 1)
        return AccountPage(
            accounts=tuple(PickedAccount(*one) for one in accounts),
            total=total,
            offset=offset,
            next_offset=after if accounts and after < total else None,
            # An offset beyond the end leads back to the last page, not further into nothing.
            previous_offset=max(min(offset, total) - size, 0) if offset and total else None,
            chosen=len(self.connections.warehouse.logins.ticked(row.pending_id)),
        )

    def tick(self, ticked: Collection[str], *, shown: Collection[str] = ()) -> None:
        """Keep which accounts of one page are ticked: those of `shown` that are not, are not.

        Raises ChoiceRefused, and changes nothing, for one that is not in the list.
        """
        ids = {*shown, *ticked}
        with self.connections.warehouse.connection() as connection:
            row, logins = self._row(connection), self.connections.warehouse.logins
            # From a form: Postgres takes no NUL, and no id of Meta's has other than ASCII.
            if any(not one.isascii() or not one.isprintable() for one in ids):
                raise ChoiceRefused("That is no id of an ad account. Nothing was stored.")
            if logins.tick(row.pending_id, ids, ticked, connection) != len(ids):
                _check(ids, logins.accounts(row.pending_id, connection))

    def tick_found(self, search: str = "", *, is_chosen: bool = True) -> None:
        """Tick every account whose name or id has `search` in it, or none of them."""
        with self.connections.warehouse.connection() as connection:
            row = self._row(connection)
            self.connections.warehouse.logins.tick_found(
                row.pending_id, one_line(search), connection, is_chosen=is_chosen
            )

    def choose_ticked(self, *, name: str | None = None) -> ConnectionRow:
        """Connect the ticked accounts and no others; as `choose`."""
        return self._connect(self.connections.warehouse.logins.ticked(self._row().pending_id), name)

    def choose(self, accounts: Collection[str], *, name: str | None = None) -> ConnectionRow:
        """Connect these accounts ("act_<n>") and no others, also later.

        Raises ChoiceRefused, and changes nothing, for none or for one that is not in the list.
        """
        return self._connect(accounts, name)

    def choose_all(self, *, name: str | None = None) -> ConnectionRow:
        """Connect every account the token reaches, now and later."""
        return self._connect(None, name)

    def cancel(self) -> None:
        """Leave a choice as it was.

        Of a new one forget the token; that of a business integration is ended at Meta too.
        """
        discard(self.connections, self._row())

    def _row(self, connection: Connection | None = None) -> PendingRow:
        is_id = self.pending_id.isascii() and self.pending_id.isprintable()
        row = self.connections.warehouse.logins.get(
            self.pending_id if is_id else "", connection, locked=connection is not None
        )
        now = self.connections.access.clock()
        is_mine = (
            # All in one answer: which of them it was would tell a stranger that there is such a
            # choice.
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
            if pending.connection_id is not None:
                return self._change(pending, chosen, offered, name, connection)
            row = ConnectionRow(
                connection_id=f"conn_{secrets.token_hex(6)}",
                tenant=pending.tenant,
                kind=ConnectionKind(str(pending.kind)),
                name=one_line(name or "") or str(pending.name),
                app_id=pending.app_id,
                user_id=str(pending.user_id),
                client_business_id=pending.client_business_id,
                scopes=pending.scopes,
                expires_at=pending.expires_at,
                data_access_expires_at=pending.data_access_expires_at,
                state=state_at(
                    now, ConnectionState.ACTIVE, pending.expires_at, pending.data_access_expires_at
                ),
                added_at=now,
                checked_at=pending.came_at,
                chosen_accounts=None if chosen is None else sorted(set(chosen)),
            )
            connections.insert(row, opened(connections, pending), offered, connection)
            connections.warehouse.logins.remove(pending.pending_id, connection)
        # After the commit, as Meta is asked: the new connection stands whatever becomes of the old
        # token.
        revoke_previous(connections, row)
        return row

    def _change(
        self,
        pending: PendingRow,
        chosen: Collection[str] | None,
        offered: Mapping[str, str | None],
        name: str | None,
        connection: Connection,
    ) -> ConnectionRow:
        """The stored connection with another choice; its token stays what it is."""
        connections, now = self.connections, self.connections.access.clock()
        store = connections.warehouse.connections
        row = store.get(str(pending.connection_id), connection, locked=True)
        if row is None or row.state == ConnectionState.REPLACED:
            raise PendingUnknown("The connection was removed or replaced meanwhile. Connect again.")
        changed = replace(
            row,
            name=one_line(name or "") or row.name,
            chosen_accounts=None if chosen is None else sorted(set(chosen)),
        )
        store.save(changed, connection)
        before = store.accounts(row.connection_id, connection).keys()
        kept = offered if chosen is None else {one: offered[one] for one in chosen}
        connections.note_accounts(row, kept, now, connection)
        detail = {
            "chosen": "all" if chosen is None else len(kept),
            "accounts_new": sorted(kept.keys() - before),
            "accounts_lost": sorted(before - kept.keys()),
        }
        connections.record(changed, "accounts_chosen", detail, connection)
        connections.warehouse.logins.remove(pending.pending_id, connection)
        return changed


def change_choice(connections: Connections, row: ConnectionRow, *, session: str) -> AccountChoice:
    """Open the choice of a stored connection: Meta is asked which accounts its token reaches now.

    What is chosen today is ticked; nothing changes until something is chosen. Raises ChoiceRefused
    for a connection that is over, reaches none, or that Meta refuses, and TokenUnreadable.
    """
    if not ConnectionState(row.state).is_usable:
        raise ChoiceRefused(f"{row.name} is {row.state}: connect it again. Nothing was changed.")
    try:
        owner = connections.access.owner(connections.token(row), app_id=row.app_id)
    except GraphError as error:
        told = f"Meta does not say which ad accounts {row.name} reaches. {error}"
        raise ChoiceRefused(f"{told} Nothing was changed.") from error
    if not owner.accounts:
        raise ChoiceRefused(f"{row.name} reaches no ad account. Nothing was changed.")
    now = connections.access.clock()
    pending = PendingRow(
        pending_id=f"pend_{secrets.token_urlsafe(18)}",
        session_hash=hashed("session", session),
        tenant=row.tenant,
        app_id=row.app_id,
        kind=row.kind,
        name=row.name,
        user_id=row.user_id,
        client_business_id=row.client_business_id,
        scopes=row.scopes,
        declined=[],
        expires_at=row.expires_at,
        data_access_expires_at=row.data_access_expires_at,
        key_id="",
        sealed=b"",
        token_key="",
        came_at=now,
        ends_at=now + PENDING_LIVES,
        connection_id=row.connection_id,
    )
    chosen = owner.accounts if row.chosen_accounts is None else row.chosen_accounts
    logins = connections.warehouse.logins
    with connections.warehouse.connection() as connection:
        logins.save(pending, connection)
        logins.set_accounts(pending.pending_id, owner.accounts, connection, chosen=chosen)
    return AccountChoice(connections, session=session, pending_id=pending.pending_id)


def _check(chosen: Collection[str], offered: Collection[str]) -> None:
    if not chosen:
        raise ChoiceRefused("Choose at least one ad account, or all. Nothing was stored.")
    if unknown := sorted(set(chosen) - set(offered)):
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise ChoiceRefused(
            f"{', '.join(unknown[:_NAMED])}{more}: not among the accounts that access was given "
            "to. Nothing was stored."
        )
