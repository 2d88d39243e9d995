"""Session: a transaction in which one tenant's rows are all there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import IsolationLevel, errors
from psycopg.pq import TransactionStatus

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import TenantsNotApart, TenantUnknown
from meta_pipeline.warehouse.names import SCHEMA

from .groups import API, ENFORCE
from .rules import SETTING

DEFAULT_TENANT = "default"
# Of this transaction alone: a pool hands the connection on to the next tenant. A page waits for
# many short statements; to compile one takes longer than to run it.
_BEGIN = f"""
    SELECT relrowsecurity, set_config('{SETTING}', tenant, true),
        CASE WHEN relrowsecurity THEN set_config('role', {API}::text, true) END,
        CASE WHEN %(read_only)s THEN set_config('transaction_read_only', 'on', true) END,
        CASE WHEN %(read_only)s THEN set_config('jit', 'off', true) END
    FROM {SCHEMA}.tenants, pg_class
    WHERE tenant = %(tenant)s AND pg_class.oid = '{SCHEMA}.tenants'::regclass
        AND (relrowsecurity OR tenant = '{DEFAULT_TENANT}')
"""
_KNOWN = f"SELECT FROM {SCHEMA}.tenants WHERE tenant = %s"


@dataclass(frozen=True, slots=True)
class TenantSession:
    """One transaction for one tenant; `is_enforced` False where there is no other tenant."""

    tenant: str
    connection: Connection
    is_enforced: bool


@contextmanager
def begin_session(
    connection: Connection, tenant: str, *, read_only: bool = False, of_one_moment: bool = False
) -> Iterator[TenantSession]:
    """Work for one tenant on this connection: what is another's is not there.

    Committed at the end, rolled back on an exception; afterwards the connection is what it was,
    behind a pooler too. commit() and rollback() inside are refused by psycopg. With `read_only`
    Postgres refuses to write, and compiles no statement; `of_one_moment` shows the tables as they
    were when it began, whatever others commit meanwhile. Raises TenantUnknown for a tenant there is
    not, TenantsNotApart when another one than default is asked for and tenants are not kept apart
    yet, RuntimeError when the connection is in a transaction already: that would go on as this
    tenant.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise RuntimeError(
            "A tenant's session begins a transaction of its own: end the one that is open first."
        )
    with _isolated(connection, of_one_moment), connection.transaction():
        try:
            row = connection.execute(_BEGIN, {"tenant": tenant, "read_only": read_only}).fetchone()
        except (errors.InvalidParameterValue, errors.InsufficientPrivilege) as error:
            raise _not_ready(error) from error
        if row is None:
            raise _refusal(connection, tenant)
        yield TenantSession(tenant, connection, bool(row[0]))


@contextmanager
def _isolated(connection: Connection, of_one_moment: bool) -> Iterator[None]:
    """The level the next transaction begins at; a connection of a pool goes back without it."""
    if not of_one_moment:
        yield
        return
    # By psycopg, in BEGIN itself: set later, it comes after the first snapshot and is refused.
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        yield
    finally:
        if not connection.closed:
            connection.isolation_level = None


def _refusal(connection: Connection, tenant: str) -> TenantUnknown | TenantsNotApart:
    if connection.execute(_KNOWN, (tenant,)).fetchone() is None:
        return TenantUnknown(tenant)
    return TenantsNotApart(
        f"Nothing was read for tenant {tenant}: tenants are not kept apart here yet. Run {ENFORCE} "
        "as the owner of the tables; it does that, or says what an administrator has to do first."
    )


def _not_ready(error: psycopg.Error) -> TenantsNotApart:
    return TenantsNotApart(
        "Nothing was read: this user may not become the role that keeps tenants apart "
        f"({error.diag.message_primary}). Run {ENFORCE} as the owner of the tables, and grant the "
        "role to this user."
    )
