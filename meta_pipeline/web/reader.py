"""Numbers, amounts and dates as the reader's browser asks for them (Accept-Language)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import (
    format_compact_currency,
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_scientific,
)

from meta_pipeline.reports.words import NOTHING

from .number_style import Number, Write, quick

_VAST = 10**15
"""From here on digits say nothing, and Babel refuses to write them all: a power of ten does."""
_ENGLISH = "en"
_LANGUAGES_READ = 10
"""Of a header that anybody may make as long as they like."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader's habits; a value that is not known is a dash."""

    locale: Locale

    def count(self, value: Number | None) -> str:
        """A whole number, or with up to two places where Meta counts in parts."""
        if value is None or _is_unknown(value):
            return NOTHING
        return self._decimal(value, "#,##0.##")

    def money(self, value: Number | None, currency: str | None) -> str:
        """An amount in major units, with the places of its currency."""
        if value is None or _is_unknown(value):
            return NOTHING
        # Babel takes any text for a currency, and prints it.
        if not currency or len(currency) != 3:
            return self._decimal(value, "#,##0.00")
        if _is_vast(value):
            return f"{self._decimal(value, '')} {currency}"
        return _money(self.locale, currency)(value)

    def compact(self, value: float, unit: str, currency: str | None = None) -> str:
        """A value for a scale, as short as it goes: `A$1K`, `2.5M`."""
        if _is_unknown(value) or _is_vast(value):
            return self.value(value, unit, currency)
        if unit == "currency" and currency and len(currency) == 3:
            # A scale has room for four characters.
            digits = 1 if value >= 1000 else 0 if value >= 10 else 2
            return str(
                format_compact_currency(value, currency, locale=self.locale, fraction_digits=digits)
            )
        if value < 1000:
            return self.value(value, "count" if unit != "percent" else unit)
        return str(format_compact_decimal(value, locale=self.locale, fraction_digits=1))

    def percent(self, value: Number | None) -> str:
        """A value that is in percent already."""
        if value is None or _is_unknown(value):
            return NOTHING
        return self._decimal(value, "#,##0.0#") + "\u202f%"

    def ratio(self, value: Number | None) -> str:
        if value is None or _is_unknown(value):
            return NOTHING
        return self._decimal(value, "#,##0.00")

    def value(self, value: Number | None, unit: str, currency: str | None = None) -> str:
        """A metric's value in its unit (`metrics.definition.Unit`)."""
        if unit == "currency":
            return self.money(value, currency)
        if unit == "percent":
            return self.percent(value)
        return self.ratio(value) if unit == "ratio" else self.count(value)

    def change(self, value: float | None) -> str:
        """A change in percent, with its sign; `new` from nothing to something."""
        if value is None or _is_unknown(value):
            return NOTHING
        if math.isinf(value):
            return "new"
        return self._decimal(value, "+#,##0.0;-#,##0.0") + "\u202f%"

    def _decimal(self, value: Number, pattern: str) -> str:
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        if _is_vast(value):
            return str(format_scientific(value, "0.##E0", locale=self.locale))
        return _decimal(self.locale, pattern)(value)

    def day(self, value: date | None) -> str:
        return NOTHING if value is None else str(format_date(value, "medium", locale=self.locale))

    def short_day(self, value: date) -> str:
        return str(format_date(value, "d MMM", locale=self.locale))

    def moment(self, value: datetime | None, zone: tzinfo | None = None) -> str:
        """A moment in `zone` (UTC without one), with the zone's name."""
        if value is None:
            return NOTHING
        where = zone or ZoneInfo("UTC")
        local = value.astimezone(where)
        text = format_datetime(local, "medium", tzinfo=where, locale=self.locale)
        return f"{text} {getattr(where, 'key', local.tzname())}"


def reader_of(accept_language: str | None) -> Reader:
    """The reader that a browser's header describes; English where it names nothing we know."""
    for name in _wanted(accept_language or "")[:_LANGUAGES_READ]:
        locale = _locale(name)
        if locale is not None:
            return Reader(locale)
    return Reader(Locale(_ENGLISH))


def change_pct(now: float | None, before: float | None) -> float | None:
    """By how many percent a value changed; infinite from zero, None where one is not known."""
    if _is_unknown(now) or _is_unknown(before) or now is None or before is None:
        return None
    if before == 0:
        return None if now == 0 else math.inf
    return 100 * (float(now) - float(before)) / abs(float(before))


def _wanted(header: str) -> list[str]:
    weighted = []
    for position, part in enumerate(header.split(",")):
        name, _, quality = part.partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        if weight > 0:
            weighted.append((-weight, position, name.strip()))
    return [name for _, _, name in sorted(weighted)]


@lru_cache(maxsize=256)
def _locale(name: str) -> Locale | None:
    try:
        return Locale.parse(name, sep="-")
    except (ValueError, UnknownLocaleError, TypeError):
        return None


@lru_cache(maxsize=1024)
def _decimal(locale: Locale, pattern: str) -> Write:
    return quick(partial(format_decimal, format=pattern, locale=locale))


@lru_cache(maxsize=1024)
def _money(locale: Locale, currency: str) -> Write:
    return quick(partial(format_currency, currency=currency, locale=locale))


def _is_vast(value: Number) -> bool:
    return not -_VAST < value < _VAST


def _is_unknown(value: Number | None) -> bool:
    return value is None or value != value  # noqa: PLR0124  # NaN is unknown; so is pandas' NA
