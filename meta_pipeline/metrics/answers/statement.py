"""The SQL of a question: what rows add up to, what people rows say, which entities there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from textwrap import dedent
from typing import Any

from psycopg import ClientCursor, Connection

from meta_pipeline.metrics.definitions.definition import Metric, MetricKind
from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.metrics.expression import Expressions
from meta_pipeline.metrics.source import Source, breakdown, daily, finest
from meta_pipeline.model.level import LEVELS

from .dimension import ENTITY_JOINS
from .exchange import Rates
from .period import Period
from .question import Question, as_arrays

IMPRESSIONS = "impressions"
ROW_IMPRESSIONS = f"/{IMPRESSIONS}"
"""The impressions of an answer that needs them beside its metrics."""
OF_KEY = "rows of the key"
BUCKETS = {
    "day": lambda d: d,
    "week": lambda d: d - timedelta(days=d.weekday()),
    "month": lambda d: d.replace(day=1),
}

_PARAMETER = re.compile(r"%\((\w+)\)s")
OF_ASKED = "f.account_id = asked.account_id AND f.date_start BETWEEN asked.since AND asked.until"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its parameters; rows come as `keys` then `values`."""

    sql: str
    params: dict[str, Any]
    keys: tuple[str, ...]
    values: tuple[str, ...]

    def text(self, connection: Connection[Any]) -> str:
        """The SQL with its values filled in, as any client of Postgres takes it."""
        written = ClientCursor(connection).mogrify(self.sql, self.params)
        return "\n".join(line for line in dedent(written).strip().splitlines() if line.strip())


def sums(
    question: Question,
    source: Source,
    rates: Rates | None,
    *,
    one_by_one: bool = False,
    listed: str = "",
) -> Statement:
    """Everything additive, grouped: numerators and denominators are added up apart.

    `one_by_one` adds up account after account, for groups that are within one: the sums of one
    account's ads fit the processor's caches, those of all do not. `listed` is a level of which
    only what its table has is wanted.
    """
    expressions = Expressions(
        question.dictionary,
        source,
        question.account_ids,
        question.attribution,
        money_factor="fx.rate" if rates else "",
    )
    values = dict(_components(question, expressions))
    params: dict[str, Any] = as_arrays(question.asked)
    if question.has_same_days:
        params |= {"since": question.period.since, "until": question.period.until}
    conditions = [source.condition, _range_condition(question, one_by_one=one_by_one)]
    conditions += question.grouping.conditions(params, source.level)
    conditions += question.grouping.within(listed, source.level) if listed else []
    keys = question.grouping.by
    selected = [f"{question.grouping.expression(name)} AS {name}" for name in keys]
    selected += [f"sum({sql})" for sql in values.values()]
    ranges = ""
    if not one_by_one and not question.has_same_days:
        ranges = f"JOIN {_each_account(question)} ON {OF_ASKED}"
    text = f"""
        SELECT {", ".join(selected)}
        FROM {source.table} AS f
        {ranges}
        {rates.join if rates else ""}
        {question.grouping.joins}
        {expressions.joins}
        WHERE {" AND ".join(conditions)}
        {f"GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else ""}
    """
    # OFFSET 0 keeps the planner from joining what is to be looked up account by account.
    if one_by_one:
        text = f"""
            SELECT own.* FROM {_each_account(question)} CROSS JOIN LATERAL ({text} OFFSET 0) AS own
        """
    params |= expressions.params | (rates.params if rates else {})
    return Statement(text, params, _columns(question), tuple(values))


def together(parts: Sequence[Statement]) -> Statement:
    """The sums of several statements about different accounts as one."""
    if len(parts) == 1:
        return parts[0]
    keys, values = parts[0].keys, parts[0].values
    texts: list[str] = []
    params: dict[str, Any] = {}
    for number, part in enumerate(parts):
        texts.append(_PARAMETER.sub(rf"%(of{number}_\1)s", part.sql))
        params |= {f"of{number}_{name}": value for name, value in part.params.items()}
    # By position: a key may be a word of SQL's.
    named = [f"k{n}" for n in range(len(keys))], [f"v{n}" for n in range(len(values))]
    text = f"""
        SELECT {", ".join([*named[0], *(f"sum({value})" for value in named[1])])}
        FROM ({" UNION ALL ".join(texts)}) AS parts ({", ".join([*named[0], *named[1]])})
        {f"GROUP BY {', '.join(named[0])}" if keys else ""}
    """
    return Statement(text, params, keys, values)


