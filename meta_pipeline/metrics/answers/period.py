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
    if name in ("maximum", "data_maximum"):
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


def _this_week(first_weekday: int) -> Callable[[date], Period]:
    return lambda today: Period(_week_start(today, first_weekday), today)


def _last_week(first_weekday: int) -> Callable[[date], Period]:
    def period(today: date) -> Period:
        start = _week_start(today, first_weekday) - timedelta(days=7)
        return Period(start, start + timedelta(days=6))

    return period


def _week_start(day: date, first_weekday: int) -> date:
    return day - timedelta(days=(day.weekday() - first_weekday) % 7)


def _last_month(today: date) -> Period:
    end = today.replace(day=1) - timedelta(days=1)
    return Period(end.replace(day=1), end)


def _quarter_start(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


def _last_quarter(today: date) -> Period:
    end = _quarter_start(today) - timedelta(days=1)
    return Period(_quarter_start(end), end)


_MONDAY, _SUNDAY = 0, 6
_PRESETS: dict[str, Callable[[date], Period]] = {
    "today": lambda today: Period(today, today),
    "yesterday": _last_days(1),
    "this_month": lambda today: Period(today.replace(day=1), today),
    "last_month": _last_month,
    "this_quarter": lambda today: Period(_quarter_start(today), today),
    "last_quarter": _last_quarter,
    "this_year": lambda today: Period(today.replace(month=1, day=1), today),
    "last_year": lambda today: Period(date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
    **{f"last_{count}d": _last_days(count) for count in (3, 7, 14, 28, 30, 90)},
    "last_week_mon_sun": _last_week(_MONDAY),
    "last_week_sun_sat": _last_week(_SUNDAY),
    "this_week_mon_today": _this_week(_MONDAY),
    "this_week_sun_today": _this_week(_SUNDAY),
}
PRESETS = (*_PRESETS, "maximum", "data_maximum")
"""Every preset by Meta's name."""
