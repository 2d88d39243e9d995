"""How far back Meta keeps what: unique counts by breakdown, hours, cells (FACTS section 5.4).

Beyond it an answer is empty without a word, or refused. So older days are asked without what is
not kept any more; a day's margin is given, as nobody says where exactly the line runs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from meta_pipeline.sync.days import span
from meta_pipeline.sync.plan.window import Window

UNIQUE_COUNTS = frozenset(("reach", "frequency", "unique_clicks"))
UNIQUE_MONTHS = 13
"""Of every breakdown; totals of the day keep theirs for all 37 months."""
_MONTHS_OF_BREAKDOWN = {
    "frequency_value": 6,
    "hourly_stats_aggregated_by_advertiser_time_zone": 13,
    "hourly_stats_aggregated_by_audience_time_zone": 13,
}
# Nobody says in whose time zone, or at which hour, the line runs.
_MARGIN = timedelta(days=2)


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    first = date(year, month + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return min(first + timedelta(days=day.day - 1), last)


def by_age(window: Window, today: date, unique_months: int) -> list[Window]:
    """The window in parts that Meta can answer, newest first; the older one without unique counts.

    Days that are certainly not kept are in no part.
    """
    breakdowns = window.dataset.breakdowns
    if not breakdowns:
        return [window]
    months = min(
        (_MONTHS_OF_BREAKDOWN[n] for n in breakdowns if n in _MONTHS_OF_BREAKDOWN), default=0
    )
    if months:
        kept = months_before(today, months) - _MARGIN
        newer, _ = window.parted(kept)
        if newer is None:
            return []
        window = newer
    if UNIQUE_COUNTS.isdisjoint(window.asked):
        return [window]
    newer, older = window.parted(months_before(today, unique_months) + _MARGIN)
    parts = [newer] if newer else []
    return [*parts, *([without_unique_counts(older)] if older else [])]


def without_unique_counts(window: Window) -> Window:
    return replace(window, without=window.without | UNIQUE_COUNTS)


def left_out(window: Window, parts: list[Window]) -> list[date]:
    """The days of the window that are in none of its parts."""
    kept = {day for part in parts for day in span(part.since, part.until)}
    return [day for day in span(window.since, window.until) if day not in kept]
