"""An insights query answered from the world: rows as Meta writes them (FACTS §5).

Rows are made when looked at. An index of row counts finds any offset without making the rows
before it, so a million rows can be paged through in any order with flat memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator
from datetime import date, datetime
from functools import cached_property
from itertools import accumulate, islice
from typing import Any

from meta_pipeline.simulator.insights import actions, ranking, retention, selection
from meta_pipeline.simulator.insights.breakdowns import HOURLY
from meta_pipeline.simulator.insights.conversions import Conversions
from meta_pipeline.simulator.insights.delivery import Delivery, Running
from meta_pipeline.simulator.insights.dimensions import Dimensions
from meta_pipeline.simulator.insights.errors import UnknownNodeError
from meta_pipeline.simulator.insights.metrics import (
    REACH_FIELDS,
    Setting,
    compiled,
    needs_conversions,
)
from meta_pipeline.simulator.insights.numbers import PEOPLE, SPEND, Cell, audience, reach
from meta_pipeline.simulator.insights.query import (
    InsightsQuery,
    Period,
    extent,
    is_run_of_days,
    periods,
)
from meta_pipeline.simulator.world.data_gaps import SpoiledDay
from meta_pipeline.simulator.world.days import as_of
from meta_pipeline.simulator.world.days import today as account_today
from meta_pipeline.simulator.world.entity_fields import objective
from meta_pipeline.simulator.world.money import offset as minor_units
from meta_pipeline.simulator.world.money import ratio
from meta_pipeline.simulator.world.tree import AD, CAMPAIGN
from meta_pipeline.simulator.world.world import World


def rows(
    world: World, query: InsightsQuery, *, offset: int = 0, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Graph-shaped rows in a fixed order: newest entity first, then time, then breakdown.

    Raises InsightsError for what Meta refuses. Delivery is as of the world's clock when called.
    """
    stop = None if limit is None else offset + limit
    return _answer(world, query).rows(offset, stop)


def count(world: World, query: InsightsQuery) -> int:
    """How many rows `rows` would give; cached, and cheap without breakdowns."""
    return len(_answer(world, query))


def summary(world: World, query: InsightsQuery) -> dict[str, Any]:
    """The `summary` row: what all rows add up to, with reach counted once."""
    return _answer(world, query).summary


def asks_old_reach(world: World, query: InsightsQuery) -> bool:
    """True when the rows would lack reach because it is broken down and too long ago."""
    return _answer(world, query).asks_old_reach


def spoiled(world: World, query: InsightsQuery) -> SpoiledDay | None:
    """What of the query cannot be answered."""
    return _answer(world, query).spoiled


def _answer(world: World, query: InsightsQuery) -> Answer:
    # The pages of one query share what was worked out for the first of them.
    key = (world.version, as_of(_moment(world, query)), repr(query))
    return world.answers.get(key, lambda: Answer(world, query))


def _moment(world: World, query: InsightsQuery) -> datetime:
    return query.moment or world.clock.now()


