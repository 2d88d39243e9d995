"""How a list of records is shown: a table for people, CSV or JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import JustifyMethod
from rich.markup import escape
from rich.table import Table

from .answers import Format, cell
from .console import console, errors


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
        found = {"rows": rows, "about": {**about, "notes": list(notes)}}
        console.file.write(json.dumps(found, default=str, indent=2) + "\n")
        return
    if wanted is Format.CSV:
        lines = csv.DictWriter(console.file, list(columns), lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
    elif rows:
        console.print(_table(rows, columns))
    for note in notes:
        errors.print(f"[yellow]![/yellow] {escape(note)}", soft_wrap=True)


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str | None]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, unit in columns.items():
        heading = f"{name.removesuffix('_pct')} %" if unit == "percent" else name
        is_whole = name.endswith(("_id", "_at"))  # half an id is none
        justify: JustifyMethod = "right" if unit else "left"
        table.add_column(heading.replace("_", " "), justify=justify, no_wrap=is_whole)
    for row in rows:
        table.add_row(*(cell(row[name], unit) for name, unit in columns.items()))
    return table
