"""Connections: one way to open them, the same words when that fails, one base for the stores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any, TypeAlias

import psycopg

from .errors import DatabaseUnfit
from .faults import fault, is_crowded, unavailable
from .names import SCHEMA
from .silence import HeardConnection, time_left
from .urls import CONNECT_TIMEOUT_SECONDS, KEEPALIVE, normalized

Connection: TypeAlias = psycopg.Connection[Any]
Connect: TypeAlias = Callable[[], AbstractContextManager[Connection]]

# A backend keeps its place until it has ended, a moment after its connection was closed.
_CROWDED_PAUSES_SECONDS = (0.05, 0.2, 0.8)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a statement may run, and wait for another session's lock; 0: any."""

    statement_seconds: float
    lock_seconds: float
    is_read_only: bool = False
    """Whether Postgres refuses every statement that would change something."""
    ends_at: float | None = None
    """The moment, of the monotonic clock, after which no answer is waited for; None: any."""

    def within(self, seconds: float) -> Patience:
        """The same patience, all of which is over in so many seconds from now."""
        return replace(self, ends_at=time.monotonic() + seconds)

    def left(self, seconds: float) -> float:
        """So many seconds, or as many as are left until its end, or that of the question."""
        until_end = inf if self.ends_at is None else self.ends_at - time.monotonic()
        return max(0.0, min(seconds, until_end, time_left()))

    @property
    def is_over(self) -> bool:
        """Whether its end has come."""
        return self.left(1) <= 0


WRITER = Patience(statement_seconds=3_600, lock_seconds=600)
"""Of what writes: far more than any statement needs, so that nothing waits for ever."""
READER = Patience(statement_seconds=60, lock_seconds=5)
"""Of what answers a question that somebody, or a clock, waits for."""
TICK = Patience(statement_seconds=10, lock_seconds=5)
"""Of a tick of Dagster's, which is given up after a minute whatever it waits for."""
ASKER = Patience(statement_seconds=20, lock_seconds=2, is_read_only=True)
"""Of questions in words and of programs that ask: they may be many, and change nothing."""

# Postgres cuts it there (NAMEDATALEN - 1), and would cut through a character.
_APPLICATION_NAME_BYTES = 63
# What the settings of a role, of a database or of the server's file may have made different, and
# our text, numbers and times rely on. SET after connecting, because a pooler takes no others.
_SETTINGS = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    # Without public: whoever may make functions there would have us run theirs, where the types of
    # the arguments are a better match than those of Postgres' own.
    "search_path": SCHEMA,
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "xmloption": "content",
    "lc_numeric": "C",
    "lc_monetary": "C",
    "lc_time": "C",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}
# Not every version has them all.
_SET = """
    SELECT set_config(wanted.name, wanted.value, false)
    FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)
    WHERE current_setting(wanted.name, true) <> wanted.value
"""


def connection_options(application_name: str) -> dict[str, Any]:
    """Keyword arguments every connection of ours is opened with."""
    name = application_name.encode()[:_APPLICATION_NAME_BYTES].decode(errors="ignore")
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": name,
        "client_encoding": "UTF8",  # before the first word: PGCLIENTENCODING is passed over
        # Postgres may sit behind a pooler: a prepared statement would be looked up in vain.
        "prepare_threshold": None,
        **KEEPALIVE,
    }


def connect(
    url: str,
    *,
    application_name: str,
    autocommit: bool = False,
    patience: Patience = WRITER,
    sleep: Callable[[float], None] = time.sleep,
) -> Connection:
    """Open one connection outside the pool, as `set_up` wants it.

    Where every connection is taken it is tried for another second. Raises WarehouseUnavailable when
    the server does not let us in, DatabaseUnfit when the database keeps text in another encoding
    than UTF-8.
    """
    pauses = iter(_CROWDED_PAUSES_SECONDS)
    connection: HeardConnection | None = None
    while connection is None:
        try:
            connection = HeardConnection.connect(
                normalized(url), autocommit=autocommit, **connection_options(application_name)
            )
        except psycopg.OperationalError as error:
            if not is_crowded(error) or (pause := next(pauses, None)) is None:
                raise unavailable(url, error) from None
            sleep(pause)
    try:
        set_up(connection, patience)
    except psycopg.Error as error:
        connection.close()
        raise (fault(error, url) if patience.is_over else unavailable(url, error)) from None
    except BaseException:  # also an interrupt: nobody else knows of the connection yet
        connection.close()
        raise
    return connection


def set_up(connection: HeardConnection, patience: Patience = WRITER) -> None:
    """Make text UTF-8 and times UTC, whatever the settings of role and database say.

    Raises DatabaseUnfit for a database that is not in UTF-8: names would be stored wrong.
    """
    if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
        raise DatabaseUnfit(
            f"The database {connection.info.dbname} keeps text as {encoding}, where Meta's names "
            "do not fit: CREATE DATABASE <name> ENCODING 'UTF8' TEMPLATE template0, and name that "
            "in DATABASE_URL. Nothing was written."
        )
    settings = _SETTINGS | {
        "statement_timeout": f"{patience.statement_seconds * 1000:.0f}",
        "lock_timeout": f"{patience.lock_seconds * 1000:.0f}",
    }
    if patience.is_read_only:
        settings["default_transaction_read_only"] = "on"
    connection.ends_at = patience.ends_at
    # In autocommit: set within a transaction, they would go with its rollback.
    is_autocommit = connection.autocommit
    connection.autocommit = True
    connection.execute(_SET, (list(settings), list(settings.values())))
    connection.autocommit = is_autocommit
    connection.let_statements_take(patience.statement_seconds)


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
