"""Logins: what those of tenants could do to everybody else, and what keeps them from it.

A login that only reads may still open connections until the server has none left, and take the
advisory locks that syncs and migrations wait for: Postgres lets everybody run their functions.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from psycopg import errors, sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import RoleRefused
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.warehouse.urls import DAGSTER_SCHEMA

from .groups import ENFORCE, group_names

CLOSE_LOCKS: Final = f"{ENFORCE} --close-locks"
# As many as a dashboard's panels ask at once, and a tenth of what Postgres has for everybody
# (max_connections is 100 unless set).
MOST_CONNECTIONS: Final = 10
"""How many a login may have open at once, unless somebody sets another limit for it."""

_UNLIMITED = f"""
    SELECT role_name, is_ours FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name
    WHERE rolconnlimit = -1 ORDER BY role_name
"""
# Every way to take an advisory lock; to release one is harmless, it has to be one's own.
_LOCKING = """
    pronamespace = 'pg_catalog'::regnamespace
    AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
"""
_FUNCTIONS = f"SELECT oid::regprocedure::text FROM pg_proc WHERE {_LOCKING} ORDER BY 1"
_ARE_OURS = f"SELECT bool_and(pg_has_role(proowner, 'USAGE')) FROM pg_proc WHERE {_LOCKING}"
_LOCKERS = f"""
    SELECT role_name FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name
    WHERE EXISTS (
        SELECT FROM pg_proc
        WHERE {_LOCKING} AND has_function_privilege(pg_roles.oid, pg_proc.oid, 'EXECUTE')
    )
    ORDER BY role_name
"""
# Whoever syncs, migrates, exports or runs Dagster may use one of the schemas, or is about to make
# them. Who inherits it from another needs none of their own, which would keep them from being
# dropped; the API's group is not relied on for that.
_KEEPERS = f"""
    WITH keeper AS (
        SELECT oid, rolname FROM pg_roles
        WHERE NOT rolsuper AND rolname !~ '^pg_' AND rolname <> %(tenants)s
            AND NOT EXISTS (SELECT FROM {SCHEMA}.tenant_roles WHERE role_name = rolname)
            AND (
                has_database_privilege(oid, current_database(), 'CREATE') OR EXISTS (
                    SELECT FROM pg_namespace
                    WHERE nspname = ANY (%(schemas)s)
                        AND has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'USAGE')
                )
            )
    )
    SELECT rolname::text FROM keeper
    WHERE NOT EXISTS (
        SELECT FROM keeper AS other
        WHERE other.oid <> keeper.oid AND other.rolname <> %(api)s
            AND pg_has_role(keeper.oid, other.oid, 'USAGE')
    )
    ORDER BY rolname
"""
_LOGINS = f"""
    SELECT role_name FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name
    ORDER BY role_name
"""


def limit_connections(connection: Connection) -> None:
    """Limit each login that was made here and has no limit; one that somebody set stays.

    Where this user may not, all stays as it is, and `dangers` says so.
    """
    for role, is_ours in connection.execute(_UNLIMITED).fetchall():
        if is_ours:
            with suppress(errors.InsufficientPrivilege), connection.transaction():
                connection.execute(_limited(role))


def dangers(connection: Connection) -> list[str]:
    """What tenants' logins could do to everybody else, each as a sentence with what mends it."""
    unlimited = [role for role, _ in connection.execute(_UNLIMITED).fetchall()]
    lockers = [role for (role,) in connection.execute(_LOCKERS).fetchall()]
    found = []
    if unlimited:
        fix = "; ".join(_limited(role).as_string(connection) for role in unlimited)
        found.append(
            f"Any number of connections may be opened by {', '.join(unlimited)}, until the server "
            f"has none left for syncs. Let who may change these roles run {fix};"
        )
    if lockers:
        found.append(
            "The locks that syncs and migrations wait for, other tenants' too, may be taken by "
            f"{', '.join(lockers)}. {CLOSE_LOCKS} closes them, or says what a superuser has to "
            "run; whoever else works in this database and not with these tables loses them too."
        )
    return found


def close_locks(connection: Connection) -> list[str]:
    """Keep advisory locks of this database for superusers and who may use our schemas, but tenants.

    Gives the roles that keep them; locks of other applications are closed to their users too. Safe
    to repeat, for roles that came since. Raises RoleRefused with the statements for a superuser,
    whose these functions are, where this user is none.
    """
    api, tenants = group_names(connection)
    asked = {"api": api, "tenants": tenants, "schemas": [SCHEMA, DAGSTER_SCHEMA]}
    keepers = [role for (role,) in connection.execute(_KEEPERS, asked).fetchall()]
    statements = _closing(connection, keepers)
    row = connection.execute(_ARE_OURS).fetchone()
    if row is None or not row[0]:
        told = "; ".join(one.as_string(connection) for one in statements)
        raise RoleRefused(
            "Only a superuser decides who takes advisory locks. Let one run, in this database: "
            f"{told}; Nothing was changed."
        )
    connection.execute(sql.SQL("; ").join(statements))
    return keepers


def _closing(connection: Connection, keepers: list[str]) -> list[sql.Composed]:
    """The statements of `close_locks`; granted first, so that nobody is without in between."""
    functions = [name for (name,) in connection.execute(_FUNCTIONS).fetchall()]
    logins = [role for (role,) in connection.execute(_LOGINS).fetchall()]
    on = sql.SQL("EXECUTE ON FUNCTION " + ", ".join(functions))
    given = sql.SQL("GRANT {} TO {}").format(on, sql.SQL(", ").join(map(sql.Identifier, keepers)))
    losers = [sql.SQL("PUBLIC"), *map(sql.Identifier, logins)]
    taken = sql.SQL("REVOKE {} FROM {}").format(on, sql.SQL(", ").join(losers))
    return [given, taken] if keepers else [taken]


def _limited(role: str) -> sql.Composed:
    return sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(
        sql.Identifier(role), sql.Literal(MOST_CONNECTIONS)
    )
