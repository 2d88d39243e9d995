"""Which entities a page of a long table shows: found and ordered in Postgres, page by page.

The numbers themselves are asked of `query`, for the ids of one page: this says only which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW, Kind, Metric
from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName
from meta_pipeline.warehouse import Warehouse

from . import statement
from .dimension import ENTITY_JOINS, FilterValue
from .held import in_held_currencies
from .query import ask, choose_source
from .question import DateRange, Question

ENTITY_LEVELS = ("campaign", "adset", "ad")
BY_COLUMN = {
    "name": "lower(f.name)",
    "status": "f.effective_status",
    "created": "f.created_time",
}
"""What else than a metric rows are ordered by."""
BUDGETS = {"budget": "coalesce(f.daily_budget, f.lifetime_budget)"}
"""Of campaigns and ad sets; ads have none."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ids in order, of `total` that match."""

    ids: tuple[str, ...]
    total: int


def ranking(
    warehouse: Warehouse,
    *,
    level: str,
    order: str = "spend",
    descending: bool = True,
    first: int = 0,
    size: int | None = 50,
    account: str | Sequence[str] | None = None,
    date_range: DateRange = "last_7d",
    filters: Mapping[str, FilterValue] | None = None,
    attribution: str = DEFAULT_WINDOW,
    now: datetime | None = None,
) -> Ranking:
    """The entities of `level` from position `first` on, `size` of them (None: all).

    In order of an additive metric (no delivery is zero, a ratio that has no value comes last), of
    `name`, `status`, `created` or `budget`. As in `query`, entities without delivery are there and
    deleted ones only if they delivered in these days; `filters` are those of `query`. Raises what
    `query` raises, and ImpossibleQuestion for a metric that cannot be added up.
    """
    with warehouse.connection() as connection:
        text, params = _asked(
            connection,
            level=level,
            order=order,
            descending=descending,
            account=account,
            date_range=date_range,
            filters=filters,
            attribution=attribution,
            now=now,
        )
        params |= {"first": first, "size": size}
        rows = connection.execute(text, params).fetchall()
        total = rows[0][1] if rows else _count(connection, text, params) if first else 0
    return Ranking(tuple(row[0] for row in rows), total)


def ranked(warehouse: Warehouse, *, size: int, **asked: Any) -> Iterator[tuple[str, ...]]:
    """All ids of `ranking`, `size` at a time: found once, and kept by Postgres until they are read.

    Others may be asked meanwhile where `warehouse` is a snapshot.
    `asked` is what `ranking` takes, but for `first` and `size`; raises what it raises.
    """
    with warehouse.connection() as connection:
        text, params = _asked(connection, **asked)
        with connection.cursor(name="ranked") as cursor:
            cursor.execute(text, params | {"first": 0, "size": None})
            while rows := cursor.fetchmany(size):
                yield tuple(row[0] for row in rows)


def _asked(
    connection: Connection[Any],
    *,
    level: str,
    order: str = "spend",
    descending: bool = True,
    account: str | Sequence[str] | None = None,
    date_range: DateRange = "last_7d",
    filters: Mapping[str, FilterValue] | None = None,
    attribution: str = DEFAULT_WINDOW,
    now: datetime | None = None,
) -> tuple[str, dict[str, Any]]:
    """The statement, but for which of the rows."""
    if level not in ENTITY_LEVELS:
        raise UnknownName("level", level, ENTITY_LEVELS)
    by_column = BY_COLUMN | (BUDGETS if level != "ad" else {})
    question = ask(
        connection,
        account=account,
        metrics=["spend" if order in by_column else order],
        level=None,
        date_range=date_range,
        by=[level],
        filters=filters,
        currency=None,
        attribution=attribution,
        now=now or datetime.now(UTC),
    )
    direction = "DESC" if descending else "ASC"
    return _statement(connection, question, level, by_column.get(order), direction)


def _statement(
    connection: Connection[Any], question: Question, level: str, column: str | None, direction: str
) -> tuple[str, dict[str, Any]]:
    if question.people:
        raise ImpossibleQuestion(
            f"{question.people[0].key} counts people and is not added up over days: order by "
            "another metric."
        )
    if question.needs_money:
        question = in_held_currencies(connection, question)
    source, _ = choose_source(connection, question)
    made = statement.sums(question, source, None)
    params = dict(made.params)
    conditions = ["f.account_id = ANY (%(all_accounts)s::text[])"]
    conditions += [one for one in question.grouping.conditions(params) if "cell_values" not in one]
    params["all_accounts"] = list(question.account_ids)
    joins = [join for name, join in ENTITY_JOINS.items() if _has_parent(level, name)]
    names = ", ".join(f"v{position}" for position in range(len(made.values)))
    text = f"""
        WITH made (id, {names}) AS MATERIALIZED ({made.sql})
        SELECT f.{level}_id, count(*) OVER ()
        FROM meta_ads.meta_{level}s AS f
        LEFT JOIN made ON made.id = f.{level}_id
        {" ".join(joins)}
        WHERE {" AND ".join(conditions)} AND (NOT f.is_deleted OR made.id IS NOT NULL)
        ORDER BY {column or _value(question.metrics[0], made.values)} {direction} NULLS LAST,
                 f.{level}_id
        OFFSET %(first)s LIMIT %(size)s
    """
    return text, params


def _has_parent(level: str, name: str) -> bool:
    """Whether a row of `level` has the key that the table of `name` is joined by."""
    return ENTITY_LEVELS.index(name) <= ENTITY_LEVELS.index(level)


def _value(metric: Metric, values: Sequence[str]) -> str:
    """A metric's value from its sums: `query` computes the shown one from the same."""
    if metric.kind is not Kind.RATIO:
        return f"coalesce(v{values.index(metric.key)}, 0)"
    above, below = (values.index(f"{metric.key}/{side}") for side in ("above", "below"))
    return f"v{above} / nullif(v{below}, 0)"


def _count(connection: Connection[Any], text: str, params: Mapping[str, Any]) -> int:
    """How many match where the page asked for lies behind the last of them."""
    row = connection.execute(text, {**params, "first": 0, "size": 1}).fetchone()
    return int(row[1]) if row else 0
