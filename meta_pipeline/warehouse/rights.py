"""Rights: what the user of the database may do there, and what has to be granted first."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from .connect import Connection
from .errors import DatabaseUnfit
from .names import SCHEMA
from .urls import DAGSTER_SCHEMA

# Only who migrates writes to these.
_OF_THE_OWNER = ("schema_version", "schema_views")
# What keeps syncs and migrations apart; everybody may run them, until somebody takes that back.
_LOCKS = (
    "pg_advisory_lock(bigint)",
    "pg_advisory_xact_lock(bigint)",
    "pg_try_advisory_lock(bigint)",
    "pg_try_advisory_xact_lock(bigint)",
)
_RIGHTS = """
    SELECT
        current_setting('server_version') AS version,
        quote_ident(current_database()) AS database,
        quote_ident(current_user) AS "user",
        pg_is_in_recovery() AS is_standby,
        current_setting('default_transaction_read_only')::boolean AS is_read_only,
        has_database_privilege(current_database(), 'TEMPORARY') AS may_stage,
        has_database_privilege(current_database(), 'CREATE') AS may_create,
        array(SELECT nspname::text FROM pg_namespace WHERE nspname = ANY (%(schemas)s)) AS schemas,
        array(
            SELECT nspname::text FROM pg_namespace
            WHERE nspname = ANY (%(schemas)s)
                AND has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
        ) AS open_schemas,
        array(
            SELECT nspname::text FROM pg_namespace
            JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = 'alembic_version'
            WHERE nspname = %(dagster)s
        ) AS made_schemas,
        array(
            SELECT relname::text FROM pg_class
            JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = %(ours)s
            WHERE relkind IN ('r', 'p') AND relname <> ALL (%(of_the_owner)s) AND NOT (
                has_table_privilege(pg_class.oid, 'SELECT')
                AND has_table_privilege(pg_class.oid, 'INSERT')
                AND has_table_privilege(pg_class.oid, 'UPDATE')
                AND has_table_privilege(pg_class.oid, 'DELETE')
            )
            ORDER BY 1
        ) AS closed_tables,
        array(
            SELECT DISTINCT proname::text FROM pg_proc
            JOIN pg_namespace ON pg_namespace.oid = pronamespace AND nspname = %(ours)s
            WHERE NOT has_function_privilege(pg_proc.oid, 'EXECUTE')
            ORDER BY 1
        ) AS closed_functions,
        array(
            SELECT lock FROM unnest(%(locks)s::text[]) AS lock
            WHERE NOT has_function_privilege('pg_catalog.' || lock, 'EXECUTE')
        ) AS closed_locks,
        -- None of them: any number. They do not hold for superusers.
        (
            SELECT min(most) FROM (
                SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user
                UNION ALL
                SELECT datconnlimit FROM pg_database WHERE datname = current_database()
            ) AS limits (most)
            WHERE most >= 0 AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
        ) AS most_connections
