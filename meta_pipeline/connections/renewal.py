"""Renewal: a token gets another sixty days before it ends, and there is always one that works.

Exchange, check, swap, revoke: after each step what is known is stored, so that a process that dies
anywhere leaves the old token in use, or the new one, and the next try goes on from there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from meta_pipeline.graph import GraphError, Reauthorize, TokenInfo
from meta_pipeline.warehouse import Connection, ConnectionRow
from meta_pipeline.words import minute

from .connections import Connections
from .errors import ConnectionUnknown, NotRenewed
from .state import ConnectionKind, ConnectionState, is_due, state_at

# Tried, not waited for: two renewals at once would exchange one token twice.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('meta_ads:connection:' || %s, 0))"
_OF_SYSTEM_USERS = (ConnectionKind.SYSTEM_USER, ConnectionKind.BUSINESS_INTEGRATION)
"""Kinds whose token is a system user's. Meta renews such a one in a form of its own, and documents
how it is ended alone; to end a person's could end the app's access too."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of one renewal: `problem` is why not, or why the old token still lives."""

    row: ConnectionRow
    is_renewed: bool
    problem: str | None = None

    @property
    def is_failed(self) -> bool:
        return self.problem is not None and not self.is_renewed


def renew(connections: Connections, given: ConnectionRow, *, force: bool = False) -> Renewal:
    """Renew the token of a connection if 20 days or fewer are left, or with `force`.

    What was begun earlier is finished first. A failure is kept in the row and told in `problem`;
    the old token stays in use. Nothing is raised for what Meta answers.
    """
    # Held as long as this transaction is open, over the calls to Meta; it changes nothing itself.
    with connections.warehouse.connection() as guard:
        if not guard.execute(_LOCK, (given.connection_id,)).fetchone()[0]:  # type: ignore[index]
            return Renewal(given, is_renewed=False, problem="Another process is renewing it.")
        row = connections.warehouse.connections.get(given.connection_id)
        if row is None:
            raise ConnectionUnknown(f"Connection {given.connection_id} was removed meanwhile.")
        tokens = connections.tokens(row)
        now = connections.access.clock()
        # "next" is a token that an earlier try got and did not put in use.
        wanted = "next" in tokens or force or is_due(now, row.state, row.expires_at)
        state = state_at(now, row.state, row.expires_at)
        if wanted and not state.is_usable:
            return _failed(connections, row, f"It is {state}: only a living token is renewed.")
        if not wanted:
            problem = _revoke_previous(connections, row, tokens.get("previous"))
            return Renewal(row, is_renewed=False, problem=problem)
        try:
            new = tokens.get("next") or _exchanged(connections, row, tokens["current"])
            info = _checked(connections, row, new)
        except (GraphError, NotRenewed) as error:
            if isinstance(error, Reauthorize):  # perhaps the old one is dead: say which it is
                with suppress(GraphError):
                    connections.check(row)
            return _failed(connections, row, str(error))
        row = _swapped(connections, row, tokens["current"], new, info)
        old = tokens["current"] if new != tokens["current"] else None
        problem = _revoke_previous(connections, row, old)
        return Renewal(row, is_renewed=True, problem=problem)


def _exchanged(connections: Connections, row: ConnectionRow, current: str) -> str:
    """A new token for the current one, stored before anything else is done with it."""
    if not connections.access.knows_app(row.app_id):
        raise NotRenewed(
            f"Renewing takes the secret of app {row.app_id}: set META_APP_ID and META_APP_SECRET, "
            "or add a new token with `meta-pipeline connections add --paste`."
        )
    with connections.access.client(current, app_id=row.app_id) as client:
        is_of_system_user = row.kind in _OF_SYSTEM_USERS
        new = client.exchange_token(app_id=row.app_id, of_system_user=is_of_system_user)
    # Meta gives it once: lost here, it would live on unknown to anybody.
    connections.keep_token(row, new.value, "next")
    return new.value


