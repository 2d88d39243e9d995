"""The metric layer's answer for some days beside that for as many days before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.period import EVERYTHING, Period
from meta_pipeline.metrics.answers.question import Account, DateRange, periods
from meta_pipeline.metrics.definitions.definition import Unit
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
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Why accounts have no numbers, by id: they changed their currency within these days."""
    currencies: Mapping[str, str | None] = field(default_factory=dict)
    """What the amounts of accounts are in, by id: not always their currency of today."""

    def value(self, key: str, metric: str) -> Value:
        """None where it is not known."""
        return self.values.get(key, {}).get(metric)


@dataclass(frozen=True)
class Compared:
    """The days asked for and the days before, for the same keys."""

    now: ComparedNumbers
    before: ComparedNumbers
    periods: Mapping[str, Period]

    @property
    def notes(self) -> Sequence[str]:
        """What to know of these numbers, and why there are none to compare them with."""
        apart = metrics.changed_between(self.now.currencies, self.before.currencies)
        of_two = [
            why
            for key, why in apart.items()
            if any(self.is_of_two_currencies(key, name) for name in self.now.values.get(key, ()))
        ]
        return [*self.now.notes, *self.before.unknown.values(), *of_two]

    def is_of_two_currencies(self, key: str, metric: str) -> bool:
        """Whether a number and the one before are amounts that cannot be compared."""
        # Nothing is as much in each currency.
        are_amounts = self.now.value(key, metric) and self.before.value(key, metric)
        if not are_amounts or self.now.about["units"][metric] != Unit.CURRENCY:
            return False
        return self.now.currencies.get(key) != self.before.currencies.get(key)

    def change(self, key: str, metric: str) -> float | None:
        """By how many percent a number changed; None where it cannot be told."""
        if self.is_of_two_currencies(key, metric):
            return None
        return change_pct(self.now.value(key, metric), self.before.value(key, metric))


def compared(
    warehouse: Warehouse,
    accounts: Sequence[Account],
    names: Sequence[str],
    days: DateRange,
    now: datetime,
) -> Compared:
    """Metrics of each account, now and before; days are days of the account's own time zone."""
    ids = [one.account_id for one in accounts]
    with warehouse.connection() as connection:
        period_of = dict(zip(ids, periods(connection, accounts, days, now), strict=True))
    # Nothing is before everything.
    earlier = {} if days in EVERYTHING else {key: before(one) for key, one in period_of.items()}
    return Compared(
        now=_asked(warehouse, period_of, names, now),
        before=_asked(warehouse, earlier, names, now),
        periods=period_of,
    )


def _asked(
    warehouse: Warehouse, period_of: Mapping[str, Period], names: Sequence[str], now: datetime
) -> ComparedNumbers:
    """One question of all: a fleet has as many first days, of all that is kept, as accounts."""
    if not period_of:
        return ComparedNumbers({}, {})
    try:
        answer = metrics.answer(
            warehouse,
            account=list(period_of),
            metrics=names,
            by=["account"],
            date_range=period_of,
            now=now,
            bound=metrics.Bound(),
        )
    except metrics.ChangedCurrency as error:
        others = {key: one for key, one in period_of.items() if key not in error.whys}
        return replace(_asked(warehouse, others, names, now), unknown=error.whys)
    values = records(answer, "account_id", names)
    about = answer.about
    return ComparedNumbers(values, about, about["notes"], currencies=answer.currencies)


def records(answer: metrics.Result, key: str, names: Sequence[str]) -> dict[str, dict[str, Value]]:
    """Rows of an answer by their key."""
    return {str(row[key]): {name: row[name] for name in names} for row in answer.rows}
