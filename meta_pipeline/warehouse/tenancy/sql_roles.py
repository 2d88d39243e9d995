"""SQL roles: logins of Postgres for people with SQL, each of which sees one tenant's rows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final

from psycopg import errors, sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import RoleRefused, TenantsNotApart, TenantUnknown
from meta_pipeline.warehouse.names import SCHEMA

from .enforcement import enforcement
from .groups import ENFORCE, group_names
from .logins import MOST_CONNECTIONS, limit_connections

# 192 bits: a password that is generated is never guessed.
_PASSWORD_BYTES: Final = 24
# Typed by a person; the database may be reached from elsewhere.
_SHORTEST: Final = 12
_ENCRYPTION: Final = b"scram-sha-256"
_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "search_path": SCHEMA,
}
"""What such a role starts with; it may set them otherwise and still writes nothing."""
# What a role could see other rows by, whatever policies say.
_BEYOND_POLICIES = f"""
    SELECT CASE
        WHEN rolsuper THEN 'it is a superuser'
        WHEN rolbypassrls THEN 'it has BYPASSRLS'
        WHEN rolreplication THEN 'it may copy the whole server (REPLICATION)'
        WHEN rolcreaterole THEN 'it may make roles, and itself a member of them'
        WHEN NOT rolcanlogin THEN 'it may not log in'
        WHEN EXISTS (
            SELECT FROM pg_class
            WHERE relnamespace = to_regnamespace(%(schema)s)
                AND pg_has_role(pg_roles.oid, relowner, 'MEMBER')
        ) THEN 'it is, or may become, the owner of the tables'
        WHEN pg_has_role(pg_roles.oid, %(api)s, 'MEMBER')
            THEN 'it may become the role of the API'
        -- By SET ROLE it leaves the policies of the group behind.
        ELSE coalesce((
            SELECT format('it may become %%I, which reads the rows of others', other.rolname)
            FROM pg_roles AS other
            WHERE other.oid <> pg_roles.oid AND pg_has_role(pg_roles.oid, other.oid, 'MEMBER')
                AND (
                    other.rolsuper OR other.rolbypassrls OR other.rolcreaterole
                    OR other.rolname = ANY (%(files)s)
                    OR EXISTS (
                        SELECT FROM {SCHEMA}.tenant_roles
                        WHERE role_name = other.rolname AND tenant <> %(tenant)s
                    )
                    OR (
                        NOT pg_has_role(other.oid, %(tenants)s, 'MEMBER')
                        AND EXISTS (
                            SELECT FROM pg_class
                            WHERE relnamespace = to_regnamespace(%(schema)s)
                                AND relkind IN ('r', 'p', 'v', 'm')
                                AND has_table_privilege(other.oid, pg_class.oid, 'SELECT')
                        )
                    )
                )
            ORDER BY other.rolname LIMIT 1
        ), (
            SELECT format('it may read %%I, which shows the rows that its owner sees', relname)
            FROM pg_class
            WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('v', 'm', 'f')
                AND NOT 'security_invoker=true' = ANY (coalesce(reloptions, '{{}}'))
                AND has_any_column_privilege(pg_roles.oid, pg_class.oid, 'SELECT')
            ORDER BY relname LIMIT 1
        ))
    END
    FROM pg_roles WHERE rolname = %(role)s
