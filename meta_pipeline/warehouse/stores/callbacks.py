"""Callbacks: what Meta told about people who removed the app or want their data deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Literal, LiteralString, TypeAlias

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse.connect import Connection, Store

CallbackKind: TypeAlias = Literal["deauthorize", "data_deletion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRow:
    """One row of `meta_callbacks`; the columns' comments say what each field means."""

    confirmation_code: str
    kind: CallbackKind
    request_hash: str
    app_id: str
    user_id: str | None
    issued_at: datetime
    received_at: datetime
    attempts: int = 0
    tried_at: datetime | None = None
    problem: str | None = None
    done_at: datetime | None = None
    deleted: Mapping[str, int] | None = None


_COLUMNS = tuple(field.name for field in fields(CallbackRow))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM meta_ads.meta_callbacks"
_ADD = f"""
    INSERT INTO meta_ads.meta_callbacks ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    ON CONFLICT (request_hash) DO NOTHING
"""


def open_callbacks(connection: Connection) -> list[CallbackRow]:
    """Those not carried out yet, the oldest first."""
    cursor = connection.cursor(row_factory=class_row(CallbackRow))
    query = f"{_SELECT} WHERE done_at IS NULL ORDER BY received_at, confirmation_code"
    return cursor.execute(query).fetchall()


class CallbackStore(Store):
    """`meta_callbacks`."""

    def add(self, row: CallbackRow, connection: Connection) -> CallbackRow:
        """Keep what came; the row that is there when the same request came before."""
        connection.execute(_ADD, asdict(row) | {"deleted": None})
        cursor = connection.cursor(row_factory=class_row(CallbackRow))
        stored = cursor.execute(
            f"{_SELECT} WHERE request_hash = %s", (row.request_hash,)
        ).fetchone()
        assert stored is not None
        return stored

    def get(self, confirmation_code: str) -> CallbackRow | None:
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(CallbackRow))
            query = f"{_SELECT} WHERE confirmation_code = %s"
            return cursor.execute(query, (confirmation_code,)).fetchone()

    def open(self) -> list[CallbackRow]:
        """See `open_callbacks`."""
        with self._using() as used:
            return open_callbacks(used)

    def begun(self, row: CallbackRow, at: datetime) -> None:
        """Note that it is tried, before anything is asked: a try that is killed is seen, too."""
        self._note(row, "attempts = attempts + 1, tried_at = %s", at)

    def went_on(self, row: CallbackRow, deleted: Mapping[str, int]) -> None:
        """Note what was deleted so far, by all tries together."""
        self._note(row, "deleted = %s", Jsonb(dict(deleted)))

    def left(self, row: CallbackRow, problem: str | None, at: datetime) -> None:
        """Note that a try ended before all was done, and why; without a problem it goes on."""
        self._note(row, "tried_at = %s, problem = %s", at, problem)

    def _note(self, row: CallbackRow, changes: LiteralString, *values: object) -> None:
        with self._using() as used:
            used.execute(
                f"UPDATE meta_ads.meta_callbacks SET {changes} "
                "WHERE confirmation_code = %s AND done_at IS NULL",
                (*values, row.confirmation_code),
            )

    def done(
        self, row: CallbackRow, deleted: Mapping[str, int], at: datetime, connection: Connection
    ) -> None:
        """Note that it is carried out, and forget whom it was about."""
        connection.execute(
            "UPDATE meta_ads.meta_callbacks SET tried_at = %s, "
            "problem = NULL, done_at = %s, user_id = NULL, deleted = %s "
            "WHERE confirmation_code = %s",
            (at, at, Jsonb(dict(deleted)), row.confirmation_code),
        )
