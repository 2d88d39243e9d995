"""Which entities a page of a long table shows: found and ordered in Postgres, page by page.

The numbers themselves are asked of `query`, for the ids of one page: this says only which.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW, Kind, Metric
from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName
from meta_pipeline.metrics.kept import Kept
from meta_pipeline.metrics.source import Rows
from meta_pipeline.model.level import LEVELS
from meta_pipeline.warehouse import Warehouse

from . import statement
from .dimension import ENTITY_JOINS, FilterValue
from .held import in_held_currencies
from .query import Sources, ask, choose_sources
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
_TYPES = {"name": "text", "status": "text", "created": "timestamptz"}
"""Of what rows are ordered by; everything else is a number."""
_ROLLUPS = re.compile(r"\w+_rollups")
_RELATION = re.compile(r"\bmeta_ads\.(\w+)")
_ASKED_WITH = {"meta_ad_accounts", "metric_goals"}
"""What decides the question itself: zones, currencies and what counts as a result."""
_KEPT_PLACES = 5_000
"""Of the first pages: whoever looks farther down waits for Postgres."""
_PLAIN = re.compile(r"[0-9a-z]+", re.ASCII)
"""Ids that every collation puts in the order Python does; Meta's are digits."""
_NUMBER = re.compile(r"-?[0-9]{1,200}(\.[0-9]{1,200})?", re.ASCII)
"""As Postgres writes one; longer ones are none of ours."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ids in order, of `total` that match; `places` is where each of them stands."""

    ids: tuple[str, ...]
    total: int
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order: the id, and the value it is ordered by as text, None where it has none.

    Pages go on from one: however far down it is, what comes next costs the same.
    """

    id: str
    value: str | None

    def __str__(self) -> str:
        return self.id if self.value is None else f"{self.id}:{self.value}"

    @classmethod
    def read(cls, text: str) -> Place:
        """As `str` wrote it."""
        # From an address that anybody may type: Postgres takes no NUL in a text.
        entity_id, colon, value = text.replace("\x00", "").partition(":")
        return cls(entity_id, value if colon else None)


def ranking(
    warehouse: Warehouse,
    *,
    level: str,
    order: str = "spend",
    descending: bool = True,
    first: int = 0,
    size: int = 50,
    after: Place | None = None,
    before: Place | None = None,
    account: str | Sequence[str] | None = None,
    date_range: DateRange = "last_7d",
    filters: Mapping[str, FilterValue] | None = None,
    attribution: str = DEFAULT_WINDOW,
    now: datetime | None = None,
) -> Ranking:
    """The entities of `level` from position `first` on, or next to a place; `size` of them.

    In order of an additive metric (no delivery is zero, a ratio that has no value comes last), of
    `name`, `status`, `created` or `budget`. As in `query`, entities without delivery are there and
    deleted ones only if they delivered in these days; `filters` are those of `query`. Raises what
    `query` raises, and ImpossibleQuestion for a metric that cannot be added up.
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
        )
        ordered, params = of(account=account)
        if ordered.made_of:
            accounts = params["all_accounts"]

            def read(before: _Start | None, changed: list[str]) -> _Start:
                # What is sorted for more than half of them might as well be for all.
                if before is None or before.is_short or 2 * len(changed) > len(accounts):
                    return _Start.read(connection, ordered, params)
                return before.without(changed).read_on(connection, *of(account=changed))

            start = _KEPT.answer(
                connection, (ordered, repr(params)), ordered.made_of, accounts, read
            )
            found = start.page(ordered, first, size, after, before)
            if found is not None:
                return found
        rows = connection.execute(*ordered.page(params, first, size, after, before)).fetchall()
        # The count stands in each row; beyond the last page there is no row to read it from.
        is_elsewhere = first or after or before
        total = rows[0][2] if rows else _count(connection, ordered, params) if is_elsewhere else 0
    places = [Place(entity_id, value) for entity_id, value, _ in rows]
    if before is not None:
        places.reverse()
    return Ranking(tuple(one.id for one in places), total, tuple(places))