def value_of(metric: Metric, values: Sequence[str]) -> str:
    """A metric's value from its sums, named `v0` and on: an answer computes its own from the same.

    ImpossibleQuestion of one that counts people.
    """
    if metric.key in values:
        return f"coalesce(v{values.index(metric.key)}, 0)"
    if f"{metric.key}/below" not in values or f"{metric.key}/above" not in values:
        raise ImpossibleQuestion(
            f"{metric.key} counts people and is not added up over days: order by another metric."
        )
    above, below = (values.index(f"{metric.key}/{side}") for side in ("above", "below"))
    return f"v{above} / nullif(v{below}, 0)"


def leading(question: Question, made: Statement, most: int) -> Statement:
    """Of the sums of each first key so many rows, those that the first metric puts first.

    `OF_KEY` says how many there are of the key.
    """
    keys = [f"k{n}" for n in range(len(made.keys))]
    names = ", ".join([*keys, *(f"v{n}" for n in range(len(made.values)))])
    order = [f"{value_of(question.metrics[0], made.values)} DESC NULLS LAST"]
    order += [f'{key}::text COLLATE "C"' for key in keys[1:]]
    text = f"""
        SELECT {names}, of_key
        FROM (
            SELECT {names}, count(*) OVER (PARTITION BY k0) AS of_key,
                   row_number() OVER (PARTITION BY k0 ORDER BY {", ".join(order)}) AS place
            FROM ({made.sql}) AS made ({names})
        ) AS placed
        WHERE place <= %(most_of_key)s
    """
    return Statement(text, {**made.params, "most_of_key": most}, made.keys, (*made.values, OF_KEY))


def people(question: Question) -> Statement:
    """People metrics from rows of exactly the level and the days of each group."""
    grouping = question.grouping
    cells = ",".join(grouping.breakdowns)
    source = breakdown(question.level, cells) if cells else daily(question.level)
    bucket = next((name for name in grouping.times), None)
    # A ratio has the people it is made of read, and is divided afterwards.
    named = [name for one in question.people for name in one.references or (one.key,)]
    read = map(question.dictionary.metric, dict.fromkeys(named))
    columns = sorted(one.key for one in read if one.kind is MetricKind.NON_ADDITIVE)
    selected = [
        "asked.bucket" if name == bucket else grouping.expression(name) for name in grouping.by
    ]
    selected += [f"f.{question.dictionary.metric(name).column}" for name in columns]
    # Cells are kept by day, and have no last day of their own.
    stop = "" if cells else "AND f.date_stop = asked.date_stop"
    params = _ranges(question, bucket)
    conditions = grouping.conditions(params, source.level)
    condition = source.condition if cells else f"f.entity_type = '{question.level}'"
    text = f"""
        SELECT {", ".join(selected)}
        FROM unnest(%(range_accounts)s::text[], %(range_starts)s::date[], %(range_stops)s::date[],
                    %(range_buckets)s::date[]) AS asked (account_id, date_start, date_stop, bucket)
        JOIN {source.table} AS f
          ON f.account_id = asked.account_id AND f.date_start = asked.date_start {stop}
        {grouping.joins}
        WHERE {" AND ".join([condition, *conditions])}
    """
    return Statement(text, params, _columns(question), tuple(columns))


