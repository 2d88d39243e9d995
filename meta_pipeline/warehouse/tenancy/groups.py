"""Groups: the two roles of Postgres that the policies are for; nobody can log in as one."""

from __future__ import annotations

from typing import Final

from psycopg import errors, sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import RoleRefused
from meta_pipeline.warehouse.views.replacing import commented

ENFORCE: Final = "meta-pipeline tenants enforce"
# Roles are the whole server's, tables one database's: its name keeps installations apart. The cast
# shortens to what Postgres allows, at a character's end.
API: Final = "('meta_ads_api_' || current_database())::name"
"""SQL for the name of the group whose members say for whom they work."""
SQL: Final = "('meta_ads_tenant_' || current_database())::name"
"""SQL for the name of the group whose members are told apart by their own name."""
IS_MEMBER: Final = f"""
    EXISTS (
        SELECT FROM pg_auth_members JOIN pg_roles AS held ON held.oid = roleid
        WHERE member = pg_roles.oid AND held.rolname = {SQL}
    )
"""
"""SQL for whether a role of `pg_roles` was given that group, which need not be there."""
# A dump says too that a role of this name was made here. On another server that may be somebody
# else's, in another database of this one it is that of the database it was made for.
MADE_HERE: Final = f"(is_ours AND {IS_MEMBER})"
"""SQL for whether a login of `tenant_roles`, joined to `pg_roles`, is this database's to change."""

_ABOUT = {
    API: "What meta_pipeline becomes while it works for one tenant",
    SQL: "Login roles of tenants: each sees its own tenant's rows",
}
_NAMES = f"SELECT {API}::text, {SQL}::text, current_user::text"
_MISSING = """
    SELECT name FROM unnest(%s::text[]) AS wanted (name)
    WHERE to_regrole(quote_ident(name)) IS NULL
"""
_MAY_CREATE = "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
_MAY_BECOME = "SELECT pg_has_role(current_user, %s, 'MEMBER')"
_MAY_SET = "SELECT pg_has_role(current_user, %s, 'SET')"
# Postgres 16 made the right to become a role one of its own, apart from being a member. A policy is
# for those members of its group that inherit it: since then as each GRANT says, whatever the role
# is, and before as the role says.
_WITH_SET = 160_000


def group_names(connection: Connection) -> tuple[str, str]:
    """Names of the API's and of the SQL group in this database."""
    row = connection.execute(_NAMES).fetchone()
    assert row is not None
    return str(row[0]), str(row[1])


def ensure_groups(connection: Connection) -> None:
    """Make the groups that are missing, and let this user take that of the API.

    Raises RoleRefused with the statements for an administrator when this user may not.
    """
    api, tenants = group_names(connection)
    missing = [name for (name,) in connection.execute(_MISSING, ([api, tenants],)).fetchall()]
    if missing:
        may = connection.execute(_MAY_CREATE).fetchone()
        if may is None or not may[0]:
            raise _refusal(connection, missing, (api, tenants))
    try:
        for name in missing:
            _create(connection, name)
        ask = _MAY_SET if _knows_set(connection) else _MAY_BECOME
        row = connection.execute(ask, (api,)).fetchone()
        if row is None or not row[0]:
            # Without INHERIT: as itself this user stays under no policy; it becomes the group.
            option = sql.SQL(" WITH INHERIT FALSE, SET TRUE" if _knows_set(connection) else "")
            connection.execute(
                sql.SQL("GRANT {} TO CURRENT_USER{}").format(sql.Identifier(api), option)
            )
    except errors.InsufficientPrivilege as error:
        raise _refusal(connection, [], (api, tenants)) from error


def join_group(connection: Connection, role: str) -> None:
    """Make a login a member of this database's SQL group, whose policies are for it from then on.

    Raises errors.InsufficientPrivilege, and whatever else Postgres says.
    """
    _, tenants = group_names(connection)
    says_it = sql.SQL(" WITH INHERIT TRUE" if _knows_set(connection) else "")
    names = map(sql.Identifier, (tenants, role))
    connection.execute(sql.SQL("GRANT {} TO {}{}").format(*names, says_it))


def _create(connection: Connection, name: str) -> None:
    about = _ABOUT[API if name.startswith("meta_ads_api_") else SQL]
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
            connection.execute(commented("ROLE", about, name))
    except (errors.DuplicateObject, errors.UniqueViolation):
        return  # another process was faster


def _knows_set(connection: Connection) -> bool:
    return connection.info.server_version >= _WITH_SET


def _refusal(connection: Connection, missing: list[str], groups: tuple[str, str]) -> RoleRefused:
    row = connection.execute("SELECT quote_ident(current_user)").fetchone()
    assert row is not None
    named = [sql.Identifier(name).as_string(connection) for name in groups]
    create = "".join(
        f"CREATE ROLE {sql.Identifier(name).as_string(connection)} NOLOGIN; " for name in missing
    )
    return RoleRefused(
        f"The user {row[0]} may not make the roles that keep tenants apart: let an administrator "
        f"of Postgres run {create}GRANT {', '.join(named)} TO {row[0]} WITH ADMIN OPTION; and then "
        f"run {ENFORCE}. Until then only the tenant default is served, as before."
    )
