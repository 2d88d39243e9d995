"""How an answer of the metric layer is shown: a table for people, CSV or JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    units, currency = answer.attrs["units"], answer.attrs["currency"]
    headings = {name: heading(name, units.get(name), currency) for name in answer.columns}
    console.print(as_table(headings, units, answer.itertuples(index=False, name=None)))
    about = answer.attrs
    say_days(*about["range"], about["timezone"], about["data_as_of"], about["attribution"])
    say_definitions(about["formulas"], about["overrides"])
    if about["is_simulated"]:
        say(styled("Simulated data.", "yellow"))
    _say_notes(about)


def _rows(answer: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows; unknown values are None."""
    # As objects first: a column of floats would turn None into NaN again.
    known = answer.astype(object).where(answer.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


def as_table(
    headings: Mapping[str, str], units: Mapping[str, str | None], rows: Iterable[Iterable[Any]]
) -> Sheet:
    """Rows for people: what has a unit is a number; ids and moments stay whole.

    `headings` has the columns in the order of the cells of a row.
    """
    shown = table(
        *headings.values(),
        right=[heading for name, heading in headings.items() if units.get(name)],
        # Half an id is none.
        whole=[heading for name, heading in headings.items() if name.endswith(("_id", "_at"))],
    )
    for row in rows:
        cells = zip(headings, row, strict=True)
        add_row(shown, *(cell(value, units.get(name)) for name, value in cells))
    return shown


def heading(name: str, unit: str | None, currency: object = None) -> str:
    """A column's name with its unit; money of several currencies has none in the heading."""
    if unit == "percent":
        return f"{name.removesuffix('_pct')} %"
    return f"{name} {currency}" if unit == "currency" and isinstance(currency, str) else name


def cell(value: Any, unit: str | None) -> str:
    """A value as people read it; a dash where it is not known."""
    if isinstance(value, list | dict):
        return ", ".join(map(str, value))
    # pandas has two ways to say "not known", JSON a third.
    if value is None or str(value) == "<NA>" or value != value:  # noqa: PLR0124  # NaN
        return "-"
    if unit and isinstance(value, str):
        # An exact decimal, which JSON has no number for.
        value = float(value)
    if unit in ("count", "people"):
        return f"{value:,.6g}" if value % 1 else f"{int(value):,}"
    if unit in ("currency", "percent", "ratio"):
        return f"{value:,.2f}"
    return str(value)


def say_days(since: Any, until: Any, timezone: Any, data_as_of: Any, *more: str) -> None:
    """Which days an answer is of, by whose clock, how old its data is, and what else decides it."""
    zone = timezone if isinstance(timezone, str) else "each account's own zone"
    read = f"data as of {minute(data_as_of)}" if data_as_of else "never fetched"
    say()
    say(styled("; ".join([f"{since} to {until} in {zone}", read, *more]), "dim"))


def say_definitions(
    formulas: Mapping[str, str], overrides: Mapping[str, Iterable[Mapping[str, Any]]]
) -> None:
    """How each metric is made, and which accounts count it otherwise."""
    for name, formula in formulas.items():
        say(styled(f"{name} = {formula}", "dim"))
    for name, others in overrides.items():
        for one in others:
            note = f"{name} of {one['account']} is counted otherwise: {one['note']}"
            say(styled(note, "dim"))


def _say_notes(about: Mapping[Any, Any]) -> None:
    for note in about["notes"]:
        warn(note)
