"""Facts beside Meta's numbers: `<provider>.<metric>`, added up by the keys of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.errors import ImpossibleQuestion, UnknownName
from meta_pipeline.metrics.source import finest
from meta_pipeline.model.level import LEVELS

from .assembly import Result, Row, read_exactly
from .question import Question, as_arrays
from .statement import Statement

_KEYS = {
    "day": "fact.date_start",
    "week": "date_trunc('week', fact.date_start)::date",
    "month": "date_trunc('month', fact.date_start)::date",
    "account": "fact.account_id",
    "campaign": "CASE fact.level WHEN 'campaign' THEN fact.entity_id "
    "ELSE coalesce(ad.campaign_id, adset.campaign_id) END",
    "adset": "CASE fact.level WHEN 'adset' THEN fact.entity_id ELSE ad.adset_id END",
    "ad": "CASE fact.level WHEN 'ad' THEN fact.entity_id END",
}
_MISSING = """
    SELECT asked.name FROM unnest(%(names)s::text[]) WITH ORDINALITY AS asked (name, place)
    WHERE NOT EXISTS (
        SELECT FROM meta_ads.facts
        WHERE tenant = %(tenant)s AND provider = split_part(asked.name, '.', 1)
            AND metric = substr(asked.name, 1 + strpos(asked.name, '.'))
    )
    ORDER BY asked.place LIMIT 1
"""
# From name to name through the index: there are a few among millions of facts.
_KNOWN = """
    WITH RECURSIVE sent AS (
        (
            SELECT provider, metric FROM meta_ads.facts WHERE tenant = %(tenant)s
            ORDER BY tenant, provider, metric LIMIT 1
        )
        UNION ALL
        SELECT following.* FROM sent CROSS JOIN LATERAL (
            SELECT provider, metric FROM meta_ads.facts AS fact
            WHERE fact.tenant = %(tenant)s
                AND (fact.tenant, fact.provider, fact.metric)
                    > (%(tenant)s, sent.provider, sent.metric)
            ORDER BY fact.tenant, fact.provider, fact.metric LIMIT 1
        ) AS following
    )
    SELECT provider || '.' || metric FROM sent LIMIT 1000
"""
# Of an account the coarsest level that tells the keys apart: finer ones are parts of the same.
# A day as it was sent, or the sum of its hours.
_SUMS = """
    WITH ranked AS (
        SELECT known.*, known.provider || '.' || known.metric AS name,
            array_position(%(levels)s::text[], known.level) AS depth
        FROM meta_ads.facts AS known
        JOIN unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
            AS asked (account_id, since, until) ON known.account_id = asked.account_id
            AND known.date_start BETWEEN asked.since AND asked.until
        WHERE known.tenant = %(tenant)s AND known.breakdown = ''
            AND known.provider || '.' || known.metric = ANY (%(names)s)
    ),
    fact AS (
        SELECT one.*,
            min(depth) OVER (PARTITION BY name, account_id) AS coarsest,
            bool_or(hour = -1) OVER (
                PARTITION BY name, account_id, level, entity_id, date_start
            ) AS has_day
        FROM ranked AS one WHERE depth >= %(depth)s
    )
    SELECT {selected}
    FROM fact
    LEFT JOIN meta_ads.meta_ads AS ad
        ON fact.level = 'ad' AND ad.ad_id = fact.entity_id AND ad.account_id = fact.account_id
    LEFT JOIN meta_ads.meta_adsets AS adset
        ON fact.level = 'adset' AND adset.adset_id = fact.entity_id
        AND adset.account_id = fact.account_id
    WHERE fact.depth = fact.coarsest AND (fact.hour = -1) = fact.has_day
    {grouped}
    HAVING count(*) > 0
    {ordered}
"""


def is_sent(name: str) -> bool:
    """Whether a metric's name is one of a fact: no metric of Meta's has a dot."""
    return "." in name


def with_facts(
    connection: Connection[Any],
    question: Question,
    answer: Result,
    names: Sequence[str],
    tenant: str,
) -> Result:
    """The answer with a column for each fact; what nobody sent is not known.

    Keys that only facts have are further rows. Raises UnknownName for a fact nobody sent,
    ImpossibleQuestion where facts cannot be told apart as asked.
    """
    asked = {"tenant": tenant, "names": list(names)}
    if missing := connection.execute(_MISSING, asked).fetchone():
        known = [row[0] for row in connection.execute(_KNOWN, asked)]
        raise UnknownName("fact", missing[0], known, hint="POST /v1/facts sends facts.")
    grouping = question.grouping
    # Providers send no age and no placement, and a filter on Meta's names cannot reach theirs.
    others = [one for one in grouping.by if one not in _KEYS]
    if others or grouping.filters:
        raise ImpossibleQuestion(
            f"Facts ({', '.join(names)}) are told apart by {', '.join(_KEYS)} and not filtered: "
            f"ask without {', '.join([*others, *grouping.filters])}."
        )
    sums = _sums(question, names, tenant)
    return _joined(answer, sums, read_exactly(connection, sums, question.bound))


def _sums(question: Question, names: Sequence[str], tenant: str) -> Statement:
    """One row for each key, so that it counts as one of the answer however many facts it has."""
    by = question.grouping.by
    values = [
        f"sum(fact.value) FILTER (WHERE fact.name = (%(names)s::text[])[{n + 1}])"
        for n in range(len(names))
    ]
    places = ", ".join(str(n + 1) for n in range(len(by)))
    text = _SUMS.format(
        selected=", ".join([*(_KEYS[name] for name in by), *values]),
        grouped=f"GROUP BY {places}" if by else "",
        ordered=f"ORDER BY {places}" if by else "",
    )
    params: dict[str, Any] = {"levels": list(LEVELS), **as_arrays(question.asked)}
    params |= {"tenant": tenant, "names": list(names)}
    params["depth"] = LEVELS.index(finest([*question.grouping.levels, "account"])) + 1
    return Statement(text, params, tuple(map(question.grouping.column, by)), tuple(names))


def _joined(answer: Result, sums: Statement, facts: Sequence[Row]) -> Result:
    keys, names = sums.keys, sums.values
    # As text: days come as dates from one side and as what the grouping made of them from the
    # other.
    rows = {tuple(str(row[name]) for name in keys): row for row in answer.rows}
    for one in facts:
        key = tuple(str(one[name]) for name in keys)
        joined = rows.setdefault(key, {name: one[name] for name in keys})
        joined.update({name: float(one[name]) for name in names if one[name] is not None})
    formulas = {name: f"sum of what {name.partition('.')[0]} sent" for name in names}
    # What a provider's number is in only the provider knows: a count, until somebody says more.
    about = {
        **answer.about,
        "units": {**answer.about["units"], **dict.fromkeys(names, "count")},
        "formulas": {**answer.about["formulas"], **formulas},
    }
    wanted = [*answer.columns, *names]
    made = [{name: row.get(name) for name in wanted} for row in rows.values()]
    return Result(wanted, made, about, answer.currencies)
