"""Logins: what those of tenants could do to everybody else, and what keeps them from it.

A login that only reads may still open connections until the server has none left, take the
advisory locks that syncs and migrations wait for, and fill the disk: Postgres lets everybody run
their functions and make temporary tables, and whoever starts read-only may set that otherwise. What
nothing keeps a login from is said in docs/tenants.md.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from psycopg import errors, sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import RoleRefused
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.warehouse.notifications import full_queue
from meta_pipeline.warehouse.urls import DAGSTER_SCHEMA

from .groups import ENFORCE, MADE_HERE, group_names
from .other_databases import other_databases
from .renamed import strangers

HARDEN: Final = f"{ENFORCE} --harden"
# As many as a dashboard's panels ask at once, and a tenth of what Postgres has for everybody
# (max_connections is 100 unless set).
MOST_CONNECTIONS: Final = 10
"""How many a login may have open at once, unless somebody sets another limit for it."""
# Sorts and joins of a dashboard hardly ever leave memory; each process of a query has so much.
LARGEST_FILES: Final = "1GB"
"""What a query may keep in temporary files, unless somebody sets another limit for the login."""

_UNLIMITED = f"""
    SELECT role_name, {MADE_HERE}
    FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name
    WHERE rolconnlimit = -1 ORDER BY role_name
"""
# Setting by setting: what a login sets for itself stands beside it, and may be any text.
_ENDLESS = f"""
    SELECT role_name, {MADE_HERE}
    FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name
    WHERE current_setting('temp_file_limit') = '-1'
        AND NOT EXISTS (SELECT FROM unnest(rolconfig) AS one WHERE one ~ '^temp_file_limit=[0-9]')
    ORDER BY role_name
"""
# Every way to take an advisory lock (to release one is harmless, it has to be one's own); what
# writes large objects and records of the WAL, the latter in a read-only transaction too; and what
# notifies by one query as often as that has rows.
_OPEN = """
    pronamespace = 'pg_catalog'::regnamespace AND (
        proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
        OR proname ~ '^lo_(creat|create|from_bytea|put|truncate|truncate64)$'
        OR proname IN ('lowrite', 'pg_logical_emit_message', 'pg_notify')
    )
"""
# Before Postgres 15 everybody could make tables in schema public; an upgrade keeps that.
_RIGHTS = f"""
    SELECT 'EXECUTE ON FUNCTION ' || string_agg(oid::regprocedure::text, ', ' ORDER BY proname, oid)
    FROM pg_proc WHERE {_OPEN}
    UNION ALL SELECT format('TEMPORARY ON DATABASE %I', current_database())
    UNION ALL
    SELECT 'CREATE ON SCHEMA public' FROM pg_namespace CROSS JOIN aclexplode(nspacl)
    WHERE nspname = 'public' AND grantee = 0 AND privilege_type = 'CREATE'
"""
_IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_FREE = f"""
    SELECT role_name FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name
    WHERE has_database_privilege(pg_roles.oid, current_database(), 'TEMPORARY')
        OR EXISTS (
            SELECT FROM pg_proc
            WHERE {_OPEN} AND has_function_privilege(pg_roles.oid, pg_proc.oid, 'EXECUTE')
        )
        OR EXISTS (
            SELECT FROM pg_namespace
            WHERE nspname = 'public' AND has_schema_privilege(pg_roles.oid, oid, 'CREATE')
        )
        OR role_name IN (SELECT role_name FROM ({_ENDLESS}) AS endless)
    ORDER BY role_name
