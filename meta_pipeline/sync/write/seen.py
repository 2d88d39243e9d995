"""The ids a complete listing returned, kept on the database's side so that memory stays flat."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from psycopg import sql

from meta_pipeline.warehouse import Connection

_CREATE = """
    CREATE TEMP TABLE IF NOT EXISTS seen_ids (edge text, id text, PRIMARY KEY (edge, id))
"""
# In a table, as an edge may list more ids than are well held in memory.
_ADD = "INSERT INTO seen_ids SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING"
_VANISHED = sql.SQL(
    """
    SELECT stored.{id} FROM {table} AS stored
    WHERE stored.account_id = %s AND NOT stored.is_deleted AND stored.{id} > %s
      AND NOT EXISTS (SELECT FROM seen_ids WHERE edge = %s AND seen_ids.id = stored.{id})
    ORDER BY stored.{id} LIMIT %s
    """
)


class SeenIds:
    """What one edge's listing has shown so far in this session of the database."""

    def __init__(self, edge: str) -> None:
        self._edge = edge

    def add(self, connection: Connection, ids: Sequence[str], *, restart: bool) -> None:
        """Note the ids of one page; `restart` forgets an earlier walk of the same edge."""
        # Temporary, so of this session: the lock's connection, which one sync has from end to end.
        connection.execute(_CREATE)
        if restart:
            connection.execute("DELETE FROM seen_ids WHERE edge = %s", (self._edge,))
        connection.execute(_ADD, (self._edge, list(ids)))

    def one(self, connection: Connection) -> list[str]:
        """An id that the listing showed; none where it was empty."""
        connection.execute(_CREATE)
        query = "SELECT id FROM seen_ids WHERE edge = %s LIMIT 1"
        return [row[0] for row in connection.execute(query, (self._edge,))]

    def vanished(
        self,
        connection: Connection,
        table: sa.Table,
        id_column: str,
        account_id: str,
        *,
        after: str,
        at_most: int,
    ) -> list[str]:
        """Stored ids the listing did not show, beyond `after`: deleted, or moved out of sight."""
        connection.execute(_CREATE)
        query = _VANISHED.format(
            id=sql.Identifier(id_column), table=sql.Identifier(str(table.schema), table.name)
        )
        rows = connection.execute(query, (account_id, after, self._edge, at_most))
        return [row[0] for row in rows]