def entities(question: Question) -> Statement:
    """Every entity of the finest level grouped by that is not deleted, with names."""
    grouping = question.grouping
    level = finest([*grouping.entities, "account"])
    params: dict[str, Any] = {"accounts": list(question.account_ids)}
    names = {"account": "f.account_name", "campaign": "c.name", "adset": "s.name", "ad": "a.name"}
    selected = [grouping.expression(n) for n in _entity_keys(question)]
    selected += [names[n] for n in grouping.entities]
    joins = [ENTITY_JOINS[name] for name in LEVELS[1 : LEVELS.index(level) + 1]]
    conditions = ["NOT f.is_deleted", *grouping.conditions(params)]
    text = f"""
        SELECT {", ".join(selected)}
        FROM (SELECT e.*, account.name AS account_name FROM meta_ads.meta_{level}s AS e
              LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
              WHERE e.account_id = ANY (%(accounts)s::text[])) AS f
        {chr(10).join(joins)}
        WHERE {" AND ".join(conditions)}
    """
    keys = tuple(grouping.column(name) for name in _entity_keys(question))
    values = tuple(f"{name}_name" for name in grouping.entities)
    return Statement(text, params, keys, values)


def names(level: str, ids: Collection[str]) -> Statement:
    """The names of these entities of a level, deleted ones too."""
    # A join: `= ANY` is planned id by id, and of an answer's there may be as many as rows.
    text = f"""
        SELECT {level}_id, name FROM meta_ads.meta_{level}s
        WHERE {level}_id IN (SELECT unnest(%(ids)s::text[]))
    """
    return Statement(text, {"ids": list(ids)}, (f"{level}_id",), (f"{level}_name",))


def _entity_keys(question: Question) -> list[str]:
    grouping = question.grouping
    return [n for n in grouping.by if n in grouping.entities or n in grouping.attributes]


def _columns(question: Question) -> tuple[str, ...]:
    return tuple(question.grouping.column(name) for name in question.grouping.by)


def _components(question: Question, expressions: Expressions) -> list[tuple[str, str]]:
    """(component, SQL of one row's share): `key` of a sum, `key/above`, `key/below` of a ratio."""
    components = []
    # Impressions tell what was shown to nobody (zero people) from what is unknown.
    if question.people or question.by_goal:
        components.append((ROW_IMPRESSIONS, expressions.summand(IMPRESSIONS)))
    for metric in question.metrics:
        if metric.kind is MetricKind.SUM:
            components.append((metric.key, expressions.summand(metric.key)))
        elif metric.kind is MetricKind.RATIO:
            sides = (
                ("above", metric.numerator, expressions.numerator),
                ("below", metric.denominator, expressions.denominator),
            )
            components += [
                (f"{metric.key}/{side}", write(metric.key))
                for side, name, write in sides
                if question.dictionary.metric(name or "").kind is not MetricKind.NON_ADDITIVE
            ]
    return components or [(ROW_IMPRESSIONS, expressions.summand(IMPRESSIONS))]


def _range_condition(question: Question, *, one_by_one: bool) -> str:
    """Plain comparisons where all accounts ask for the same days: Postgres plans those best."""
    if question.has_same_days:
        whose = "= asked.account_id" if one_by_one else "= ANY (%(accounts)s::text[])"
        days = "f.date_start BETWEEN %(since)s::date AND %(until)s::date"
        return f"f.account_id {whose} AND {days}"
    return OF_ASKED if one_by_one else "true"


def _each_account(question: Question) -> str:
    """The accounts as rows, with the days of each where these differ."""
    if question.has_same_days:
        return "unnest(%(accounts)s::text[]) AS asked (account_id)"
    return (
        "unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])"
        " AS asked (account_id, since, until)"
    )


def _ranges(question: Question, bucket: str | None) -> dict[str, Any]:
    """The exact (first day, last day) a people row must have, for each account and group."""
    rows = [
        (
            account.account_id,
            part.since,
            part.until,
            BUCKETS[bucket](part.since) if bucket else None,
        )
        for account, period in zip(question.accounts, question.periods, strict=True)
        for part in split(period, bucket)
    ]
    names = ("range_accounts", "range_starts", "range_stops", "range_buckets")
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


def split(period: Period, bucket: str | None) -> Sequence[Period]:
    """`period` by day, week (from Monday) or month, clipped to it; itself without `bucket`."""
    if bucket is None:
        return [period]
    groups: dict[date, list[date]] = {}
    for day in period:
        groups.setdefault(BUCKETS[bucket](day), []).append(day)
    return [Period(days[0], days[-1]) for days in groups.values()]