class Answer:
    """One query against the world as of now."""

    def __init__(self, world: World, query: InsightsQuery) -> None:
        node = world.locate(query.node_id)
        if node is None or node[1] > AD:
            raise UnknownNodeError(f"Object with ID '{query.node_id}' does not exist")
        self.world, self.query, self.node = world, query, node
        self.ordinal = node[0]
        now = _moment(world, query)
        self._as_of = as_of(now)
        today = account_today(now, world.zones[self.ordinal])
        since = min(first for first, _ in query.ranges)
        spec = world.specs[self.ordinal]
        retention.refuse(query.breakdowns, since, today)
        found = selection.conditions(query.filtering)
        # An unprefixed field that is no metric is ignored without a word (FACTS §4.4).
        self._metric_conditions = [c for c in found if c.field in FILTERABLE]
        hard = world.hard_retention
        empty = retention.silently_empty(query.breakdowns, spec.opted_in)
        empty |= retention.beyond(query.breakdowns, query.fields, since, today, hard=hard)
        self.fields = self._all_fields()
        self.delivery = Delivery(
            world,
            self.ordinal,
            query.breakdowns,
            as_of=self._as_of,
            converted=needs_conversions(self.fields),
            is_total=query.level == "account",
        )
        self.periods = periods(query, self.delivery.horizon)
        self._extent = extent(self.periods)
        self._is_daily = not query.breakdowns and is_run_of_days(self.periods)
        self.groups = [] if empty else selection.groups(world, node, query.level, found)
        self._conversions = Conversions(world, self.ordinal, query.level)
        self._audience = audience(world.key, self.ordinal)
        self._metrics = compiled(
            self.fields, self._setting(retention.loses_reach(query.breakdowns, since, today))
        )
        self.asks_old_reach = retention.loses_reach(query.breakdowns, since, today) and (
            not REACH_FIELDS.isdisjoint(self.fields)
        )
        self._dimensions = Dimensions(
            world, self.ordinal, selection.LEVELS[query.level], self.fields
        )
        self._today = today
        self._index = world.memo.get(("index", *self._key(lasting=True)), self._make_index)

    @cached_property
    def spoiled(self) -> SpoiledDay | None:
        """The first unanswerable ad day among the rows, asked for its ads."""
        if self.query.level != "ad" or not self.world.spoiled_days:
            return None
        ads = {self.world.entity(self.ordinal, AD, group.index).id for group in self.groups}
        for one in self.world.spoiled_days:
            is_asked = any(since <= one.day <= until for since, until in self.query.ranges)
            if one.ad_id in ads and is_asked and one.field in {None, *self.fields}:
                return one
        return None

    def __len__(self) -> int:
        return len(self._picked()) if self._is_picked() else self._total

    def rows(self, offset: int, stop: int | None) -> Iterator[dict[str, Any]]:
        """Rows offset..stop-1 of the answer."""
        if not self._is_picked():
            return islice(self._from(offset), None if stop is None else stop - offset)
        return self._pick(self._picked()[offset:stop])

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All rows' delivery as one row, without entity fields."""
        first = min(a for a, _ in self.query.ranges)
        last = max(b for _, b in self.query.ranges)
        total: Cell | None = None
        for cell in self._shown_cells():
            total = cell if total is None else _plus(total, cell)
        found = {} if total is None else self._measured(total)
        row = {**found, "date_start": first.isoformat(), "date_stop": last.isoformat()}
        return {name: value for name, value in row.items() if name in self._shown}

    def _shown_cells(self) -> Iterator[Cell]:
        tests = self._metric_conditions
        for group in self.groups:
            crew = self._crew(group.ads)
            for begin, until in self.periods:
                for cell in self.delivery.cells(crew, begin, until).values():
                    if not tests or ranking.passes(self._measured(cell), tests):
                        yield cell

    # Finding rows

    def _from(self, offset: int) -> Iterator[dict[str, Any]]:
        if offset >= self._total:
            return
        unit = bisect_right(self._index, offset)
        skip = offset - (self._index[unit - 1] if unit else 0)
        per_group = len(self.periods) if self._index_by_period() else 1
        start = unit % per_group
        for group in self.groups[unit // per_group :]:
            yield from self._group_rows(group, start, skip)
            start = skip = 0

    def _group_rows(
        self, group: selection.Group, start: int, skip: int
    ) -> Iterator[dict[str, Any]]:
        crew = self._crew(group.ads)
        if not crew:
            return
        dimensions = self._dimensions.of(group.index)
        for begin, until in self.periods[start:]:
            if skip:
                inside = self._rows_in(crew, (begin, until))
                if inside <= skip:
                    skip -= inside
                    continue
            cells = self.delivery.cells(crew, begin, until)
            for place in sorted(cells)[skip:]:
                yield self._row(group, dimensions, (begin, until), place, cells[place])
            skip = 0

    def _pick(self, positions: array[int]) -> Iterator[dict[str, Any]]:
        for position in positions:
            row = next(self._from(position))
            yield {key: row[key] for key in row if key in self._shown}

    def _picked(self) -> array[int]:
        key = ("picked", self.query.sort, *self._key(lasting=False))
        return self.world.memo.get(key, self._rank)

    def _is_picked(self) -> bool:
        return bool(self.query.sort or self._metric_conditions)

    def _rank(self) -> array[int]:
        return ranking.ranked(lambda: self._from(0), self.query.sort, self._metric_conditions)

    # Making rows

    def _row(
        self,
        group: selection.Group,
        dimensions: dict[str, Any],
        period: Period,
        place: int,
        cell: Cell,
    ) -> dict[str, Any]:
        row = {**dimensions, **self._measured(cell)}
        if "results" in self._results:
            self._add_results(row, group, cell)
        row["date_start"] = _iso(period[0])
        row["date_stop"] = _iso(period[1])
        if "actions" in self.fields:
            self._conversions.add(
                row,
                group.ads,
                self.query.windows,
                lambda ads: self.delivery.cells(self._crew(ads), *period).get(place),
            )
        self._conversions.lose(row)
        if self.query.breakdowns:
            row |= self.delivery.labels[place]
        return row

    def _measured(self, cell: Cell) -> dict[str, Any]:
        reached = reach(cell.delivered[PEOPLE], self._audience)
        found = {}
        for name, metric in self._metrics:
            value = metric(cell, reached)
            if value is not None:
                found[name] = value
        return found

    def _add_results(self, row: dict[str, Any], group: selection.Group, cell: Cell) -> None:
        level = selection.LEVELS[self.query.level]
        if level < CAMPAIGN:
            return
        places = {level: group.index, **dict(self.delivery.tree.ancestors(level, group.index))}
        aim = objective(self.world.key, self.ordinal, places[CAMPAIGN])
        wanted = actions.RESULT_OF[aim]
        reached = reach(cell.delivered[PEOPLE], self._audience)
        found = actions.result(wanted, cell, reached)
        row["results"] = [found]
        if "cost" in self._results and "values" in found:
            unit = minor_units(self.world.specs[self.ordinal].currency)
            (counted,) = found["values"]
            cost = ratio(cell.delivered[SPEND] / unit, int(counted["value"]))
            row["cost_per_result"] = [{**found, "values": [{**counted, "value": cost}]}]

    # Counting rows: the index holds where each unit's rows end, a unit being an entity
    # or, when there are few, an entity's period.

    @property
    def _total(self) -> int:
        return self._index[-1] if self._index else 0

    def _make_index(self) -> array[int]:
        return array("Q", accumulate(self._units()))

    def _units(self) -> Iterator[int]:
        by_period = self._index_by_period()
        for group in self.groups:
            crew = self._crew(group.ads)
            if by_period:
                yield from (self._rows_in(crew, period) for period in self.periods)
            else:
                yield self._rows_of(crew)

    def _key(self, *, lasting: bool) -> tuple[Hashable, ...]:
        """What the answer's rows depend on; a past that is over does not depend on now."""
        query = self.query
        over = max(until for _, until in query.ranges) < self._today
        steady = lasting and over and not self.world.processing_seconds
        return (
            self.world.version,
            None if steady else self._as_of,
            query.node_id,
            query.level,
            query.ranges,
            query.increment,
            query.breakdowns,
            repr(query.filtering),
            not self.groups,
        )

    def _rows_of(self, crew: list[Running]) -> int:
        if not crew:
            return 0
        if len(crew) == 1 and self._is_daily:
            return self.delivery.delivering_days(crew[0], *self._extent)
        return sum(self._rows_in(crew, period) for period in self.periods)

    def _rows_in(self, crew: list[Running], period: Period) -> int:
        if self.query.breakdowns:
            return len(self.delivery.cells(crew, *period))
        days = range(period[0], period[1] + 1)
        return int(any(self.delivery.delivers(r, day) for r in crew for day in days))

    def _index_by_period(self) -> bool:
        return len(self.groups) * len(self.periods) <= _FINE_INDEX

    def _crew(self, ads: Iterable[int]) -> list[Running]:
        return self.delivery.crew(ads, *self._extent) if self.periods else []

    def _setting(self, old: bool) -> Setting:
        return Setting(
            currency=self.world.specs[self.ordinal].currency,
            audience=audience(self.world.key, self.ordinal),
            windows=self.query.windows,
            action_breakdowns=self.query.action_breakdowns,
            hourly=not HOURLY.isdisjoint(self.query.breakdowns),
            without_reach=old and not self.query.asynchronous,
        )

    def _all_fields(self) -> tuple[str, ...]:
        asked = self.query.fields
        extra = ranking.metric_names(self.query.sort, self._metric_conditions)
        # Asking for objective_results brings the key results (FACTS §5.2).
        self._results = {
            {"objective_results": "results", "results": "results"}.get(name, "cost")
            for name in asked
            if name in _RESULT_FIELDS
        }
        if self._results:
            self._results.add("results")
        self._shown = {*asked, *self.query.breakdowns, "date_start", "date_stop"}
        if self._results:
            self._shown |= {"results", "cost_per_result"}
        return tuple(dict.fromkeys([*asked, *extra]))


_FINE_INDEX = 200_000
_RESULT_FIELDS = frozenset(
    {"results", "objective_results", "cost_per_result", "cost_per_objective_result"}
)
FILTERABLE = frozenset(
    {
        "impressions", "reach", "frequency", "spend", "clicks", "ctr", "cpc", "cpm", "cpp",
        "unique_clicks", "inline_link_clicks",
    }
)  # fmt: skip


def _plus(left: Cell, right: Cell) -> Cell:
    return Cell(
        tuple(a + b for a, b in zip(left.delivered, right.delivered, strict=True)),
        tuple(a + b for a, b in zip(left.converted, right.converted, strict=True)),
    )


def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()
