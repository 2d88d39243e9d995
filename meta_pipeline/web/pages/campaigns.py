"""Campaigns: the tree of campaigns, ad sets and ads with the metrics one chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.metrics.definitions.definition import WINDOWS
from meta_pipeline.web.asked import OFFERED, preset_label
from meta_pipeline.web.compared import ComparedNumbers, Value
from meta_pipeline.web.entities import LABELS, LEVELS, SINGULAR, STATUSES, EntityRow, entities
from meta_pipeline.web.gate import Visit
from meta_pipeline.web.numbers import (
    Cells,
    cells_of,
    numbers_of,
    stored_breakdowns,
    total,
    total_of,
)
from meta_pipeline.web.paging import Paging

from .table_view import TableView

PER_PAGE = 50
_BELOW = 200
"""Rows below an opened one; a link leads to all of them."""
_CELLS = 20
"""Cells of a breakdown shown below a row; the CSV has them all."""


@dataclass(frozen=True, slots=True)
class Node:
    """A row of the table; `hidden` is how many more are below its parent than are shown.

    `cells` is what it is made of by the breakdown that was asked for, once that was read.
    """

    entity: EntityRow
    depth: int
    values: dict[str, Value]
    is_open: bool
    currency: str | None
    """What `values` and `cells` are in; budgets are in the entity's."""
    hidden: int = 0
    cells: Cells = field(default_factory=Cells)


@dataclass(frozen=True)
class Table:
    """The rows of one page and what their numbers are."""

    about: ComparedNumbers
    nodes: list[Node]
    total: int
    places: Sequence[metrics.PagePosition]

    def turned(self, view: TableView, to: int) -> str:
        """The address of another page: what is before or after this one goes on where it ends."""
        beyond: dict[str, Any] = {}
        if self.places and to != 1:
            is_on = to > view.page
            beyond = {"after": self.places[-1]} if is_on else {"before": self.places[0]}
        return view.address(page=to, **beyond)


def campaigns(visit: Visit) -> Response:
    """The table, as its address says."""
    dictionary = metrics.dictionary_of(visit.warehouse)
    view = TableView.read(visit.request.query_params, dictionary)
    accounts = metrics.accounts_of(visit.warehouse) if visit.has_accounts else ()
    if not accounts:
        return visit.page("no_accounts.html", title="Campaigns")
    if view.account is not None:
        (known,) = metrics.accounts_of(visit.warehouse, view.account)
        view = replace(view, account=known.account_id)
    page = partial(
        read_table, visit, dictionary=dictionary, first=(view.page - 1) * PER_PAGE, size=PER_PAGE
    )
    left_out: Sequence[str] = ()
    try:
        table = page(view)
    except metrics.ChangedCurrency as error:
        # They have no amounts to be in order of; all others have.
        others = tuple(one.account_id for one in accounts if one.account_id not in error.whys)
        if view.account is not None or not others:
            raise
        left_out = [f"{why} It is left out here." for why in error.whys.values()]
        view = replace(view, others=others)
        table = page(view)
    whole = total_of(
        visit.warehouse,
        dictionary,
        view.metrics,
        account=view.accounts,
        filters=view.filters,
        days=view.days.asked,
        attribution=view.attribution,
        now=visit.now,
    )
    notes = dict.fromkeys([*left_out, *whole.notes, *table.about.notes])
    return visit.page(
        "campaigns.html",
        title=LABELS[view.level],
        view=view,
        accounts=accounts,
        currency={one.account_id: one.currency for one in accounts},
        path_above=_above(visit, view),
        table=table,
        whole={metric.key: total(whole, metric.key) for metric in view.metrics},
        about=whole.about or table.about.about,
        notes=list(notes),
        page=Paging(view.page, table.total, PER_PAGE),
        turned=partial(table.turned, view),
        presets=[(name, preset_label(name)) for name in OFFERED],
        levels=[(level, LABELS[level]) for level in LEVELS],
        statuses=list(STATUSES),
        windows=WINDOWS,
        breakdowns=_breakdowns(visit, view, [one.account_id for one in accounts]),
        singular=SINGULAR,
        all_metrics=sorted(dictionary.metrics.values(), key=lambda one: one.display_name.lower()),
        additive={one.key for one in dictionary.metrics.values() if dictionary.is_additive(one)},
    )


def read_table(
    visit: Visit, view: TableView, dictionary: metrics.Dictionary, *, first: int, size: int
) -> Table:
    """Rows `first` to `first + size` of the view, and below each opened one what belongs to it."""
    ranking = metrics.ranking(
        visit.warehouse,
        first=first,
        size=size,
        after=view.after,
        before=view.before,
        bound=metrics.Bound(),
        **order_of(visit, view),
    )
    about, nodes = rows_of(visit, view, dictionary, ranking.ids)
    nodes, notes = broken_down(visit, view, dictionary, nodes, most=_CELLS)
    about = replace(about, notes=tuple(dict.fromkeys([*about.notes, *notes])))
    return Table(about, nodes, ranking.total, ranking.places)


def order_of(visit: Visit, view: TableView) -> dict[str, Any]:
    """Which entities the view has and in what order, as `metrics.ranking` takes it."""
    return {
        "level": view.level,
        "order": view.sort,
        "descending": view.descending,
        "account": view.accounts,
        "date_range": view.days.asked,
        "filters": view.filters,
        "attribution": view.attribution,
        "now": visit.now,
    }


