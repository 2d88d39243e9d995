"""An insights question, and the wanted of days its rows are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from meta_pipeline.simulator.world.days import QUARTERS

Period = tuple[int, int]


@dataclass(frozen=True)
class InsightsQuery:
    """What an insights call asks."""

    node_id: str
    level: str
    """What a row is about: account, campaign, adset or ad."""
    ranges: tuple[tuple[date, date], ...]
    """The account's own dates, both inclusive."""
    increment: int | str = "all_days"
    """Days of a row, "all_days" or "monthly"."""
    fields: tuple[str, ...] = ("impressions", "spend")
    breakdowns: tuple[str, ...] = ()
    action_breakdowns: tuple[str, ...] = ("action_type",)
    windows: tuple[str, ...] = ()
    """Attribution windows shown beside `value`."""
    filtering: tuple[Any, ...] = ()
    """Mappings with field, operator and value, or such triples."""
    sort: tuple[str, ...] = ()
    asynchronous: bool = False
    """Of a report run: it keeps reach in old breakdowns (FACTS §5.4)."""
    moment: datetime | None = None
    """What the numbers are as of; None is the world's clock."""


def periods(query: InsightsQuery, horizon: int) -> list[Period]:
    """The (first, last) days of each row; periods that have not begun have no rows.

    Monthly periods are calendar months cut to the range.
    """
    wanted: list[Period] = []
    for since, until in query.ranges:
        first, last = since.toordinal(), until.toordinal()
        wanted += [
            (a, b) for a, b in _split_range(first, last, query.increment) if a * QUARTERS < horizon
        ]
    return wanted


def _split_range(first: int, last: int, increment: int | str) -> Iterator[Period]:
    """A range of days cut into stretches of so many days, or of months."""
    if increment == "all_days":
        yield first, last
        return
    while first <= last:
        if increment == "monthly":
            # Calendar months, cut to the range at both ends.
            month = date.fromordinal(first).replace(day=1)
            following = (month + timedelta(days=31)).replace(day=1).toordinal()
        else:
            following = first + int(increment)
        yield first, min(following - 1, last)
        first = following


def extent(wanted: list[Period]) -> Period:
    """The first and the last day of some periods; (0, -1) for none."""
    return min((a for a, _ in wanted), default=0), max((b for _, b in wanted), default=-1)


def is_run_of_days(wanted: list[Period]) -> bool:
    """True when every period is a day and none is left out or asked for twice."""
    return all(a == b == wanted[0][0] + i for i, (a, b) in enumerate(wanted))
