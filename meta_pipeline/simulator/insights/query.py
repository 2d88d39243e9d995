"""An insights question, and the stretches of days its rows are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from meta_pipeline.simulator.world.days import QUARTERS

Period = tuple[int, int]


@dataclass(frozen=True)
class InsightsQuery:
    """What an insights call asks: dates are the account's own, `until` inclusive.

    `filtering` holds mappings with field, operator and value, or such triples. An
    `asynchronous` query keeps reach in old breakdowns (FACTS §5.4). `moment` is what the numbers
    are as of; None is the world's clock.
    """

    node_id: str
    level: str
    ranges: tuple[tuple[date, date], ...]
    increment: int | str = "all_days"  # days, "all_days" or "monthly"
    fields: tuple[str, ...] = ("impressions", "spend")
    breakdowns: tuple[str, ...] = ()
    action_breakdowns: tuple[str, ...] = ("action_type",)
    windows: tuple[str, ...] = ()
    filtering: tuple[Any, ...] = ()
    sort: tuple[str, ...] = ()
    asynchronous: bool = False
    moment: datetime | None = None


def periods(query: InsightsQuery, horizon: int) -> list[Period]:
    """The (first, last) days of each row; periods that have not begun have no rows.

    Monthly periods are calendar months cut to the range.
    """
    found: list[Period] = []
    for since, until in query.ranges:
        first, last = since.toordinal(), until.toordinal()
        found += [
            (a, b) for a, b in _periods_in(first, last, query.increment) if a * QUARTERS < horizon
        ]
    return found


def _periods_in(first: int, last: int, increment: int | str) -> Iterator[Period]:
    if increment == "all_days":
        yield first, last
        return
    while first <= last:
        if increment == "monthly":
            month = date.fromordinal(first).replace(day=1)
            following = (month + timedelta(days=31)).replace(day=1).toordinal()
        else:
            following = first + int(increment)
        yield first, min(following - 1, last)
        first = following


def extent(found: list[Period]) -> Period:
    """The first and the last day of some periods; (0, -1) for none."""
    return min((a for a, _ in found), default=0), max((b for _, b in found), default=-1)


def is_run_of_days(found: list[Period]) -> bool:
    """True when every period is a day and none is left out or asked for twice."""
    return all(a == b == found[0][0] + i for i, (a, b) in enumerate(found))