@dataclass(frozen=True, slots=True)
class _Start:
    """The first places, as many as are kept, whose they are, and how many each account has."""

    rows: tuple[tuple[str, str | None, str], ...]
    """Id, value and account; plain tuples, as the collector of garbage does not look into them."""
    counts: Mapping[str, int]
    floor: Place | None
    """What comes after this place is not known; None where nothing does."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def is_short(self) -> bool:
        """Whether so many places fell out that the next pages are not here."""
        return self.floor is not None and len(self.rows) < _KEPT_PLACES // 2

    def without(self, accounts: Collection[str]) -> _Start:
        """What is known beside these accounts."""
        return replace(
            self,
            rows=tuple(row for row in self.rows if row[2] not in accounts),
            counts={one: count for one, count in self.counts.items() if one not in accounts},
        )

    @classmethod
    def read(
        cls, connection: Connection[Any], ordered: _Ordered, params: Mapping[str, Any]
    ) -> _Start:
        """The first places of all accounts."""
        return cls((), {}, None).read_on(connection, ordered, params)

    def read_on(
        self, connection: Connection[Any], ordered: _Ordered, params: Mapping[str, Any]
    ) -> _Start:
        """The first places of these and of the accounts of the statement together.

        Postgres puts them in order: nobody else sorts names as its collation does.
        """
        rows = connection.execute(*ordered.beginning(params, self)).fetchall()
        (_, counted, *_), *found = rows
        counts = {**self.counts, **json.loads(counted or "{}")}
        is_cut = len(found) == _KEPT_PLACES < sum(counts.values())
        return _Start(
            tuple((entity_id, value, owner) for entity_id, value, owner, _ in found),
            counts,
            Place(*found[-1][:2]) if is_cut else self.floor,
        )

    def page(
        self,
        ordered: _Ordered,
        first: int,
        size: int,
        after: Place | None,
        before: Place | None,
    ) -> Ranking | None:
        """The page, as Postgres has it; None where some of it is not here."""
        place = before if before is not None else after
        begin, end = first, first + size
        if place is not None:
            stands = self._position(ordered, place)
            if stands is None:
                return None
            begin, end = stands, stands + size
            if before is not None:
                begin, end = max(0, stands - size), stands
            elif self._has(stands, place):
                begin, end = begin + 1, end + 1
        if end > len(self.rows) < self.total:
            return None
        places = tuple(Place(entity_id, value) for entity_id, value, _ in self.rows[begin:end])
        return Ranking(tuple(one.id for one in places), self.total, places)

    def _position(self, ordered: _Ordered, place: Place) -> int | None:
        """Where a place is, or would be if something stood there; None where that is not known.

        What stood at the end of the page before has another number after a sync.
        """
        ids = [row[0] for row in self.rows]
        if place.id in ids and self._has(ids.index(place.id), place):
            return ids.index(place.id)
        if place.value is None or ordered.kind != "numeric" or not _PLAIN.fullmatch(place.id):
            return None
        ordered.checked(place.value)

        def key(row: tuple[str, str | None, str]) -> tuple[bool, Decimal, str]:
            entity_id, text, _ = row
            value = Decimal(text or 0)
            return text is None, -value if ordered.descending else value, entity_id

        stands = bisect_left(self.rows, key((place.id, place.value, "")), key=key)
        # Below the last that is kept others may stand above it.
        return stands if stands < len(self.rows) or len(self.rows) == self.total else None

    def _has(self, number: int, place: Place) -> bool:
        return [row[:2] for row in self.rows[number : number + 1]] == [(place.id, place.value)]


_KEPT: Kept[_Start] = Kept(16)


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
) -> tuple[_Ordered, dict[str, Any]]:
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
    return _Ordered(matching, _TYPES.get(order, "numeric"), descending, made_of), params


@dataclass(frozen=True, slots=True)
class _Ordered:
    """Rows (id, value) of `matching` in order; `kind` is the value's type."""

    matching: str
    kind: str
    descending: bool
    made_of: tuple[str, ...]
    """Tables that decide it; none where it is asked anew each time."""

    def page(
        self,
        params: Mapping[str, Any],
        first: int,
        size: int | None,
        after: Place | None,
        before: Place | None,
    ) -> tuple[str, dict[str, Any]]:
        """Rows of id, value as text and how many match; those `before` a place come backwards."""
        place, backwards = (before, True) if before is not None else (after, False)
        falls = self.descending != backwards
        nulls = "FIRST" if backwards else "LAST"
        text = f"""
            {self.matching}
            SELECT id, value::text AS place, (SELECT count(*) FROM matching)
            FROM matching WHERE {self._beyond(place, falls, backwards)}
            ORDER BY value {"DESC" if falls else "ASC"} NULLS {nulls},
                     id {"DESC" if backwards else "ASC"}
            OFFSET %(first)s LIMIT %(size)s
        """
        asked: dict[str, Any] = {"first": 0 if place else first, "size": size}
        if place is not None:
            asked |= {"place_id": place.id, "place_value": self.checked(place.value)}
        return text, {**params, **asked}

    def beginning(self, params: Mapping[str, Any], kept: _Start) -> tuple[str, dict[str, Any]]:
        """The first rows of these and of what is kept, by id, value and account.

        Above them is a row without an id: how many match by account, as JSON. Below the floor of
        what is kept nothing is said, for there others stand, too.
        """
        direction = "DESC" if self.descending else "ASC"
        below = self._beyond(kept.floor, self.descending, backwards=False)
        text = f"""
            {self.matching},
            first AS (
                SELECT id, value::text AS place, account_id, row_number() OVER (
                    ORDER BY value {direction} NULLS LAST, id ASC
                ) AS number
                FROM (
                    SELECT id, value, account_id FROM matching
                    UNION ALL
                    SELECT * FROM unnest(
                        %(kept_ids)s::text[],
                        %(kept_values)s::{self.kind}[],
                        %(kept_owners)s::text[]
                    )
                ) AS rows (id, value, account_id)
                WHERE {"true" if kept.floor is None else f"({below}) IS NOT TRUE"}
                ORDER BY number LIMIT %(size)s
            )
            SELECT NULL AS id, (
                SELECT jsonb_object_agg(account_id, matched)::text
                FROM (SELECT account_id, count(*) AS matched FROM matching GROUP BY 1) AS counted
            ) AS place, NULL AS account_id, 0 AS number
            UNION ALL
            SELECT id, place, account_id, number FROM first
            ORDER BY number
        """
        asked: dict[str, Any] = {
            "size": _KEPT_PLACES,
            "kept_ids": [entity_id for entity_id, _, _ in kept.rows],
            "kept_values": [value for _, value, _ in kept.rows],
            "kept_owners": [owner for _, _, owner in kept.rows],
        }
        if kept.floor is not None:
            asked |= {"place_id": kept.floor.id, "place_value": kept.floor.value}
        return text, {**params, **asked}

    def _beyond(self, place: Place | None, falls: bool, backwards: bool) -> str:
        """Whether a row comes after the place, in this direction; what has no value is last."""
        if place is None:
            return "true"
        further = f"id {'<' if backwards else '>'} %(place_id)s"
        value = f"%(place_value)s::{self.kind}"
        if place.value is None:
            same = f"(value IS NULL AND {further})"
            return f"(value IS NOT NULL OR {same})" if backwards else same
        beyond = f"value {'<' if falls else '>'} {value} OR (value = {value} AND {further})"
        return f"({beyond})" if backwards else f"({beyond} OR value IS NULL)"

    def checked(self, value: str | None) -> str | None:
        """The value; ImpossibleQuestion where it is none of its type, as in a mistyped address."""
        if value is None or self.kind == "text":
            return value
        try:
            if self.kind == "timestamptz":
                datetime.fromisoformat(value)
            elif not _NUMBER.fullmatch(value):
                raise ValueError
        except ValueError:
            raise ImpossibleQuestion(
                f"{value[:40]!r} is no place in this order: begin on the first page."
            ) from None
        return value


