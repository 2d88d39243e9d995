"""Putting an answer together: components to metrics, zeros, names, and what the numbers are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import Kind, Metric, Unit
from meta_pipeline.metrics.errors import ImpossibleQuestion

from .completeness import Completeness
from .question import OPTIONAL_LEVELS, Question, how_to_read
from .statement import Statement, split

_IMPRESSIONS = "/impressions"


@dataclass(frozen=True, slots=True)
class Parts:
    """What was read: sums by component, people by column, entities by key; None when not needed."""

    sums: pd.DataFrame
    people: pd.DataFrame | None
    entities: pd.DataFrame | None


def read(connection: Connection[Any], statement: Statement) -> pd.DataFrame:
    """The rows of a statement; amounts and counts as float64, keys as they are."""
    rows = connection.execute(statement.sql, statement.params).fetchall()
    names = [*statement.keys, *statement.values]
    table = pd.DataFrame(rows, columns=names)
    numeric = [n for n in statement.values if n != "is_deleted" and not n.endswith("_name")]
    return table.astype(dict.fromkeys(numeric, "float64"))


def assemble(
    question: Question,
    parts: Parts,
    complete: Completeness,
    *,
    zeros: bool,
    notes: list[str],
) -> pd.DataFrame:
    """The answer, with units, formulas and the rest of it in `.attrs`."""
    keys = [question.grouping.column(name) for name in question.grouping.by]
    table = parts.sums
    had_rows = bool(len(table)) and bool(table.drop(columns=keys).notna().any(axis=None))
    if zeros:
        table = _with_all_entities(question, table, parts.entities, keys)
        table = _with_all_days(question, table, keys)
    _blank_unknown(question, table, complete)
    notes = [*notes]
    if parts.people is not None:
        table = _with_people(question, table, parts.people, keys)
        notes += _check_people(question, table)
    result = table[keys].copy()
    for metric in question.metrics:
        result[metric.key] = _typed(metric, _value(question, table, metric))
    result = _with_names(question, result, parts.entities)
    result = _ordered(question, result)
    # What the account's own row contradicts is no "nothing", whatever was asked for.
    is_idle = not (had_rows or complete.is_unknown or complete.contradicted)
    notes += [*complete.notes(), *([_empty(question)] if is_idle else [])]
    result.attrs.update(_about(question, complete, notes))
    return result


def _with_all_entities(
    question: Question, table: pd.DataFrame, entities: pd.DataFrame | None, keys: list[str]
) -> pd.DataFrame:
    """Add what had no delivery; only where rows are entities, not entities by day."""
    grouping = question.grouping
    if grouping.times or grouping.breakdowns:
        return table
    if grouping.by == ("account",):
        known = pd.DataFrame({"account_id": list(question.account_ids)})
    elif entities is not None:
        known = entities.loc[~entities["is_deleted"].astype(bool), keys]
    else:
        return table
    return table.merge(known, on=keys, how="outer")


def _with_all_days(question: Question, table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    if len(keys) != 1 or keys[0] not in ("day", "week", "month"):
        return table
    days = sorted(
        {
            _bucket_start(part.since, keys[0])
            for period in question.periods
            for part in split(period, keys[0])
        }
    )
    return table.merge(pd.DataFrame({keys[0]: days}, dtype=object), on=keys, how="outer")


def _bucket_start(day: date, name: str) -> date:
    if name == "month":
        return day.replace(day=1)
    return date.fromordinal(day.toordinal() - day.weekday()) if name == "week" else day


def _blank_unknown(question: Question, table: pd.DataFrame, complete: Completeness) -> None:
    """Zeros where nothing was delivered; nothing where nothing is known."""
    values = [n for n in table.columns if "/" in n or n in question.dictionary.metrics]
    empty = table[values].isna().all(axis=1)
    # A row that delivered has unknown results where nothing here counts its goal.
    table.loc[empty, values] = 0.0
    if question.grouping.by == ("day",):
        table.loc[empty & table["day"].isin(complete.unknown()), values] = np.nan
    elif complete.is_unknown and empty.all():
        table[values] = np.nan


def _with_people(
    question: Question, table: pd.DataFrame, people: pd.DataFrame, keys: list[str]
) -> pd.DataFrame:
    if not keys:
        found = (
            people
            if len(people)
            else pd.DataFrame([[np.nan] * people.shape[1]], columns=people.columns)
        )
        return table.join(found.reset_index(drop=True))
    return table.merge(people, on=keys, how="left")


def _check_people(question: Question, table: pd.DataFrame) -> list[str]:
    """Zero people where nothing was shown; where something was, a row must say how many."""
    columns = [n for n in ("reach", "frequency", "unique_clicks") if n in table.columns]
    idle = table[_IMPRESSIONS] == 0
    table.loc[idle, columns] = table.loc[idle, columns].fillna(0.0)
    lacking = table[columns].isna().all(axis=1) & (table[_IMPRESSIONS] > 0)
    shown = table[_IMPRESSIONS] > 0
    if not lacking.any():
        return []
    names = ", ".join(metric.key for metric in question.people)
    if lacking.sum() == shown.sum():
        raise ImpossibleQuestion(_why_no_people(question, names))
    unknown = f"{names} is unknown in {int(lacking.sum())} rows"
    return [f"{unknown}: level {question.level} was not read. {how_to_read(question)}"]


def _why_no_people(question: Question, names: str) -> str:
    level, days = question.level, question.grouping.times
    names_by = ["day"] if level == "account" else ["day", level]
    by_day = f"Ask by day: {' '.join(f'--by {name}' for name in names_by)} (by={names_by})."
    if level in OPTIONAL_LEVELS:
        by_day += f" Days of that level are there once {level} is in META_INSIGHTS_LEVELS."
    if not days and len(question.period) > 1:
        return (
            f"{names} of {question.period} is refused: it counts people, so it cannot be added up "
            f"from days, and no row of level {level} for exactly these days is kept. {by_day}"
        )
    if days and days[0] in ("week", "month"):
        return (
            f"{names} by {days[0]} is refused: it counts people, so it cannot be added up from "
            f"days, and no row of level {level} per {days[0]} is kept. {by_day}"
        )
    return (
        f"{names} at level {level} is refused: no rows of that level are kept for "
        f"{question.period}, and people cannot be added up from a finer one. "
        f"{how_to_read(question)}"
    )


def _value(question: Question, table: pd.DataFrame, metric: Metric) -> pd.Series[float]:
    if metric.kind is not Kind.RATIO:
        return table[metric.key]
    above = _side(question, table, metric, "above", metric.numerator)
    below = _side(question, table, metric, "below", metric.denominator)
    return above / below.where(below != 0)


def _side(
    question: Question, table: pd.DataFrame, metric: Metric, side: str, name: str | None
) -> pd.Series[float]:
    component = f"{metric.key}/{side}"
    if component in table.columns:
        return table[component]
    values: pd.Series[float] = table[str(name)]
    return values * metric.scale if side == "above" else values


def _typed(metric: Metric, values: pd.Series[float]) -> pd.Series[Any]:
    """Counts are whole numbers (Int64, nullable) unless Meta counts in parts."""
    if metric.unit not in (Unit.COUNT, Unit.PEOPLE):
        return values
    known = values.dropna()
    return values.astype("Int64") if (known == known.round()).all() else values


def _with_names(
    question: Question, table: pd.DataFrame, entities: pd.DataFrame | None
) -> pd.DataFrame:
    """Put the name of each entity behind its id, and the currency where accounts differ."""
    for name in question.grouping.entities:
        known = _names(question, entities, name)
        position = list(table.columns).index(f"{name}_id") + 1
        table.insert(position, f"{name}_name", table[f"{name}_id"].map(known))
    currencies = {account.account_id: account.currency for account in question.accounts}
    if question.currency is None and len(set(currencies.values())) > 1 and "account_id" in table:
        table.insert(len(question.grouping.by) + 1, "currency", table["account_id"].map(currencies))
    return table


def _names(question: Question, entities: pd.DataFrame | None, name: str) -> dict[str, str | None]:
    if name == "account":
        return {account.account_id: account.name for account in question.accounts}
    assert entities is not None
    pairs = entities[[f"{name}_id", f"{name}_name"]].drop_duplicates()
    return dict(pairs.itertuples(index=False, name=None))


def _ordered(question: Question, table: pd.DataFrame) -> pd.DataFrame:
    """By time, then the first metric downwards, then by key."""
    times = [name for name in ("week", "month", "day", "hour") if name in table.columns]
    first = question.metrics[0].key
    keys = [question.grouping.column(n) for n in question.grouping.by if n not in times]
    if not times and not keys:
        return table
    order = [*times, *([first] if keys else []), *keys]
    ascending = [True] * len(times) + ([False] if keys else []) + [True] * len(keys)
    return table.sort_values(order, ascending=ascending, ignore_index=True)


def _about(question: Question, complete: Completeness, notes: list[str]) -> dict[str, Any]:
    zones = sorted({account.timezone_name or "UTC" for account in question.accounts})
    currencies = sorted({account.currency or "unknown" for account in question.accounts})
    return {
        "accounts": list(question.account_ids),
        "level": question.level,
        "by": list(question.grouping.by),
        "filters": {name: list(values) for name, values in question.grouping.filters.items()},
        "range": [question.period.since.isoformat(), question.period.until.isoformat()],
        "timezone": zones[0] if len(zones) == 1 else zones,
        "currency": question.currency or (currencies[0] if len(currencies) == 1 else currencies),
        "is_converted": question.currency is not None,
        "attribution": _attribution(question),
        "units": {metric.key: str(metric.unit) for metric in question.metrics},
        "display_names": {metric.key: metric.display_name for metric in question.metrics},
        "formulas": {metric.key: metric.formula for metric in question.metrics},
        "overrides": question.variant_notes(),
        "data_as_of": complete.data_as_of.isoformat() if complete.data_as_of else None,
        "completeness": complete.facts(),
        "is_simulated": any(account.is_simulated for account in question.accounts),
        "notes": notes,
    }


def _attribution(question: Question) -> str:
    if question.attribution == "default":
        return "default (each ad set's own setting; 7d_click + 1d_view unless changed)"
    return question.attribution


def _empty(question: Question) -> str:
    names = ", ".join(question.account_ids[:3])
    more = f" and {len(question.account_ids) - 3} more" if len(question.account_ids) > 3 else ""
    filters = question.grouping.filters
    kept = " and ".join(f"{name}={','.join(values)}" for name, values in filters.items())
    what = f"Nothing that matches {kept}" if kept else "Nothing"
    return f"{what} was delivered by {names}{more} in {question.period}: sums are zero."