"""
# Dagster opens two where its tables are made, beside the one that makes its schema.
_FEWEST_CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the database does not allow, and the statement that allows it."""

    text: str
    fix: str

    def __str__(self) -> str:
        return f"{self.text}: {self.fix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one user may do in one database; names are quoted as SQL wants them."""

    version: str
    database: str
    user: str
    is_standby: bool
    is_read_only: bool
    """Whether transactions are read-only by the settings of role or database."""
    may_stage: bool
    """Whether temporary tables may be made, in which rows are staged."""
    may_create: bool
    """Whether a schema may be made in the database."""
    schemas: list[str]
    """Those of ours and Dagster's that are there; the others are of these."""
    open_schemas: list[str]
    """Tables may be made in them."""
    made_schemas: list[str]
    """Dagster's tables are in them."""
    closed_tables: list[str]
    """Tables of ours that this user may not read and write."""
    closed_functions: list[str]
    """Functions of ours that this user may not run; views and defaults of columns call them."""
    closed_locks: list[str]
    """Functions of Postgres that take advisory locks and are closed to this user."""
    most_connections: int | None
    """So many at once are granted to the user, or to the database."""

    def for_syncs(self) -> list[Problem]:
        """What keeps a sync from writing, where the tables are there."""
        problems = self._for_writes()
        if not self.may_stage:
            problems.append(
                Problem(
                    f"the user {self.user} may not make temporary tables, in which rows are staged",
                    f"GRANT TEMPORARY ON DATABASE {self.database} TO {self.user};",
                )
            )
        if self.closed_tables:
            named = ", ".join(self.closed_tables[:3])
            more = f" and {len(self.closed_tables) - 3} more" if len(self.closed_tables) > 3 else ""
            problems.append(
                Problem(
                    f"the user {self.user} may not read and write {named}{more} in {SCHEMA}",
                    f"GRANT USAGE ON SCHEMA {SCHEMA} TO {self.user}; GRANT SELECT, INSERT, UPDATE, "
                    f"DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {self.user};",
                )
            )
        if self.closed_functions:
            problems.append(
                Problem(
                    f"the user {self.user} may not run {', '.join(self.closed_functions)} in "
                    f"{SCHEMA}",
                    f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA} TO {self.user};",
                )
            )
        return problems

    def for_reads(self) -> list[Problem]:
        """What to grant to a user who was found not to be let into the schema."""
        return [
            Problem(
                f"the user {self.user} may not read {SCHEMA}",
                f"as the owner of its tables run meta-pipeline db grant-reader {self.user}",
            )
        ]

    def for_tables(self, schema: str) -> list[Problem]:
        """What keeps tables from being made or changed in the schema."""
        problems = self._for_writes()
        if schema in self.schemas and schema not in self.open_schemas:
            problems.append(
                Problem(
                    f"the user {self.user} may not make tables in schema {schema}",
                    f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {self.user}; or let its owner run "
                    "meta-pipeline migrate",
                )
            )
        if schema not in self.schemas and not self.may_create:
            problems.append(
                Problem(
                    f"there is no schema {schema}, and the user {self.user} may not make one",
                    f"as an owner run CREATE SCHEMA {schema} AUTHORIZATION {self.user}; or "
                    f"GRANT CREATE ON DATABASE {self.database} TO {self.user};",
                )
            )
        return problems

    def for_dagster(self) -> list[Problem]:
        """What keeps Dagster from its tables, or from making them where they are not there."""
        problems = [] if DAGSTER_SCHEMA in self.made_schemas else self.for_tables(DAGSTER_SCHEMA)
        if self.most_connections is not None and self.most_connections < _FEWEST_CONNECTIONS:
            problems.append(
                Problem(
                    f"{self.most_connections} connections at once are all that is granted, and "
                    f"Dagster needs {_FEWEST_CONNECTIONS} and more",
                    f"ALTER ROLE {self.user} CONNECTION LIMIT -1; or the same with ALTER DATABASE "
                    f"{self.database}",
                )
            )
        return problems

    def _for_writes(self) -> list[Problem]:
        if self.is_standby:
            return [
                Problem("this server is a read-only standby", "point DATABASE_URL at the primary")
            ]
        if self.is_read_only:
            return [
                Problem(
                    "transactions are read-only here (default_transaction_read_only)",
                    f"ALTER ROLE {self.user} SET default_transaction_read_only = off; or the same "
                    f"with ALTER ROLE {self.user} IN DATABASE {self.database}",
                )
            ]
        if self.closed_locks:
            named = ", ".join(self.closed_locks)
            return [
                Problem(
                    f"the user {self.user} may not take the locks that keep syncs apart",
                    f"as a superuser run GRANT EXECUTE ON FUNCTION {named} TO {self.user};",
                )
            ]
        return []


def read_rights(connection: Connection) -> Rights:
    """Ask the catalog; reads only, takes no lock on a table of ours."""
    cursor = connection.cursor(row_factory=class_row(Rights))
    values = {
        "schemas": [SCHEMA, DAGSTER_SCHEMA],
        "ours": SCHEMA,
        "dagster": DAGSTER_SCHEMA,
        "of_the_owner": list(_OF_THE_OWNER),
        "locks": list(_LOCKS),
    }
    row = cursor.execute(_RIGHTS, values).fetchone()
    assert row is not None
    return row


def refuse(problems: list[Problem]) -> None:
    """Raise DatabaseUnfit with the first of the problems, if there is one."""
    if problems:
        first = problems[0]
        raise DatabaseUnfit(
            f"The database will not do: {first.text}. To mend it: {first.fix.rstrip(';')}. "
            "Nothing was written."
        )
