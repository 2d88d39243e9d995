"""A reader sees all of `meta_ads`, also what later versions add, and can change none of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from meta_pipeline.warehouse import Warehouse, WarehouseError
from meta_pipeline.warehouse.readers import UNREAD, grant_reader, revoke_reader
from meta_pipeline.warehouse.schema import SCHEMA, metadata
from meta_pipeline.warehouse.views import declared
from meta_pipeline_tests.postgres import TestPostgres

PASSWORD = "only for this test"


@pytest.fixture
def role(postgres: TestPostgres, database_url: str) -> Iterator[str]:
    name = f'reader "{secrets.token_hex(4)}"'
    identifier = sql.Identifier(name)
    postgres.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(PASSWORD))
    )
    yield name
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(identifier))
    postgres.execute(sql.SQL("DROP ROLE {}").format(identifier))


def as_reader(url: str, role: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, user=role, password=PASSWORD, autocommit=True)


def test_a_reader_reads_every_table_and_view(warehouse: Warehouse, role: str) -> None:
    with warehouse.connection() as connection:
        grant_reader(connection, role)

    with closing(as_reader(warehouse.url, role)) as reader:
        for name in [*(t.name for t in metadata.sorted_tables), *(v.name for v in declared())]:
            if name in UNREAD:
                with pytest.raises(errors.InsufficientPrivilege):
                    reader.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(SCHEMA, name)))
                continue
            reader.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(SCHEMA, name)))


def test_a_reader_changes_nothing(warehouse: Warehouse, role: str) -> None:
    with warehouse.connection() as connection:
        grant_reader(connection, role)

    with closing(as_reader(warehouse.url, role)) as reader:
        for table in metadata.sorted_tables:
            name = sql.Identifier(SCHEMA, table.name)
            for statement in ("DELETE FROM {}", "TRUNCATE {}", "INSERT INTO {} DEFAULT VALUES"):
                with pytest.raises(errors.InsufficientPrivilege):
                    reader.execute(sql.SQL(statement).format(name))
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute(sql.SQL("CREATE TABLE {}.mine ()").format(sql.Identifier(SCHEMA)))


def test_what_a_later_version_adds_is_read_too(warehouse: Warehouse, role: str) -> None:
    with warehouse.connection() as connection:
        grant_reader(connection, role)
        connection.execute(sql.SQL("CREATE TABLE {}.later ()").format(sql.Identifier(SCHEMA)))

    with closing(as_reader(warehouse.url, role)) as reader:
        reader.execute(sql.SQL("SELECT FROM {}.later").format(sql.Identifier(SCHEMA)))


def test_what_was_granted_is_taken_back(warehouse: Warehouse, role: str) -> None:
    with warehouse.connection() as connection:
        grant_reader(connection, role)
        grant_reader(connection, role)
        revoke_reader(connection, role)
        connection.execute(sql.SQL("CREATE TABLE {}.later ()").format(sql.Identifier(SCHEMA)))

    with closing(as_reader(warehouse.url, role)) as reader:
        for name in ("meta_insights", "later", "sync_health"):
            with pytest.raises(errors.InsufficientPrivilege):
                reader.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(SCHEMA, name)))


def test_an_unknown_role_is_named_with_the_statement_that_makes_it(warehouse: Warehouse) -> None:
    with (
        warehouse.connection() as connection,
        pytest.raises(WarehouseError, match=r'CREATE ROLE "no-such role" LOGIN'),
    ):
        grant_reader(connection, "no-such role")


def test_before_the_schema_is_there_it_says_what_makes_it(empty_url: str) -> None:
    with (
        Warehouse(empty_url) as empty,
        empty.connection() as connection,
        pytest.raises(WarehouseError, match="meta-pipeline migrate"),
    ):
        grant_reader(connection, "postgres" if connection.info.user == "postgres" else "meta")


@pytest.mark.parametrize("is_reader", [False, True])
def test_who_does_not_own_the_schema_grants_nothing(
    postgres: TestPostgres, warehouse: Warehouse, role: str, is_reader: bool
) -> None:
    other = f"other_{secrets.token_hex(4)}"
    postgres.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(other)))
    try:
        if is_reader:
            with warehouse.connection() as connection:
                grant_reader(connection, role)
        with (
            closing(as_reader(warehouse.url, role)) as reader,
            pytest.raises(WarehouseError, match="owner of the"),
        ):
            grant_reader(reader, other)
    finally:
        with warehouse.connection() as connection:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(other)))
        postgres.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(other)))
