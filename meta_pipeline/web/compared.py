"""The metric layer's answer for some days beside that for as many days before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.period import Period
from meta_pipeline.metrics.answers.question import Account, DateRange, periods
from meta_pipeline.warehouse import Warehouse

from .asked import before
from .reader import change_pct

Value = float | None


@dataclass(frozen=True)
class ComparedNumbers:
    """Numbers by key (an account's or entity's id), and what they are, as the metric layer says."""

    values: Mapping[str, Mapping[str, Value]]
    about: Mapping[str, Any]
    notes: Sequence[str] = field(default_factory=tuple)

    def value(self, key: str, metric: str) -> Value:
        """None where it is not known."""
        return self.values.get(key, {}).get(metric)


@dataclass(frozen=True)
class Compared:
    """The days asked for and the days before, for the same keys."""

    now: ComparedNumbers
    before: ComparedNumbers
    periods: Mapping[str, Period]

    def change(self, key: str, metric: str) -> float | None:
        """By how many percent a number changed; None where either is not known."""
        return change_pct(self.now.value(key, metric), self.before.value(key, metric))


def compared(
    warehouse: Warehouse,
    accounts: Sequence[Account],
    names: Sequence[str],
    days: DateRange,
    now: datetime,
) -> Compared:
    """Metrics of each account, now and before; days are days of the account's own time zone."""
    with warehouse.connection() as connection:
        period_of = dict(
            zip(
                (one.account_id for one in accounts),
                periods(connection, accounts, days, now),
                strict=True,
            )
        )
    return Compared(
        now=_asked(warehouse, period_of, names, now),
        before=_asked(warehouse, {key: before(one) for key, one in period_of.items()}, names, now),
        periods=period_of,
    )


def _asked(
    warehouse: Warehouse, wanted: Mapping[str, Period], names: Sequence[str], now: datetime
) -> ComparedNumbers:
    """One question for each range: accounts far apart on the globe have their days apart."""
    # A fleet in one zone is one question, not a thousand.
    by_period: dict[Period, list[str]] = defaultdict(list)
    for account_id, period in wanted.items():
        by_period[period].append(account_id)
    answers = [
        metrics.answer(
            warehouse,
            account=ids,
            metrics=names,
            by=["account"],
            date_range=(period.since, period.until),
            now=now,
        )
        for period, ids in by_period.items()
    ]
    values: dict[str, dict[str, Value]] = {}
    for answer in answers:
        values |= records(answer, "account_id", names)
    notes = dict.fromkeys(note for answer in answers for note in answer.about["notes"])
    about = answers[0].about if answers else {}
    return ComparedNumbers(values, about, tuple(notes))


def records(answer: metrics.Result, key: str, names: Sequence[str]) -> dict[str, dict[str, Value]]:
    """Rows of an answer by their key."""
    return {str(row[key]): {name: row[name] for name in names} for row in answer.rows}
