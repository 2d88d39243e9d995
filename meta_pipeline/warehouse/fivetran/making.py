"""Making: the views come into a schema, or go, all or none."""

from __future__ import annotations

import psycopg
from psycopg import sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import DatabaseUnfit, RoleRefused, WarehouseError
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.warehouse.urls import DAGSTER_SCHEMA
from meta_pipeline.warehouse.views.replacing import commented, drop_view, let_read, replace_view

from .shape import VIEWS

_THEN = (
    "Drop what is built on it (a model of dbt: drop its view, dbt run makes it anew) and say the "
    "command again."
)
# In the comment of each view: by it a relation of ours is told from one that Fivetran fills.
_MARK = "Of meta-pipeline views fivetran. "
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:fivetran', 0))"
_RELATIONS = """
    SELECT relname::text, relkind::text, coalesce(obj_description(oid, 'pg_class'), '')
    FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v', 'm', 'p', 'f')
"""


class SchemaTaken(WarehouseError):
    """The schema holds something of somebody else under a name that is needed."""


def make(connection: Connection, schema: str, *, reader: str | None = None) -> tuple[str, ...]:
    """Make the views anew in `schema`, which is made where there is none; their names.

    `reader` is a role that may read them from then on; it needs the rights on our own tables too
    (`grant_reader`). Who was let read them before stays so, and nothing else in the schema is
    granted. A view whose columns stay is replaced under what is built on it, such as a model that
    dbt keeps as a view. All of it happens or nothing.
    Raises SchemaTaken where a relation of that name is not ours: a table that Fivetran fills stays
    what it is; ViewInUse where a view has to be dropped that something is built on; RoleRefused for
    a role there is not; DatabaseUnfit where this user may not.
    """
    if schema in (SCHEMA, DAGSTER_SCHEMA):
        raise SchemaTaken(
            f"Schema {schema} is ours already: name another with --schema. Nothing was changed."
        )
    try:
        with connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            _refuse_others(connection, schema)
            # Who may use a schema need not be one who may make schemas: one that is there will do.
            there = "SELECT FROM pg_namespace WHERE nspname = %s"
            if connection.execute(there, (schema,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            # Looked up before they are made anew: a view that has to be dropped loses its grants.
            granted = _readers(connection, schema) | ({reader} if reader else set())
            for name, view in VIEWS.items():
                relation = sql.Identifier(schema, name)
                query, refused = sql.SQL(view.query), _refused(relation)
                replace_view(connection, relation, query, refused=refused, then=_THEN)
                connection.execute(commented("VIEW", f"{_MARK}{view.about}", schema, name))
            if granted:
                let_read(connection, schema, VIEWS, sorted(granted))
    except psycopg.errors.UndefinedObject as error:
        raise RoleRefused(f"{error.diag.message_primary}. Nothing was changed.") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnfit(
            f"This user may not make the views: {error.diag.message_primary}. Let an owner of the "
            f"database run CREATE SCHEMA {sql.Identifier(schema).as_string(connection)} "
            f"AUTHORIZATION {sql.Identifier(connection.info.user).as_string(connection)}; "
            "Nothing was changed."
        ) from error
    return tuple(VIEWS)


def drop(connection: Connection, schema: str) -> tuple[str, ...]:
    """Drop the views, and the schema if nothing else is in it; the names of those there were.

    Raises ViewInUse, and drops none, where something is built on one.
    """
    with connection.transaction():
        views = {
            name
            for name, kind, about in _relations(connection, schema)
            if kind == "v" and about.startswith(_MARK)
        }
        for name in views:
            relation = sql.Identifier(schema, name)
            drop_view(connection, relation, refused=_refused(relation), then=_THEN)
        if views and not _relations(connection, schema):
            connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(schema)))
    return tuple(sorted(views))


def _refused(relation: sql.Identifier) -> str:
    return f"View {relation.as_string()} cannot be dropped"


def _readers(connection: Connection, schema: str) -> set[str]:
    """Who was let read the views that are about to be made anew."""
    rows = connection.execute(
        """SELECT DISTINCT rolname::text
           FROM pg_class, aclexplode(relacl) AS granted JOIN pg_roles ON pg_roles.oid = grantee
           WHERE relnamespace = to_regnamespace(%s) AND relkind = 'v' AND relname = ANY (%s)
             AND grantee <> relowner""",
        (sql.Identifier(schema).as_string(connection), list(VIEWS)),
    ).fetchall()
    return {name for (name,) in rows}


def _relations(connection: Connection, schema: str) -> list[tuple[str, str, str]]:
    """Name, kind and comment of each relation of the schema."""
    quoted = sql.Identifier(schema).as_string(connection)
    return connection.execute(_RELATIONS, (quoted,)).fetchall()


def _refuse_others(connection: Connection, schema: str) -> None:
    taken = [
        name
        for name, kind, about in _relations(connection, schema)
        if name in VIEWS and not (kind == "v" and about.startswith(_MARK))
    ]
    if taken:
        raise SchemaTaken(
            f"Schema {schema} has {', '.join(sorted(taken))} of somebody else's: they stay as they "
            "are. Name another schema with --schema, and give that name to the models "
            "(dbt: the variable facebook_ads_schema). Nothing was changed."
        )
