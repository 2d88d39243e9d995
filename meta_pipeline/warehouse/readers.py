"""Readers: roles of Postgres that may look at `meta_ads` and change nothing."""

from __future__ import annotations

from psycopg import errors, sql

from .connect import Connection
from .errors import RoleRefused
from .schema import SCHEMA

_KNOWN = "SELECT FROM pg_roles WHERE rolname = %s"
_MAY = "SELECT has_schema_privilege(%s, %s, 'USAGE')"
_HIDDEN = """
    SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s AND relname = ANY (%s) ORDER BY 1
"""
_SCHEMA = sql.Identifier(SCHEMA)
UNREAD = ("connection_tokens", "login_states", "meta_callbacks", "pending_connections")
"""Tokens and logins, even sealed and hashed, and who wants to be forgotten: nobody's reading."""


def grant_reader(connection: Connection, role: str) -> None:
    """Let `role` read every table and view of the schema, also those that later versions add.

    All but what is in `UNREAD`.
    The role must exist and stays what it is otherwise. What is granted can be granted again, and
    all of it happens or nothing. Raises RoleRefused when there is no such role, or when we own
    too little to grant it.
    """
    if connection.execute(_KNOWN, (role,)).fetchone() is None:
        name = sql.Identifier(role).as_string(connection)
        raise RoleRefused(
            f"There is no role {role} in this Postgres. Its administrator makes one in psql: "
            f"CREATE ROLE {name} LOGIN; \\password {name}"
        )
    statements = [
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}",
    ]
    # A schema of an older version has not all of them; the migration that makes one hides it.
    hidden = connection.execute(_HIDDEN, (SCHEMA, list(UNREAD))).fetchall()
    statements += [f"REVOKE SELECT ON {{schema}}.{name} FROM {{role}}" for (name,) in hidden]
    _change(connection, role, *statements)
    # Who may use the schema and not pass that on is only warned by Postgres.
    may = connection.execute(_MAY, (role, SCHEMA)).fetchone()
    if may is None or not may[0]:
        raise RoleRefused(
            f"This user may not grant rights on schema {SCHEMA}: run it as the owner of the "
            "schema. Nothing was changed."
        )


def revoke_reader(connection: Connection, role: str) -> None:
    """Take back all that `grant_reader` gave. Raises RoleRefused as it does."""
    _change(
        connection,
        role,
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE SELECT ON TABLES FROM {role}",
        "REVOKE SELECT ON ALL TABLES IN SCHEMA {schema} FROM {role}",
        "REVOKE USAGE ON SCHEMA {schema} FROM {role}",
    )


def _change(connection: Connection, role: str, *statements: str) -> None:
    try:
        with connection.transaction():
            for statement in statements:
                connection.execute(
                    sql.SQL(statement).format(schema=_SCHEMA, role=sql.Identifier(role))
                )
    except errors.UndefinedObject as error:
        raise RoleRefused(f"There is no role {role} in this Postgres.") from error
    except errors.InvalidSchemaName as error:
        raise RoleRefused(
            f"There is no schema {SCHEMA} yet: meta-pipeline migrate makes it. Nothing was changed."
        ) from error
    except errors.InsufficientPrivilege as error:
        raise RoleRefused(
            f"This user may not grant rights on schema {SCHEMA}: {error.diag.message_primary}. "
            "Run it as the owner of the schema. Nothing was changed."
        ) from error
