"""SQL roles: logins of Postgres for people with SQL, each of which sees one tenant's rows."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from psycopg import errors, sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import RoleRefused, RoleShutOut, TenantUnknown
from meta_pipeline.warehouse.names import SCHEMA

from .enforcement import require_apart
from .groups import IS_MEMBER, MADE_HERE, group_names, join_group
from .logins import MOST_CONNECTIONS, limit_logins
from .renamed import roles_left

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
"""What such a role starts with; it may set them otherwise, and what that opens `harden` closes."""
# Whoever changes its row of `tenant_roles` reads another tenant's, and a trigger runs as whoever
# writes the rows.
_WRITING: Final = "INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
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
        ), (
            SELECT format(
                'it may do more than read %%I (%%s): first %%s', relname,
                string_agg(held, ', ' ORDER BY held), CASE
                    WHEN holder IN ('public', pg_roles.rolname) THEN format(
                        'REVOKE {_WRITING} ON ALL TABLES IN SCHEMA {SCHEMA} FROM %%I', holder
                    )
                    ELSE format('take the role %%I from it', holder)
                END
            )
            FROM (
                SELECT 'public'::name AS holder
                UNION ALL
                SELECT rolname FROM pg_roles AS other
                WHERE pg_has_role(pg_roles.oid, other.oid, 'MEMBER')
            ) AS holders, pg_class, unnest(string_to_array('{_WRITING}', ', ')) AS held
            WHERE relnamespace = to_regnamespace(%(schema)s)
                AND relkind IN ('r', 'p', 'v', 'm', 'f')
                AND CASE
                    WHEN held IN ('INSERT', 'UPDATE', 'REFERENCES')
                        THEN has_any_column_privilege(holder, pg_class.oid, held)
                    ELSE has_table_privilege(holder, pg_class.oid, held)
                END
            GROUP BY holder, relname
            -- The role itself may have it by another.
            ORDER BY holder <> 'public', holder = pg_roles.rolname, holder, relname LIMIT 1
        ))
    END
    FROM pg_roles WHERE rolname = %(role)s
"""
# From this version on a GRANT says whether it is inherited, and before it the role does.
_GRANTS_INHERIT: Final = 160_000
# Roles of every server: what they read of its files is nobody's row.
_FILES: Final = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
_END_SESSIONS = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE usename = %s"
_ENDING_MS: Final = 5_000
_ROUNDS: Final = 5
"""One ends all; a session that was being let in meanwhile is shown to the next."""
# By the number of a role: dropped, it has no name any more.
_SESSIONS = """
    SELECT usesysid, count(*) FROM pg_stat_activity WHERE usesysid = ANY (%s::oid[])
    GROUP BY usesysid
"""
_KNOWN = f"""
    SELECT role_name, tenant, oid, {IS_MEMBER}, {MADE_HERE}
    FROM {SCHEMA}.tenant_roles LEFT JOIN pg_roles ON rolname = role_name
    WHERE role_name = %s
"""
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

    A role that was made here for the same tenant gets the new password; one that is gone since, as
    after a restore, is made again. `is_there` takes one that an administrator made instead, with
    its password, where it cannot get round the policies and may write to no table here.
    The password is one that is made up unless given; Postgres is sent its SCRAM verifier alone.
    A role that is made here is limited (`limit_logins`). All happens or nothing. Raises
    RoleRefused, TenantUnknown, or TenantsNotApart before `enforce`.
    """
    require_apart(connection)
    if password is not None and (len(password) < _SHORTEST or not password.isprintable()):
        raise RoleRefused(
            f"A password has at least {_SHORTEST} characters, on one line. Nothing was changed."
        )
    known = _known(connection, role)
    if known is not None and known.tenant != tenant:
        raise RoleRefused(
            f"Role {role} is that of tenant {known.tenant}: choose another name. "
            "Nothing was changed."
        )
    is_made_here = known is not None and known.is_made_here
    secret = None if is_there else password or secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        with connection.transaction():
            # Whoever owns the role decides what it is: one of another's is only looked at.
            if secret is None:
                _check_foreign(connection, tenant, role)
            else:
                _set_password(connection, role, secret, "ALTER" if is_made_here else "CREATE")
            _join(connection, tenant, role, at, is_ours=is_made_here or secret is not None)
            limit_logins(connection)
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


def drop_sql_roles(connection: Connection, tenant: str, roles: Sequence[str]) -> dict[str, int]:
    """Take logins from a tenant; end the sessions of those made here and drop them, all or none.

    Gives how many sessions are open all the same, with the locks they hold, by role. That roles
    made here are let in no more is committed first, with what was done on this connection before:
    they stay shut out where one cannot be dropped, which is RoleShutOut. Raises RoleRefused, and
    changes nothing, for a role that is not this tenant's, is not this user's to change, or would
    see every tenant's rows by rights of its own; and TenantsNotApart before `enforce`.
    """
    logins = [_login(connection, tenant, role) for role in roles]
    if any(login.oid is not None for login in logins):
        require_apart(connection)
    _check_own_rights(connection, [one for one in logins if one.is_member and not one.is_made_here])
    made = {login.oid: login.role for login in logins if login.is_made_here}
    _shut_out(connection, made.values())
    with connection.transaction():
        for login in logins:
            _part(connection, login, [*made.values()])
    left = connection.execute(_SESSIONS, (list(made),)).fetchall()
    return {made[oid]: count for oid, count in left}


class _Login(NamedTuple):
    role: str
    tenant: str
    oid: int | None
    """None where an administrator has dropped it."""
    is_member: bool
    is_made_here: bool


def _known(connection: Connection, role: str) -> _Login | None:
    row = connection.execute(_KNOWN, (role,)).fetchone()
    return row and _Login(*row)


def _login(connection: Connection, tenant: str, role: str) -> _Login:
    known = _known(connection, role)
    if known is None:
        raise RoleRefused(f"Role {role} is that of no tenant. Nothing was changed.")
    if known.tenant != tenant:
        raise RoleRefused(
            f"Role {role} is that of tenant {known.tenant}, not of {tenant}. Nothing was changed."
        )
    return known


def _check_own_rights(connection: Connection, logins: Collection[_Login]) -> None:
    """Refuse to let logins go that would read on, and under no policy: by taking the group away."""
    _, tenants = group_names(connection)
    # Whom it may not be taken from is said when it is.
    with suppress(errors.InsufficientPrivilege), connection.transaction(force_rollback=True):
        for login in logins:
            names = map(sql.Identifier, (tenants, login.role))
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(*names))
        left = roles_left(connection, [login.role for login in logins])
        for role in (role for role, is_unbound in left.items() if is_unbound):
            raise RoleRefused(
                f"Role {role} may read {SCHEMA} by rights of its own, and would see every tenant's "
                f"rows: first take them, with meta-pipeline db grant-reader {role} --revoke or as "
                "they were given. Nothing was changed."
            )


def _part(connection: Connection, login: _Login, shut_out: list[str]) -> None:
    """Take the tenant from a login and drop one that was made here: all of it or nothing."""
    role, tenants = sql.Identifier(login.role), sql.Identifier(group_names(connection)[1])
    parted = [sql.SQL("REVOKE {} FROM {}").format(tenants, role)] if login.is_member else []
    if login.is_made_here:
        parted.append(sql.SQL("DROP ROLE {}").format(role))
    try:
        with connection.transaction():
            connection.execute(_FORGET, (login.role,))
            for statement in parted:
                connection.execute(statement)
    except errors.DependentObjectsStillExist as error:
        owned = sql.SQL("DROP OWNED BY {}").format(role).as_string(connection)
        raise RoleShutOut(login.role, f"{error.diag.message_detail}", owned, shut_out) from error
    except errors.InsufficientPrivilege as error:
        if login.role not in shut_out:
            raise _may_not(connection, login.role) from error
        told = sql.SQL("; ").join(parted).as_string(connection)
        raise RoleShutOut(login.role, "this user may not", told, shut_out) from error


def _shut_out(connection: Connection, roles: Collection[str]) -> None:
    """Let logins in no more, and end what they have open.

    The one is committed before the other: until then others see a login, and whoever keeps a pool
    opens at once what was ended, takes its locks again, and is left with a role that nobody can
    end. It stays so whatever comes next: a client must not be let in again by what it owns.
    """
    for role in roles:
        try:
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
        except errors.InsufficientPrivilege as error:
            connection.rollback()
            raise _may_not(connection, role) from error
    if roles:
        connection.commit()
    for role in roles:
        _end_sessions(connection, role)


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
        name = sql.Identifier(role).as_string(connection)
        raise RoleRefused(
            f"There is no role {role} in this Postgres. Its administrator makes one in psql: "
            f"CREATE ROLE {name} LOGIN CONNECTION LIMIT {MOST_CONNECTIONS}; \\password {name}"
        )
    if row[0] is not None:
        raise RoleRefused(f"Role {role} will not do for a tenant: {row[0]}. Nothing was changed.")


def _join(connection: Connection, tenant: str, role: str, at: datetime, *, is_ours: bool) -> None:
    _, tenants = group_names(connection)
    connection.execute(
        f"INSERT INTO {SCHEMA}.tenant_roles (role_name, tenant, is_ours, added_at) "
        "VALUES (%s, %s, %s, %s) ON CONFLICT (role_name) DO UPDATE SET is_ours = excluded.is_ours",
        (role, tenant, is_ours, at),
    )
    join_group(connection, role)
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
        f"run in psql CREATE ROLE {made} LOGIN CONNECTION LIMIT {MOST_CONNECTIONS}; GRANT {group} "
        f"TO {user} WITH ADMIN OPTION; \\password {made}; and then say --existing. "
        "Nothing was changed."
    )
