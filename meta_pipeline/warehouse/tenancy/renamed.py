"""Renamed and copied databases: what the groups of the name before were given is taken away.

Groups are named for their database, and policies are for this one's. A group that was granted
tables under another name, or in the database that this is a copy of, would be left with the rights
and without the policies: its members would see every tenant's rows.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from psycopg import errors, sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import RoleRefused
from meta_pipeline.warehouse.names import SCHEMA

from .groups import API, ENFORCE, IS_MEMBER, SQL, group_names, join_group

# By the catalog of what depends on roles: also what is granted on a column, and by whomever.
_GRANTED: Final = f"""
    SELECT held.oid AS held, held.rolname, CASE classid
        WHEN 'pg_class'::regclass THEN format('TABLE %s', objid::regclass)
        ELSE format('SCHEMA %s', objid::regnamespace)
    END AS object
    FROM pg_shdepend JOIN pg_roles AS held ON held.oid = refobjid
    WHERE refclassid = 'pg_authid'::regclass AND deptype = 'a'
        AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND held.rolname ~ '^meta_ads_(api|tenant)_' AND held.rolname NOT IN ({API}, {SQL})
        AND (
            classid = 'pg_namespace'::regclass AND objid = to_regnamespace('{SCHEMA}')
            OR classid = 'pg_class'::regclass AND EXISTS (
                SELECT FROM pg_class
                WHERE pg_class.oid = objid AND relnamespace = to_regnamespace('{SCHEMA}')
            )
        )
"""
_TAKEN: Final = f"""
    SELECT DISTINCT format('REVOKE ALL ON %s FROM %I', object, rolname) FROM ({_GRANTED}) AS granted
"""
# Where the other database is there still, the login is that one's to change and to drop.
_LOGINS: Final = f"""
    SELECT role_name, bool_or({IS_MEMBER}), bool_or(EXISTS (
        SELECT FROM pg_database WHERE ('meta_ads_tenant_' || datname)::name = granted.rolname
    ))
    FROM {SCHEMA}.tenant_roles JOIN pg_roles ON pg_roles.rolname = role_name
    JOIN pg_auth_members ON member = pg_roles.oid
    JOIN ({_GRANTED}) AS granted ON held = roleid
    WHERE starts_with(granted.rolname, 'meta_ads_tenant_')
    GROUP BY role_name ORDER BY role_name
"""
# Whom no policy is for; Postgres asks none for who may pass them by.
_UNBOUND: Final = f"""
    rolsuper OR EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relkind IN ('r', 'p')
            AND has_schema_privilege(pg_roles.oid, relnamespace, 'USAGE')
            AND has_any_column_privilege(pg_roles.oid, pg_class.oid, 'SELECT')
    ) AND (rolbypassrls OR NOT EXISTS (
        SELECT FROM pg_roles AS held
        WHERE held.rolname = {SQL} AND pg_has_role(pg_roles.oid, held.oid, 'USAGE')
    ))
"""
_AMONG: Final = f"SELECT rolname::text, {_UNBOUND} FROM pg_roles WHERE rolname = ANY (%s)"
# Whoever makes a group, and lets others into it, is none of its logins.
_STRANGERS: Final = f"""
    SELECT rolname::text FROM pg_roles WHERE rolcanlogin AND ({_UNBOUND}) AND (
        rolname IN (SELECT role_name FROM {SCHEMA}.tenant_roles) OR EXISTS (
            SELECT FROM pg_auth_members JOIN pg_roles AS held ON held.oid = roleid
            WHERE member = pg_roles.oid AND NOT admin_option
                AND starts_with(held.rolname, 'meta_ads_tenant_')
        )
    )
    UNION SELECT rolname::text FROM ({_GRANTED}) AS granted ORDER BY 1
"""
_NOT_OURS: Final = f"UPDATE {SCHEMA}.tenant_roles SET is_ours = false WHERE role_name = %s"


def take_over(connection: Connection) -> None:
    """Let the logins of a renamed or copied database go on here, under its own group alone.

    All or nothing, and before any policy is made anew: those of the name before keep the logins
    apart until then. Raises RoleRefused where this user may not give the group to a login.
    """
    _, tenants = group_names(connection)
    with connection.transaction():
        for role, is_member, is_of_another in connection.execute(_LOGINS).fetchall():
            try:
                if not is_member:
                    join_group(connection, role)
            except errors.InsufficientPrivilege as error:
                grant = sql.SQL("GRANT {} TO {}").format(*map(sql.Identifier, (tenants, role)))
                raise RoleRefused(
                    f"This user may not let {role} go on here: let an administrator run "
                    f"{grant.as_string(connection)}; and {ENFORCE}. Until then nothing is changed."
                ) from error
            if is_of_another:
                connection.execute(_NOT_OURS, (role,))
        for (statement,) in connection.execute(_TAKEN).fetchall():
            connection.execute(sql.SQL(statement))


def roles_left(connection: Connection, roles: Collection[str]) -> dict[str, bool]:
    """Those of the roles that there are, and whether each reads tables here under no policy."""
    return dict(connection.execute(_AMONG, ([*roles],)).fetchall())


def strangers(connection: Connection) -> list[str]:
    """Logins of tenants, and groups of other databases, whom nothing keeps apart, as a sentence."""
    found = [role for (role,) in connection.execute(_STRANGERS).fetchall()]
    said = (
        f"Every tenant's rows may be open to {', '.join(found)}, whom no policy is for: run "
        f"{ENFORCE}, as after the database was renamed or restored. From whoever is named after "
        "that take the rights as they were given: with meta-pipeline db grant-reader ROLE "
        "--revoke, or by REVOKE of who granted them."
    )
    return [said] if found else []
