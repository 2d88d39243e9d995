"""The ad sets that delivered in a question's days and pass its filters."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.source import finest

from .question import Question, as_arrays

_ADSETS = """
    (
        SELECT made.account_id, made.campaign_id, made.adset_id,
               nullif(made.result_metric, '') AS result_metric
        FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
            AS asked (account_id, since, until)
        JOIN meta_ads.adset_goal_days AS made ON made.account_id = asked.account_id
            AND made.days && daterange(asked.since, asked.until, '[]')
    ) AS f
"""
_ADS = """
    (
        SELECT DISTINCT made.account_id, made.campaign_id, made.adset_id, made.ad_id,
               made.result_metric
        FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
            AS asked (account_id, since, until)
        JOIN meta_ads.ad_rollups AS made ON made.account_id = asked.account_id
            AND made.date_start BETWEEN asked.since AND asked.until
    ) AS f
"""


def of_delivered(
    connection: Connection[Any], question: Question, text: str, **words: str
) -> list[tuple[Any, ...]]:
    """The rows of `text`, a SELECT about `f`: the delivered ad sets, or their ads.

    In it `{rows}` is `f`, `{joins}` what the filters need beside it, `{kept}` the filters; the
    other names in braces are `words`.
    """
    params: dict[str, Any] = as_arrays(question.asked)
    # Ad sets have no age and no country: a filter on those says nothing of them.
    kept = [one for one in question.grouping.conditions(params) if "cell_values" not in one]
    is_by_ad = finest([*question.grouping.levels, "adset"]) == "ad"
    filled = text.format(
        rows=_ADS if is_by_ad else _ADSETS,
        joins=question.grouping.joins,
        kept=" AND ".join(["true", *kept]),
        **words,
    )
    return connection.execute(filled, params).fetchall()
