"""Arrow: which type a column has outside, and rows of Postgres as a table of Arrow.

Rows come as CSV, because Arrow reads CSV faster than anything decodes Postgres's binary format in
Python, and keeps apart what is NULL (nothing) and what is empty (two quotes). Its delimiter and its
quote are characters that text seldom has: JSON with commas and quotes would be quoted, and each of
its quotes doubled, on both sides. What does not fit the fast way is read cell by cell, so that one
odd value costs its batch a second and not its row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from io import BytesIO
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from pyarrow import csv

from meta_pipeline.warehouse.connect import Connection

from .tables import Table

BATCH_BYTES: Final = 16 * 1024 * 1024
"""Of CSV: what is read and held in memory at once, and becomes one row group."""
_BLOCK_BYTES = 1024 * 1024
"""Of CSV that Arrow takes at once: what a core's cache holds is read an eighth quicker."""
_DELIMITER, _QUOTE = "\x1f", "\x1e"
"""ASCII's separators of units and records; where text has them after all, it is quoted."""
_PRECISION, _SCALE = 38, 9
DECIMAL: Final = pa.decimal128(_PRECISION, _SCALE)
"""Of `numeric`: 29 digits before the point, nine after. BigQuery's NUMERIC; all others take it."""
_TYPES: Final[Mapping[str, pa.DataType]] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int16(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "numeric": DECIMAL,
    "double precision": pa.float64(),
    # Microseconds, as Postgres has them: in nanoseconds time would end in 2262.
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}
"""Everything else is text: jsonb as it is, an array as Postgres writes it."""
_TOO_BIG = Decimal(10) ** (_PRECISION - _SCALE)
_NINE_PLACES = Decimal(1).scaleb(-_SCALE)
_EXACT = Context(prec=_PRECISION, rounding=ROUND_HALF_EVEN)


def schema_of(table: Table, **about: str) -> pa.Schema:
    """The table's columns in Arrow's types; comments and Postgres types are the fields' metadata.

    `about` becomes the metadata of the file, with the table's own comment.
    """
    return pa.schema(
        [
            pa.field(
                column.name,
                _TYPES.get(column.postgres_type, pa.string()),
                metadata={"comment": column.comment, "postgres_type": column.postgres_type},
            )
            for column in table.columns
        ],
        metadata={"table": table.name, "comment": table.comment, **about},
    )


def batches(
    connection: Connection, query: sql.Composed, schema: pa.Schema, unfit: Counter[str]
) -> Iterator[pa.Table]:
    """The rows of a query as tables of Arrow of at most about `BATCH_BYTES` each.

    A number of more than nine decimals is rounded to them, half to even. What has no place in its
    type (1e30, NaN, an infinite day) becomes null and is counted in `unfit`, by column.
    """
    # Postgres makes the next batch while Arrow reads this one.
    with closing(_csv(connection, query)) as texts, ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next, texts, None)
        while (text := coming.result()) is not None:
            coming = ahead.submit(next, texts, None)
            try:
                table = _table(text, schema, _BLOCK_BYTES)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                table = None
            if table is None or _overflows(table):
                table = _table_by_cell(text, schema, unfit)
            yield table


def _csv(connection: Connection, query: sql.Composed) -> Generator[memoryview]:
    copying = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, DELIMITER {}, QUOTE {})").format(
        query, sql.Literal(_DELIMITER), sql.Literal(_QUOTE)
    )
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        # One buffer, not a list of rows: half the time per row.
        buffer = BytesIO()
        write, size = buffer.write, 0
        for row in copy:
            size += write(row)
            if size >= BATCH_BYTES:
                yield buffer.getbuffer()
                buffer = BytesIO()
                write, size = buffer.write, 0
        if size:
            yield buffer.getbuffer()


def _table(text: memoryview, schema: pa.Schema, block_bytes: int) -> pa.Table:
    read: pa.Table = csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=csv.ReadOptions(
            block_size=block_bytes, column_names=schema.names, use_threads=False
        ),
        parse_options=csv.ParseOptions(
            delimiter=_DELIMITER,
            quote_char=_QUOTE,
            newlines_in_values=True,
            ignore_empty_lines=False,
        ),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            # COPY writes NULL as nothing and an empty text as two quotes.
            quoted_strings_can_be_null=False,
            # As COPY writes booleans.
            true_values=["t"],
            false_values=["f"],
        ),
    )
    return read.replace_schema_metadata(schema.metadata)


def _overflows(table: pa.Table) -> bool:
    """Whether a number has more digits than its type: Arrow reads what 128 bits hold, 1e29 too."""
    for column in table.columns:
        if column.type == DECIMAL:
            ends = pc.min_max(column).as_py()
            if any(end is not None and abs(end) >= _TOO_BIG for end in ends.values()):
                return True
    return False


def _table_by_cell(text: memoryview, schema: pa.Schema, unfit: Counter[str]) -> pa.Table:
    """The same where a cell does not convert: by column, and by cell in a column that has one."""
    as_text = pa.schema([(name, pa.string()) for name in schema.names])
    # A row may be longer than any block: one, whatever is in it.
    raw = _table(text, as_text, len(text) + 1)
    columns: list[pa.Array | pa.ChunkedArray] = []
    for field, cells in zip(schema, raw.columns, strict=True):
        if field.type == pa.string():
            columns.append(cells)
            continue
        convert = _BY_CELL[field.type]
        found = [None if cell is None else convert(cell) for cell in cells.to_pylist()]
        columns.append(pa.array(found, type=field.type))
        # A cell that had a value and has none now is one that the type has no place for.
        if lost := columns[-1].null_count - cells.null_count:
            unfit[field.name] += lost
    return pa.table(columns, schema=schema)


def _decimal(text: str) -> Decimal | None:
    number = Decimal(text)
    try:
        # numeric knows NaN and, since Postgres 14, infinity.
        return number.quantize(_NINE_PLACES, context=_EXACT) if number.is_finite() else None
    except InvalidOperation:
        return None


def _day(text: str) -> date | None:
    try:
        # Python's years are 1 to 9999; Postgres has more, and infinity.
        return date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_BY_CELL: Final[Mapping[pa.DataType, Callable[[str], Any]]] = {
    pa.int64(): int,
    pa.int32(): int,
    pa.int16(): int,
    pa.bool_(): "t".__eq__,
    pa.date32(): _day,
    DECIMAL: _decimal,
    pa.float64(): float,
    pa.timestamp("us", tz="UTC"): _moment,
}
