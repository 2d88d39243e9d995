"""Days as people name them: "last week", "since 1 May", "the 7 days before"."""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from meta_pipeline.metrics import preset
from meta_pipeline.metrics.answers.period import Period

from .errors import CannotRead
from .text import NUMBERS, Text

Range = tuple[date, date]
_FIRST_YEAR = 2004
"""Facebook's: what is earlier is a number and no year, and some of them are in no calendar."""
FIRST_DAY = date(_FIRST_YEAR, 1, 1)
"""Before it nothing has happened."""
_MONTHS = (
    "january february march april may june july august september october november december".split()
)
_MONTH_OF = {
    **{name: n for n, name in enumerate(_MONTHS, 1)},
    **{name[:3]: n for n, name in enumerate(_MONTHS, 1)},
    "sept": 9,
}
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTH = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_WEEKDAY = "|".join(_WEEKDAYS)
_N = r"\d{1,4}|" + "|".join(NUMBERS)
_DAY = (
    rf"\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH})(?: \d{{4}})?"
    rf"|(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?(?: \d{{4}})?"
)
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)?"
_POINT = rf"{_DAY}|(?:last )?(?:{_WEEKDAY})|today|yesterday"


@dataclass(frozen=True, slots=True)
class Days:
    """A range of days: a preset of Ads Manager by name, or a function of the account's day."""

    words: str
    preset: str | None = None
    function: Callable[[date], Range] | None = None

    @property
    def date_range(self) -> Any:
        """As the metric layer takes it."""
        return self.preset or self.function

    @classmethod
    def fixed(cls, since: date, until: date) -> Days:
        words = str(since) if since == until else f"{since} to {until}"
        return cls(words, function=lambda _: (since, until))


def number(text: str) -> int:
    """A number in figures or in a word."""
    return NUMBERS[text] if text in NUMBERS else int(text)


def mark_days(text: Text, today: date) -> None:
    """Put a mark in place of each range of days; `today` decides which year a day is of.

    Raises CannotRead for days that are none (31 February), that can be read in two ways (03/04),
    or that have not begun.
    """
    # First, else "next 7 days" would be read as "7 days", which have passed.
    future = text.take(r"tomorrow|next (?:week|month|quarter|year|\d+ days)")
    if future:
        raise CannotRead(
            f"There are no numbers of the future: {future[0]!r} has not begun.", words=[future[0]]
        )
    for pattern, read in _PHRASES:
        text.replace(pattern, lambda match, read=read: _marked(text, read(match, today), match[0]))  # type: ignore[misc]


def _marked(text: Text, days: Days | None, words: str) -> str | None:
    if days is None:
        return None
    # The echo says "last week", also where "during the last week" was asked.
    spoken = re.sub(r"^(?:in|on|during|over|for|of|within) (?:the )?|^the ", "", words)
    return text.mark("days", Days(spoken, days.preset, days.function))


def _preset(name: str) -> Callable[[re.Match[str], date], Days]:
    return lambda match, _: Days(match[0], preset=name)


def _function(function: Callable[[date], Range]) -> Callable[[re.Match[str], date], Days]:
    return lambda match, _: Days(match[0], function=function)


def _counted(match: re.Match[str], _: date) -> Days:
    count, unit = number(match["n"]), match["unit"].rstrip("s")
    # A hundred years of months, the longest unit: whoever asks for more has mistyped.
    if not 1 <= count <= 1200:
        raise CannotRead(f"{match[0]!r} is no range of days.", words=[match[0]])
    if unit in ("day", "d"):
        # Ads Manager's own presets, so that both show the same days; all end yesterday.
        if count in (3, 7, 14, 28, 30, 90):
            return Days(match[0], preset=f"last_{count}d")
        return Days(match[0], function=lambda today: (today - timedelta(count), _yesterday(today)))
    # Whole weeks and months: as with "last week", the one that is not over is not among them.
    if unit in ("week", "w"):
        weeks = timedelta(7 * count)
        return Days(
            match[0],
            function=lambda today: (_monday(today) - weeks, _monday(today) - timedelta(1)),
        )
    return Days(
        match[0],
        function=lambda today: (_back(_first(today), count), _first(today) - timedelta(1)),
    )


