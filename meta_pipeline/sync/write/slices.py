"""A slice: the rows that are committed together, with what has to be noted about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from meta_pipeline.model.part import Part
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.rows.entity_mapping import Row
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.warehouse import (
    Cleaned,
    Connection,
    EntityHistory,
    InsightsHistory,
    Rendered,
    render,
)

Note = Callable[[Connection], None]
"""Something to write in the slice's own transaction."""


@dataclass(slots=True)
class Slice:
    """Rows of one table and the notes that become true with them; all of it or nothing lands.

    The rows are COPY text from the start: made in the thread that fetched them, and a tenth of the
    memory that their objects would hold until they are written.
    """

    part: Part
    table: sa.Table
    columns: Sequence[str]
    rows: Rendered
    read: int
    """How many objects Meta returned for these rows."""
    message: str = ""
    """What it is, for people who watch: `ads page 3`."""
    after: list[Note] = field(default_factory=list)
    """Written after the rows, in their transaction."""
    history: EntityHistory | InsightsHistory | None = None
    window: Window | None = None
    """What these rows, brought by this walk over its pages, are a part of."""
    walk: int = 0


def noting_last(slices: Iterable[Slice], note: Note) -> Iterator[Slice]:
    """The same slices, one behind: the last of them writes `note` too, which is true of all.

    A walk that breaks leaves it out, and the slice before the break as well.
    """
    held: Slice | None = None
    for one in slices:
        if held is not None:
            yield held
        held = one
    if held is not None:
        held.after.append(note)
        yield held


def rendered(
    table: sa.Table, columns: Sequence[str], rows: Sequence[Row], findings: Findings
) -> Rendered:
    """The rows as a slice wants them; what had to be cleaned of a value goes to `findings`."""

    def note(cleaned: Cleaned) -> None:
        first = str(cleaned.row[0])
        findings.note(table.name, cleaned.column, cleaned.reason, Reason.CLEANED_TEXT, first)

    return render(table, columns, rows, note)
