"""Connections: one way to open them, the same words when that fails, one base for the stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import psycopg

from .urls import normalized, unavailable

Connection: TypeAlias = psycopg.Connection[Any]
Connect: TypeAlias = Callable[[], AbstractContextManager[Connection]]

CONNECT_TIMEOUT_SECONDS = 10
KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""So that a connection whose other end is gone is noticed within a minute, not two hours."""

_APPLICATION_NAME_BYTES = 63


def connection_options(application_name: str) -> dict[str, Any]:
    """Keyword arguments every connection of ours is opened with."""
    name = application_name.encode()[:_APPLICATION_NAME_BYTES].decode(errors="ignore")
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": name,
        # Postgres may sit behind a pooler: a prepared statement would be looked up in vain.
        "prepare_threshold": None,
        **KEEPALIVE,
    }


def connect(url: str, *, application_name: str, autocommit: bool = False) -> Connection:
    """Open one connection outside the pool, in UTC; WarehouseUnavailable when it cannot."""
    try:
        connection: Connection = psycopg.connect(
            normalized(url), autocommit=autocommit, **connection_options(application_name)
        )
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from None
    use_utc(connection)
    return connection


def use_utc(connection: Connection) -> None:
    """Give and take times in UTC; set here because a pooler may refuse start-up options."""
    with connection.transaction():
        connection.execute("SET TIME ZONE 'UTC'")


class Store:
    """Base of the stores: a connection of the pool for each call, or the one that is handed in."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @contextmanager
    def _using(self, connection: Connection | None = None) -> Iterator[Connection]:
        if connection is not None:
            yield connection
            return
        with self._connect() as pooled:
            yield pooled
