"""Places: a role and an empty database of a test's own, with the settings and rights it wants."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from meta_pipeline_tests.postgres import TestPostgres

PASSWORD = "Secr3tTail9x"


@dataclass(frozen=True)
class Place:
    """`url` is the role's, `admin_url` the owner's of the server; both name the same database."""

    url: str
    admin_url: str
    role: str
    database: str

    def run(self, *statements: str) -> None:
        """Run statements as the server's owner; {role} and {database} are named in them."""
        with self._as_owner() as connection:
            for statement in statements:
                connection.execute(statement.format(role=self.role, database=self.database))

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with self._as_owner() as connection:
            return connection.execute(query).fetchall()

    def _as_owner(self) -> closing[psycopg.Connection[tuple[object, ...]]]:
        # Timeouts of the database's settings are the product's to bear, on a busy machine too.
        timeouts = ("statement", "lock", "idle_in_transaction_session")
        return closing(
            psycopg.connect(
                self.admin_url,
                autocommit=True,
                client_encoding="UTF8",
                options=" ".join(f"-c {name}_timeout=0" for name in timeouts),
            )
        )


@contextmanager
def new_place(
    postgres: TestPostgres, *, encoding: str = "UTF8", template: str = "template0"
) -> Iterator[Place]:
    name = f"p_{os.getpid()}_{secrets.token_hex(4)}"
    role, database = sql.Identifier(name), sql.Identifier(name)
    options = sql.SQL("ENCODING {} LOCALE_PROVIDER libc LOCALE 'C'").format(encoding)
    postgres.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, PASSWORD),
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} {}").format(
            database,
            role,
            sql.Identifier(template),
            options if template == "template0" else sql.SQL(""),
        ),
    )
    server = urlsplit(postgres.url).netloc.rpartition("@")[2]
    try:
        yield Place(
            f"postgresql://{name}:{PASSWORD}@{server}/{name}", postgres.url_of(name), name, name
        )
    finally:
        postgres.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database),
            sql.SQL("DROP ROLE {}").format(role),
        )


@pytest.fixture
def place(postgres: TestPostgres) -> Iterator[Place]:
    """An empty database in UTF-8 whose owner is a role of its own."""
    with new_place(postgres) as made:
        yield made
