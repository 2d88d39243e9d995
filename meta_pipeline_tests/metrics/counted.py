"""A warehouse that counts what is asked of Postgres through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from meta_pipeline.warehouse import Connection, Warehouse
from meta_pipeline.warehouse.tenancy import TenantSession


class Counted(Warehouse):
    """Counts the statements that are executed through it, also as a tenant's."""

    statements = 0
    most_rows = 0
    """Of the longest answer that was fetched whole."""

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with super().connection() as connection:
            self._count(connection)
            yield connection

    @contextmanager
    def tenant_session(self, *given: Any, **options: Any) -> Iterator[TenantSession]:
        with super().tenant_session(*given, **options) as session:
            self._count(session.connection)
            yield session

    def _count(self, connection: Connection) -> None:
        counted = self

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, *given: Any, **options: Any) -> Any:
                counted.statements += 1
                return super().execute(*given, **options)

            def fetchall(self) -> list[Any]:
                rows = super().fetchall()
                counted.most_rows = max(counted.most_rows, len(rows))
                return rows

        connection.cursor_factory = Cursor
