"""Pending: a token that came, sealed until accounts are chosen, swept when nobody does."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.errors import TokenUnreadable
from meta_pipeline.connections.sealing import Sealed
from meta_pipeline.connections.state import ConnectionKind
from meta_pipeline.graph import GraphError, Retriable, Throttled
from meta_pipeline.graph.tokens import token_key
from meta_pipeline.moments import past
from meta_pipeline.warehouse import PendingRow

PENDING_LIVES = timedelta(minutes=30)
"""How long accounts can be chosen; then the token is swept."""
_REMEMBERED = timedelta(days=1)
"""How long an ended login is told from one that never was, and a token's end is tried."""
# Made by our own login, for us: a person's token may serve others of the app's, too.
_OURS_ALONE = (ConnectionKind.BUSINESS_INTEGRATION, ConnectionKind.SYSTEM_USER)


def hashed(what: str, secret: str) -> str:
    """What is stored of a state or a session: one way, and never the same for the other kind."""
    return hashlib.sha256(f"{what}:{secret}".encode()).hexdigest()


def with_token(connections: Connections, row: PendingRow, token: str) -> PendingRow:
    """The row with this token, sealed for it."""
    sealed = connections.keyring.seal(token, tenant=row.tenant, connection_id=row.pending_id)
    return replace(row, key_id=sealed.key_id, sealed=sealed.data, token_key=token_key(token))


def opened(connections: Connections, row: PendingRow) -> str:
    """The token of what is pending; TokenUnreadable when its key is gone."""
    return connections.keyring.open(
        Sealed(row.key_id, bytes(row.sealed)), tenant=row.tenant, connection_id=row.pending_id
    )


def is_over(row: PendingRow, now: datetime) -> bool:
    """Whether accounts can be chosen no more; what a clock ahead let in has no time left."""
    return row.ends_at <= now or past(row.came_at, now) is None


def discard(connections: Connections, row: PendingRow) -> bool:
    """Forget what is pending, and end its token at Meta where it is ours alone.

    False: Meta could not be asked, and it stays for the next sweep. A person's token is left to its
    own end, and one that a connection uses as well is never ended.
    """
    is_too_late = connections.access.clock() >= row.ends_at + _REMEMBERED
    if not _ended(connections, row) and not is_too_late:
        return False
    connections.warehouse.logins.remove(row.pending_id)
    return True


def sweep(connections: Connections) -> int:
    """Discard every token whose accounts nobody chose in time; how many. Old logins go too."""
    now, logins = connections.access.clock(), connections.warehouse.logins
    over = [row for row in logins.all() if is_over(row, now)]
    logins.forget_states(now - _REMEMBERED)
    return sum(discard(connections, row) for row in over)


def _ended(connections: Connections, row: PendingRow) -> bool:
    """Whether the token is no concern any more: ended, not ours to end, or beyond reading."""
    access = connections.access
    if row.connection_id is not None:  # a choice that is changed has no token of its own
        return True
    kept = {one.token_key for one in connections.warehouse.connections.tokens()}
    if row.token_key in kept or not access.knows_app(row.app_id):
        return True
    try:
        token = opened(connections, row)
        if row.kind is None:  # it came, and nothing more was heard
            is_ours = access.inspect(token).type == "SYSTEM_USER"
        else:
            is_ours = row.kind in _OURS_ALONE
        if is_ours:
            with access.client(token, app_id=row.app_id) as client:
                client.revoke_token(token, app_id=row.app_id)
    except (Retriable, Throttled):
        return False
    except (GraphError, TokenUnreadable):
        return True  # dead already, or nobody can open it
    return True
