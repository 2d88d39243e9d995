"""The campaigns table as CSV: the same rows, columns and order, all pages of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from meta_pipeline import metrics
from meta_pipeline.printable import spreadsheet_cell
from meta_pipeline.web.gate import Visit

from .campaigns import Node, read_table
from .table_view import TableView

CHUNK_ROWS = 5000
_BOM = "\ufeff"
"""Without it spreadsheets read UTF-8 as something else."""
_FIXED = (
    "level", "id", "name", "campaign", "ad set", "account", "account id", "status",
    "daily budget", "lifetime budget", "currency", "since", "until",
)  # fmt: skip


def campaigns_csv(visit: Visit) -> Response:
    """Numbers are plain (a point, no thousands), so that every spreadsheet reads them."""
    dictionary = metrics.dictionary_of(visit.warehouse)
    view = TableView.read(visit.request.query_params, dictionary)
    # Before the first byte: what is wrong with the question is a page, not a torn file.
    first = read_table(visit, view, dictionary, first=0, size=CHUNK_ROWS)
    name = f"{view.level}s_{visit.now:%Y-%m-%d}.csv"
    return StreamingResponse(
        _lines(visit, view, dictionary, first.nodes, first.total),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(
    visit: Visit, view: TableView, dictionary: metrics.Dictionary, nodes: list[Node], total: int
) -> Iterator[str]:
    keys = [metric.key for metric in view.metrics]
    yield _BOM + _line([*_FIXED, *keys])
    days = _days(visit, view, nodes)
    for first in range(0, total, CHUNK_ROWS):
        if first:
            nodes = read_table(visit, view, dictionary, first=first, size=CHUNK_ROWS).nodes
            days |= _days(visit, view, nodes)
        yield "".join(_line(_row(node, keys, days)) for node in nodes)


def _row(node: Node, keys: list[str], days: dict[str, tuple[str, str]]) -> list[object]:
    one = node.entity
    fixed = [
        one.level, one.id, one.name, one.campaign_name, one.adset_name, one.account_name,
        one.account_id, one.status, one.daily_budget, one.lifetime_budget, one.currency,
        *days[one.account_id],
    ]  # fmt: skip
    return [*fixed, *(node.values.get(key) for key in keys)]


def _days(visit: Visit, view: TableView, nodes: list[Node]) -> dict[str, tuple[str, str]]:
    """First and last day by account: a preset is of the account's own time zone."""
    with visit.warehouse.connection() as connection:
        return {
            account: tuple(
                map(str, metrics.days_of(connection, account, view.days.asked, visit.now)[1:])
            )  # type: ignore[misc]
            for account in {node.entity.account_id for node in nodes}
        }


def _line(values: list[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([spreadsheet_cell(_plain(value)) for value in values])
    return buffer.getvalue()


def _plain(value: object) -> object:
    """Ids as text, counts without a fraction they do not have."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return "" if value is None else value
