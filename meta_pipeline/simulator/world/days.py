"""Days and quarter hours in an account's own zone, as plain integers.

A *quarter* is `day.toordinal() * 96 + quarter hour of the local wall clock`: it orders all of
an account's delivery. Meta refreshes numbers about every fifteen minutes (FACTS §5.5).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

# Numbers move in steps of a quarter of an hour, as Meta's do (FACTS section 5.5).
QUARTERS = 96
# Insights refresh every 15 minutes (FACTS section 5.5).
REFRESH_SECONDS = 900
_HOUR_QUARTERS = 4


def quarter(epoch: int, zone: ZoneInfo) -> int:
    """The local quarter an instant falls in; never goes back when clocks do."""
    local = datetime.fromtimestamp(epoch, zone)
    within = local.hour * _HOUR_QUARTERS + local.minute // 15
    if local.fold:
        # The hour that comes twice has had all its delivery the first time round.
        within = (local.hour + 1) * _HOUR_QUARTERS
    return local.toordinal() * QUARTERS + within


def as_of(now: datetime) -> int:
    """The epoch second numbers are reported as of: the last full quarter hour."""
    return int(now.timestamp()) // REFRESH_SECONDS * REFRESH_SECONDS


def today(now: datetime, zone: ZoneInfo) -> date:
    """The account's own date."""
    return now.astimezone(zone).date()


@lru_cache(maxsize=4096)
def hour_bounds(day: int, zone: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """For each local hour of a day its first and last quarter; empty for an hour skipped by DST.

    The delivery of a skipped hour shows in the hour after it, so a day keeps its total.
    """
    bounds: list[tuple[int, int]] = []
    begin = 0
    for hour in range(24):
        local = datetime.combine(date.fromordinal(day), time(hour), zone)
        # An hour that the clock jumps over comes back as another one.
        if local.astimezone(UTC).astimezone(zone).hour != hour:
            bounds.append((begin, begin))
            continue
        until = (hour + 1) * _HOUR_QUARTERS
        bounds.append((begin, until))
        begin = until
    return tuple(bounds)


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    first = date(year, month + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return min(first + timedelta(days=day.day - 1), last)
