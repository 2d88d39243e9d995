"""Other databases of the server: Postgres lets every login into them, and they share its disk.

What `harden` closes it closes in one database. A login that connects to `postgres` instead makes
temporary tables and large objects there, until no sync writes any more.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.names import SCHEMA

# Google's own, on its managed servers: its pg_hba.conf keeps everybody else out, and may be neither
# read nor made unnecessary there.
_OF_GOOGLE: Final = ("alloydbadmin", "cloudsqladmin")
# A limit of 0 lets in superusers alone, -2 marks what a DROP DATABASE left behind.
_GRANTED = f"""
    SELECT role_name, datname::text AS database_name
    FROM {SCHEMA}.tenant_roles JOIN pg_roles ON rolname = role_name CROSS JOIN pg_database
    WHERE rolcanlogin AND datallowconn AND datconnlimit NOT IN (0, -2)
        AND datname <> current_database() AND datname <> ALL (%(apart)s)
        AND has_database_privilege(role_name, pg_database.oid, 'CONNECT')
"""
_HERE = """
    SELECT current_database()::text, current_user::text,
        has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE')
"""
# The first line that is for a login, a database and where it comes from decides; where it comes
# from nobody knows beforehand. So a line that rejects counts where it does so wherever from, any
# other wherever it is from, and whatever its pattern is. Who has a shell on the server, and its
# socket, is no client.
_LET_IN = f"""
    SELECT role_name, database_name FROM (
        SELECT DISTINCT ON (role_name, database_name) role_name, database_name, auth_method
        FROM ({_GRANTED}) AS granted
        JOIN pg_hba_file_rules() WITH ORDINALITY AS line ON (
            database && ARRAY['all', database_name] OR auth_method <> 'reject' AND EXISTS (
                SELECT FROM unnest(database) AS pattern WHERE pattern ~ '^(/|same)'
            )
        ) AND (
            user_name && ARRAY['all', role_name] OR user_name && array(
                SELECT '+' || rolname FROM pg_roles WHERE pg_has_role(role_name, oid, 'MEMBER')
            ) OR auth_method <> 'reject' AND EXISTS (
                SELECT FROM unnest(user_name) AS pattern WHERE starts_with(pattern, '/')
            )
        )
        WHERE type <> 'local' AND (auth_method <> 'reject' OR type = 'host' AND address = 'all')
        ORDER BY role_name, database_name, ordinality
    ) AS first WHERE auth_method <> 'reject'
"""
_SAID: Final = (
    "The disk may be filled from other databases of this server, too, by {roles}. Let its "
    "administrator put first in pg_hba.conf the lines host {here} {roles} all scram-sha-256 and "
    "host all {roles} all reject; or, once whoever else works there is granted it, run REVOKE "
    "CONNECT ON DATABASE {databases} FROM PUBLIC, {roles};"
)
_UNSEEN: Final = (
    "Whether pg_hba.conf has such lines already this user cannot see, until a superuser runs GRANT "
    "EXECUTE ON FUNCTION pg_hba_file_rules() TO {user};"
)


def other_databases(connection: Connection) -> list[str]:
    """Where else tenants' logins may connect to, as a sentence with what keeps them out; or none.

    What pg_hba.conf says counts where this user may look at it.
    """
    ((here, user, may_look),) = connection.execute(_HERE).fetchall()
    query = _LET_IN if may_look else _GRANTED
    reached = connection.execute(query, {"apart": list(_OF_GOOGLE)}).fetchall()
    if not reached:
        return []
    roles, databases = (sorted({*names}) for names in zip(*reached, strict=True))
    said = sql.SQL(_SAID if may_look else f"{_SAID} {_UNSEEN}").format(
        roles=_names(roles), databases=_names(databases), here=_names([here]), user=_names([user])
    )
    return [said.as_string(connection)]


def _names(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
