"""Enforcement: puts every table under row-level security, by what the catalog says is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import errors, sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import DatabaseUnfit, RoleRefused, TenantsNotApart
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.warehouse.views.replacing import let_read

from .groups import ENFORCE, ensure_groups, group_names
from .logins import limit_logins
from .renamed import take_over
from .rules import OPERATOR, TenancyRule, rule_of

_FIRST_VERSION: Final = 150_000
"""Before Postgres 15 a view reads as its owner: it would show every tenant's rows."""
_EVERYBODY: Final = "rights_decide"
_API: Final = "tenant_of_setting"
_SQL: Final = "tenant_of_role"
_TABLES = """
    SELECT relname::text,
        array(
            SELECT attname::text FROM pg_attribute
            WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        ),
        CASE WHEN relrowsecurity THEN (
            SELECT obj_description(oid, 'pg_policy') FROM pg_policy
            WHERE polrelid = pg_class.oid AND polname = %s
        ) END
    FROM pg_class
    WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p')
    ORDER BY relname = 'tenants', relname
"""
_VIEWS = """
    SELECT relname::text FROM pg_class
    WHERE relnamespace = to_regnamespace(%s) AND relkind = 'v'
        AND 'security_invoker=true' = ANY (coalesce(reloptions, '{}'))
    ORDER BY relname
"""
_IS_ON = "SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass(%s)"
_TENANTS = f"{SCHEMA}.tenants"


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Whether tenants are kept apart; `open_tables` are not under their rule yet."""

    is_on: bool
    open_tables: tuple[str, ...]


def enforcement(connection: Connection) -> Enforcement:
    """Look, and change nothing."""
    row = connection.execute(_IS_ON, (_TENANTS,)).fetchone()
    is_on = row is not None and bool(row[0])
    wanted = _wanted(connection)
    return Enforcement(is_on, tuple(name for name, (_, done) in wanted.items() if not done))


def require_apart(connection: Connection) -> None:
    """Raises TenantsNotApart before `enforce`, which a new name of the database makes due again.

    Until then logins are in groups of the old name.
    """
    state = enforcement(connection)
    if not state.is_on or "tenants" in state.open_tables:
        raise TenantsNotApart(f"Tenants are not kept apart here yet: run {ENFORCE} first.")


def enforce(connection: Connection) -> None:
    """Keep tenants apart: groups, policies and rights, of every table and view there is now.

    Safe to repeat: what is in place is left alone. Each table is changed on its own, for a moment;
    `tenants` is the last, and before it is done no tenant but default is served. Migrations repeat
    it for what they add. Raises RoleRefused when this user may not make roles or does not own the
    tables, DatabaseUnfit before Postgres 15.
    """
    if connection.info.server_version < _FIRST_VERSION:
        raise DatabaseUnfit(
            "Tenants take Postgres 15 or newer: before it views show their owner's rows to "
            "everybody. Upgrade the server; one tenant alone works with this one."
        )
    ensure_groups(connection)
    groups = group_names(connection)
    try:
        take_over(connection)
        for table, (rule, is_done) in _wanted(connection).items():
            if not is_done:
                with connection.transaction():
                    _protect(connection, table, rule, groups)
        with connection.transaction():
            views = [name for (name,) in connection.execute(_VIEWS, (SCHEMA,)).fetchall()]
            let_read(connection, SCHEMA, views, groups)
        limit_logins(connection)
    except errors.InsufficientPrivilege as error:
        raise RoleRefused(
            f"This user may not put the tables of {SCHEMA} under row-level security: "
            f"{error.diag.message_primary}. Run it as the owner of the tables."
        ) from error


def _wanted(connection: Connection) -> Mapping[str, tuple[TenancyRule, bool]]:
    """Each table with its rule, and whether it is under that already; `tenants` is the last."""
    groups = group_names(connection)
    rows = connection.execute(_TABLES, (_SQL, SCHEMA)).fetchall()
    rules = {table: (rule_of(table, columns) or OPERATOR, said) for table, columns, said in rows}
    return {table: (rule, said == _mark(rule, groups)) for table, (rule, said) in rules.items()}


def _mark(rule: TenancyRule, groups: tuple[str, str]) -> str:
    """Tells a policy of another rule, or for other groups, apart: its comment."""
    return f"meta_pipeline {hashlib.sha256(repr((rule, groups)).encode()).hexdigest()[:16]}"


def _protect(
    connection: Connection, table: str, rule: TenancyRule, groups: tuple[str, str]
) -> None:
    api, tenants = map(sql.Identifier, groups)
    name = sql.Identifier(SCHEMA, table)
    writes = ", ".join(("SELECT", *rule.api_writes))

    def run(statement: str, **parts: sql.Composable) -> None:
        given = {"table": name, "api": api, "tenants": tenants} | parts
        connection.execute(sql.SQL(statement).format(**given))

    run("REVOKE ALL ON {table} FROM {api}, {tenants}")
    for policy in (_EVERYBODY, _API, _SQL):
        run("DROP POLICY IF EXISTS {policy} ON {table}", policy=sql.Identifier(policy))
    # Everybody else is kept in by rights, as without tenants; a restriction needs something to
    # restrict.
    run(
        "CREATE POLICY {policy} ON {table} USING (true) WITH CHECK (true)",
        policy=sql.Identifier(_EVERYBODY),
    )
    for policy, group, condition in ((_API, api, rule.api), (_SQL, tenants, rule.sql)):
        run(
            "CREATE POLICY {policy} ON {table} AS RESTRICTIVE TO {group} "
            "USING ({condition}) WITH CHECK ({condition})",
            policy=sql.Identifier(policy),
            group=group,
            condition=sql.SQL(condition),
        )
    # After the policies: without one, enabled security shows nobody but the owner a row.
    run("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    run("GRANT {rights} ON {table} TO {api}", rights=sql.SQL(writes))
    if rule.sql_reads:
        run("GRANT SELECT ON {table} TO {tenants}")
    # Last, in this transaction: by it the next time the table counts as done.
    run(
        "COMMENT ON POLICY {policy} ON {table} IS {mark}",
        policy=sql.Identifier(_SQL),
        mark=sql.Literal(_mark(rule, groups)),
    )
