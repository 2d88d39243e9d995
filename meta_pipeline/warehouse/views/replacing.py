"""Replacing: a view is made anew under what is built on it, or dropped where it cannot be.

With the rights to read it, and the comments, which any object may have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg import sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import ViewInUse

OPTIONS: Final = "WITH (security_invoker = true)"
"""A view reads as its reader: as its owner it would show one tenant the rows of another."""
# Before version 15 there is no such option, and no tenant is let in (tenancy/).
_FIRST_VERSION: Final = 150_000


def takes_options(connection: Connection) -> bool:
    """Whether this server's views can be made with OPTIONS."""
    return connection.info.server_version >= _FIRST_VERSION


def commented(kind: str, comment: str | None, *names: str) -> sql.Composed:
    """The statement that comments a TABLE, COLUMN, VIEW or ROLE, which its names lead to."""
    return sql.SQL("COMMENT ON {} {} IS {}").format(
        sql.SQL(kind), sql.Identifier(*names), sql.Literal(comment)
    )


def let_read(
    connection: Connection, schema: str, views: Iterable[str], roles: Iterable[str]
) -> None:
    """Let the roles read these views, and use the schema that they are in."""
    to = sql.SQL(", ").join(map(sql.Identifier, roles))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), to))
    for view in views:
        connection.execute(
            sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(schema, view), to)
        )


def replace_view(
    connection: Connection, view: sql.Identifier, query: sql.Composable, *, refused: str, then: str
) -> None:
    """Make the view, or make it anew with these columns, in the caller's transaction.

    Raises ViewInUse as `drop_view` does.
    """
    options = sql.SQL(OPTIONS if takes_options(connection) else "")
    create = sql.SQL("CREATE OR REPLACE VIEW {} {} AS {}").format(view, options, query)
    try:
        # Replacing keeps the rights people were granted; it can only add columns at the end.
        with connection.transaction():
            connection.execute(create)
    except psycopg.errors.InvalidTableDefinition:
        drop_view(connection, view, refused=refused, then=then)
        connection.execute(create)


def drop_view(connection: Connection, view: sql.Identifier, *, refused: str, then: str) -> None:
    """Drop the view. Raises ViewInUse where something is built on it.

    `refused` says so, Postgres what it is, and `then` what to do about it.
    """
    try:
        connection.execute(sql.SQL("DROP VIEW {}").format(view))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise ViewInUse(
            f"{refused}: {error.diag.message_detail}. {then} Nothing was changed."
        ) from error
