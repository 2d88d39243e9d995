"""Exchange rates: what one unit of an account's currency was worth on a day."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.errors import MetricsError, MissingRate

from .period import Period

OLDEST_RATE_DAYS = 7
"""A rate holds over weekends and holidays, not longer."""

Rate = tuple[date, str, str, Decimal]
"""Day, base currency, quote currency, rate."""
Series = tuple[list[date], list[Decimal]]


@dataclass(frozen=True, slots=True)
class Rates:
    """The factor for every currency and day of a question, as a join of `fx` to its accounts."""

    params: dict[str, Any]
    join: str = (
        "JOIN unnest(%(fx_accounts)s::text[], %(fx_held)s::text[])"
        " AS fx_of (account_id, currency) ON fx_of.account_id = f.account_id"
        " JOIN unnest(%(fx_currencies)s::text[], %(fx_days)s::date[], %(fx_rates)s::numeric[])"
        " AS fx (currency, day, rate) ON fx.currency = fx_of.currency AND fx.day = f.date_start"
    )


def rates(
    connection: Connection[Any],
    currencies: Mapping[str, str | None],
    periods: Sequence[Period],
    target: str,
) -> Rates:
    """Factors from each account's currency (`currencies`, in the order of `periods`) to `target`.

    A pair is used as stored, turned round, or through a third currency both have a rate to; the
    newest rate of the last seven days holds. MissingRate says which pair and day is lacking.
    """
    held = [currency or "unknown" for currency in currencies.values()]
    stored = _Stored(connection, {*held, target}, periods)
    # A thousand accounts hold a handful of currencies, mostly over the same days.
    each = dict.fromkeys(zip(held, periods, strict=True))
    asked = dict.fromkeys((currency, day) for currency, period in each for day in period)
    params: dict[str, Any] = {"fx_accounts": list(currencies), "fx_held": held}
    params["fx_currencies"] = [currency for currency, _ in asked]
    params["fx_days"] = [day for _, day in asked]
    params["fx_rates"] = [stored.factor(currency, target, day) for currency, day in asked]
    return Rates(params)


def load_rates(connection: Connection[Any], rows: Iterable[Rate], source: str) -> int:
    """Upsert (day, base, quote, rate) rows; gives how many are new or different."""
    # One by one: what is new is counted, and a file has a few thousand lines at most.
    written = 0
    for day, base, quote, rate in rows:
        written += connection.execute(_UPSERT, (day, base, quote, rate, source)).rowcount
    return written


def read_rates(path: Path) -> Iterator[Rate]:
    """Rows of a CSV file (date, base, quote, rate); MetricsError names a bad line."""
    try:
        # With the byte order mark that Excel writes, or without.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"date", "base", "quote", "rate"} - set(reader.fieldnames or ())
            if missing:
                raise MetricsError(
                    f"{path.name} has no column {', '.join(sorted(missing))}: "
                    "a rates file begins with date,base,quote,rate."
                )
            for row in reader:
                yield _parsed(row, f"{path.name}:{reader.line_num}")
    except UnicodeDecodeError:
        raise MetricsError(f"{path.name} is not UTF-8 text: save it again as UTF-8.") from None


def _parsed(row: Mapping[str, str | None], where: str) -> Rate:
    try:
        rate = Decimal(row["rate"] or "")
        day = date.fromisoformat((row["date"] or "").strip())
    except (InvalidOperation, ValueError):
        raise MetricsError(
            f"{where}: not a day and a number: {row['date']}, {row['rate']}"
        ) from None
    # ISO 4217: three letters.
    base, quote = (row["base"] or "").strip().upper(), (row["quote"] or "").strip().upper()
    if not rate.is_finite() or rate <= 0 or len(base) != 3 or len(quote) != 3:
        raise MetricsError(f"{where}: not two currencies and a rate above zero")
    return day, base, quote, rate


class _Stored:
    """The stored rates that bear upon these currencies and days, read once."""

    def __init__(
        self, connection: Connection[Any], currencies: Collection[str], periods: Sequence[Period]
    ) -> None:
        series: dict[tuple[str, str], Series] = defaultdict(lambda: ([], []))
        first = min(period.since for period in periods) - timedelta(days=OLDEST_RATE_DAYS)
        last = max(period.until for period in periods)
        asked = {"first": first, "last": last, "currencies": list(currencies)}
        for day, base, quote, rate in connection.execute(_STORED, asked):
            # Both ways, as providers have rates against one currency only.
            for pair, value in (((base, quote), rate), ((quote, base), 1 / rate)):
                days, values = series[pair]
                days.append(day)
                values.append(value)
        self.series = dict(series)
        # Sorted: with two ways the same one is taken each time, or an answer would change by
        # itself.
        self.ways = {
            currency: sorted(there for here, there in self.series if here == currency)
            for currency in currencies
        }

    def factor(self, base: str, quote: str, day: date) -> Decimal:
        if base == quote:
            return Decimal(1)
        direct = self._on(base, quote, day)
        if direct is not None:
            return direct
        for middle in self.ways[base]:
            first, second = self._on(base, middle, day), self._on(middle, quote, day)
            if first is not None and second is not None:
                return first * second
        raise MissingRate(
            f"There is no exchange rate from {base} to {quote} for {day} (nor in the "
            f"{OLDEST_RATE_DAYS} days before). Load one: meta-pipeline metrics rates FILE.csv "
            "with the columns date,base,quote,rate."
        )

    def _on(self, base: str, quote: str, day: date) -> Decimal | None:
        days, values = self.series.get((base, quote), ([], []))
        position = bisect_right(days, day) - 1
        # Never a later one: the rate of a day in the past must not depend on when it is asked.
        if position < 0 or day - days[position] > timedelta(days=OLDEST_RATE_DAYS):
            return None
        return values[position]


# A third currency has a rate to one of these on either side.
_STORED = """
    SELECT rate_date, base_currency, quote_currency, rate FROM meta_ads.exchange_rates
    WHERE rate_date BETWEEN %(first)s AND %(last)s
        AND (base_currency = ANY (%(currencies)s) OR quote_currency = ANY (%(currencies)s))
    ORDER BY rate_date
"""
_UPSERT = """
    INSERT INTO meta_ads.exchange_rates AS kept
        (rate_date, base_currency, quote_currency, rate, source)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (rate_date, base_currency, quote_currency) DO UPDATE
        SET rate = excluded.rate, source = excluded.source
        WHERE (kept.rate, kept.source) IS DISTINCT FROM (excluded.rate, excluded.source)
"""
