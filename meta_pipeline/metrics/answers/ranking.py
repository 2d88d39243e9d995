"""Which entities a page of a long table shows: found and ordered in Postgres, page by page.

The numbers themselves are asked of `query`, for the ids of one page: this says only which.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW
from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName
from meta_pipeline.metrics.kept import Kept
from meta_pipeline.metrics.source import Rows
from meta_pipeline.model.level import LEVELS
from meta_pipeline.warehouse import Warehouse

from . import statement
from .bound import Bound
from .dimension import ENTITY_JOINS, FilterValue
from .places import Ordered, PagePosition, Start
from .query import ask
from .question import DateRange, Question
from .sources import Sources, choose_sources

ENTITY_LEVELS = ("campaign", "adset", "ad")
BY_COLUMN = {
    "name": "lower(f.name)",
    "status": "f.effective_status",
    "created": "f.created_time",
}
"""What else than a metric rows are ordered by."""
BUDGETS = {"budget": "coalesce(f.daily_budget, f.lifetime_budget)"}
"""Of campaigns and ad sets; ads have none."""
_TYPES = {"name": "text", "status": "text", "created": "timestamptz"}
"""Of what rows are ordered by; everything else is a number."""
_ROLLUPS = re.compile(r"\w+_rollups")
_RELATION = re.compile(r"\bmeta_ads\.(\w+)")
_ASKED_WITH = {"meta_ad_accounts", "metric_goals"}
"""What decides the question itself: zones, currencies and what counts as a result."""
_KEPT: Kept[Start] = Kept(16)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The places of a page in order, of `total` entities that match."""

    places: tuple[PagePosition, ...]
    total: int

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(one.id for one in self.places)


def ranking(
    warehouse: Warehouse,
    *,
    level: str,
    order: str = "spend",
    descending: bool = True,
    first: int = 0,
    size: int = 50,
    after: PagePosition | None = None,
    before: PagePosition | None = None,
    account: str | Sequence[str] | None = None,
    date_range: DateRange = "last_7d",
    filters: Mapping[str, FilterValue] | None = None,
    attribution: str = DEFAULT_WINDOW,
    now: datetime | None = None,
    bound: Bound | None = None,
) -> Ranking:
    """The entities of `level` from position `first` on, or next to a place; `size` of them.

    In order of an additive metric (no delivery is zero, a ratio that has no value comes last), of
    `name`, `status`, `created` or `budget`. As in `query`, entities without delivery are there and
    deleted ones only if they delivered in these days; `filters` are those of `query`. Raises what
    `query` raises, ImpossibleQuestion for a metric that cannot be added up, and TooMuch for more
    days than `bound` has.
    """
    with warehouse.connection() as connection:
        of = partial(
            _asked,
            connection,
            level=level,
            order=order,
            descending=descending,
            date_range=date_range,
            filters=filters,
            attribution=attribution,
            now=now,
            bound=bound,
        )
        ordered, params = of(account=account)
        if ordered.made_of:
            accounts = params["all_accounts"]

            def read(before: Start | None, changed: list[str]) -> Start:
                # What is sorted for more than half of them might as well be for all.
                if before is None or before.is_short or 2 * len(changed) > len(accounts):
                    return Start.read(connection, ordered, params)
                return before.without(changed).read_on(connection, *of(account=changed))

            start = _KEPT.answer(
                connection, (ordered, repr(params)), ordered.made_of, accounts, read
            )
            kept = start.page(ordered, first, size, after, before)
            if kept is not None:
                return Ranking(kept, start.total)
        rows = connection.execute(*ordered.page(params, first, size, after, before)).fetchall()
        # The count stands in each row; beyond the last page there is no row to read it from.
        is_elsewhere = first or after or before
        total = rows[0][2] if rows else ordered.count(connection, params) if is_elsewhere else 0
    places = [PagePosition(entity_id, value) for entity_id, value, _ in rows]
    if before is not None:
        places.reverse()
    return Ranking(tuple(places), total)


def ranked(
    warehouse: Warehouse, *, size: int, **asked: Any
) -> Generator[tuple[str, ...], None, None]:
    """All ids of `ranking`, `size` at a time: found once, and kept by Postgres until they are read.

    Others may be asked meanwhile where `warehouse` is a snapshot.
    `asked` is what `ranking` takes, but for `first` and `size`; raises what it raises.
    """
    with warehouse.connection() as connection:
        ordered, params = _asked(connection, **asked)
        # With a name it is a cursor of the server, which keeps the order until it is read.
        with connection.cursor(name="ranked") as cursor:
            cursor.execute(*ordered.page(params, 0, None, None, None))
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
    bound: Bound | None = None,
) -> tuple[Ordered, dict[str, Any]]:
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
        bound=bound,
    )
    finer = [one for one in question.grouping.levels if LEVELS.index(one) > LEVELS.index(level)]
    if finer:
        raise ImpossibleQuestion(
            f"A {level} has several {finer[0]}s: list the {finer[0]}s to keep some of them."
        )
    matching, params, sources = _statement(connection, question, level, by_column.get(order))
    is_rolled_up = all(source.rows is Rows.ROLLUP for _, source in sources)
    is_kept = is_rolled_up and not set(filters or ()) & set(ENTITY_LEVELS)
    # No rollup is written without a row of `metric_rollups`, which are fewer by far.
    read = {_ROLLUPS.sub("metric_rollups", one) for one in _RELATION.findall(matching)}
    made_of = tuple(sorted(read | _ASKED_WITH)) if is_kept else ()
    return Ordered(matching, _TYPES.get(order, "numeric"), descending, made_of), params


def _statement(
    connection: Connection[Any], question: Question, level: str, column: str | None
) -> tuple[str, dict[str, Any], Sources]:
    sources, _ = choose_sources(connection, question)
    made = statement.together(
        [
            statement.sums(some, source, None, one_by_one=True, listed=level)
            for some, source in sources
        ]
    )
    params = dict(made.params)
    conditions = ["f.account_id = ANY (%(all_accounts)s::text[])"]
    conditions += [one for one in question.grouping.conditions(params) if "cell_values" not in one]
    params["all_accounts"] = list(question.account_ids)
    # A row has the keys of what it is in, and by those the tables above it are joined.
    above = ENTITY_LEVELS[: ENTITY_LEVELS.index(level) + 1]
    joins = [ENTITY_JOINS[name] for name in above]
    # By position: a metric's key may be a word of SQL's.
    names = ", ".join(f"v{position}" for position in range(len(made.values)))
    value = column or statement.value_of(question.metrics[0], made.values)
    text = f"""
        WITH made (id, {names}) AS MATERIALIZED ({made.sql}),
        matching (id, value, account_id) AS MATERIALIZED (
            SELECT f.{level}_id, {value}, f.account_id
            FROM meta_ads.meta_{level}s AS f
            LEFT JOIN made ON made.id = f.{level}_id
            {" ".join(joins)}
            WHERE {" AND ".join(conditions)} AND (NOT f.is_deleted OR made.id IS NOT NULL)
        )
    """
    return text, params, sources