def _yesterday(today: date) -> date:
    return today - timedelta(1)


def _monday(day: date) -> date:
    return day - timedelta(day.weekday())


def _first(day: date) -> date:
    """The first of its month."""
    return day.replace(day=1)


def _back(first: date, months: int) -> date:
    """The first of the month so many months before."""
    position = first.year * 12 + first.month - 1 - months
    return date(position // 12, position % 12 + 1, 1)


def _ago(match: re.Match[str], _: date) -> Days:
    count = 1 if match["n"] in ("a", "one") else number(match["n"])
    days = count * (7 if match["unit"].startswith("week") else 1)
    return Days(match[0], function=lambda today: (today - timedelta(days), today - timedelta(days)))


def _weekend(today: date) -> Range:
    # The last one that is over; on a Sunday that is a week ago.
    sunday = _monday(today) - timedelta(1)
    return sunday - timedelta(1), sunday


def _between(match: re.Match[str], today: date) -> Days:
    # "10 to 12 May" names the month once.
    until = _point(match["until"], today)
    first = match["since"]
    if first.isdigit() or re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)", first):
        since = _date(until.year, until.month, int(re.sub(r"\D", "", first)), match[0])
    else:
        since = _point(first, today)
    if not re.search(r"\d{4}", first) and not first.endswith("day"):
        # "20 December to 5 January": the year is that of the end, or the one before.
        year = until.year - (since.month > until.month)
        since = _date(year, since.month, since.day, match[0])
    if since > until:
        raise CannotRead(f"The range ends before it begins: {since} to {until}.", words=[match[0]])
    return Days.fixed(since, until)


def _since(match: re.Match[str], today: date) -> Days:
    word = match["since"]
    if word in _MONTH_OF or re.fullmatch(rf"(?:{_MONTH}) \d{{4}}", word):
        since = _month_range(word, today)[0]
    elif word in ("this week", "this month"):
        since = _first(today) if word.endswith("month") else _monday(today)
    else:
        since = _point(word, today)
    if since > today:
        raise CannotRead(f"{match[0]!r} has not begun.", words=[match[0]])
    return Days(match[0], function=lambda now: (since, max(since, now)))


def _one(match: re.Match[str], today: date) -> Days:
    day = _point(match["day"], today)
    if day > today:
        raise CannotRead(f"{day} has not begun.", words=[match[0]])
    return Days.fixed(day, day)


def _in_month(match: re.Match[str], today: date) -> Days:
    return _until_now(match[0], *_month_range(match["month"], today))


def _month_range(words: str, today: date) -> Range:
    name, _, year = words.partition(" ")
    month = _MONTH_OF[name]
    # "In November", asked in March, is the last one.
    chosen = _known_year(int(year), words) if year else today.year - (month > today.month)
    first = date(chosen, month, 1)
    if first > today:
        raise CannotRead(f"{words!r} has not begun.", words=[words])
    return first, _back(first, -1) - timedelta(1)


def _until_now(words: str, since: date, until: date) -> Days:
    """A month or year; the one that is not over, up to the account's today."""
    return Days(words, function=lambda today: (since, max(since, min(until, today))))


def _in_year(match: re.Match[str], today: date) -> Days:
    year = _known_year(int(match["year"]), match[0])
    if year > today.year:
        raise CannotRead(f"There are no numbers of {year}.", words=[match[0]])
    return _until_now(match[0], date(year, 1, 1), date(year, 12, 31))


def _in_quarter(match: re.Match[str], today: date) -> Days:
    quarter, year = int(match["q"]), int(match["qy"] or today.year)
    first = date(year, 3 * quarter - 2, 1)
    if first > today and not match["qy"]:
        first = date(year - 1, first.month, 1)
    if first > today:
        raise CannotRead(f"{match[0]!r} has not begun.", words=[match[0]])
    return _until_now(match[0], first, _back(first, -3) - timedelta(1))


