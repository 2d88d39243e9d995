"""How a list of records is shown: a table for people, CSV or JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meta_pipeline.commands.terminal.console import console, warn, write_csv, write_json

from .answers import Format, as_table, heading


def show_records(
    rows: Sequence[Mapping[str, Any]],
    wanted: Format,
    *,
    columns: Mapping[str, str | None],
    about: Mapping[str, Any],
    notes: Sequence[str],
) -> None:
    """Write records to standard output, what people should know besides to standard error.

    `columns` has the unit of each, None for text. JSON has `rows`, and `about` with the notes.
    """
    if wanted is Format.JSON:
        write_json({"rows": rows, "about": {**about, "notes": list(notes)}})
        return
    if wanted is Format.CSV:
        write_csv(list(columns), rows)
    elif rows:
        headings = {name: heading(name, unit).replace("_", " ") for name, unit in columns.items()}
        cells = ([row[name] for name in columns] for row in rows)
        console.print(as_table(headings, columns, cells))
    for note in notes:
        warn(note)
