"""The campaigns table as CSV: the same rows, columns and order, all pages of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import chain
from time import monotonic
from typing import Any

from anyio import CancelScope, move_on_after
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from meta_pipeline import metrics
from meta_pipeline.chunks import chunks
from meta_pipeline.printable import spreadsheet_cell
from meta_pipeline.warehouse.silence import over_in
from meta_pipeline.web.compared import Value
from meta_pipeline.web.gate import Visit

from .campaigns import Node, broken_down, order_of, rows_of
from .table_view import TableView

CHUNK_ROWS = 2000
"""Rows in memory at once, however many there are."""
_BROKEN_DOWN_ROWS = 200
"""Rows whose cells are read at once: of as many regions as a country has, each."""
_BOM = "\ufeff"
"""Without it spreadsheets read UTF-8 as something else."""
_FIXED = (
    "level", "id", "name", "campaign", "ad set", "account", "account id", "status",
    "daily budget", "lifetime budget", "budget currency", "currency", "since", "until",
)  # fmt: skip


class File(StreamingResponse):
    """A file that lets go of what it is read from, also where nobody reads it to its end.

    After `longest_seconds` it is broken off: a reader who stalls keeps the connection open, and
    with it a place among the downloads, a connection of the pool and its snapshot. So does a
    database that is slow, which is waited for no longer either: CannotTell.
    """

    def __init__(
        self,
        first: str,
        rest: Generator[str, None, None],
        *,
        longest_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(chain([first], self._parts()), **options)
        self._rest, self._longest_seconds = rest, longest_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with move_on_after(self._longest_seconds):
                await super().__call__(scope, receive, send)
        finally:
            # A browser that went away has cancelled us: what is open is closed all the same.
            with CancelScope(shield=True):
                await run_in_threadpool(self._rest.close)

    def _parts(self) -> Iterator[str]:
        """The rest, as long as there is time: a thread that reads cannot be broken off."""
        ends_at = monotonic() + self._longest_seconds
        while True:
            # Within one step, since each may be of another thread.
            with over_in(ends_at - monotonic()):
                part = next(self._rest, None)
            if part is None:
                return
            yield part


def campaigns_csv(visit: Visit) -> Response:
    """Numbers are plain (a point, no thousands), so that every spreadsheet reads them."""
    # The file goes on after the page is over, and so do the tables it is read from.
    until = ExitStack()
    own = replace(visit, until=until)
    with ExitStack() as failed:
        # Closed with what went wrong: who lends the tables says what that means.
        failed.push(until)
        until.enter_context(visit.site.downloads.one_more(visit.visitor.tenant))
        dictionary = metrics.dictionary_of(own.warehouse)
        view = TableView.read(visit.request.query_params, dictionary)
        lines = _lines(own, view, dictionary, until)
        # Before the first byte: what is wrong with the question is a page, not a torn file.
        first = next(lines)
        failed.pop_all()
    name = f"{view.level}s_{visit.now:%Y-%m-%d}.csv"
    return File(
        first,
        lines,
        longest_seconds=visit.site.downloads.longest_seconds,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(
    visit: Visit, view: TableView, dictionary: metrics.Dictionary, until: ExitStack
) -> Generator[str, None, None]:
    keys = [metric.key for metric in view.metrics]
    with until:
        text = _BOM + _line([*_FIXED, *view.breakdown, *keys])
        ranked = metrics.ranked(
            visit.warehouse, size=CHUNK_ROWS, bound=metrics.Bound(), **order_of(visit, view)
        )
        for ids in until.enter_context(closing(ranked)):
            _, nodes = rows_of(visit, view, dictionary, ids)
            days = _days(visit, view, nodes)
            for some in chunks(nodes, _BROKEN_DOWN_ROWS) if view.breakdown else [nodes]:
                for whole in _with_cells(visit, view, dictionary, some):
                    yield text + "".join(_lines_of(node, view, keys, days) for node in whole)
                    text = ""
        if text:
            yield text


def _with_cells(
    visit: Visit, view: TableView, dictionary: metrics.Dictionary, nodes: Sequence[Node]
) -> Iterator[Sequence[Node]]:
    """The rows with all their cells, as many at once as are answered at once."""
    try:
        whole, _ = broken_down(visit, view, dictionary, nodes)
    except metrics.TooMuch:
        if len(nodes) == 1:
            raise
        middle = len(nodes) // 2
        for half in (nodes[:middle], nodes[middle:]):
            yield from _with_cells(visit, view, dictionary, half)
    else:
        yield whole


def _lines_of(
    node: Node, view: TableView, keys: Sequence[str], days: Mapping[str, tuple[str, str]]
) -> str:
    """The entity's own line, and one for each cell of a breakdown."""
    one = node.entity
    fixed = [
        one.level, one.id, one.name, one.campaign_name, one.adset_name, one.account_name,
        one.account_id, one.status, one.daily_budget, one.lifetime_budget, one.currency,
        node.currency, *days[one.account_id],
    ]  # fmt: skip
    rows: list[tuple[Sequence[str], Mapping[str, Value]]] = [
        ([""] * len(view.breakdown), node.values),
        *((cell.of, cell.values) for cell in node.cells.shown),
    ]
    return "".join(_line([*fixed, *of, *(values.get(key) for key in keys)]) for of, values in rows)


def _days(visit: Visit, view: TableView, nodes: Sequence[Node]) -> dict[str, tuple[str, str]]:
    """First and last day by account: a preset is of the account's own time zone."""
    accounts = list(dict.fromkeys(node.entity.account_id for node in nodes))
    with visit.warehouse.connection() as connection:
        each = metrics.days_of_each(connection, accounts, view.days.asked, visit.now)
    return {account: (str(since), str(until)) for account, since, until in each}


def _line(values: Sequence[object]) -> str:
    # Sums are floats: a count is written without the fraction it does not have.
    plain = (int(one) if isinstance(one, float) and one.is_integer() else one for one in values)
    buffer = io.StringIO()
    # Names are typed by anybody with access to the account: none of them is a formula here.
    csv.writer(buffer).writerow(["" if one is None else spreadsheet_cell(one) for one in plain])
    return buffer.getvalue()
