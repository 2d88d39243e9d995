"""Console: the one way from a command to the terminal, in which text of others is only ever text.

Names, Meta's messages, file contents and what a person typed reach people through here. There is no
markup: a style is given beside its words (`styled`), so that nothing inside them can be one. What a
terminal would obey is taken out of everything that is printed, tables included. Data for programs
(`write_json`, `write_csv`) is exact, but for formulas in cells of text, and for CSV on a terminal.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from meta_pipeline.printable import one_line, printable, spreadsheet_cell

from .sheet import Sheet

Words = str | Text | None
"""Words of a line or a cell: plain text, or text that `styled` gave a style."""


SIMULATED = "Simulated data: it came from a Graph API that is not Meta's."


class _Console(Console):
    """A console whose output obeys its own styles and nothing else."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text
            # Nearly all: taking it apart costs more than printing it.
            is_plain = segment.control or (text.isascii() and text.isprintable())
            yield segment if is_plain else Segment(printable(text), segment.style)


def _console(*, stderr: bool = False) -> Console:
    # No highlighting: rich would colour numbers inside names.
    return _Console(stderr=stderr, markup=False, emoji=False, highlight=False)


console = _console()
errors = _console(stderr=True)


def styled(text: str, style: str) -> Text:
    """Plain text in a style, such as `bold`, `dim` or `red`."""
    return Text(text, style=style)


def say(*words: Words, to: Console = console) -> None:
    """Print one line of words, which the terminal wraps; without words an empty one."""
    # The terminal wraps, so that a command that is copied from it is one line.
    to.print(line(*words), soft_wrap=True)


def warn(sentence: str) -> None:
    """Say on standard error what people should know besides."""
    say(styled("!", "yellow"), f" {sentence}", to=errors)


def line(*words: Words) -> Text:
    """Words put together, each with its own style."""
    return Text.assemble(*(one for one in words if one is not None), end="\n")


def table(
    *columns: str, right: Iterable[str] = (), whole: Iterable[str] = (), show_header: bool = True
) -> Sheet:
    """An empty table with plain headings; `right` are numbers, `whole` ids and moments.

    Both are never cut or wrapped, names wrap. Fill it with `add_row`.
    """
    headings = [Text(one_line(name)) for name in columns]
    numbers, uncut = set(right), set(whole)
    return Sheet(
        headings,
        right=[n for n, name in enumerate(columns) if name in numbers],
        whole=[n for n, name in enumerate(columns) if name in uncut],
        show_header=show_header,
    )


def add_row(to: Sheet, *cells: Words) -> None:
    """Add a row; text of a cell stays in its line."""
    to.add([one if isinstance(one, Text) else Text(one_line(one or "")) for one in cells])


def minute(moment: str) -> str:
    """A moment of JSON as people read it: `2026-11-29 12:13 UTC`."""
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def say_more(left: int, how: str, *, indent: str = "") -> None:
    """Say that a list was capped, and how to see the rest; nothing when it was not."""
    if left:
        say(styled(f"{indent}... and {left:,} more: {how}", "dim"))


def write_json(value: Any, **options: Any) -> None:
    """Write a value for programs to standard output; other than ASCII is escaped."""
    write(json.dumps(value, **{"default": str, "indent": 2, **options}) + "\n")


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV to standard output; no cell of text is a formula to a spreadsheet."""
    lines = csv.writer(_Writer(), lineterminator="\n")
    lines.writerow([spreadsheet_cell(name) for name in columns])
    for row in rows:
        lines.writerow([spreadsheet_cell(row[name]) for name in columns])


def write(text: str) -> None:
    """Write text that is meant for a program to standard output, as it is."""
    sys.stdout.write(text)


class _Writer:
    """Where csv writes: standard output as it is at that moment.

    A terminal is no program: it would obey what a name holds.
    """

    def write(self, text: str) -> None:
        write(printable(text) if sys.stdout.isatty() else text)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """Say what is wrong and what to do, and end the command."""
    say(styled("✗", "red"), f" {sentence}", to=errors)
    raise typer.Exit(code)
