"""Numbers of some entities, asked of the metric layer: sums and ratios at once, people apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.dimension import FilterValue
from meta_pipeline.metrics.answers.question import DateRange
from meta_pipeline.metrics.definitions.definition import Metric
from meta_pipeline.warehouse import Warehouse

from .compared import Answer, Value, records

_ALL = ""
"""Key of the one row of a total."""


def numbers_of(
    warehouse: Warehouse,
    dictionary: metrics.Dictionary,
    chosen: Sequence[Metric],
    *,
    level: str,
    ids: Sequence[str],
    accounts: Sequence[str],
    days: DateRange,
    attribution: str,
    now: datetime,
) -> Answer:
    """The chosen metrics of each of `ids`.

    People are asked for by themselves: where Meta's rows cannot say how many (they are not added
    up over days), the numbers are unknown and a note says why.
    """
    if not ids:
        return Answer({}, {})
    asked: dict[str, Any] = {
        "account": list(accounts),
        "level": level,
        "by": [level],
        "filters": {level: list(ids)},
        "date_range": days,
        "attribution": attribution,
        "now": now,
    }
    return _together(warehouse, dictionary, chosen, f"{level}_id", asked)


def total_of(
    warehouse: Warehouse,
    dictionary: metrics.Dictionary,
    chosen: Sequence[Metric],
    *,
    account: str | None,
    filters: Mapping[str, FilterValue],
    days: DateRange,
    attribution: str,
    now: datetime,
) -> Answer:
    """The chosen metrics of everything that matches, as one row; unknown where it has no sum."""
    asked: dict[str, Any] = {
        "account": account,
        "filters": filters,
        "date_range": days,
        "attribution": attribution,
        "now": now,
    }
    return _together(warehouse, dictionary, chosen, None, asked)


def total(answer: Answer, metric: str) -> Value:
    """A number of the one row of `total_of`."""
    return answer.value(_ALL, metric)


def _together(
    warehouse: Warehouse,
    dictionary: metrics.Dictionary,
    chosen: Sequence[Metric],
    key: str | None,
    asked: Mapping[str, Any],
) -> Answer:
    additive = [one.key for one in chosen if dictionary.is_additive(one)]
    people = [one.key for one in chosen if not dictionary.is_additive(one)]
    values: dict[str, dict[str, Value]] = {}
    about: dict[str, Any] = {}
    notes: list[str] = []
    for names in filter(None, (additive, people)):
        try:
            found = metrics.answer(warehouse, metrics=names, **asked)
        except metrics.MixedCurrencies:
            notes.append("There is no total: these accounts have several currencies. Choose one.")
            continue
        except metrics.ImpossibleQuestion as error:
            notes.append(str(error))
            continue
        rows = records(found, key, names) if key else dict(zip([_ALL], found.rows, strict=False))
        for name, row in rows.items():
            values.setdefault(name, {}).update(row)
        about = about or found.about
        notes += found.about["notes"]
    return Answer(values, about, tuple(dict.fromkeys(notes)))
