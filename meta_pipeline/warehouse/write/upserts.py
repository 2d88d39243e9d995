"""Upsert: rows stream into a temporary table, and only what is new or different is written.

The statement filters before it inserts: the staged rows are looked up in the target by key
(`LEFT JOIN LATERAL ... OFFSET 0` keeps that an index look-up whatever the planner thinks of a table
without statistics), and a row that is already there word for word is left alone: no row version, no
WAL, no lock. Filtering in `ON CONFLICT ... WHERE` would lock every row it meets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import RowsRefused

from .copytext import CopyText, OnCleaned, Rendered
from .history import EntityHistory, InsightsHistory, Movements, was
from .replacement import ReturnedRows

# One statement merges so many: enough that its fixed cost is small, few enough for memory.
BATCH_ROWS = 30_000
# Rows are rendered column by column in pieces of this size, which stay in the cache.
CHUNK_ROWS = 1_000
NOT_COMPARED = ("data_as_of", "first_seen_at")
_STAGING = "pg_temp.upsert_staging"


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did, in rows. Received and neither inserted nor updated = was there already.

    `cleaned` counts values that lost a character Postgres cannot hold.
    """

    received: int = 0
    inserted: int = 0
    updated: int = 0
    cleaned: int = 0

    @property
    def written(self) -> int:
        return self.inserted + self.updated

    def __add__(self, other: Upserted) -> Upserted:
        return Upserted(
            self.received + other.received,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.cleaned + other.cleaned,
        )


def upsert(
    connection: Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]] | Rendered,
    *,
    ignore: Collection[str] = NOT_COMPARED,
    history: EntityHistory | InsightsHistory | None = None,
    on_cleaned: OnCleaned | None = None,
    batch_rows: int = BATCH_ROWS,
    returned: tuple[ReturnedRows, int] | None = None,
) -> Upserted:
    """Insert the rows that are new, update those that differ, leave the rest untouched.

    `rows` is read as a stream, in batches, or is one batch that was rendered; each row gives the
    values of `columns`, which must include the primary key. Columns in `ignore` do not make a row
    different, but are written with a row that is (`first_seen_at` keeps its first value). Of rows
    with the same key the last wins.
    Where the table has `deleted_seen_at` and the rows `is_deleted`, the first follows the second.
    Values: see CopyText. `history` writes what changed in the same transaction; `returned` keeps
    the keys of the rows, under the number of a walk. The caller owns
    the transaction; on a connection in autocommit outside one, the whole upsert is one.
    Raises RowsRefused when a row does not fit the table, ValueError when it has another length.
    """
    statement = _Statement(table, tuple(columns), frozenset(ignore), history)
    text = CopyText(table, columns, on_cleaned)
    total = Upserted()
    # The staging table lives only inside a transaction: one of its own where the caller has none.
    is_idle = connection.info.transaction_status == TransactionStatus.IDLE
    own: AbstractContextManager[object] = (
        connection.transaction() if connection.autocommit and is_idle else nullcontext()
    )
    with own, _explained(table):
        movements = Movements()
        is_staged = False
        for batch in _batches(rows, text, batch_rows):
            # Not prepared: the next upsert's staging table is another one under the same name.
            connection.execute(_RESTAGE if is_staged else statement.staging, prepare=False)
            is_staged = True
            received = _stage(connection, statement, batch)
            total += statement.merge(connection, received, movements)
            if returned is not None:
                keys, walk = returned
                keys.note(connection, table, walk, _STAGING)
        if is_staged:
            connection.execute(_UNSTAGE, prepare=False)
        if isinstance(history, InsightsHistory):
            history.write(connection, movements)
    cleaned = rows.cleaned if isinstance(rows, Rendered) else text.cleaned
    return Upserted(total.received, total.inserted, total.updated, cleaned)


# Sequential scans of the target would be chosen while it is empty and then grow with every row the
# statement itself inserts; compiling the plan (jit) costs more than running it.
_STAGE = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL jit = off;
    CREATE TEMPORARY TABLE upsert_staging ON COMMIT DROP AS
    SELECT {columns} FROM {table} WITH NO DATA;
"""
_RESTAGE = f"TRUNCATE {_STAGING}"
_UNSTAGE = f"""
    DROP TABLE {_STAGING};
    SET LOCAL enable_seqscan TO DEFAULT;
    SET LOCAL jit TO DEFAULT;