def _checked(connections: Connections, row: ConnectionRow, new: str) -> TokenInfo:
    """What Meta says of the new token; NotRenewed, and it is dropped, when it is no better."""
    info, before = connections.access.inspect(new), row.expires_at
    if not info.is_valid:
        problem = f"The renewed token is invalid{f': {info.error}' if info.error else '.'}"
    elif info.user_id not in (None, row.user_id) or info.app_id not in (None, row.app_id):
        problem = "The renewed token belongs to somebody else."
    elif missing := set(row.scopes) - set(info.scopes):
        problem = f"The renewed token lacks {', '.join(sorted(missing))}."
    # Without a later end nothing is won, and a swap can only go wrong.
    elif before is None or (info.expires_at is not None and info.expires_at <= before):
        ends = ["never" if end is None else minute(end) for end in (info.expires_at, before)]
        problem = (
            "Meta's new token does not last longer than the old one "
            f"(expires: {ends[0]}; the old one: {ends[1]})."
        )
    else:
        return info
    connections.warehouse.connections.drop_tokens(row.connection_id, ["next"])
    raise NotRenewed(problem)


def _swapped(
    connections: Connections, given: ConnectionRow, old: str, new: str, info: TokenInfo
) -> ConnectionRow:
    """The new token in use and the old one kept to be revoked, in one transaction."""
    now, store = connections.access.clock(), connections.warehouse.connections
    with connections.warehouse.connection() as connection:
        row = _living(connections, given, connection)
        renewed = replace(
            row,
            scopes=sorted(info.scopes),
            expires_at=info.expires_at,
            data_access_expires_at=info.data_access_expires_at,
            state=state_at(
                now, ConnectionState.ACTIVE, info.expires_at, info.data_access_expires_at
            ),
            problem=None,
            checked_at=now,
            renewed_at=now,
            renewal_failed_at=None,
            renewal_problem=None,
        )
        store.save(renewed, connection)
        # All in one transaction: there is a token in use at every moment.
        store.drop_tokens(row.connection_id, ["next"], connection)
        connections.keep_token(row, new, "current", connection)
        if old != new and row.kind in _OF_SYSTEM_USERS:
            connections.keep_token(row, old, "previous", connection)
        detail = {"expires_at": None if info.expires_at is None else info.expires_at.isoformat()}
        connections.record(renewed, "renewed", detail, connection)
    return renewed


def _living(
    connections: Connections, given: ConnectionRow, connection: Connection
) -> ConnectionRow:
    row = connections.warehouse.connections.get(given.connection_id, connection, locked=True)
    if row is None or row.state == ConnectionState.REPLACED:
        raise ConnectionUnknown(f"Connection {given.connection_id} was removed meanwhile.")
    return row


def revoke_previous(connections: Connections, row: ConnectionRow) -> str | None:
    """End the token that was replaced, if it is still kept; why it lives on, if it does."""
    return _revoke_previous(connections, row, connections.tokens(row).get("previous"))


def _revoke_previous(connections: Connections, row: ConnectionRow, old: str | None) -> str | None:
    """End the token that was replaced; why it still lives, if it does: tried again next time."""
    if old is None or row.kind not in _OF_SYSTEM_USERS:
        return None
    if not connections.access.knows_app(row.app_id):
        return "The old token lives until its own end: revoking it takes META_APP_SECRET."
    try:
        with connections.access.client(connections.token(row), app_id=row.app_id) as client:
            client.revoke_token(old, app_id=row.app_id)
    except GraphError as error:
        # Meta refuses to end what has ended: then nothing is left to be done.
        is_dead = False
        with suppress(GraphError):
            is_dead = not connections.access.inspect(old).is_valid
        if not is_dead:
            return f"The old token lives until its own end, or the next try: {error}"
    with connections.warehouse.connection() as connection:
        connections.warehouse.connections.drop_tokens(row.connection_id, ["previous"], connection)
        connections.record(row, "token_revoked", {"role": "previous"}, connection)
    return None


def _failed(connections: Connections, given: ConnectionRow, problem: str) -> Renewal:
    now = connections.access.clock()
    with connections.warehouse.connection() as connection:
        row = _living(connections, given, connection)
        failed = replace(row, renewal_failed_at=now, renewal_problem=problem)
        connections.warehouse.connections.save(failed, connection)
        connections.record(failed, "renewal_failed", {"problem": problem}, connection)
    return Renewal(failed, is_renewed=False, problem=problem)