def _point(words: str, today: date) -> date:
    """A day by its date or by the name of a weekday, which is the last one before today."""
    if words in ("today", "yesterday"):
        return today if words == "today" else _yesterday(today)
    weekday = words.removeprefix("last ")
    if weekday in _WEEKDAYS:
        # "On Monday", asked on a Monday, is the one a week ago: today is called today.
        return today - timedelta((today.weekday() - _WEEKDAYS.index(weekday) - 1) % 7 + 1)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", words):
        year, month, day = map(int, words.split("-"))
        return _date(year, month, day, words)
    if figures := re.fullmatch(r"(\d{1,2})([./])(\d{1,2})[./](\d{4})", words):
        return _figures(int(figures[1]), int(figures[3]), int(figures[4]), figures[2], words)
    return _spoken(words, today)


def _spoken(words: str, today: date) -> date:
    """A day with the name of its month, of the last year that had it where none is named."""
    parts = re.findall(r"[a-z]+|\d+", re.sub(r"(\d)(?:st|nd|rd|th)|\bof\b", r"\1", words))
    month = next(_MONTH_OF[part] for part in parts if part in _MONTH_OF)
    day, *years = [int(part) for part in parts if part.isdigit()]
    if years:
        return _date(years[0], month, day, words)
    this_year = _date(today.year, month, day, words, is_leap_ok=True)
    return this_year if this_year <= today else _date(today.year - 1, month, day, words)


def _figures(one: int, two: int, year: int, mark: str, words: str) -> date:
    """With dots the day comes first; with slashes it does in Europe and does not in America."""
    year = _known_year(year, words)
    if mark == "/" and one <= 12 and two <= 12 and one != two:
        raise CannotRead(
            f"{words!r} is {date(year, two, one)} or {date(year, one, two)}.",
            words=[words],
            choices=[
                (str(date(year, two, one)), str(date(year, two, one))),
                (str(date(year, one, two)), str(date(year, one, two))),
            ],
        )
    return _date(year, one, two, words) if two > 12 else _date(year, two, one, words)


def _known_year(year: int, words: str) -> int:
    if year < _FIRST_YEAR:
        raise CannotRead(f"There are no numbers of {year}.", words=[words])
    return year


def _date(year: int, month: int, day: int, words: str, *, is_leap_ok: bool = False) -> date:
    _known_year(year, words)
    try:
        return date(year, month, day)
    except ValueError:
        # Without a year the last 29 February is meant, which this year may not have.
        if is_leap_ok and (month, day) == (2, 29):
            return date(year - 1, month, day) if isleap(year - 1) else date(year, 3, 1)
        raise CannotRead(f"There is no such day: {words!r}.", words=[words]) from None


