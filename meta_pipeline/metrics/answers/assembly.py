"""Putting an answer together: components to metrics, zeros, names, and what the numbers are.

Plain rows: pandas takes half a second to import, more than most questions take to answer. Who asks
for a DataFrame gets one in the end (`frame`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW, Metric, MetricKind, Unit
from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.metrics.source import finest

from .bound import Bound
from .completeness import Completeness
from .question import OPTIONAL_LEVELS, Question, how_to_read
from .statement import BUCKETS, ROW_IMPRESSIONS, Statement, split
from .statement import entities as entities_of
from .statement import names as names_of

Row = dict[str, Any]
Names = Mapping[str, Mapping[Any, Any]]
"""Of each level grouped by the names by id."""
_TIMES = ("week", "month", "day", "hour")
_WHOLE = (Unit.COUNT, Unit.PEOPLE)
_DEFAULT_WINDOW = "default (each ad set's own setting; 7d_click + 1d_view unless changed)"


@dataclass(slots=True)
class Result:
    """An answer: `rows` by column, unknown values None, and what the numbers are.

    Counts and people are int unless Meta counts in parts, all other numbers float. `about` has what
    `query` gives in `.attrs`.
    """

    columns: list[str]
    rows: list[Row]
    about: dict[str, Any]
    currencies: Mapping[str, str | None] = field(default_factory=dict)
    """What the amounts of each account are in, by its id; empty where none was asked for."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What was read: sums by component, people by column, entities by key, names by level and id.

    Of people None where nobody was counted.
    """

    columns: Sequence[str]
    sums: list[Row]
    people: list[Row] | None
    people_columns: Sequence[str]
    entities: list[Row]
    names: Names


def read_exactly(
    connection: Connection[Any], statement: Statement, bound: Bound | None
) -> list[Row]:
    """The rows of a statement as Postgres has them; TooMuch where they are too many."""
    names = [*statement.keys, *statement.values]
    text = statement.sql
    if bound:
        text = f"SELECT * FROM ({text}) AS answer LIMIT {bound.rows + 1}"
    rows = connection.execute(text, statement.params).fetchall()
    if bound:
        bound.check_rows(len(rows))
    return [dict(zip(names, row, strict=True)) for row in rows]


def read(connection: Connection[Any], statement: Statement, bound: Bound | None) -> list[Row]:
    """As `read_exactly`; amounts and counts as float, keys as they are."""
    # Decimals of Postgres, which JSON and pandas take for objects.
    numeric = [n for n in statement.values if not n.endswith("_name")]
    rows = read_exactly(connection, statement, bound)
    for row in rows:
        for name in numeric:
            if row[name] is not None:
                row[name] = float(row[name])
    return rows


def read_entities(
    connection: Connection[Any], question: Question, sums: Sequence[Row], *, zeros: bool
) -> tuple[list[Row], Names]:
    """The entities that may be rows without sums, with `zeros`, and the names of all in the answer.

    Nothing else is read: an account may have had more ads than an answer may have rows.
    """
    grouping, found, names = question.grouping, list[Row](), dict[str, dict[Any, Any]]()
    levels = [name for name in grouping.entities if name != "account"]
    # Each entity on each day would be a table of zeros; what is told apart within an entity, or
    # filtered, its table has not.
    is_plain = not (grouping.times or grouping.breakdowns)
    if zeros and levels and is_plain and finest(grouping.levels) == finest(levels):
        found = read(connection, entities_of(question), question.bound)
    for name in levels:
        key = grouping.column(name)
        names[name] = {row[key]: row[f"{name}_name"] for row in found}
        lacking = {row[key] for row in sums} - names[name].keys() - {None}
        if lacking:
            rows = read(connection, names_of(name, lacking), question.bound)
            names[name] |= {row[key]: row[f"{name}_name"] for row in rows}
    return found, names


def assemble(
    question: Question, parts: Parts, complete: Completeness, *, zeros: bool, notes: list[str]
) -> Result:
    """The answer, with units, formulas and the rest of it in `about`."""
    keys = [question.grouping.column(name) for name in question.grouping.by]
    values = [name for name in parts.columns if name not in keys]
    rows = parts.sums
    had_rows = any(row[name] is not None for row in rows for name in values)
    if zeros:
        known = [*_entities(question, parts.entities, keys), *_days(question, keys)]
        # The rows, and one without numbers for each key that has none.
        there = {tuple(row[name] for name in keys) for row in rows}
        lacking = [key for key in dict.fromkeys(known) if key not in there]
        nothing = dict.fromkeys(values)
        rows = [*rows, *({**dict(zip(keys, key, strict=True)), **nothing} for key in lacking)]
    _blank_unknown(question, rows, values, complete)
    notes = [*notes]
    if parts.people is not None:
        _add_people(rows, parts.people, keys, parts.people_columns)
        notes += _check_people(question, rows)
    made = [
        {name: row[name] for name in keys} | {one.key: _value(row, one) for one in question.metrics}
        for row in rows
    ]
    for metric in question.metrics:
        _as_whole_numbers(metric, made)
    columns = [*keys, *(metric.key for metric in question.metrics)]
    _add_names(question, made, columns, parts.names)
    _order(question, made)
    # What the account's own row contradicts is no "nothing", whatever was asked for.
    is_idle = not (had_rows or complete.is_unknown or complete.contradicted)
    notes += [*complete.notes(), *([_empty(question)] if is_idle else [])]
    return Result(columns, made, _about(question, complete, notes), question.currencies)


def _entities(
    question: Question, entities: list[Row], keys: Sequence[str]
) -> list[tuple[Any, ...]]:
    """What may have had no delivery; only where rows are entities, not entities by day."""
    if question.grouping.by == ("account",) and not question.grouping.breakdowns:
        return [(account_id,) for account_id in question.account_ids]
    return [tuple(one[name] for name in keys) for one in entities]


def _days(question: Question, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    if len(keys) != 1 or keys[0] not in BUCKETS:
        return []
    days = {
        # Of a week or month that is clipped, too, the key is its first day.
        BUCKETS[keys[0]](part.since)
        for period in question.periods
        for part in split(period, keys[0])
    }
    return [(day,) for day in sorted(days)]


def _blank_unknown(
    question: Question, rows: list[Row], columns: Sequence[str], complete: Completeness
) -> None:
    """Zeros where nothing was delivered; nothing where nothing is known."""
    values = [name for name in columns if "/" in name or name in question.dictionary.metrics]
    # A row that delivered has unknown results where nothing here counts its goal.
    empty = [row for row in rows if all(row[name] is None for name in values)]
    if question.grouping.by == ("day",):
        unknown = complete.unknown()
        empty = [row for row in empty if row["day"] not in unknown]
    elif question.grouping.by == ("account",):
        unread = complete.unread(question)
        empty = [row for row in empty if row["account_id"] not in unread]
    # Nothing delivered and days missing: it may have been delivered on those.
    elif complete.is_unknown and len(empty) == len(rows):
        return
    for row in empty:
        row.update(dict.fromkeys(values, 0.0))


def _add_people(
    rows: list[Row], people: list[Row], keys: Sequence[str], columns: Sequence[str]
) -> None:
    people_of = {tuple(one[name] for name in keys): one for one in people}
    for row in rows:
        one = people_of.get(tuple(row[name] for name in keys), {})
        row.update({name: one.get(name) for name in columns if name not in keys})


def _check_people(question: Question, rows: list[Row]) -> list[str]:
    """Zero people where nothing was shown; where something was, a row must say how many."""
    named = {name for row in rows for name in row}
    columns = [name for name in ("reach", "frequency", "unique_clicks") if name in named]
    shown, lacking = 0, 0
    for row in rows:
        impressions = row[ROW_IMPRESSIONS]
        if impressions == 0:
            row.update({name: 0.0 for name in columns if row[name] is None})
        elif impressions is not None and impressions > 0:
            shown += 1
            lacking += all(row[name] is None for name in columns)
    if not lacking:
        return []
    names = ", ".join(metric.key for metric in question.people)
    # Of some rows it may be unknown; of all of them there is no answer.
    if lacking == shown:
        raise ImpossibleQuestion(_why_no_people(question, names))
    unknown = f"{names} is unknown in {lacking} rows"
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


def _value(row: Row, metric: Metric) -> float | None:
    if metric.kind is not MetricKind.RATIO:
        value: float | None = row[metric.key]
        return value
    above = _side(row, metric, "above", metric.numerator)
    below = _side(row, metric, "below", metric.denominator)
    # Nothing below the line is no zero: a cost of no result is unknown.
    return None if above is None or not below else above / below


def _side(row: Row, metric: Metric, side: str, name: str | None) -> float | None:
    component = f"{metric.key}/{side}"
    value: float | None
    if component in row:
        value = row[component]
        return value
    value = row[str(name)]
    return value * metric.scale if value is not None and side == "above" else value


def _as_whole_numbers(metric: Metric, rows: list[Row]) -> None:
    """Counts are whole numbers unless Meta counts in parts."""
    known = [row for row in rows if row[metric.key] is not None]
    # Meta shares a conversion out where it cannot be told whose it was.
    if metric.unit in _WHOLE and all(row[metric.key].is_integer() for row in known):
        for row in known:
            row[metric.key] = int(row[metric.key])


def _add_names(question: Question, rows: list[Row], columns: list[str], names: Names) -> None:
    """Put the name of each entity behind its id, and the currency where accounts differ."""
    accounts = {account.account_id: account.name for account in question.accounts}
    for name in question.grouping.entities:
        known = accounts if name == "account" else names[name]
        columns.insert(columns.index(f"{name}_id") + 1, f"{name}_name")
        for row in rows:
            row[f"{name}_name"] = known.get(row[f"{name}_id"])
    currencies = {account.account_id: account.currency for account in question.accounts}
    is_mixed = len(set(currencies.values())) > 1
    if question.currency is None and is_mixed and "account_id" in columns:
        columns.insert(len(question.grouping.by) + 1, "currency")
        for row in rows:
            row["currency"] = currencies.get(row["account_id"])


def _order(question: Question, rows: list[Row]) -> None:
    """By time, then the first metric downwards, then by key; what is unknown comes last."""
    columns = [question.grouping.column(name) for name in question.grouping.by]
    times = [name for name in _TIMES if name in columns]
    keys = [name for name in columns if name not in times]
    first = question.metrics[0].key

    def place(row: Row) -> list[tuple[bool, Any]]:
        value = row[first]
        return [
            # None does not compare with anything: it is put last by the flag before it.
            *((row[name] is None, row[name] or 0) for name in times),
            *([(value is None, -(value or 0))] if keys else []),
            *((row[name] is None, "" if row[name] is None else row[name]) for name in keys),
        ]

    rows.sort(key=place)


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
        "attribution": _DEFAULT_WINDOW
        if question.attribution == DEFAULT_WINDOW
        else question.attribution,
        "units": {metric.key: str(metric.unit) for metric in question.metrics},
        "display_names": {metric.key: metric.display_name for metric in question.metrics},
        "formulas": {metric.key: metric.formula for metric in question.metrics},
        "overrides": question.variant_notes(),
        "data_as_of": complete.data_as_of.isoformat() if complete.data_as_of else None,
        "completeness": complete.facts(),
        "is_simulated": any(account.is_simulated for account in question.accounts),
        "notes": notes,
    }


def _empty(question: Question) -> str:
    names = ", ".join(question.account_ids[:3])
    more = f" and {len(question.account_ids) - 3} more" if len(question.account_ids) > 3 else ""
    filters = question.grouping.filters
    kept = " and ".join(f"{name}={','.join(values)}" for name, values in filters.items())
    what = f"Nothing that matches {kept}" if kept else "Nothing"
    return f"{what} was delivered by {names}{more} in {question.period}: sums are zero."
