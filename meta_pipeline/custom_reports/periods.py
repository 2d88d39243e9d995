"""The periods that rows of a report are about: days, weeks, months, or one rolling span."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Final, Literal

Increment = Literal[1, 7, "monthly", "all_days"]
WEEK: Final = 7


def starts(
    increment: Increment, since: date, until: date, span_days: int | None = None
) -> list[date]:
    """First days of the periods that overlap the days asked for, newest first.

    Weeks begin on Monday. `all_days` is one period of `span_days` that ends with `until`.
    """
    if since > until:
        return []
    if increment == "all_days":
        return [until - timedelta(days=(span_days or 1) - 1)]
    # A period counts that the range only touches: its row is about all of it in any case.
    days, day = [], start_of(increment, until)
    while last_of(increment, day) >= since:
        days.append(day)
        day = start_of(increment, day - timedelta(days=1))
    return days


def start_of(increment: Increment, day: date) -> date:
    """First day of the period of a day; of a rolling span each day is one."""
    if increment == "monthly":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if increment == WEEK else day


def last_of(increment: Increment, start: date, span_days: int | None = None) -> date:
    """Last day of the period that begins with `start`, inclusive, be it in the future."""
    if increment == "monthly":
        return start.replace(day=monthrange(start.year, start.month)[1])
    if increment == "all_days":
        return start + timedelta(days=(span_days or 1) - 1)
    return start + timedelta(days=increment - 1)