_IN = r"(?:(?:in|on|during|over|for|of|within|from) )?(?:the )?"
_UNIT = r"(?P<unit>days?|d|weeks?|w|months?)"
_PHRASES: tuple[tuple[str, Callable[[re.Match[str], date], Days | None]], ...] = (
    (
        (
            rf"(?:from|between) (?:the )?(?P<since>{_POINT}|{_ORDINAL}) "
            rf"(?:to|until|till|and|through) (?:the )?(?P<until>{_POINT})"
        ),
        _between,
    ),
    (
        (
            rf"{_IN}(?P<since>{_DAY}|{_ORDINAL}) "
            rf"(?:to|until|till|through) (?:the )?(?P<until>{_POINT})"
        ),
        _between,
    ),
    (rf"since (?:the )?(?P<since>{_POINT}|(?:{_MONTH})(?: \d{{4}})?|this week|this month)", _since),
    (rf"{_IN}(?:last|past|previous) (?P<n>{_N})(?: (?:full|whole|complete))? {_UNIT}", _counted),
    (rf"{_IN}(?:last|past) (?P<n>\d{{1,3}})(?P<unit>d|w)", _counted),
    (rf"(?P<n>a|{_N}) (?P<unit>days?|weeks?) ago", _ago),
    (r"the day before yesterday", _function(lambda today: (today - timedelta(2),) * 2)),
    (rf"{_IN}last weekend|{_IN}the weekend", _function(_weekend)),
    (rf"{_IN}(?:this week|week to date|wtd)(?: so far)?", _preset("this_week_mon_today")),
    (rf"{_IN}(?:last|past|previous) week", _preset("last_week_mon_sun")),
    (rf"{_IN}(?:this month|month to date|mtd)(?: so far)?", _preset("this_month")),
    (rf"{_IN}(?:last|past|previous) month", _preset("last_month")),
    (rf"{_IN}(?:this quarter|quarter to date|qtd)(?: so far)?", _preset("this_quarter")),
    (rf"{_IN}(?:last|past|previous) quarter", _preset("last_quarter")),
    (rf"{_IN}(?:this year|year to date|ytd)(?: so far)?", _preset("this_year")),
    (rf"{_IN}(?:last|past|previous) year", _preset("last_year")),
    (rf"{_IN}(?:all time|lifetime|whole time)|ever|so far in total", _preset("maximum")),
    (rf"(?:{_IN}|by )(?P<day>{_DAY})", _one),
    (r"(?:of |for )?today(?: so far)?", _preset("today")),
    (r"(?:of |for )?yesterday", _preset("yesterday")),
    (rf"{_IN}q(?P<q>[1-4])(?: (?:of )?(?P<qy>20\d\d))?", _in_quarter),
    (rf"(?:in|of|during|for|from|over) (?P<month>(?:{_MONTH})(?: \d{{4}})?)", _in_month),
    (rf"(?:last )?(?P<month>(?:{_MONTH}) \d{{4}})", _in_month),
    (
        rf"(?:on |last )(?P<day>{_WEEKDAY})|(?:last )(?P<month>{_MONTH})",
        lambda m, t: _one(m, t) if m["day"] else _in_month(m, t),
    ),
    (r"in (?P<year>20\d\d)", _in_year),
)
"""Patterns of whole words, longest reading first, with what they mean."""


def before(days: Range) -> Range:
    """As many days right before."""
    length = (days[1] - days[0]).days + 1
    return days[0] - timedelta(length), days[0] - timedelta(1)


def a_year_before(days: Range) -> Range:
    """The same days of the year before; of 29 February the 28th."""
    return _year_before(days[0]), _year_before(days[1])


def _year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def a_month_before(days: Range) -> Range:
    """The same days of the month before; a whole month is the whole month before."""
    first = _back(_first(days[0]), 1)
    last = _first(days[0]) - timedelta(1)
    until = _back(_first(days[1]), 1)
    end = _back(until, -1) - timedelta(1)
    is_whole = days[0].day == 1 and (days[1] + timedelta(1)).day == 1
    if is_whole:
        return first, end
    return first.replace(day=min(days[0].day, last.day)), until.replace(
        day=min(days[1].day, end.day)
    )


def a_week_before(days: Range) -> Range:
    return days[0] - timedelta(7), days[1] - timedelta(7)


def function_of(date_range: Any) -> Callable[[date], Range]:
    """Any range of days as a function of the account's day."""
    if callable(date_range):
        return date_range  # type: ignore[no-any-return]
    if not isinstance(date_range, str):
        # As days of the metric layer, which leave room for others before them.
        asked = Period(*date_range)
        return lambda _: (asked.since, asked.until)
    # All days reach back to the first there is.
    if date_range.endswith("maximum"):
        raise CannotRead("All days have none before them: name the days to compare.")

    def of(today: date) -> Range:
        period = preset(date_range, today)
        return period.since, period.until

    return of


def clipped(
    other: Callable[[date], Range], own: Callable[[date], Range]
) -> Callable[[date], Range]:
    """The first days of `other`, as many as `own` has."""

    def of(today: date) -> Range:
        since, until = other(today)
        first, last = own(today)
        return since, min(until, since + (last - first))

    return of
