"""A database that was filled under a clock ahead: every moment that is ours lies in the future."""

from __future__ import annotations

from datetime import timedelta

from psycopg import sql

from meta_pipeline.warehouse import Connection

METAS = (
    "created_time", "updated_time", "start_time", "stop_time", "end_time", "expires_at",
    "data_access_expires_at",
)  # fmt: skip
"""Moments that Meta says, by its own clock."""
_OURS = """
    SELECT table_name, array_agg(column_name::text)
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'meta_ads' AND table_type = 'BASE TABLE'
        AND data_type = 'timestamp with time zone' AND NOT column_name = ANY (%s)
    GROUP BY table_name
"""


def put_ahead(connection: Connection, by: timedelta) -> None:
    """Move everything that was stored so far by so much, as if the clock had been ahead."""
    # Some tables only grow; their triggers are not what is tried here.
    connection.execute("SET LOCAL session_replication_role = replica")
    for table, columns in connection.execute(_OURS, (list(METAS),)).fetchall():
        sets = sql.SQL(", ").join(
            sql.SQL("{0} = {0} + {1}").format(sql.Identifier(name), sql.Literal(by))
            for name in columns
        )
        update = sql.SQL("UPDATE {} SET {}").format(sql.Identifier("meta_ads", table), sets)
        connection.execute(update)
