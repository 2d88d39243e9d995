"""Carrying out: what a person let in is deleted, the app's other connections are looked at."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.errors import ConnectionsError, TokenRefused
from meta_pipeline.connections.state import ConnectionState
from meta_pipeline.graph import GraphError, Retriable, Throttled
from meta_pipeline.warehouse import CallbackRow, ConnectionRow, WarehouseError, forget_account

from .receipts import meant

logger = logging.getLogger("meta_pipeline.connections")


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOut:
    """What became of one callback; `problem` is why not. `accounts` are those that were deleted."""

    callback: CallbackRow
    deleted: dict[str, int] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    problem: str | None = None


def carry_out(connections: Connections) -> list[CarriedOut]:
    """Carry out every callback that waits; one that fails is kept, with why, and stops no other."""
    return [_one(connections, row) for row in connections.warehouse.callbacks.open()]


def _one(connections: Connections, callback: CallbackRow) -> CarriedOut:
    try:
        if callback.kind == "deauthorize":
            return _looked_around(connections, callback)
        # Delete connections, what waits for a choice, and the accounts that nobody else reaches.
        warehouse = connections.warehouse
        with warehouse.connection() as connection:
            rows = meant(connections, callback, connection)
        deleted: Counter[str] = Counter()
        alone = _reached_by_nobody_else(connections, rows)
        for account_id in alone:
            # Account by account, the connections last: a process that dies in between finds them
            # again.
            deleted.update(forget_account(warehouse.url, account_id))
        count = _finish(connections, callback, rows, deleted)
        return CarriedOut(callback=callback, deleted=count, accounts=tuple(alone))
    except (GraphError, ConnectionsError, WarehouseError) as error:
        problem = str(error)
        connections.warehouse.callbacks.failed(callback, problem, connections.access.clock())
        return CarriedOut(callback=callback, problem=problem)


def _looked_around(connections: Connections, callback: CallbackRow) -> CarriedOut:
    """Ask Meta about the app's other connections.

    A business integration's token carries the id of its system user, never that of the person who
    gave it: whether it ended with them only Meta can say.
    """
    for row in connections.warehouse.connections.all():
        if callback.app_id not in ("", row.app_id) or not ConnectionState(row.state).is_usable:
            continue
        try:
            connections.check(row)
        except (Retriable, Throttled):
            raise
        except (GraphError, ConnectionsError) as error:
            logger.warning("Connection %s could not be looked at: %s", row.connection_id, error)
    _finish(connections, callback, [], {})
    return CarriedOut(callback=callback)


def _reached_by_nobody_else(connections: Connections, rows: list[ConnectionRow]) -> list[str]:
    store, theirs = connections.warehouse.connections, {row.connection_id for row in rows}
    reached = {one for row in rows for one in store.accounts(row.connection_id)}
    if not reached:
        return []
    others = [
        row
        for row in store.all()
        if row.connection_id not in theirs
        and ConnectionState(row.state) is not ConnectionState.REPLACED
    ]
    alone = reached - {one for row in others for one in store.accounts(row.connection_id)}
    if not alone:
        return []
    # What one passing refusal took from a connection, Meta may list to it again.
    usable = [
        checked
        for row in others
        if ConnectionState(row.state).is_usable
        and ConnectionState((checked := connections.check(row)).state).is_usable
    ]
    alone -= {one for row in others for one in store.accounts(row.connection_id)}
    alone -= _reached_by_environment(connections)
    return sorted(one for one in alone if not _is_answered_for(connections, one, usable))


def _is_answered_for(
    connections: Connections, account_id: str, usable: list[ConnectionRow]
) -> bool:
    """Whether Meta tells anybody else of the account itself: no list is proof enough to delete."""
    access, token = connections.access, connections.access.settings.access_token
    asked = [(connections.token(row), row.app_id) for row in usable]
    if token is not None:
        asked.append((token.get_secret_value(), access.settings.app_id or ""))
    return any(access.reaches(one, account_id, app_id=app_id) for one, app_id in asked)


def _reached_by_environment(connections: Connections) -> Set[str]:
    """Asked now: it may have lost an account since its last list, or reach one it did not list.

    Raises TokenRefused for whatever Meta refuses: of a dead token, too, nobody knows what is the
    house's, so that nothing is deleted and the request is tried again.
    """
    access, token = connections.access, connections.access.settings.access_token
    if token is None:
        return set()
    try:
        app_id = access.settings.app_id or ""
        return access.owner(token.get_secret_value(), app_id=app_id).accounts.keys()
    except GraphError as error:
        told = "Meta does not say which ad accounts META_ACCESS_TOKEN reaches: none was deleted."
        raise TokenRefused(f"{told} {error}") from error


def _finish(
    connections: Connections,
    callback: CallbackRow,
    rows: list[ConnectionRow],
    deleted: Mapping[str, int],
) -> dict[str, int]:
    """What is left of the person goes with the word that it is done, in one transaction.

    Gives what was deleted in all: table to number of rows.
    """
    warehouse, count = connections.warehouse, Counter(deleted)
    with warehouse.connection() as connection:
        for row in rows:
            count.update(warehouse.connections.erase(row.connection_id, connection))
            detail = {"confirmation_code": callback.confirmation_code}
            connections.record(row, "data_deleted", detail, connection)
        if callback.kind == "data_deletion":
            of_user = (callback.app_id, str(callback.user_id))
            count["pending_connections"] += warehouse.logins.erase(*of_user, connection)
        rows_by_table = {name: rows for name, rows in count.items() if rows}
        warehouse.callbacks.done(callback, rows_by_table, connections.access.clock(), connection)
    return rows_by_table