def rows_of(
    visit: Visit, view: TableView, dictionary: metrics.Dictionary, ids: tuple[str, ...]
) -> tuple[ComparedNumbers, list[Node]]:
    """The rows of these entities, and below each opened one what belongs to it; no cells yet."""
    answer, nodes = _nodes(visit, view, dictionary, view.level, ids, depth=0)
    below: dict[tuple[str, str], list[Node]] = {}
    level = nodes
    while opened := [node for node in level if node.is_open and node.entity.child_level]:
        found = _below(visit, view, dictionary, opened)
        below |= found
        level = [node for some in found.values() for node in some]
    return answer, list(_in_order(nodes, below))


def _in_order(
    nodes: Sequence[Node], below: Mapping[tuple[str, str], Sequence[Node]]
) -> Iterator[Node]:
    """Each row, followed by what is below it."""
    for node in nodes:
        yield node
        yield from _in_order(below.get((node.entity.level, node.entity.id), ()), below)


def _nodes(
    visit: Visit,
    view: TableView,
    dictionary: metrics.Dictionary,
    level: str,
    ids: tuple[str, ...],
    *,
    depth: int,
) -> tuple[ComparedNumbers, list[Node]]:
    with visit.warehouse.connection() as connection:
        known = entities(connection, level, ids)
    asked = _asked_of(visit, view, level, [known[one] for one in ids if one in known])
    answer = numbers_of(visit.warehouse, dictionary, view.metrics, **asked)
    nodes = []
    for key in asked["ids"]:
        one, values = known[key], dict(answer.values.get(key, {}))
        currency = answer.currencies.get(one.account_id, one.currency)
        nodes.append(Node(one, depth, values, key in view.opened, currency))
    return answer, nodes


def _asked_of(
    visit: Visit, view: TableView, level: str, some: Sequence[EntityRow]
) -> dict[str, Any]:
    """What is asked of these entities of one level, as `numbers_of` and `cells_of` take it."""
    return {
        "level": level,
        "ids": [one.id for one in some],
        "accounts": sorted({one.account_id for one in some}),
        "days": view.days.asked,
        "attribution": view.attribution,
        "now": visit.now,
    }


def broken_down(
    visit: Visit,
    view: TableView,
    dictionary: metrics.Dictionary,
    nodes: Sequence[Node],
    most: int | None = None,
) -> tuple[list[Node], Sequence[str]]:
    """The rows with their cells of the view's breakdown, `most` each or all of them; and notes."""
    found: dict[str, Mapping[str, Cells]] = {}
    notes: list[str] = []
    for level in {node.entity.level: None for node in nodes}:
        some = [node.entity for node in nodes if node.entity.level == level]
        asked = _asked_of(visit, view, level, some) | {"most": most}
        found[level], said = cells_of(
            visit.warehouse, dictionary, view.metrics, view.breakdown, **asked
        )
        notes += said
    cells = [found[node.entity.level].get(node.entity.id, node.cells) for node in nodes]
    return [replace(node, cells=one) for node, one in zip(nodes, cells, strict=True)], notes


def _breakdowns(visit: Visit, view: TableView, accounts: Sequence[str]) -> list[str]:
    """What the rows can be broken down by: what was read of these days."""
    asked = [view.account] if view.account else list(accounts)
    with visit.warehouse.connection() as connection:
        _, since, until = metrics.days_of(connection, asked[0], view.days.asked, visit.now)
        return stored_breakdowns(connection, asked, since, until)


def _below(
    visit: Visit, view: TableView, dictionary: metrics.Dictionary, opened: Sequence[Node]
) -> dict[tuple[str, str], list[Node]]:
    """The first rows below each of these, which are of one level; all numbers are asked at once."""
    level = str(opened[0].entity.child_level)
    rankings = [_ranking_below(visit, view, node.entity) for node in opened]
    ids = tuple(one for ranking in rankings for one in ranking.ids)
    _, nodes = _nodes(visit, view, dictionary, level, ids, depth=opened[0].depth + 1)
    known = {node.entity.id: node for node in nodes}
    below: dict[tuple[str, str], list[Node]] = {}
    for parent, ranking in zip(opened, rankings, strict=True):
        some = [known[one] for one in ranking.ids if one in known]
        # Behind the last stands how many more there are.
        some[-1:] = [replace(one, hidden=ranking.total - len(some)) for one in some[-1:]]
        below[parent.entity.level, parent.entity.id] = some
    return below


def _ranking_below(visit: Visit, view: TableView, parent: EntityRow) -> metrics.Ranking:
    """Which are below the entity, in the view's order."""
    asked = order_of(visit, view) | {
        "level": parent.child_level,
        "account": parent.account_id,
        "filters": {parent.level: parent.id},
    }
    # Ads have no budget.
    if parent.child_level == "ad" and view.sort == "budget":
        asked["order"] = "spend"
    return metrics.ranking(visit.warehouse, size=_BELOW, bound=metrics.Bound(), **asked)


def _above(visit: Visit, view: TableView) -> list[EntityRow]:
    """The campaign and ad set the table is narrowed down to."""
    wanted = [("campaign", view.campaign), ("adset", view.adset)]
    with visit.warehouse.connection() as connection:
        entities_above = [
            entities(connection, level, [one]).get(one) for level, one in wanted if one
        ]
    return [one for one in entities_above if one is not None]
