"""Receipts: a callback of Meta is verified; what has to end at once ends, the rest is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.state import ConnectionState
from meta_pipeline.warehouse import CallbackKind, CallbackRow, Connection, ConnectionRow
from meta_pipeline.words import minute, times

from .signed_request import read_signed_request

# Between Meta's clock, which signs, and ours, by which a connection was added.
CLOCKS_DIFFER = timedelta(minutes=1)
_REMOVED = "The person removed the app at Meta: connect again, or add a new token."


@dataclass(frozen=True, slots=True)
class Receipt:
    """What to answer Meta with: HTTP 200, and for a deletion the JSON of `answer`."""

    confirmation_code: str

    def answer(self, status_url: str) -> dict[str, str]:
        """Body of the answer to a deletion; at `status_url` the person reads what became of it."""
        return {"url": status_url, "confirmation_code": self.confirmation_code}


@dataclass(frozen=True, slots=True)
class DeletionStatus:
    """What became of a request, for the person who made it; nothing here says who that is."""

    confirmation_code: str
    received_at: datetime
    done_at: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The two addresses that an app gives Meta, free of any web.

    `body` is the posted form as its raw bytes came. Raises CallbackRefused (answer 403) for what
    is not signed with META_APP_SECRET or META_APP_SECRET_PREVIOUS, and asks Meta nothing. The
    same request twice is one, with one confirmation code; an old one, sent again, ends no
    connection that was made since.
    """

    connections: Connections

    def deauthorized(self, body: bytes) -> Receipt:
        """Somebody removed the app: their connections are revoked and their tokens forgotten."""
        return self._received("deauthorize", body)

    def deletion_asked(self, body: bytes) -> Receipt:
        """Somebody wants their data deleted: the same, and a job deletes what is theirs."""
        return self._received("data_deletion", body)

    def status(self, confirmation_code: str) -> DeletionStatus | None:
        """What became of a request; None when there is none of this code."""
        # From an address that anybody may type: Postgres takes no NUL in a text.
        is_code = confirmation_code.isascii() and confirmation_code.isalnum()
        row = self.connections.warehouse.callbacks.get(confirmation_code) if is_code else None
        if row is None or row.kind != "data_deletion":
            return None
        count = sum((row.deleted or {}).values())
        return DeletionStatus(
            row.confirmation_code, row.received_at, row.done_at, _told(row, count)
        )

    def _received(self, kind: CallbackKind, body: bytes) -> Receipt:
        settings, now = self.connections.access.settings, self.connections.access.clock()
        known = (settings.app_secret, settings.app_secret_previous)
        asked = read_signed_request(body, [one.get_secret_value() for one in known if one], now=now)
        row = CallbackRow(
            confirmation_code=secrets.token_hex(16),
            kind=kind,
            # The two kinds are signed alike: one request may come to both addresses.
            request_hash=f"{kind}:{asked.request_hash}",
            app_id=settings.app_id or "",
            user_id=asked.user_id,
            issued_at=asked.issued_at,
            received_at=now,
        )
        with self.connections.warehouse.connection() as connection:
            kept = self.connections.warehouse.callbacks.add(row, connection)
            # Only of a request that is new: sent again it must not end what was connected since.
            if kept.confirmation_code == row.confirmation_code:
                for one in meant(self.connections, kept, connection):
                    self._end(one, connection)
        return Receipt(kept.confirmation_code)

    def _end(self, row: ConnectionRow, connection: Connection) -> None:
        """At Meta its tokens have ended already."""
        store = self.connections.warehouse.connections
        if ConnectionState(row.state) is not ConnectionState.REPLACED:
            row = replace(row, state=ConnectionState.REVOKED, problem=_REMOVED)
            store.save(row, connection)
        store.drop_tokens(row.connection_id, ("current", "next", "previous"), connection)
        self.connections.record(row, "deauthorized", {}, connection)


def meant(
    connections: Connections, callback: CallbackRow, connection: Connection
) -> list[ConnectionRow]:
    """The connections that the person made with the app before the callback was signed."""
    until = callback.issued_at + CLOCKS_DIFFER
    return [
        row
        for row in connections.warehouse.connections.all(connection)
        if row.user_id == callback.user_id
        and callback.app_id in ("", row.app_id)
        and row.added_at <= until
    ]


def _told(row: CallbackRow, count: int) -> str:
    if row.done_at is not None:
        return (
            f"Everything that was stored about you was deleted on {minute(row.done_at)} "
            f"({times(count, 'row')}). What is left is that a deletion took place, without your "
            "name or id."
        )
    if row.problem is not None:
        return (
            f"The request came on {minute(row.received_at)}. It could not be carried out yet and "
            "is tried again; the operator of this installation has been told."
        )
    if row.tried_at is not None:
        return f"The request came on {minute(row.received_at)}. It is being carried out."
    return f"The request came on {minute(row.received_at)} and will be carried out within the hour."
