"""Parquet: one part of a table as one file on this machine."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from meta_pipeline.warehouse.connect import Connection

from .arrow import batches, schema_of
from .parts import PartKey, rows_of
from .tables import Table


def write_part(
    connection: Connection, table: Table, key: PartKey, path: Path, **about: str
) -> tuple[int, Counter[str]]:
    """Write the rows of a part to a file; how many there are, and what did not fit, by column.

    Holds one batch of rows at a time. `about` becomes metadata of the file.
    """
    schema = schema_of(table, **about)
    rows, unfit = 0, Counter[str]()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches(connection, rows_of(table, key), schema, unfit):
            writer.write_table(batch)
            rows += batch.num_rows
    return rows, unfit