def _statement(
    connection: Connection[Any], question: Question, level: str, column: str | None
) -> tuple[str, dict[str, Any], Sources]:
    if question.people:
        raise ImpossibleQuestion(
            f"{question.people[0].key} counts people and is not added up over days: order by "
            "another metric."
        )
    question = in_held_currencies(connection, question)
    sources, _ = choose_sources(connection, question)
    made = statement.together(
        [statement.sums(some, source, None, one_by_one=True) for some, source in sources]
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
    text = f"""
        WITH made (id, {names}) AS MATERIALIZED ({made.sql}),
        matching (id, value, account_id) AS MATERIALIZED (
            SELECT f.{level}_id, {column or _value(question.metrics[0], made.values)}, f.account_id
            FROM meta_ads.meta_{level}s AS f
            LEFT JOIN made ON made.id = f.{level}_id
            {" ".join(joins)}
            WHERE {" AND ".join(conditions)} AND (NOT f.is_deleted OR made.id IS NOT NULL)
        )
    """
    return text, params, sources


def _value(metric: Metric, values: Sequence[str]) -> str:
    """A metric's value from its sums: `query` computes the shown one from the same."""
    if metric.kind is not Kind.RATIO:
        return f"coalesce(v{values.index(metric.key)}, 0)"
    above, below = (values.index(f"{metric.key}/{side}") for side in ("above", "below"))
    return f"v{above} / nullif(v{below}, 0)"


def _count(connection: Connection[Any], ordered: _Ordered, params: Mapping[str, Any]) -> int:
    """How many match where the page asked for lies beyond the last of them."""
    row = connection.execute(*ordered.page(params, 0, 1, None, None)).fetchone()
    return int(row[2]) if row else 0