"""
# Whoever syncs, migrates, exports or runs Dagster may use one of the schemas, or is about to make
# them. Who inherits it from another needs none of their own, which would keep them from being
# dropped; the API's group is not relied on for that.
_KEEPERS = f"""
    WITH keeper AS (
        SELECT oid, rolname FROM pg_roles
        WHERE NOT rolsuper AND rolname !~ '^pg_'
            AND (rolname = %(api)s OR rolname !~ '^meta_ads_(api|tenant)_')
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
# With their groups, of this database's names before too, which may have been granted it.
_LOGINS = f"""
    SELECT role_name FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name
    UNION SELECT held.rolname::text
    FROM {SCHEMA}.tenant_roles JOIN pg_roles ON pg_roles.rolname = role_name
    JOIN pg_auth_members ON member = pg_roles.oid JOIN pg_roles AS held ON held.oid = roleid
    WHERE starts_with(held.rolname, 'meta_ads_tenant_')
    ORDER BY role_name
"""


def limit_logins(connection: Connection) -> None:
    """Limit each login that was made here and has no limit; one that somebody set stays.

    Where this user may not, all stays as it is, and `dangers` says so.
    """
    for query, limited in ((_UNLIMITED, _limited), (_ENDLESS, _with_small_files)):
        for role, is_made_here in connection.execute(query).fetchall():
            if is_made_here:
                with suppress(errors.InsufficientPrivilege), connection.transaction():
                    connection.execute(limited(role))


def dangers(connection: Connection) -> list[str]:
    """What tenants' logins could do to everybody else, each as a sentence with what mends it."""
    unlimited = [role for role, _ in connection.execute(_UNLIMITED).fetchall()]
    free = [role for (role,) in connection.execute(_FREE).fetchall()]
    found = []
    if unlimited:
        fix = "; ".join(_limited(role).as_string(connection) for role in unlimited)
        found.append(
            f"Any number of connections may be opened by {', '.join(unlimited)}, until the server "
            f"has none left for syncs. Let who may change these roles run {fix};"
        )
    if free:
        found.append(
            "Syncs and migrations, other tenants' too, may be held up by locks, and the disk be "
            f"filled, by {', '.join(free)}. {HARDEN} closes that, or says what a superuser has to "
            "run; whoever else works in this database and not with these tables loses it too."
        )
    queued = [f"{problem}." for problem in full_queue(connection)]
    return strangers(connection) + found + other_databases(connection) + queued


def harden(connection: Connection) -> list[str]:
    """Keep for superusers and who may use our schemas, but tenants, what could stop all the others.

    That is advisory locks, temporary tables, large objects and what else writes or notifies: it is
    closed to users of other applications in this database too. Gives the roles that keep it. Safe
    to repeat, for roles that came since. Raises RoleRefused with the statements for a superuser,
    where this user is none.
    """
    api, _ = group_names(connection)
    asked = {"api": api, "schemas": [SCHEMA, DAGSTER_SCHEMA]}
    keepers = [role for (role,) in connection.execute(_KEEPERS, asked).fetchall()]
    statements = _hardening(connection, keepers)
    if connection.execute(_IS_SUPERUSER).fetchall() != [(True,)]:
        told = "; ".join(one.as_string(connection) for one in statements)
        raise RoleRefused(
            "Only a superuser decides who takes locks and makes temporary tables. Let one run, in "
            f"this database: {told}; Nothing was changed."
        )
    connection.execute(sql.SQL("; ").join(statements))
    return keepers


def _hardening(connection: Connection, keepers: list[str]) -> list[sql.Composed]:
    """The statements of `harden`; granted first, so that nobody is without in between."""
    logins = [role for (role,) in connection.execute(_LOGINS).fetchall()]
    given = sql.SQL(", ").join(map(sql.Identifier, keepers))
    taken = sql.SQL(", ").join([sql.SQL("PUBLIC"), *map(sql.Identifier, logins)])
    statements = []
    for (right,) in connection.execute(_RIGHTS).fetchall():
        if keepers:
            statements.append(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), given))
        statements.append(sql.SQL("REVOKE {} FROM {}").format(sql.SQL(right), taken))
    endless = [role for role, _ in connection.execute(_ENDLESS).fetchall()]
    return statements + [_with_small_files(role) for role in endless]


def _with_small_files(role: str) -> sql.Composed:
    return sql.SQL("ALTER ROLE {} SET temp_file_limit = {}").format(
        sql.Identifier(role), sql.Literal(LARGEST_FILES)
    )


def _limited(role: str) -> sql.Composed:
    return sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(
        sql.Identifier(role), sql.Literal(MOST_CONNECTIONS)
    )
