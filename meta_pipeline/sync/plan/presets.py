"""Ranges of days as Ads Manager and the API name them (`date_preset`, FACTS section 4.5)."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

from meta_pipeline.sync.days import oldest


class Preset(StrEnum):
    """A named range; all but `today` and the current periods end yesterday."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    LAST_3D = "last_3d"
    LAST_7D = "last_7d"
    LAST_14D = "last_14d"
    LAST_28D = "last_28d"
    LAST_30D = "last_30d"
    LAST_90D = "last_90d"
    THIS_WEEK_MON_TODAY = "this_week_mon_today"
    THIS_WEEK_SUN_TODAY = "this_week_sun_today"
    LAST_WEEK_MON_SUN = "last_week_mon_sun"
    LAST_WEEK_SUN_SAT = "last_week_sun_sat"
    THIS_MONTH = "this_month"
    LAST_MONTH = "last_month"
    THIS_QUARTER = "this_quarter"
    LAST_QUARTER = "last_quarter"
    THIS_YEAR = "this_year"
    LAST_YEAR = "last_year"
    MAXIMUM = "maximum"


def days_of(preset: Preset, current: date) -> tuple[date, date]:
    """First and last day of a preset, seen from the account's current day."""
    yesterday = current - timedelta(days=1)
    if preset.startswith("last_") and preset.endswith("d"):
        length = int(preset.removeprefix("last_").removesuffix("d"))
        return yesterday - timedelta(days=length - 1), yesterday
    monday = current - timedelta(days=current.weekday())
    sunday = current - timedelta(days=(current.weekday() + 1) % 7)
    month, year = current.replace(day=1), current.replace(month=1, day=1)
    quarter = current.replace(month=(current.month - 1) // 3 * 3 + 1, day=1)
    ranges = {
        Preset.TODAY: (current, current),
        Preset.YESTERDAY: (yesterday, yesterday),
        Preset.THIS_WEEK_MON_TODAY: (monday, current),
        Preset.THIS_WEEK_SUN_TODAY: (sunday, current),
        Preset.LAST_WEEK_MON_SUN: _week_before(monday),
        Preset.LAST_WEEK_SUN_SAT: _week_before(sunday),
        Preset.THIS_MONTH: (month, current),
        Preset.LAST_MONTH: _before(month, months=1),
        Preset.THIS_QUARTER: (quarter, current),
        Preset.LAST_QUARTER: _before(quarter, months=3),
        Preset.THIS_YEAR: (year, current),
        Preset.LAST_YEAR: _before(year, months=12),
        Preset.MAXIMUM: (oldest(current), current),
    }
    return ranges[preset]


def _week_before(start: date) -> tuple[date, date]:
    return start - timedelta(days=7), start - timedelta(days=1)


def _before(start: date, *, months: int) -> tuple[date, date]:
    """The period of some months that ends the day before `start`."""
    count = start.year * 12 + start.month - 1 - months
    return date(count // 12, count % 12 + 1, 1), start - timedelta(days=1)
