"""How a list of records is shown: a table for people, CSV or JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    table,
    warn,
    write_csv,
    write_json,
)

from .answers import Format, cell

if TYPE_CHECKING:
    from meta_pipeline.commands.terminal.sheet import Sheet


def show_records(
    rows: Sequence[Mapping[str, Any]],
    wanted: Format,
    *,
    columns: Mapping[str, str | None],
    about: Mapping[str, Any],
    notes: Sequence[str],
) -> None:
    """Write records to standard output, what people should know besides to standard error.

    `columns` has the unit of each column (None for text). JSON has it all in one object: `rows`
    and `about`, with the notes in it.
    """
    if wanted is Format.JSON:
        write_json({"rows": rows, "about": {**about, "notes": list(notes)}})
        return
    if wanted is Format.CSV:
        write_csv(list(columns), rows)
    elif rows:
        console.print(_table(rows, columns))
    for note in notes:
        warn(note)


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str | None]) -> Sheet:
    headings = {
        name: f"{name.removesuffix('_pct')} %" if unit == "percent" else name
        for name, unit in columns.items()
    }
    named = {name: heading.replace("_", " ") for name, heading in headings.items()}
    shown = table(
        *named.values(),
        right=[named[name] for name, unit in columns.items() if unit],
        # Half an id is none.
        whole=[named[name] for name in columns if name.endswith(("_id", "_at"))],
    )
    for row in rows:
        add_row(shown, *(cell(row[name], unit) for name, unit in columns.items()))
    return shown
