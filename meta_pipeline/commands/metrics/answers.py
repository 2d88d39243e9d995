"""How an answer of the metric layer is shown: a table for people, CSV or JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    minute,
    say,
    styled,
    table,
    warn,
    write_csv,
    write_json,
)

if TYPE_CHECKING:
    import pandas as pd

    from meta_pipeline.commands.terminal.sheet import Sheet


class Format(StrEnum):
    """What `metrics get` writes."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def formatted(wanted: Format, *, as_json: bool) -> Format:
    """The format that was asked for: `--json` is short for `--format json`."""
    return Format.JSON if as_json else wanted


def show(answer: pd.DataFrame, wanted: Format) -> None:
    """Write an answer to standard output; what people should know besides goes to standard error.

    JSON has it all in one object: `rows` and `about`.
    """
    if wanted is Format.JSON:
        write_json({"rows": _rows(answer), "about": answer.attrs})
        return
    if wanted is Format.CSV:
        write_csv(list(answer.columns), _rows(answer))
        _say_notes(answer.attrs)
        return
    console.print(_table(answer))
    _say_about(answer.attrs)
    _say_notes(answer.attrs)


def _rows(answer: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows; unknown values are None."""
    # As objects first: a column of floats would turn None into NaN again.
    known = answer.astype(object).where(answer.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


def _table(answer: pd.DataFrame) -> Sheet:
    about = answer.attrs
    headings = {name: _heading(about, name) for name in answer.columns}
    numbers = [headings[name] for name in answer.columns if name in about["units"]]
    whole = [headings[name] for name in answer.columns if name.endswith(("_id", "_at"))]
    shown = table(*headings.values(), right=numbers, whole=whole)
    for values in answer.itertuples(index=False, name=None):
        cells = zip(answer.columns, values, strict=True)
        add_row(shown, *(cell(value, about["units"].get(name)) for name, value in cells))
    return shown


def _heading(about: Mapping[Any, Any], name: str) -> str:
    unit = about["units"].get(name)
    if unit == "percent":
        return f"{name} %"
    if unit == "currency" and isinstance(about["currency"], str):
        return f"{name} {about['currency']}"
    return name


def cell(value: Any, unit: str | None) -> str:
    """A value as people read it; a dash where it is not known."""
    # pandas has two ways to say "not known", JSON a third.
    if value is None or str(value) == "<NA>" or value != value:  # noqa: PLR0124  # NaN
        return "-"
    if unit in ("count", "people"):
        return f"{value:,.6g}" if value % 1 else f"{int(value):,}"
    if unit in ("currency", "percent", "ratio"):
        return f"{value:,.2f}"
    return str(value)


def _say_about(about: Mapping[Any, Any]) -> None:
    zone = about["timezone"] if isinstance(about["timezone"], str) else "each account's own zone"
    since, until = about["range"]
    read = f"data as of {minute(about['data_as_of'])}" if about["data_as_of"] else "never fetched"
    say()
    say(
        styled(f"{since} to {until} in {zone}; {read}; {about['attribution']}", "dim"),
    )
    for name, formula in about["formulas"].items():
        say(styled(f"{name} = {formula}", "dim"))
    for name, overrides in about["overrides"].items():
        for override in overrides:
            note = f"{name} of {override['account']} is counted otherwise: {override['note']}"
            say(styled(note, "dim"))
    if about["is_simulated"]:
        say(styled("Simulated data.", "yellow"))


def _say_notes(about: Mapping[Any, Any]) -> None:
    for note in about["notes"]:
        warn(note)
