"""Locks: one sync per ad account at a time, across processes and machines, safe against kill -9.

The lock is a session advisory lock, and the sync writes through the very connection that holds it:
when that connection dies the lock is free and the writes fail together.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime

import psycopg

from .connect import Connection, connect
from .errors import AccountBusy, PoolerUnsupported
from .redaction import redacted
from .rights import read_rights, refuse

# A pooler with a free server session hides at the first probe, seldom at the third.
POOLER_PROBES = 3

_TAKE = "SELECT pg_try_advisory_lock(hashtextextended('meta_ads:sync:' || %s, 0))"
_RELEASE = "SELECT pg_advisory_unlock(hashtextextended('meta_ads:sync:' || %s, 0))"
# A 64-bit advisory key is shown in two halves; objsubid 1 tells it from a pair of 32-bit keys. The
# view shows the locks of every database of the server.
_HOLDER = """
    SELECT activity.application_name, nullif(activity.usename, current_user)::text,
        activity.backend_start
    FROM pg_locks AS held
    JOIN pg_stat_activity AS activity USING (pid)
    CROSS JOIN hashtextextended(%s, 0) AS key
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND held.classid::bigint = (key >> 32) & 4294967295
      AND held.objid::bigint = key & 4294967295
"""
# Without the first a holder that is killed inside a long query keeps the lock until the query ends
# (46 s measured); the others free it when the holder's machine is gone.
_SERVER_SETTINGS = (
    "SET client_connection_check_interval = '2s'",
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)


@contextmanager
def account_lock(url: str, account_id: str, *, holder: str) -> Iterator[Connection]:
    """Hold the ad account and give the connection to write through (autocommit, in UTC).

    Open transactions on it with `connection.transaction()`, one per slice. `holder` is what others
    are told, for example "meta_pipeline sync 7f3a on web-1"; its first 63 bytes are kept.
    Raises AccountBusy at once when another has it, PoolerUnsupported behind a pooler that shares
    sessions, DatabaseUnfit where the sync could not write, WarehouseUnavailable when the server
    does not answer.
    """
    with accounts_lock(url, [account_id], holder=holder) as connection:
        yield connection


@contextmanager
def accounts_lock(url: str, account_ids: Sequence[str], *, holder: str) -> Iterator[Connection]:
    """Hold several ad accounts on one connection, all of them or none; else as `account_lock`."""
    connection = connect(url, application_name=holder, autocommit=True)
    try:
        refuse_shared_sessions(url, connection)
        refuse(read_rights(connection).for_syncs())
        for setting in _SERVER_SETTINGS:
            # Not every platform has them all; without one a dead holder is only noticed later.
            with suppress(psycopg.errors.InvalidParameterValue):
                connection.execute(setting)
        # Tried, never waited for: two that want the same accounts cannot wait in a circle.
        for account_id in account_ids:
            if not _value(connection, _TAKE, account_id):
                raise AccountBusy(account_id, *lock_holder(connection, account_id))
        yield connection
    finally:
        _let_go(connection, account_ids)


def lock_holder(
    connection: Connection, account_id: str
) -> tuple[str | None, str | None, datetime | None]:
    """Who syncs the account now, and since when; nothing when nobody does."""
    return named_lock_holder(connection, f"meta_ads:sync:{account_id}")


def named_lock_holder(
    connection: Connection, name: str
) -> tuple[str | None, str | None, datetime | None]:
    """Who holds the advisory lock of this name, as whom and since when it is connected.

    The application name is whatever a program says of itself, the role is not; it is None for our
    own. Since when another role is connected only those know whom Postgres shows its statistics.
    """
    row = connection.execute(_HOLDER, (name,)).fetchone()
    return (None, None, None) if row is None else (row[0], row[1], row[2])


def _let_go(connection: Connection, account_ids: Sequence[str]) -> None:
    """Release at once when the session still can; closing it releases in any case."""
    try:
        if not connection.closed and not connection.broken:
            connection.rollback()  # in an aborted transaction no lock can be released
            for account_id in account_ids:
                connection.execute(_RELEASE, (account_id,))
    except psycopg.Error:
        pass  # the session is gone, and its locks with it
    finally:
        connection.close()


def refuse_shared_sessions(url: str, connection: Connection) -> None:
    """Raise PoolerUnsupported when our session would be given to others between transactions.

    The connection must be in autocommit: within a transaction no session is given away.
    Behind a pooler, mark our session and look for it from other connections while ours is idle: if
    the mark is seen there, or is lost here, sessions are shared.
    """
    if not is_pooled(connection):
        return
    mark = uuid.uuid4().hex
    connection.execute("SELECT set_config('meta_pipeline.session', %s, false)", (mark,))
    read = "SELECT current_setting('meta_pipeline.session', true)"
    with ExitStack() as others:
        # The transaction each opens keeps a session to itself: ours, if it was given away. Once it
        # was, no more is asked: a small pooler would have none left to answer with.
        probes = (
            others.enter_context(connect(url, application_name="meta_pipeline pooler check"))
            for _ in range(POOLER_PROBES)
        )
        is_shared = any(_value(probe, read) == mark for probe in probes)
        is_shared = is_shared or _value(connection, read) != mark
    if is_shared:
        raise PoolerUnsupported(
            f"{redacted(url)} goes through a connection pooler in transaction mode, where the lock "
            "that keeps two syncs of one account apart does not hold. Point DATABASE_URL at "
            "Postgres itself, or at the pooler's session mode."
        )


def is_pooled(connection: Connection) -> bool:
    """Whether a pooler answered: the process id it tells at connection is not the server's."""
    return connection.info.backend_pid != _value(connection, "SELECT pg_backend_pid()")


def _value(connection: Connection, query: str, *values: object) -> object:
    row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]
