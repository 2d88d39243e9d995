"""Which days are due, in the ad account's own time zone.

Meta restates a day for 28 days after it. A young day moves often and an old one seldom, so a day
is read again by its age; once it was read after its 28 days it is final.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from meta_pipeline.custom_reports.spans import steps_of
from meta_pipeline.model.time_zone import zone

SETTLED_AFTER_DAYS = 28
"""Numbers do not change after 28 days of being reported (FACTS section 5.5)."""
OLDEST_MONTHS = 37
"""Earlier starts are refused with code 3018 (FACTS section 5.4)."""
# A week of days costs the calls of one: at 1,500 rows a page they mostly fit the same pages.
_GATHERED_DAYS = 7
# Meta corrects most of what it got wrong within hours, and some of it never.
_FIRST_PAUSE = timedelta(hours=1)
# A day that never proves itself still gets a chance each week, at the price of one call.
_LONGEST_PAUSE = timedelta(days=7)
SLACK = 0.9
"""A run that comes a little early must not skip a whole turn."""


class Fetched(Protocol):
    """What the ledger knows of one day."""

    @property
    def fetched_at(self) -> datetime: ...
    @property
    def rows(self) -> int: ...
    @property
    def incomplete(self) -> str | None: ...
    @property
    def unproven_reads(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Restatement:
    """How old a reading may be, by the age of the day it is of.

    Written as `0:1h,3:6h,7:1d,28:7d`: today hourly, up to 3 days old every 6 hours, up to 7 days
    daily, up to 28 days weekly; older days are read once more after day 28, then never.
    """

    steps: tuple[tuple[int, timedelta], ...]

    @classmethod
    def parse(cls, text: str) -> Restatement:
        """Read the written form; ValueError says what is wrong with it."""
        return cls(steps_of(text))

    def interval(self, age_days: int) -> timedelta | None:
        """How old a reading of a day of this age may be; None when only the last reading counts."""
        return next((every for up_to, every in self.steps if age_days <= up_to), None)

    def today(self, at_most: timedelta) -> Restatement:
        """The same with today read at least so often."""
        known = self.interval(0)
        if known is not None and known <= at_most:
            return self
        later = tuple(step for step in self.steps if step[0] > 0)
        return Restatement(((0, at_most), *later))


def is_known_zone(name: object) -> bool:
    """Whether days can be counted in this zone: it is named, and known here."""
    return isinstance(name, str) and name != "" and zone(name).key == name


def today(now: datetime, timezone_name: str | None) -> date:
    """The account's current day; near midnight UTC it may be another than ours."""
    return now.astimezone(zone(timezone_name)).date()


def end_of_day(day: date, timezone_name: str | None) -> datetime:
    """The moment the account's day ends, in UTC; right also where the clocks change."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, zone(timezone_name))
    return midnight.astimezone(UTC)


def oldest(day: date) -> date:
    """The earliest day Meta still answers for, seen from `day`."""
    months = day.year * 12 + day.month - 1 - OLDEST_MONTHS
    year, month = divmod(months, 12)
    # The last day of that month where it is shorter; a day later in any case, as Meta does not say
    # by whose clock it counts.
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last)) + timedelta(days=1)


def is_final(day: date, fetched_at: datetime, timezone_name: str | None) -> bool:
    """Whether a reading made at `fetched_at` will not change any more."""
    settled = end_of_day(day, timezone_name) + timedelta(days=SETTLED_AFTER_DAYS)
    return fetched_at >= settled


def is_open(known: Fetched) -> bool:
    """Whether a day was read and yet is not to be believed: it lacks something, or its proof."""
    return known.incomplete is not None or known.unproven_reads > 0


def pause(unproven_reads: int) -> timedelta:
    """How long a day that is not believed waits: 1 h, doubled by each reading, at most 7 days."""
    doubled = min(max(unproven_reads - 1, 0), 8)  # 256 h are more than the longest
    return min(_FIRST_PAUSE * (1 << doubled), _LONGEST_PAUSE)


def span(since: date, until: date) -> Iterator[date]:
    """Every day from `since` to `until`, newest first."""
    day = until
    while day >= since:
        yield day
        day -= timedelta(days=1)


def due(
    since: date,
    until: date,
    ledger: Mapping[date, Fetched],
    *,
    now: datetime,
    timezone_name: str | None,
    restatement: Restatement,
    fresh: timedelta = timedelta(0),
    force: bool = False,
) -> list[date]:
    """The days of a range that should be read now, newest first.

    A day that is not believed (`is_open`) is never final: whatever its age, it is due again when
    its `pause` is over, or sooner where its age says so.
    """
    current = today(now, timezone_name)

    def wanted(day: date) -> bool:
        known = ledger.get(day)
        if force or known is None:
            return True
        # Read before it ended, a day lacks its last hours: it is as due as on the day itself.
        was_over = known.fetched_at >= end_of_day(day, timezone_name)
        interval = restatement.interval((current - day).days if was_over else 0)
        if is_open(known):
            again = pause(known.unproven_reads)
            interval = again if interval is None else min(interval, again)
        elif is_final(day, known.fetched_at, timezone_name):
            return False
        return interval is not None and now - known.fetched_at >= max(interval, fresh) * SLACK

    asked = {day: known for day, known in ledger.items() if since <= day <= until}
    last = set() if force else _last_readings(asked, now, timezone_name, restatement)
    return [day for day in span(since, until) if day in last or wanted(day)]


def _last_readings(
    ledger: Mapping[date, Fetched],
    now: datetime,
    timezone_name: str | None,
    restatement: Restatement,
) -> set[date]:
    """Days to be read for the last time: past their 28 days, gathered to a week's worth.

    One by one they would cost a call a day.
    """
    current = today(now, timezone_name)
    waiting = {
        day
        for day, known in ledger.items()
        if restatement.interval((current - day).days) is None
        and is_final(day, now, timezone_name)
        and not is_final(day, known.fetched_at, timezone_name)
    }
    oldest_wait = max(((current - day).days for day in waiting), default=0)
    return waiting if oldest_wait >= SETTLED_AFTER_DAYS + _GATHERED_DAYS else set()


def runs(days: Sequence[date], longest: int) -> Iterator[tuple[date, date]]:
    """Neighbouring days as ranges of at most `longest` days; newest first, as the days come."""
    # Days come newest first, so that a range grows at its old end.
    start = end = None
    for day in days:
        if end is not None and start == day + timedelta(days=1) and (end - day).days < longest:
            start = day
            continue
        if start is not None and end is not None:
            yield start, end
        start = end = day
    if start is not None and end is not None:
        yield start, end
