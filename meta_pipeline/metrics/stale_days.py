"""Days whose rollup is behind what is stored: which they are, and how many each account has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from psycopg import Connection

# A day is stale when the ledger read it again since, when its definitions changed, when an ad set
# has another goal by now, or when it has ad rows and was never rolled up. The last one walks the
# index (account_id, date_start) from day to day: rows are never counted.
_AGED = """
    WITH RECURSIVE days AS (
        (SELECT date_start FROM meta_ads.meta_insights
         WHERE account_id = %(account_id)s
           AND date_start >= coalesce(%(since)s::date, '0001-01-01')
         ORDER BY date_start LIMIT 1)
        UNION ALL
        SELECT (SELECT next.date_start FROM meta_ads.meta_insights AS next
                WHERE next.account_id = %(account_id)s AND next.date_start > days.date_start
                ORDER BY next.date_start LIMIT 1)
        FROM days
        WHERE days.date_start < coalesce(%(until)s::date, '9999-12-31')
    ),
    candidates AS (
        SELECT date_start FROM days WHERE date_start IS NOT NULL
        UNION
        SELECT date_start FROM meta_ads.sync_windows
        WHERE account_id = %(account_id)s AND dataset = 'insights_ad'
        UNION
        SELECT date_start FROM meta_ads.metric_rollups WHERE account_id = %(account_id)s
    )
    SELECT candidates.date_start
    FROM candidates
    LEFT JOIN meta_ads.metric_rollups AS made
      ON made.account_id = %(account_id)s AND made.date_start = candidates.date_start
    LEFT JOIN meta_ads.sync_windows AS ledger
      ON ledger.account_id = %(account_id)s AND ledger.dataset = 'insights_ad'
     AND ledger.date_start = candidates.date_start
    WHERE (made.date_start IS NULL
           OR made.definition_version <> %(version)s
           OR made.source_fetched_at IS DISTINCT FROM ledger.fetched_at)
      AND candidates.date_start BETWEEN coalesce(%(since)s::date, '0001-01-01')
                                    AND coalesce(%(until)s::date, '9999-12-31')
"""
# What its results were counted as stands once for all days of an ad set: their rows are not read.
_STALE = f"""{_AGED}
    UNION
    SELECT day::date
    FROM meta_ads.adset_goal_days AS made
    JOIN meta_ads.adset_goals AS goal ON goal.adset_id = made.adset_id
    CROSS JOIN unnest(
        made.days * datemultirange(daterange(%(since)s::date, %(until)s::date, '[]'))
    ) AS one
    CROSS JOIN generate_series(lower(one), upper(one) - 1, interval '1 day') AS day
    WHERE made.account_id = %(account_id)s
      AND coalesce(goal.result_metric, '') <> made.result_metric
    ORDER BY 1
"""
# The same for many accounts at once: what has neither been read nor rolled up is looked up in the
# rows themselves. Between the first and the last day of any account, so that little is hashed.
_ASKED = """
    unnest(%(accounts)s::text[], %(versions)s::text[], %(since)s::date[], %(until)s::date[])
        WITH ORDINALITY AS asked (account_id, version, since, until, number)
"""
_BEHIND = f"""
    SELECT asked.number, day.date_start
    FROM {_ASKED}
    CROSS JOIN LATERAL generate_series(asked.since, asked.until, interval '1 day') AS moment
    CROSS JOIN LATERAL (SELECT moment::date AS date_start) AS day
    LEFT JOIN meta_ads.metric_rollups AS made
      ON made.account_id = asked.account_id AND made.date_start = day.date_start
     AND made.date_start BETWEEN %(first)s AND %(last)s
    LEFT JOIN meta_ads.sync_windows AS ledger
      ON ledger.account_id = asked.account_id AND ledger.dataset = 'insights_ad'
     AND ledger.date_start = day.date_start
     AND ledger.date_start BETWEEN %(first)s AND %(last)s
    WHERE CASE
        WHEN made.date_start IS NOT NULL THEN made.definition_version <> asked.version
            OR made.source_fetched_at IS DISTINCT FROM ledger.fetched_at
        ELSE ledger.date_start IS NOT NULL OR EXISTS (
            SELECT FROM meta_ads.meta_insights AS own
            WHERE own.account_id = asked.account_id AND own.date_start = day.date_start
        )
    END
"""
_OF_GOALS = f"""
    SELECT asked.number, day::date
    FROM {_ASKED}
    JOIN meta_ads.adset_goal_days AS made ON made.account_id = asked.account_id
    JOIN goal ON goal.adset_id = made.adset_id
    CROSS JOIN unnest(
        made.days * datemultirange(daterange(asked.since, asked.until, '[]'))
    ) AS one
    CROSS JOIN generate_series(lower(one), upper(one) - 1, interval '1 day') AS day
    WHERE coalesce(goal.result_metric, '') <> made.result_metric
"""
_COUNT = "SELECT number, count(*) FROM ({}) AS day GROUP BY number"
# Materialized: else each mention of a goal decides anew what it is.
_COUNT_BY_GOAL = f"""
    WITH goal AS MATERIALIZED (
        SELECT adset_id, result_metric FROM meta_ads.adset_goals
        WHERE account_id = ANY (%(accounts)s::text[])
    )
    {_COUNT.format(f"{_BEHIND} UNION {_OF_GOALS}")}
"""


def stale_days(
    connection: Connection[Any],
    account_id: str,
    version: str,
    since: date | None = None,
    until: date | None = None,
) -> list[date]:
    """Days (of the range) whose rollup is missing, older than the rows, or of other definitions."""
    rows = connection.execute(
        _STALE,
        {"account_id": account_id, "version": version, "since": since, "until": until},
    )
    return [day for (day,) in rows]


def days_behind(
    connection: Connection[Any],
    asked: Sequence[tuple[str, str, date, date]],
    *,
    by_goal: bool = False,
) -> dict[tuple[str, str, date, date], int]:
    """How many `stale_days` each has: account, definition version, first, last day.

    Days of another goal are among them where `by_goal`; `answers.goals` says whether there are any.
    """
    accounts, versions, since, until = map(list, zip(*asked, strict=True))
    given: dict[str, Any] = {
        "accounts": accounts,
        "versions": versions,
        "since": since,
        "until": until,
    }
    given |= {"first": min(since), "last": max(until)}
    text = _COUNT_BY_GOAL if by_goal else _COUNT.format(_BEHIND)
    behind = dict(connection.execute(text, given).fetchall())
    return {one: behind.get(number, 0) for number, one in enumerate(asked, start=1)}