"""
# A policy is for those members of its group that inherit it: from this version on as each GRANT
# says, whatever the role is; before it as the role says.
_GRANTS_INHERIT: Final = 160_000
# Roles of every server: what they read of its files is nobody's row.
_FILES: Final = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
_END_SESSIONS = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE usename = %s"
_ENDING_MS: Final = 5_000
_ROUNDS: Final = 5
"""One ends all; a session that was being let in meanwhile is shown to the next."""
# By the number of a role: dropped, it has no name any more.
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usesysid = %s"
_TENANT_OF = f"SELECT tenant, is_ours FROM {SCHEMA}.tenant_roles WHERE role_name = %s"
_FORGET = f"DELETE FROM {SCHEMA}.tenant_roles WHERE role_name = %s"


def add_sql_role(
    connection: Connection,
    tenant: str,
    role: str,
    at: datetime,
    *,
    password: str | None = None,
    is_there: bool = False,
) -> str | None:
    """Make a login role that reads the tenant's rows and no others; give its password.

    A role that was made here for the same tenant gets the new password. `is_there` takes one that
    an administrator made instead, with its password, where it cannot get round the policies.
    The password is one that is made up unless given; Postgres is sent its SCRAM verifier alone.
    A role that is made here is limited to `MOST_CONNECTIONS`. All happens or nothing. Raises
    RoleRefused, TenantUnknown, or TenantsNotApart before `enforce`.
    """
    if not enforcement(connection).is_on:
        raise TenantsNotApart(f"Tenants are not kept apart here yet: run {ENFORCE} first.")
    if password is not None and (len(password) < _SHORTEST or not password.isprintable()):
        raise RoleRefused(
            f"A password has at least {_SHORTEST} characters, on one line. Nothing was changed."
        )
    known = connection.execute(_TENANT_OF, (role,)).fetchone()
    if known is not None and known[0] != tenant:
        raise RoleRefused(
            f"Role {role} is that of tenant {known[0]}: choose another name. Nothing was changed."
        )
    secret = None if is_there else password or secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        with connection.transaction():
            # Whoever owns the role decides what it is: one of another's is only looked at.
            if secret is None:
                _check_foreign(connection, tenant, role)
            elif known is not None and known[1]:
                _set_password(connection, role, secret, "ALTER")
            else:
                _set_password(connection, role, secret, "CREATE")
            _join(connection, tenant, role, at, is_ours=secret is not None)
            limit_connections(connection)
    except errors.DuplicateObject as error:
        raise RoleRefused(
            f"There is a role {role} in this Postgres that was not made here: choose another name, "
            "or take it as it is with --existing. Nothing was changed."
        ) from error
    except errors.ForeignKeyViolation as error:
        raise TenantUnknown(tenant) from error
    except errors.InsufficientPrivilege as error:
        raise _may_not(connection, role) from error
    return secret


def drop_sql_role(connection: Connection, role: str) -> int:
    """Take a role's tenant from it; end its sessions and drop the role when it was made here.

    Gives how many of those sessions are open all the same, with the locks they hold. What was done
    on this connection before is committed. Raises RoleRefused for a role that is no tenant's, or
    that owns something; then it is left as it was.
    """
    known = connection.execute(_TENANT_OF, (role,)).fetchone()
    if known is None:
        raise RoleRefused(f"Role {role} is that of no tenant. Nothing was changed.")
    row = connection.execute("SELECT oid FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    if row is None:
        connection.execute(_FORGET, (role,))
        return 0
    if not known[1]:
        _part(connection, role)
        return 0
    with _shut_out(connection, role):
        _part(connection, role, sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    (left,) = connection.execute(_SESSIONS, (row[0],)).fetchall()
    return int(left[0])


def _part(connection: Connection, role: str, *then: sql.Composed) -> None:
    """Take the tenant from a role that is there, and what comes `then`: all of it or nothing."""
    name, tenants = sql.Identifier(role), sql.Identifier(group_names(connection)[1])
    try:
        with connection.transaction():
            connection.execute(_FORGET, (role,))
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(tenants, name))
            for statement in then:
                connection.execute(statement)
    except errors.DependentObjectsStillExist as error:
        raise RoleRefused(
            f"Role {role} cannot be dropped: {error.diag.message_detail}. Let an administrator run "
            f"DROP OWNED BY {name.as_string(connection)}; in that database. It is as it was."
        ) from error
    except errors.InsufficientPrivilege as error:
        raise _may_not(connection, role) from error


@contextmanager
def _shut_out(connection: Connection, role: str) -> Iterator[None]:
    """Let a login in no more and end what it has open; where it is kept after all, let it in again.

    That is committed first: until then others see a login, and whoever keeps a pool opens at once
    what was ended, takes its locks again, and is left with a role that nobody can end.
    """
    _alter(connection, role, "NOLOGIN")
    try:
        _end_sessions(connection, role)
        yield
    except BaseException:
        _alter(connection, role, "LOGIN")
        raise


def _alter(connection: Connection, role: str, verb: str) -> None:
    name = sql.Identifier(role)
    try:
        connection.execute(sql.SQL("ALTER ROLE {} {}").format(name, sql.SQL(verb)))
    except errors.InsufficientPrivilege as error:
        connection.rollback()
        raise _may_not(connection, role) from error
    connection.commit()


def _end_sessions(connection: Connection, role: str) -> None:
    """End what the login has open: its sessions would outlive it, with the locks they hold."""
    inherits = connection.info.server_version >= _GRANTS_INHERIT
    # Whoever made a role may give itself its rights, one of which is this.
    given = sql.SQL("GRANT {} TO CURRENT_USER {}").format(
        sql.Identifier(role), sql.SQL("WITH INHERIT TRUE" if inherits else "")
    )
    for _ in range(_ROUNDS):
        ended = []
        # For the length of a round: within a transaction the same sessions are shown again.
        with suppress(errors.InsufficientPrivilege), connection.transaction(force_rollback=True):
            connection.execute(given)
            ended = connection.execute(_END_SESSIONS, (_ENDING_MS, role)).fetchall()
        if not ended:
            return


def _set_password(connection: Connection, role: str, password: str, verb: str) -> None:
    # The statement may be logged by the server: it holds no password.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), _ENCRYPTION
    ).decode()
    name = sql.Identifier(role)
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(sql.SQL(verb), name, sql.Literal(verifier))
    )
    if verb == "CREATE":
        for setting, value in _SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )


def _check_foreign(connection: Connection, tenant: str, role: str) -> None:
    api, tenants = group_names(connection)
    groups = {"api": api, "tenants": tenants, "files": list(_FILES)}
    row = connection.execute(
        _BEYOND_POLICIES, {"role": role, "tenant": tenant, "schema": SCHEMA, **groups}
    ).fetchone()
    if row is None:
        raise RoleRefused(
            f"There is no role {role} in this Postgres. Its administrator makes one with: "
            f"CREATE ROLE {sql.Identifier(role).as_string(connection)} LOGIN "
            f"CONNECTION LIMIT {MOST_CONNECTIONS} PASSWORD '...'"
        )
    if row[0] is not None:
        raise RoleRefused(f"Role {role} will not do for a tenant: {row[0]}. Nothing was changed.")


def _join(connection: Connection, tenant: str, role: str, at: datetime, *, is_ours: bool) -> None:
    _, tenants = group_names(connection)
    connection.execute(
        f"INSERT INTO {SCHEMA}.tenant_roles (role_name, tenant, is_ours, added_at) "
        "VALUES (%s, %s, %s, %s) ON CONFLICT (role_name) DO NOTHING",
        (role, tenant, is_ours, at),
    )
    says_it = connection.info.server_version >= _GRANTS_INHERIT
    connection.execute(
        sql.SQL("GRANT {} TO {} {}").format(
            sql.Identifier(tenants),
            sql.Identifier(role),
            sql.SQL("WITH INHERIT TRUE" if says_it else ""),
        )
    )
    inherits = connection.execute("SELECT pg_has_role(%s, %s, 'USAGE')", (role, tenants)).fetchone()
    if not (inherits and inherits[0]):
        raise RoleRefused(
            f"Role {role} will not do for a tenant: policies do not apply to it (NOINHERIT). "
            "Nothing was changed."
        )


def _may_not(connection: Connection, role: str) -> RoleRefused:
    _, tenants = group_names(connection)
    user, made, group = (
        sql.Identifier(name).as_string(connection) for name in (connection.info.user, role, tenants)
    )
    return RoleRefused(
        f"The user {user} may not make, change or drop this role: let an administrator of Postgres "
        f"run CREATE ROLE {made} LOGIN CONNECTION LIMIT {MOST_CONNECTIONS} PASSWORD '...'; "
        f"GRANT {group} TO {user} WITH ADMIN OPTION; and then say --existing. Nothing was changed."
    )
