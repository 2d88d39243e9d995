"""How an answer of the metric layer is shown: a table for people, CSV or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from .console import console, errors

if TYPE_CHECKING:
    import pandas as pd


class Format(StrEnum):
    """What `metrics get` writes."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def show(answer: pd.DataFrame, wanted: Format) -> None:
    """Write an answer to standard output; what people should know besides goes to standard error.

    JSON has it all in one object: `rows` and `about`.
    """
    if wanted is Format.JSON:
        console.file.write(as_json(answer) + "\n")
        return
    if wanted is Format.CSV:
        console.file.write(answer.to_csv(index=False))
        _say_notes(answer.attrs)
        return
    console.print(_table(answer))
    _say_about(answer.attrs)
    _say_notes(answer.attrs)


def as_json(answer: pd.DataFrame) -> str:
    """The rows and what they are; unknown values are null."""
    rows = answer.astype(object).where(answer.notna(), None).to_dict("records")
    return json.dumps({"rows": rows, "about": answer.attrs}, default=str, indent=2)


def _table(answer: pd.DataFrame) -> Table:
    about = answer.attrs
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in answer.columns:
        is_metric = name in about["units"]
        table.add_column(_heading(about, name), justify="right" if is_metric else "left")
    for values in answer.itertuples(index=False, name=None):
        cells = zip(answer.columns, values, strict=True)
        table.add_row(*(cell(value, about["units"].get(name)) for name, value in cells))
    return table


def _heading(about: Mapping[Any, Any], name: str) -> str:
    unit = about["units"].get(name)
    if unit == "percent":
        return f"{name} %"
    if unit == "currency" and isinstance(about["currency"], str):
        return f"{name} {about['currency']}"
    return name


def cell(value: Any, unit: str | None) -> str:
    """A value as people read it; a dash where it is not known."""
    if value is None or value != value or str(value) == "<NA>":  # noqa: PLR0124  # NaN
        return "-"
    if unit in ("count", "people"):
        return f"{value:,.6g}" if value % 1 else f"{int(value):,}"
    if unit in ("currency", "percent", "ratio"):
        return f"{value:,.2f}"
    return escape(str(value))


def _say_about(about: Mapping[Any, Any]) -> None:
    zone = about["timezone"] if isinstance(about["timezone"], str) else "each account's own zone"
    since, until = about["range"]
    read = f"data as of {about['data_as_of']}" if about["data_as_of"] else "never fetched"
    console.print(f"\n[dim]{since} to {until} in {zone}; {read}; {about['attribution']}[/dim]")
    for name, formula in about["formulas"].items():
        console.print(f"[dim]{name} = {escape(formula)}[/dim]", soft_wrap=True)
    for name, overrides in about["overrides"].items():
        for override in overrides:
            note = f"{name} of {override['account']} is counted otherwise: {override['note']}"
            console.print(f"[dim]{escape(note)}[/dim]", soft_wrap=True)
    if about["is_simulated"]:
        console.print("[yellow]Simulated data.[/yellow]")


def _say_notes(about: Mapping[Any, Any]) -> None:
    for note in about["notes"]:
        errors.print(f"[yellow]![/yellow] {escape(note)}", soft_wrap=True)
