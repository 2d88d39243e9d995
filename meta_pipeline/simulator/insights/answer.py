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
from meta_pipeline.simulator.insights.numbers import PEOPLE, SPEND, Cell, added, audience, reach
from meta_pipeline.simulator.insights.query import (
    InsightsQuery,
    Period,
    extent,
    is_run_of_days,
    periods,
)
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.data_gaps import SpoiledDay
from meta_pipeline.simulator.world.days import as_of
from meta_pipeline.simulator.world.days import today as account_today
from meta_pipeline.simulator.world.entity_fields import objective
from meta_pipeline.simulator.world.money import offset as minor_units
from meta_pipeline.simulator.world.money import ratio
from meta_pipeline.simulator.world.tree import AD, CAMPAIGN


def rows(
    world: World, query: InsightsQuery, *, offset: int = 0, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Graph-shaped rows in a fixed order: newest entity first, then time, then breakdown.

    Raises InsightsError for what Meta refuses. Delivery is as of the world's clock when called.
    """
    stop = None if limit is None else offset + limit
    return _result(world, query).rows(offset, stop)


def count(world: World, query: InsightsQuery) -> int:
    """How many rows `rows` would give; cached, and cheap without breakdowns."""
    return len(_result(world, query))


def summary(world: World, query: InsightsQuery) -> dict[str, Any]:
    """The `summary` row: what all rows add up to, with reach counted once."""
    return _result(world, query).summary


def asks_old_reach(world: World, query: InsightsQuery) -> bool:
    """True when the rows would lack reach because it is broken down and too long ago."""
    return _result(world, query).asks_old_reach


def spoiled(world: World, query: InsightsQuery) -> SpoiledDay | None:
    """What of the query cannot be answered."""
    return _result(world, query).spoiled


def _result(world: World, query: InsightsQuery) -> QueryResult:
    # The pages of one query share what was worked out for the first of them.
    key = (world.version, as_of(_moment(world, query)), repr(query))
    return world.answers.get(key, lambda: QueryResult(world, query))


def _moment(world: World, query: InsightsQuery) -> datetime:
    return query.moment or world.clock.now()


class QueryResult:
    """One query against the world as of now."""

    def __init__(self, world: World, query: InsightsQuery) -> None:
        node = world.locate(query.node_id)
        if node is None or node[1] > AD:
            raise UnknownNodeError(f"Object with ID '{query.node_id}' does not exist")
        self.world, self.query, self.ordinal = world, query, node[0]
        spec = world.specs[self.ordinal]
        now = _moment(world, query)
        self._as_of = as_of(now)
        self._today = today = account_today(now, world.zones[self.ordinal])
        since = min(first for first, _ in query.ranges)
        retention.refuse(query.breakdowns, since, today)
        conditions = selection.conditions(query.filtering)
        # An unprefixed field that is no metric is ignored without a word (FACTS §4.4).
        self._metric_conditions = [c for c in conditions if c.field in FILTERABLE]
        empty = retention.silently_empty(query.breakdowns, spec.opted_in)
        empty |= retention.beyond(
            query.breakdowns, query.fields, since, today, hard=world.hard_retention
        )
        self._choose_fields()
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
        self.groups = [] if empty else selection.groups(world, node, query.level, conditions)
        # Counting by period as well finds an offset faster, and costs memory.
        self._index_by_period = len(self.groups) * len(self.periods) <= _FINE_INDEX
        self._conversions = Conversions(world, self.ordinal, query.level)
        self._audience = audience(world.key, self.ordinal)
        loses_reach = retention.loses_reach(query.breakdowns, since, today)
        self.asks_old_reach = loses_reach and not REACH_FIELDS.isdisjoint(self.fields)
        setting = Setting(
            currency=spec.currency,
            audience=self._audience,
            windows=query.windows,
            action_breakdowns=query.action_breakdowns,
            hourly=not HOURLY.isdisjoint(query.breakdowns),
            without_reach=loses_reach and not query.asynchronous,
        )
        self._metrics = compiled(self.fields, setting)
        self._dimensions = Dimensions(
            world, self.ordinal, selection.LEVELS[query.level], self.fields
        )
        self._index = world.memo.get(
            ("index", *self._key(lasting=True)), lambda: array("Q", accumulate(self._units()))
        )

    def _choose_fields(self) -> None:
        """What must be known of a row, to show it, sort it and filter it."""
        asked = self.query.fields
        self._shown = {*asked, *self.query.breakdowns, "date_start", "date_stop"}
        # Asking for objective_results brings the key results (FACTS §5.2).
        self._shows_results = not _RESULT_FIELDS.isdisjoint(asked)
        self._shows_result_costs = not _RESULT_COST_FIELDS.isdisjoint(asked)
        if self._shows_results:
            self._shown |= {"results", "cost_per_result"}
        extra = ranking.metric_names(self.query.sort, self._metric_conditions)
        self.fields = tuple(dict.fromkeys([*asked, *extra]))

    @cached_property
    def spoiled(self) -> SpoiledDay | None:
        """The first unanswerable ad day among the rows, asked for its ads."""
        if self.query.level != "ad" or not self.world.spoiled_days:
            return None
        ads = {self.world.entity(self.ordinal, AD, group.index).id for group in self.groups}
        for day in self.world.spoiled_days:
            is_asked = any(since <= day.day <= until for since, until in self.query.ranges)
            if day.ad_id in ads and is_asked and day.field in {None, *self.fields}:
                return day
        return None

    def __len__(self) -> int:
        return len(self._picked()) if self._is_picked() else self._total

    def rows(self, offset: int, stop: int | None) -> Iterator[dict[str, Any]]:
        """Rows offset..stop-1 of the answer."""
        if not self._is_picked():
            yield from islice(self._from(offset), None if stop is None else stop - offset)
            return
        for position in self._picked()[offset:stop]:
            row = next(self._from(position))
            yield {key: row[key] for key in row if key in self._shown}

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All rows' delivery as one row, without entity fields."""
        tests, total = self._metric_conditions, None
        for group in self.groups:
            ads = self._running(group.ads)
            for period in self.periods:
                for cell in self.delivery.cells(ads, *period).values():
                    if not tests or ranking.passes(self._measured(cell), tests):
                        total = cell if total is None else added(total, cell)
        row = {} if total is None else self._measured(total)
        row["date_start"] = min(first for first, _ in self.query.ranges).isoformat()
        row["date_stop"] = max(last for _, last in self.query.ranges).isoformat()
        return {name: value for name, value in row.items() if name in self._shown}

    # -- finding rows ---------------------------------------------------------------------------

    def _from(self, offset: int) -> Iterator[dict[str, Any]]:
        if offset >= self._total:
            return
        unit = bisect_right(self._index, offset)
        skip = offset - (self._index[unit - 1] if unit else 0)
        per_group = len(self.periods) if self._index_by_period else 1
        start = unit % per_group
        for group in self.groups[unit // per_group :]:
            yield from self._group_rows(group, start, skip)
            start = skip = 0

    def _group_rows(
        self, group: selection.Group, start: int, skip: int
    ) -> Iterator[dict[str, Any]]:
        ads = self._running(group.ads)
        if not ads:
            return
        dimensions = self._dimensions.of(group.index)
        for period in self.periods[start:]:
            if skip:
                inside = self._rows_in(ads, period)
                if inside <= skip:
                    skip -= inside
                    continue
            cells = self.delivery.cells(ads, *period)
            for place in sorted(cells)[skip:]:
                yield self._row(group, dimensions, period, place, cells[place])
            skip = 0

    def _is_picked(self) -> bool:
        return bool(self.query.sort or self._metric_conditions)

    def _picked(self) -> array[int]:
        """Positions of the rows that pass the metric conditions, in the order asked."""
        return self.world.memo.get(
            ("picked", self.query.sort, *self._key(lasting=False)),
            lambda: ranking.ranked(lambda: self._from(0), self.query.sort, self._metric_conditions),
        )

    # -- making rows ----------------------------------------------------------------------------

    def _row(
        self,
        group: selection.Group,
        dimensions: dict[str, Any],
        period: Period,
        place: int,
        cell: Cell,
    ) -> dict[str, Any]:
        row = {**dimensions, **self._measured(cell)}
        if self._shows_results:
            self._add_results(row, group, cell)
        row["date_start"] = date.fromordinal(period[0]).isoformat()
        row["date_stop"] = date.fromordinal(period[1]).isoformat()
        if "actions" in self.fields:
            self._conversions.add(
                row,
                group.ads,
                self.query.windows,
                lambda ads: self.delivery.cells(self._running(ads), *period).get(place),
            )
        self._conversions.lose(row)
        if self.query.breakdowns:
            row |= self.delivery.labels[place]
        return row

    def _measured(self, cell: Cell) -> dict[str, Any]:
        reached = reach(cell.delivered[PEOPLE], self._audience)
        values = {}
        for name, metric in self._metrics:
            value = metric(cell, reached)
            if value is not None:
                values[name] = value
        return values

    def _add_results(self, row: dict[str, Any], group: selection.Group, cell: Cell) -> None:
        level = selection.LEVELS[self.query.level]
        if level < CAMPAIGN:
            return  # an account has no objective
        places = {level: group.index, **dict(self.delivery.tree.ancestors(level, group.index))}
        goal = objective(self.world.key, self.ordinal, places[CAMPAIGN])
        reached = reach(cell.delivered[PEOPLE], self._audience)
        result = actions.result(actions.RESULT_OF[goal], cell, reached)
        row["results"] = [result]
        if self._shows_result_costs and "values" in result:
            unit = minor_units(self.world.specs[self.ordinal].currency)
            (counted,) = result["values"]
            cost = ratio(cell.delivered[SPEND] / unit, int(counted["value"]))
            row["cost_per_result"] = [{**result, "values": [{**counted, "value": cost}]}]

    # -- counting rows --------------------------------------------------------------------------
    # The index holds where each unit's rows end, a unit being an entity or, when there are few,
    # an entity's period.

    @property
    def _total(self) -> int:
        return self._index[-1] if self._index else 0

    def _units(self) -> Iterator[int]:
        """How many rows each unit has."""
        for group in self.groups:
            ads = self._running(group.ads)
            if self._index_by_period:
                yield from (self._rows_in(ads, period) for period in self.periods)
            elif len(ads) == 1 and self._is_daily:
                yield self.delivery.delivering_days(ads[0], *self._extent)
            else:
                yield sum(self._rows_in(ads, period) for period in self.periods) if ads else 0

    def _rows_in(self, ads: list[Running], period: Period) -> int:
        if self.query.breakdowns:
            return len(self.delivery.cells(ads, *period))
        days = range(period[0], period[1] + 1)
        return int(any(self.delivery.delivers(ad, day) for ad in ads for day in days))

    def _running(self, ads: Iterable[int]) -> list[Running]:
        return self.delivery.running(ads, *self._extent) if self.periods else []

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


_FINE_INDEX = 200_000  # eight bytes each
# Each is worked out of the goal of the ad set, which other fields do without.
_RESULT_COST_FIELDS = frozenset({"cost_per_result", "cost_per_objective_result"})
_RESULT_FIELDS = _RESULT_COST_FIELDS | {"results", "objective_results"}
FILTERABLE = frozenset(
    {
        "impressions", "reach", "frequency", "spend", "clicks", "ctr", "cpc", "cpm", "cpp",
        "unique_clicks", "inline_link_clicks",
    }
)  # fmt: skip
