"""Numbers of some entities, asked of the metric layer: sums and ratios at once, people apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.dimension import FilterValue
from meta_pipeline.metrics.answers.question import DateRange
from meta_pipeline.metrics.definitions.definition import Metric
from meta_pipeline.warehouse import Connection, Warehouse

from .compared import ComparedNumbers, Value

_ALL = ""
"""Key of the one row of a total."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a breakdown has of an entity: its values in the breakdown's order, and its numbers."""

    of: tuple[str, ...]
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of an entity, in order, and how many more it has."""

    shown: Sequence[Cell] = ()
    more: int = 0


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
) -> ComparedNumbers:
    """The chosen metrics of each of `ids`.

    People are asked for by themselves: where Meta's rows cannot say how many (they are not added
    up over days), the numbers are unknown and a note says why.
    """
    if not ids:
        return ComparedNumbers({}, {})
    asked: dict[str, Any] = {
        "account": list(accounts),
        "level": level,
        "by": [level],
        "filters": {level: list(ids)},
        "date_range": days,
        "attribution": attribution,
        "now": now,
    }
    return _together(warehouse, dictionary, chosen, (f"{level}_id",), asked).by_key()


def cells_of(
    warehouse: Warehouse,
    dictionary: metrics.Dictionary,
    chosen: Sequence[Metric],
    breakdown: Sequence[str],
    *,
    level: str,
    ids: Sequence[str],
    accounts: Sequence[str],
    days: DateRange,
    attribution: str,
    now: datetime,
    most: int | None = None,
) -> tuple[dict[str, Cells], Sequence[str]]:
    """The chosen metrics of each of `ids` by the cells of a breakdown that delivered, and notes.

    The first metric says which cell comes first; `most` of them each are read, without it all.
    What is not stored is said in a note.
    """
    if not ids or not breakdown:
        return {}, ()
    asked: dict[str, Any] = {
        "account": list(accounts),
        "level": level,
        "by": [level, *breakdown],
        "filters": {level: list(ids)},
        "date_range": days,
        "attribution": attribution,
        "now": now,
    }
    together = _together(
        warehouse, dictionary, chosen, (f"{level}_id", *breakdown), asked, most=most
    )
    rows_of, found = together.about.get("rows_of", {}), defaultdict[str, list[Cell]](list)
    for (entity_id, *of), values in together.values.items():
        found[entity_id].append(Cell(tuple(of), values))
    return {
        # Of people alone all were read.
        one: Cells(some[:most], rows_of.get(one, len(some)) - len(some[:most]))
        for one, some in found.items()
    }, together.notes


def stored_breakdowns(
    connection: Connection, accounts: Sequence[str], since: date, until: date
) -> list[str]:
    """Breakdowns that were read of these days, as `age,gender`; parts of one can be asked for too.

    What was read of a part of the accounts or days is among them: an answer says what it lacks.
    """
    rows = connection.execute(_STORED, (list(accounts), since, until)).fetchall()
    whole = [name.removeprefix("breakdown:") for (name,) in rows]
    parts = [part for name in whole for part in name.split(",")]
    return sorted({*whole, *parts}, key=lambda name: (name.count(","), name))


_STORED = """
    SELECT DISTINCT dataset FROM meta_ads.sync_windows
    WHERE account_id = ANY (%s::text[]) AND date_start BETWEEN %s AND %s
        AND dataset LIKE 'breakdown:%%'
"""


def total_of(
    warehouse: Warehouse,
    dictionary: metrics.Dictionary,
    chosen: Sequence[Metric],
    *,
    account: str | Sequence[str] | None,
    filters: Mapping[str, FilterValue],
    days: DateRange,
    attribution: str,
    now: datetime,
) -> ComparedNumbers:
    """The chosen metrics of everything that matches, as one row; unknown where it has no sum."""
    asked: dict[str, Any] = {
        "account": account,
        "filters": filters,
        "date_range": days,
        "attribution": attribution,
        "now": now,
    }
    return _together(warehouse, dictionary, chosen, (), asked).by_key()


def total(answer: ComparedNumbers, metric: str) -> Value:
    """A number of the one row of `total_of`."""
    return answer.value(_ALL, metric)


@dataclass(frozen=True, slots=True)
class _Found:
    values: Mapping[tuple[str, ...], dict[str, Value]]
    about: Mapping[str, Any]
    notes: Sequence[str]
    currencies: Mapping[str, str | None]

    def by_key(self) -> ComparedNumbers:
        values = {key[0] if key else _ALL: row for key, row in self.values.items()}
        return ComparedNumbers(values, self.about, self.notes, currencies=self.currencies)


def _together(
    warehouse: Warehouse,
    dictionary: metrics.Dictionary,
    chosen: Sequence[Metric],
    keys: Sequence[str],
    asked: Mapping[str, Any],
    *,
    most: int | None = None,
) -> _Found:
    additive = [one.key for one in chosen if dictionary.is_additive(one)]
    people = [one.key for one in chosen if not dictionary.is_additive(one)]
    values: dict[tuple[str, ...], dict[str, Value]] = {}
    about: dict[str, Any] = {}
    notes: list[str] = []
    currencies: dict[str, str | None] = {}
    several: dict[str, Any] = {}
    # Two questions: one that counts people may have no answer, and must not take the others with
    # it.
    questions = [names for names in (additive, people) if names]
    lead: list[str] = []
    while questions:
        names = [*lead, *questions.pop(0)]
        leading = most if names[0] not in people else None
        try:
            answer = metrics.answer(
                warehouse, metrics=names, bound=metrics.Bound(), leading=leading, **asked
            )
        except metrics.TooMuch:
            raise
        except metrics.MixedCurrencies as error:
            several = {"currency": error.currencies}
            notes.append(
                "Amounts have no total: these accounts have several currencies. Choose an account."
            )
            others = [one for one in names if not dictionary.has_money(dictionary.metric(one))]
            questions = [others, *questions] if others else questions
            continue
        except metrics.ImpossibleQuestion as error:
            notes.append(str(error))
            continue
        for row in answer.rows:
            key = tuple("" if row[name] is None else str(row[name]) for name in keys)
            values.setdefault(key, {}).update({name: row[name] for name in names})
        # The others have no amounts, and know of the currencies of today alone.
        about = about or answer.about | several
        currencies |= answer.currencies
        # Of all questions the same rows come first.
        lead = names[:1] if leading else []
        notes += answer.about["notes"]
    return _Found(values, about, tuple(dict.fromkeys(notes)), currencies)
