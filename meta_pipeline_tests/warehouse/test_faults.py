"""Faults: what Postgres, a pooler or the way there says becomes a sentence with what to do."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from meta_pipeline.warehouse import (
    CannotTell,
    DatabaseUnfit,
    DiskFull,
    WarehouseError,
    WarehouseUnavailable,
    fault,
)
from meta_pipeline.warehouse.faults import explained, unavailable

URL = "postgresql://meta:Secr3tTail9x@db.example:5432/ads"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ('FATAL:  password authentication failed for user "meta"', "Check user and password"),
        ("fe_sendauth: no password supplied", "Check user and password"),
        ('FATAL:  role "meta" does not exist', "CREATE ROLE"),
        ('FATAL:  database "ads" does not exist', "CREATE DATABASE"),
        ("failed to resolve host 'db.example': [Errno -2] Name or service not known", "the host"),
        ('could not translate host name "db.example" to address', "the host"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("FATAL:  remaining connection slots are reserved for roles with SUPERUSER", "close some"),
        ('FATAL:  too many connections for role "meta"', "close some"),
        ("FATAL:  no more connections allowed (max_client_conn)", "close some"),
        ("FATAL:  the database system is starting up", "try again in a moment"),
        ("FATAL:  the database system is shutting down", "try again in a moment"),
        ("FATAL:  the database system is in recovery mode", "try again in a moment"),
        ("FATAL:  could not write init file: No space left on device", "Make room"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "meta"', "pg_hba.conf"),
        ("server does not support SSL, but SSL was required", "sslmode"),
        ("FATAL:  unsupported startup parameter: options", "pooler"),
        ("session is read-only", "primary"),
        ("Connection refused\n\tIs the server running on that host", "that the server runs"),
        ("FEHLER: etwas ganz anderes", "that the server runs"),
    ],
)
def test_who_is_not_let_in_is_told_what_to_do(words: str, advice: str) -> None:
    told = str(unavailable(URL, psycopg.OperationalError(f"connection failed: {words}\n")))
    assert advice in told
    assert "postgresql://meta:***@db.example:5432/ads" in told
    assert "\n" not in told
    assert "Secr3tTail9x" not in told


@pytest.mark.parametrize(
    ("kind", "error", "advice"),
    [
        (errors.DiskFull, DiskFull, "disk of the Postgres server is full"),
        (errors.IoError, DiskFull, "disk of the Postgres server fails"),
        (errors.OutOfMemory, WarehouseUnavailable, "out of memory"),
        (errors.TooManyConnections, WarehouseUnavailable, "raise max_connections"),
        (errors.AdminShutdown, WarehouseUnavailable, "shut down"),
        (errors.CrashShutdown, WarehouseUnavailable, "shut down"),
        (errors.CannotConnectNow, WarehouseUnavailable, "try again in a moment"),
        (errors.QueryCanceled, CannotTell, "Cannot tell"),
        (errors.LockNotAvailable, CannotTell, "pg_stat_activity"),
        (errors.ReadOnlySqlTransaction, DatabaseUnfit, "primary"),
        (errors.InsufficientPrivilege, DatabaseUnfit, "GRANT"),
        (errors.UndefinedTable, WarehouseError, "meta-pipeline migrate"),
        (errors.UndefinedColumn, WarehouseError, "meta-pipeline migrate"),
        (errors.DeadlockDetected, WarehouseError, "run it again"),
        (errors.SerializationFailure, WarehouseError, "run it again"),
        (errors.DivisionByZero, WarehouseError, "report it"),
    ],
)
def test_a_statements_error_is_named_by_what_to_do(
    kind: type[psycopg.Error], error: type[WarehouseError], advice: str
) -> None:
    said = kind(f"it failed for {URL}\nLINE 1: SELECT")
    for raised in (said, DBAPIError("SELECT 1", None, said)):
        with pytest.raises(error) as told, explained(URL):
            raise raised
        assert type(told.value) is error
        assert advice in str(told.value)
        assert "\n" not in str(told.value)
        assert "Secr3tTail9x" not in str(told.value)


def test_a_connection_that_broke_is_unavailable() -> None:
    error = psycopg.OperationalError("server closed the connection unexpectedly\n\tThis probably")
    assert isinstance(fault(error), WarehouseUnavailable)


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), explained(URL):
        raise ZeroDivisionError