"""


Block = tuple[bytes, int]
"""COPY text and the number of its rows."""


def _batches(
    rows: Iterable[Sequence[object]] | Rendered, text: CopyText, batch_rows: int
) -> Iterator[Iterable[Block]]:
    """The rows as batches of blocks; a block is rendered when it is taken."""
    if isinstance(rows, Rendered):
        if rows.count:
            yield [(rows.text, rows.count)]
        return
    stream = iter(rows)
    while chunks := _chunks(stream, batch_rows):
        yield ((text.format(chunk), len(chunk)) for chunk in chunks)


def _chunks(
    stream: Iterator[Sequence[object]], batch_rows: int
) -> Iterator[list[Sequence[object]]] | None:
    """The next batch, a chunk at a time; None at the end of the stream."""
    size = min(CHUNK_ROWS, batch_rows)
    batch = islice(stream, batch_rows)
    if not (first := list(islice(batch, size))):
        return None
    return chain([first], iter(lambda: list(islice(batch, size)), []))


def _stage(connection: Connection, statement: _Statement, batch: Iterable[Block]) -> int:
    """Copy a batch into the staging table; give the number of its rows."""
    received = 0
    with connection.cursor().copy(statement.copy) as copy:
        for text, rows in batch:
            copy.write(text)
            received += rows
    return received


class _Statement:
    """The SQL of one upsert: which columns are keys, which are compared, which are set."""

    def __init__(
        self,
        table: sa.Table,
        columns: tuple[str, ...],
        ignore: frozenset[str],
        history: EntityHistory | InsightsHistory | None,
    ) -> None:
        keys = tuple(column.name for column in table.primary_key)
        if missing := [name for name in keys if name not in columns]:
            raise ValueError(f"{table.name} needs its key columns: {', '.join(missing)}")
        if unknown := [name for name in columns if name not in table.c]:
            raise ValueError(f"{table.name} has no column {', '.join(unknown)}")
        names = ", ".join(map(_quoted, columns))
        self._table = table
        self._keys = keys
        self._columns = columns
        self._compared = tuple(name for name in columns if name not in keys and name not in ignore)
        self.staging = _STAGE.format(columns=names, table=_qualified(table))
        self.copy = f"COPY {_STAGING} ({names}) FROM STDIN"
        self._history = history
        self._merge = self._sql()

    def merge(self, connection: Connection, received: int, movements: Movements) -> Upserted:
        parameters = self._history.parameters() if self._history else {}
        cursor = connection.execute(self._merge, parameters, prepare=False)
        inserted = updated = 0
        for is_new, count, *moved in cursor:
            # The rows of one statement are of two kinds: counts, and what moved (NULL first).
            if is_new is None:
                movements.add(moved)
            elif is_new:
                inserted += count
            else:
                updated += count
        return Upserted(received, inserted, updated)

    def _sql(self) -> str:
        parts = [
            f"incoming AS MATERIALIZED ({self._incoming()})",
            f"written AS ({self._insert()})",
        ]
        if isinstance(self._history, EntityHistory):
            parts.append(f"history AS ({self._history.insert_sql(self._table)})")
        counts = "SELECT is_new, count(*) FROM written GROUP BY is_new"
        if isinstance(self._history, InsightsHistory):
            counts = (
                f"SELECT is_new, count(*), {Movements.NO_COLUMNS} FROM written GROUP BY is_new "
                f"UNION ALL {self._history.movements_sql(self._columns)}"
            )
        return f"WITH {', '.join(parts)} {counts}"

    def _incoming(self) -> str:
        """The staged rows that are new or differ, each beside what it replaces, for history."""
        table = _qualified(self._table)
        keys = ", ".join(map(_quoted, self._keys))
        same_key = " AND ".join(f"known.{_quoted(k)} = given.{_quoted(k)}" for k in self._keys)
        remembered = self._history.columns if self._history else ()
        looked_up = [name for name in self._columns if name in {*self._compared, *remembered}]
        old = "".join(f", known.{_quoted(name)} AS {was(name)}" for name in looked_up)
        new = "known_row.found IS NULL"
        if self._compared:
            given_values = ", ".join(f"given.{_quoted(name)}" for name in self._compared)
            known_values = ", ".join(f"known_row.{was(name)}" for name in self._compared)
            new += f" OR ({given_values}) IS DISTINCT FROM ({known_values})"
        kept = "".join(f", known_row.{was(name)}" for name in looked_up if name in remembered)
        # Of rows with one key the last wins: ctid is the order in which COPY brought them.
        return (
            f"SELECT given.*, known_row.found IS NOT NULL AS found{kept} FROM ("
            f"SELECT DISTINCT ON ({keys}) * FROM {_STAGING} ORDER BY {keys}, ctid DESC"
            f") AS given LEFT JOIN LATERAL ("
            f"SELECT true AS found{old} FROM {table} AS known WHERE {same_key} OFFSET 0"
            f") AS known_row ON true WHERE {new}"
        )

    def _insert(self) -> str:
        columns, values = list(self._columns), [f"incoming.{_quoted(c)}" for c in self._columns]
        updates = [
            f"{_quoted(name)} = excluded.{_quoted(name)}"
            for name in columns
            if name not in self._keys and name != "first_seen_at"
        ]
        # Marked as deleted, a row says since when it is; found again, it forgets that.
        follows = "is_deleted" in columns and "deleted_seen_at" not in columns
        if follows and "deleted_seen_at" in self._table.c:
            columns.append("deleted_seen_at")
            seen = "incoming.data_as_of" if "data_as_of" in self._columns else "now()"
            values.append(f"CASE WHEN incoming.is_deleted THEN {seen} END")
            updates.append(
                "deleted_seen_at = CASE WHEN excluded.is_deleted "
                "THEN coalesce(target.deleted_seen_at, excluded.deleted_seen_at) END"
            )
        # A row that another session wrote since the look-up is updated here, and counts so: of a
        # row version that was inserted xmax is zero.
        conflict = f"UPDATE SET {', '.join(updates)}" if updates else "NOTHING"
        return (
            f"INSERT INTO {_qualified(self._table)} AS target ({', '.join(map(_quoted, columns))}) "
            f"SELECT {', '.join(values)} FROM incoming "
            f"ON CONFLICT ({', '.join(map(_quoted, self._keys))}) DO {conflict} "
            f"RETURNING (xmax = 0) AS is_new"
        )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _qualified(table: sa.Table) -> str:
    return f"{_quoted(table.schema or 'public')}.{_quoted(table.name)}"


@contextmanager
def _explained(table: sa.Table) -> Iterator[None]:
    try:
        yield
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.errors.ProgramLimitExceeded,  # a key too long for its index
        psycopg.errors.StatementTooComplex,
    ) as error:
        where = error.diag.context or error.diag.message_detail or ""
        raise RowsRefused(
            f"{table.name} refused a batch of rows: {error.diag.message_primary or error}. "
            f"{where.replace(_STAGING, table.name)} Nothing of the batch was written.",
            is_of_content=not isinstance(error, psycopg.IntegrityError),
        ) from error
