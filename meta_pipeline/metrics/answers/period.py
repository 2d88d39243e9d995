"""Ranges of days in an account's time zone, and the presets Ads Manager offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName
from meta_pipeline.model.time_zone import zone

LONGEST_DAYS = 3_660
"""Ten years, three times what Meta keeps. Each day of each account is looked at: a range of
centuries over a thousand accounts would fill the memory of whoever answers."""
EVERYTHING = ("maximum", "data_maximum")
"""Presets of all days that are kept: before them there are none."""
_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)
"""So far from the ends of the calendar, where days before and after are none, nor any moment."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Days from `since` to `until`, both inclusive; ImpossibleQuestion where there are none."""

    since: date
    until: date

    def __post_init__(self) -> None:
        for day in (self.since, self.until):
            if not _FIRST <= day <= _LAST:
                raise ImpossibleQuestion(f"There are no numbers of {day}.")
        if self.since > self.until:
            raise ImpossibleQuestion(
                f"The range ends before it begins: {self.since} to {self.until}."
            )

    def __contains__(self, day: date) -> bool:
        return self.since <= day <= self.until

    def __iter__(self) -> Iterator[date]:
        return (self.since + timedelta(days=n) for n in range(len(self)))

    def __len__(self) -> int:
        return (self.until - self.since).days + 1

    def __str__(self) -> str:
        return str(self.since) if len(self) == 1 else f"{self.since} to {self.until}"


def preset(name: str, today: date, first: date | None = None) -> Period:
    """The period `name` stands for when the account's day is `today`.

    As in Ads Manager (FACTS 4.5): `last_Nd` ends yesterday, `this_...` ends today, weeks are whole
    for `last_week_...`. `maximum` and `data_maximum` begin with `first`, the oldest day kept.
    """
    if name in EVERYTHING:
        return Period(min(first or today, today), today)
    try:
        return _PRESETS[name](today)
    except KeyError:
        # People know it from older versions of the API.
        hint = "lifetime is called maximum since v10." if name == "lifetime" else ""
        raise UnknownName("date preset", name, PRESETS, hint=hint) from None


def today_in(timezone_name: str | None, now: datetime) -> date:
    """The day it is in `timezone_name` at `now`; UTC where the zone is not known."""
    return now.astimezone(zone(timezone_name)).date()


def _last_days(count: int) -> Callable[[date], Period]:
    return lambda today: Period(today - timedelta(days=count), today - timedelta(days=1))


def _this(begin: Callable[[date], date]) -> Callable[[date], Period]:
    """From the first day of the week, month, quarter or year that today is in."""
    return lambda today: Period(begin(today), today)


def _last(begin: Callable[[date], date]) -> Callable[[date], Period]:
    """The whole week, month, quarter or year before that one."""

    def period(today: date) -> Period:
        end = begin(today) - timedelta(days=1)
        return Period(begin(end), end)

    return period


def _week(first_weekday: int) -> Callable[[date], date]:
    return lambda day: day - timedelta(days=(day.weekday() - first_weekday) % 7)


def _month(day: date) -> date:
    return day.replace(day=1)


def _quarter(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


def _year(day: date) -> date:
    return day.replace(month=1, day=1)


_MONDAY, _SUNDAY = _week(0), _week(6)
_PRESETS: dict[str, Callable[[date], Period]] = {
    "today": lambda today: Period(today, today),
    "yesterday": _last_days(1),
    "this_month": _this(_month),
    "last_month": _last(_month),
    "this_quarter": _this(_quarter),
    "last_quarter": _last(_quarter),
    "this_year": _this(_year),
    "last_year": _last(_year),
    **{f"last_{count}d": _last_days(count) for count in (3, 7, 14, 28, 30, 90)},
    "last_week_mon_sun": _last(_MONDAY),
    "last_week_sun_sat": _last(_SUNDAY),
    "this_week_mon_today": _this(_MONDAY),
    "this_week_sun_today": _this(_SUNDAY),
}
PRESETS = (*_PRESETS, *EVERYTHING)
"""Every preset by Meta's name."""
