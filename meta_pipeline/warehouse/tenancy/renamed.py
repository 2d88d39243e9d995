"""Renamed and copied databases: what the groups of the name before were given is taken away.

Groups are named for their database, and policies are for this one's. A group that was granted
tables under another name, or in the database that this is a copy of, would be left with the rights
and without the policies: its members would see every tenant's rows.
"""

from __future__ import annotations

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
                    f"This user may not let {role} go on here: let an administrator of Postgres "
                    f"run {grant.as_string(connection)}; and then run {ENFORCE}. Until then "
                    "nothing is changed."
                ) from error
            if is_of_another:
                connection.execute(_NOT_OURS, (role,))
        for (statement,) in connection.execute(_TAKEN).fetchall():
            connection.execute(sql.SQL(statement))
