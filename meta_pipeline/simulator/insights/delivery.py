"""When ads ran and what that brought: an ad's switched-on time times its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from meta_pipeline.simulator.insights import numbers as n
from meta_pipeline.simulator.insights.breakdowns import (
    HOURLY,
    WITHOUT_CONVERSIONS,
    Labels,
    UnknownSplitError,
    bounds,
    cut,
    split,
)
from meta_pipeline.simulator.insights.errors import InvalidBreakdownsError
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.days import QUARTERS, hour_bounds, quarter
from meta_pipeline.simulator.world.entity_fields import objective
from meta_pipeline.simulator.world.tree import AD, ADSET

Span = tuple[int, int]
_HOURS = tuple(f"{hour:02d}:00:00 - {hour:02d}:59:59" for hour in range(24))


class Running(NamedTuple):
    """An ad, the quarters it was switched on up to now, and its character."""

    ad: int
    spans: list[Span]
    traits: n.Traits


class Delivery:
    """The delivery of one account as of an epoch second, split by `breakdowns`.

    Cells are keyed by their place in `labels`; without breakdowns there is one, key 0.
    """

    def __init__(
        self,
        world: World,
        ordinal: int,
        breakdowns: tuple[str, ...],
        *,
        as_of: int,
        converted: bool,
        is_total: bool = False,
    ) -> None:
        self.world, self.ordinal = world, ordinal
        self.tree, self.zone, self.key = world.trees[ordinal], world.zones[ordinal], world.key
        self.currency = world.specs[ordinal].currency
        self.horizon = quarter(as_of, self.zone)
        self.hourly = not HOURLY.isdisjoint(breakdowns)
        self.converted = converted and WITHOUT_CONVERSIONS.isdisjoint(breakdowns)
        self.split = None
        self.labels: Sequence[Labels] = ({},)
        if self.hourly:
            if len(breakdowns) > 1:
                raise InvalidBreakdownsError(f"hourly goes alone, not with {breakdowns}")
            # The last place is for hours without delivery, which lack the breakdown's key.
            self.labels = [*({breakdowns[0]: hour} for hour in _HOURS), {}]
        elif breakdowns:
            try:
                self.split = split(breakdowns, world.specs[ordinal].zone.partition("/")[0])
            except UnknownSplitError as bad:
                raise InvalidBreakdownsError(f"no such combination: {bad}") from bad
            self.labels = self.split.rows
        self._kept = world.overlay.kept
        # The account's own total has what is withheld from the rows below it.
        self._withheld = {} if is_total else world.overlay.withheld
        self._tired, self._deaf = world.overlay.tired, world.overlay.deaf.get(ordinal, range(0))
        self._objectives: dict[int, str] = {}

    def running(self, ads: Iterable[int], first: int, last: int) -> list[Running]:
        """The ads that were switched on at any time in the days first..last, up to now."""
        begin, until = first * QUARTERS, (last + 1) * QUARTERS
        ran = []
        for ad in ads:
            spans = []
            for on, off in self.tree.spans(ad):
                from_quarter = quarter(on, self.zone)
                # What is still on, or switched off later, has run up to now.
                to_quarter = min(self.horizon, quarter(off, self.zone) if off else self.horizon)
                if from_quarter < to_quarter:
                    spans.append((from_quarter, to_quarter))
            if any(a < until and b > begin for a, b in spans):
                campaign = self.tree.levels[ADSET].parent[self.tree.levels[AD].parent[ad]]
                aim = self._objectives.get(campaign)
                if aim is None:
                    aim = self._objectives[campaign] = objective(self.key, self.ordinal, campaign)
                traits = n.traits(self.key, self.ordinal, ad, aim, self.currency)
                ran.append(Running(ad, spans, traits))
        return ran

    def delivering_days(self, running: Running, first: int, last: int) -> int:
        """How many days of first..last brought impressions; closed form for whole days."""
        place = self.ordinal, running.ad
        # Edits made this ad's days uneven: look at each of them.
        if len(running.spans) > 1 or place in self._kept or place in self._withheld:
            return sum(self.delivers(running, day) for day in range(first, last + 1))
        begin, until = running.spans[0]
        first, last = max(first, begin // QUARTERS), min(last, (until - 1) // QUARTERS)
        count = 0
        # Only the ends can be parts of days.
        for day in sorted({first, last}):
            if first <= last:
                count += self.delivers(running, day)
        inner = last - first - 1
        if inner > 0:
            count += inner - n.resting_days(running.traits, first + 1, last - 1)
        return count

    def delivers(self, running: Running, day: int) -> bool:
        """True when the day brought at least one impression."""
        if n.rests(running.traits, day) or self._is_withheld(running, day):
            return False
        parts = _parts(running.spans, day)
        if not parts:
            return False
        if parts == _WHOLE and (self.ordinal, running.ad) not in self._kept:
            return True
        whole = self._day(running, day)
        return any(whole.until(b) > whole.until(a) for a, b in parts)

    def cells(self, ads: Iterable[Running], first: int, last: int) -> dict[int, n.Cell]:
        """The cells of some ads over the days first..last, added up; empty ones are left out."""
        sums: dict[int, n.Cell] = {}
        for running in ads:
            begin = max(first, running.spans[0][0] // QUARTERS)
            until = min(last, (running.spans[-1][1] - 1) // QUARTERS)
            for day in range(begin, until + 1):
                for place, cell in self.day_cells(running, day):
                    had = sums.get(place)
                    sums[place] = cell if had is None else n.added(had, cell)
        if sums and self.hourly and self.world.hourly_zero_rows:
            sums[len(_HOURS)] = n.Cell(n.NOTHING, n.NO_CONVERSIONS)
        return sums

    def day_cells(self, running: Running, day: int) -> Iterator[tuple[int, n.Cell]]:
        """(place in `labels`, cell) of an ad's day, only cells with impressions."""
        if n.rests(running.traits, day) or self._is_withheld(running, day):
            return
        parts = _parts(running.spans, day)
        if not parts:
            return
        whole = self._day(running, day)
        if self.hourly:
            yield from self._hours(whole, parts, day)
            return
        cell = self._whole_cell(whole, parts, day)
        if not cell.delivered[0]:
            return
        if self.split is None:
            yield 0, cell
            return
        ends = bounds(self.key, self.ordinal, running.ad, self.split.weights)
        for place, part in cut(cell.delivered, cell.converted, ends, whole.draws[31]):
            yield self.split.row_of[place], part

    def _whole_cell(self, whole: n.AdDay, parts: Sequence[Span], day: int) -> n.Cell:
        if parts == _WHOLE:
            delivered = whole.totals
        else:
            delivered = n.NOTHING
            for a, b in parts:
                piece = n.between(whole.totals, whole.until(a), whole.until(b))
                delivered = tuple(map(int.__add__, delivered, piece))
        converted = n.NO_CONVERSIONS
        is_heard = self.converted and day not in self._deaf
        if is_heard and whole.ad_traits.events and delivered[0]:
            age = self.horizon - (day + 1) * QUARTERS
            converted = n.conversions(whole, delivered[0], age)
        return n.Cell(delivered, converted)

    def _hours(
        self, whole: n.AdDay, parts: Sequence[Span], day: int
    ) -> Iterator[tuple[int, n.Cell]]:
        for hour, (begin, until) in enumerate(hour_bounds(day, self.zone)):
            delivered = n.NOTHING
            for a, b in parts:
                low, high = max(a, begin), min(b, until)
                if low < high:
                    piece = n.between(whole.totals, whole.until(low), whole.until(high))
                    delivered = tuple(map(int.__add__, delivered, piece))
            if delivered[0]:
                yield hour, n.Cell(delivered, n.NO_CONVERSIONS)

    def _day(self, running: Running, day: int) -> n.AdDay:
        whole = n.ad_day(self.key, self.ordinal, running.ad, day, running.traits)
        since, a_day = self._tired.get((self.ordinal, running.ad), (day, 0.0))
        if day > since:
            whole = replace(
                whole, totals=n.less_clicked(whole.totals, (1 - a_day) ** (day - since))
            )
        share = self._kept.get((self.ordinal, running.ad), {}).get(day, 1)
        if share == 1:
            return whole
        # The first impressions of the day stay, and what they brought.
        left = int(whole.totals[n.IMPRESSIONS] * share)
        return replace(whole, totals=n.before(whole.totals, left) if left else n.NOTHING)

    def _is_withheld(self, running: Running, day: int) -> bool:
        return day in self._withheld.get((self.ordinal, running.ad), ())


_WHOLE = [(0, QUARTERS)]


def _parts(spans: list[Span], day: int) -> list[Span]:
    """The quarters of a day (0..96) that lie in the spans."""
    begin = day * QUARTERS
    if len(spans) == 1:
        first, last = spans[0]
        if first <= begin and last >= begin + QUARTERS:
            return _WHOLE
    return [
        (max(a - begin, 0), min(b - begin, QUARTERS))
        for a, b in spans
        if a < begin + QUARTERS and b > begin
    ]
