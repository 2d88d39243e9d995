"""A slice: the rows that are committed together, with what has to be noted about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from meta_pipeline.warehouse import Connection, EntityHistory, InsightsHistory, Rendered

from .mapping import Row
from .request import Part

Note = Callable[[Connection], None]
"""Something to write in the slice's own transaction."""


@dataclass(slots=True)
class Slice:
    """Rows of one table and the notes that become true with them; all of it or nothing lands."""

    part: Part
    table: sa.Table
    columns: Sequence[str]
    rows: Sequence[Row]
    read: int
    """How many objects Meta returned for these rows."""
    message: str = ""
    after: list[Note] = field(default_factory=list)
    history: EntityHistory | InsightsHistory | None = None
    rendered: Rendered | None = None
    """The rows as they go to the database, made where they were fetched."""
