"""The demo's two connections: system users of two agencies, one of them close to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from meta_pipeline.connections import (
    Access,
    Connections,
    ConnectionUnknown,
    Keyring,
    days_left,
    renew,
)
from meta_pipeline.graph import GraphError
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import ConnectionRow, Warehouse
from meta_pipeline.words import times

from .simulated import SimulatedGraph


def connect(warehouse: Warehouse, settings: Settings, graph: SimulatedGraph) -> Iterator[str]:
    """Add the demo's connections and renew the one that is due; what happens, line by line.

    Those of an earlier demo go first: its simulator's tokens died with it. Others are left alone.
    """
    connections = Connections(warehouse, Access(settings), Keyring.of(settings), "demo")
    users = {one.user_id for one in graph.connections}
    for row in warehouse.connections.all():
        if row.app_id == graph.app_id and row.user_id in users:
            with suppress(ConnectionUnknown):
                connections.remove(row)
    rows = [connections.add(one.token) for one in graph.connections]
    reached = warehouse.connections.accounts
    told = (
        f"{row.name} reaches {times(len(reached(row.connection_id)), 'account')}, "
        f"{_left(row)} days left"
        for row in rows
    )
    yield f"{times(len(rows), 'connection')}: {'; '.join(told)}"
    for row in rows:
        before = _left(row)
        try:
            done = renew(connections, row)
        except GraphError as error:  # the schedule comes back to it
            yield f"{row.name} was not renewed: {error}"
            continue
        if done.problem is not None:
            yield f"{row.name} was not renewed: {done.problem}"
        elif done.is_renewed:
            yield (
                f"{row.name} was close to its end and is renewed: {_left(done.row)} days left "
                f"instead of {before}, its old token is revoked"
            )


def _left(row: ConnectionRow) -> int | None:
    return days_left(datetime.now(UTC), row.expires_at, row.data_access_expires_at)
