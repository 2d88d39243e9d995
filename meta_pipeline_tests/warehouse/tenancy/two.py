"""Two tenants, and a row of each in every table there is, made from the catalog."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.tenancy import add_sql_role, enforce
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline_tests.postgres import TestPostgres

NOW = datetime.now(UTC)
ALPHA, BETA = "alpha", "beta"
ACCOUNTS = {ALPHA: "act_1001", BETA: "act_2002"}
"""Every row of a tenant's has one of these two words in it, which is how it is recognised."""
LEVELS = ("account", "campaign", "adset", "ad")
PASSWORD = "only for this test"

_COLUMNS = """
    SELECT relname::text, attname::text, format_type(atttypid, NULL), typcategory::text
    FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    JOIN pg_type ON pg_type.oid = atttypid
    WHERE relnamespace = 'meta_ads'::regnamespace AND relkind IN ('r', 'p') AND attidentity = ''
        AND attgenerated = ''
    ORDER BY relname, attnum
"""
_LOOSENED = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint WHERE connamespace = 'meta_ads'::regnamespace AND contype = 'c'
"""
_VALUES: dict[str, Any] = {
    "datemultirange": "{[2026-01-01,2026-01-02)}",
    "date": NOW.date(),
    "timestamp with time zone": NOW,
    "boolean": True,
    "bytea": b"x",
    "jsonb": json.dumps([]),
}
_WORDS = {
    "scope": "account",
    "dataset": "insights_ad",
    "is_deleted": False,
    "is_primary": False,
    "actions": json.dumps([{"action_type": "lead", "value": "1"}]),
    "timezone_name": "UTC",
    "currency": "EUR",
    "other_metrics": json.dumps({}),
}
"""What views understand; all else may be any word."""


@dataclass(frozen=True)
class Two:
    """The database with both tenants; `roles` are their logins of SQL."""

    warehouse: Warehouse
    roles: dict[str, str]

    def login(self, tenant: str) -> psycopg.Connection[Any]:
        """A connection of the tenant's login role that may try to write too."""
        parts = urlsplit(self.warehouse.url)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{self.roles[tenant]}:{PASSWORD.replace(' ', '%20')}@{host}"
        opened = psycopg.connect(urlunsplit(parts._replace(netloc=netloc)), autocommit=True)
        opened.execute("SET default_transaction_read_only = off")
        return opened

    @cached_property
    def columns(self) -> dict[str, list[tuple[str, str, str]]]:
        """Each table with its columns: name, type, category."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        with self.warehouse.connection() as connection:
            for table, *column in connection.execute(_COLUMNS):
                found.setdefault(table, []).append((column[0], column[1], column[2]))
        return found

    @cached_property
    def views(self) -> list[str]:
        with self.warehouse.connection() as connection:
            rows = connection.execute(
                "SELECT relname::text FROM pg_class "
                "WHERE relnamespace = 'meta_ads'::regnamespace AND relkind IN ('v', 'm') ORDER BY 1"
            ).fetchall()
        return [name for (name,) in rows]

    def rows(self, table: str, tenant: str) -> list[dict[str, Any]]:
        """Rows of the tenant's, whatever columns the table has: one, or one of each level."""
        row = {
            name: _value(table, name, kind, category, tenant)
            for name, kind, category in self.columns[table]
        }
        # Of a piece of advice the level is no part of the key: one of them is enough.
        each = "entity_type" in row and table != "advice"
        return [row | {"entity_type": level} for level in LEVELS] if each else [row]


def _value(table: str, column: str, kind: str, category: str, tenant: str) -> Any:
    if column == "account_id" or (table, column) == ("usage_readings", "key"):
        return ACCOUNTS[tenant]
    if column == "tenant":
        return tenant
    if column in _WORDS:
        return _WORDS[column]
    if category == "A":
        return [tenant]
    if kind in _VALUES:
        return _VALUES[kind]
    return f"{tenant} {column}" if category == "S" else 1


def insert(table: str, row: dict[str, Any]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier("meta_ads", table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )


@contextmanager
def two_tenants(postgres: TestPostgres) -> Iterator[Two]:
    """Both tenants with an account, a login role, and a row in every table."""
    with postgres.fresh_database() as url, Warehouse(url) as warehouse:
        roles = {tenant: f"{tenant}_{secrets.token_hex(4)}" for tenant in ACCOUNTS}
        with warehouse.connection() as connection:
            groups = group_names(connection)
        try:
            two = Two(warehouse, roles)
            _add(two)
            _fill(two)
            yield two
        finally:
            warehouse.close()
            _drop(postgres, url, (*roles.values(), *groups))


def _add(two: Two) -> None:
    for tenant, account_id in ACCOUNTS.items():
        two.warehouse.tenants.add(tenant, tenant.title(), NOW)
        two.warehouse.tenants.grant(tenant, [account_id], NOW)
    with two.warehouse.connection() as connection:
        enforce(connection)
        for tenant, role in two.roles.items():
            add_sql_role(connection, tenant, role, NOW, password=PASSWORD)


def _fill(two: Two) -> None:
    with closing(psycopg.connect(two.warehouse.url, autocommit=True)) as connection:
        for (statement,) in connection.execute(_LOOSENED).fetchall():
            connection.execute(statement)
        connection.execute("SET session_replication_role = replica")  # no trigger, no reference
        for table in two.columns:
            if table in ("tenants", "tenant_accounts", "tenant_roles", "schema_version"):
                continue  # have theirs
            for tenant in ACCOUNTS:
                for row in two.rows(table, tenant):
                    connection.execute(insert(table, row), row)


def _drop(postgres: TestPostgres, url: str, roles: tuple[str, ...]) -> None:
    """Roles are the server's, not the database's: they go with what depends on them."""
    for role in roles:
        name = sql.Identifier(role)
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
                connection.execute(sql.SQL("DROP ROLE {}").format(name))
