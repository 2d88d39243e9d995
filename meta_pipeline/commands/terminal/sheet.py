"""Sheet: a table for people at any width: numbers and ids stay whole, names wrap.

Where the terminal is too narrow for the columns side by side, each row becomes a few lines of its
own, `heading value`, so that nothing is ever cut.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

import rich.console
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

# One space would make two columns of numbers look like one.
_GAP = 2
_WRAPS_FROM = 14
"""Narrower than this, a column of names is not worth having beside the others."""


class Sheet:
    """Rows under headings. `right` are columns of numbers, `whole` those that never wrap.

    Where a row stands alone, its first cell is its title.
    """

    def __init__(
        self,
        columns: Sequence[Text],
        *,
        right: Collection[int] = (),
        whole: Collection[int] = (),
        show_header: bool = True,
    ) -> None:
        self._columns = list(columns)
        self._right = frozenset(right)
        self._whole = frozenset(whole) | self._right
        self._show_header = show_header
        self._rows: list[list[Text]] = []

    @property
    def row_count(self) -> int:
        """Rows that were added."""
        return len(self._rows)

    def add(self, cells: Sequence[Text]) -> None:
        """Add a row; cells that are missing at its end are empty."""
        self._rows.append([each or Text() for each, _ in zip_longest(cells, self._columns)])

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> rich.console.RenderResult:
        widths = self._widths(options.max_width)
        if widths is None:
            # Each row as lines of its own: its first cell, then `heading value heading value`.
            room = max(options.max_width - _GAP, 1)
            for row in self._rows:
                yield Text(row[0].plain or "-", style="bold", overflow="fold")
                for line in self._flowing(row, room):
                    grid = Table.grid(padding=0)
                    grid.add_column(width=_GAP)
                    grid.add_column(width=room, overflow="fold")
                    grid.add_row("", line)
                    yield grid
        else:
            yield self._side_by_side(widths)

    def _widths(self, width: int) -> list[int] | None:
        """The width of each column, or None where they do not fit beside each other."""
        headings = [self._columns] if self._show_header else []
        # The longest line of each column, in cells of the terminal.
        wanted = [
            max(cell_len(each.plain) for each in column)
            for column in zip(*headings, *self._rows, strict=True)
        ] or [0] * len(self._columns)
        names = [n for n in range(len(wanted)) if n not in self._whole and wanted[n] > _WRAPS_FROM]
        free = width - _GAP * (len(wanted) - 1)
        free -= sum(each for n, each in enumerate(wanted) if n not in names)
        if free < _WRAPS_FROM * len(names):
            return None
        # Short columns get what they want, the others share what is left.
        for left, n in zip(
            range(len(names), 0, -1), sorted(names, key=wanted.__getitem__), strict=True
        ):
            wanted[n] = min(wanted[n], free // left)
            free -= wanted[n]
        return wanted

    def _side_by_side(self, widths: Sequence[int]) -> Table:
        grid = Table(
            box=None,
            pad_edge=False,
            padding=(0, _GAP, 0, 0),
            header_style="bold",
            show_header=self._show_header,
        )
        for n, (name, width) in enumerate(zip(self._columns, widths, strict=True)):
            grid.add_column(
                name,
                justify="right" if n in self._right else "left",
                # rich takes no column of nothing.
                width=max(width, 1),
                overflow="fold",
            )
        for row in self._rows:
            grid.add_row(*row)
        return grid

    def _flowing(self, row: Sequence[Text], room: int) -> Iterator[Text]:
        """As many cells a line as fit whole; one that is longer has a line to wrap in."""
        line = Text()
        for name, value in zip(self._columns[1:], row[1:], strict=True):
            if not value.plain:
                continue
            has_name = self._show_header and bool(name.plain)
            pair = Text.assemble((f"{name.plain} ", "dim"), value) if has_name else value
            if line and cell_len(line.plain) + _GAP + cell_len(pair.plain) > room:
                yield line
                line = Text()
            line = Text.assemble(line, " " * _GAP, pair) if line else pair
        if line:
            yield line
