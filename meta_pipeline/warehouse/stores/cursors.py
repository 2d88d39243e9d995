"""Cursors: where the next delta of an edge starts and how big its pages may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime

from psycopg.rows import class_row

from meta_pipeline.moments import past
from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True)
class CursorRow:
    """One row of `sync_cursor`; the columns' comments say what each field means."""

    account_id: str
    edge: str
    updated_since: datetime | None = None
    last_full_at: datetime | None = None
    last_fetched_at: datetime | None = None
    statuses_hash: str | None = None
    page_size: int | None = None
    first_day: date | None = None

    def as_of(self, now: datetime) -> CursorRow:
        """The same without what it says of the future: what was read then was not read."""
        return replace(
            self,
            updated_since=past(self.updated_since, now),
            last_full_at=past(self.last_full_at, now),
            last_fetched_at=past(self.last_fetched_at, now),
        )


_COLUMNS = tuple(field.name for field in fields(CursorRow))
_GET = f"""
    SELECT {", ".join(_COLUMNS)} FROM meta_ads.sync_cursor WHERE account_id = %s AND edge = %s
"""
# Whole: a cursor says what was read, and half of one would say what nobody did.
_SAVE = f"""
    INSERT INTO meta_ads.sync_cursor ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    ON CONFLICT (account_id, edge) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])}
"""


class CursorStore(Store):
    """`sync_cursor`."""

    def get(
        self, account_id: str, edge: str, connection: Connection | None = None
    ) -> CursorRow | None:
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(CursorRow))
            return cursor.execute(_GET, (account_id, edge)).fetchone()

    def save(self, connection: Connection, cursor: CursorRow) -> None:
        """Replace the cursor, in the transaction that writes the rows it stands for."""
        connection.execute(_SAVE, asdict(cursor))

    def list_again(self, connection: Connection, account_id: str, edges: Sequence[str]) -> None:
        """Have these edges read in full by the next sync; page sizes stay."""
        connection.execute(
            "UPDATE meta_ads.sync_cursor SET last_full_at = NULL, updated_since = NULL"
            " WHERE account_id = %s AND edge = ANY (%s)",
            (account_id, list(edges)),
        )
