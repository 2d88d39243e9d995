"""What `results` of an answer are results of, where that has to be said."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from .question import Question

_SHOWN = 3


def goal_notes(connection: Connection[Any], question: Question) -> list[str]:
    """Sentences about ad sets whose results nothing counts, and about goals that are added up.

    Only ad sets that delivered in the question's days and pass its filters speak.
    """
    params: dict[str, Any] = {
        "accounts": list(question.account_ids),
        "since": [period.since for period in question.periods],
        "until": [period.until for period in question.periods],
    }
    kept = [one for one in question.grouping.conditions(params) if "cell_values" not in one]
    asked = " AND ".join(["true", *kept])
    found = connection.execute(_GOALS.format(asked=asked), params).fetchall()
    unknown = [(adset, why) for _, _, adset, goal, why in found if goal is None]
    notes = [_unknown(unknown)] if unknown else []
    by = question.grouping.by
    if {"adset", "ad", "optimization_goal"} & set(by):
        return notes
    mixed = set[str]()
    goals: dict[tuple[str, ...], set[str]] = {}
    for account, campaign, _, goal, _ in found:
        row = (account if "account" in by else "", campaign if "campaign" in by else "")
        if goal is not None:
            goals.setdefault(row, set()).add(goal)
            mixed |= goals[row] if len(goals[row]) > 1 else set()
    return [*notes, _mixed(sorted(mixed))] if mixed else notes


def _mixed(goals: list[str]) -> str:
    more = f" and {len(goals) - _SHOWN} more" if len(goals) > _SHOWN else ""
    return (
        f"results adds up different goals ({', '.join(goals[:_SHOWN])}{more}): group by adset to "
        "keep them apart."
    )


def _unknown(adsets: list[tuple[str, str | None]]) -> str:
    named = "; ".join(f"{adset} ({why or 'not read yet'})" for adset, why in adsets[:_SHOWN])
    more = f" and {len(adsets) - _SHOWN} more" if len(adsets) > _SHOWN else ""
    return (
        f"results of {len(adsets)} ad sets are unknown: nothing here counts their goal: "
        f"{named}{more}. They are left out, also from cost_per_result; a dictionary file can "
        "name a metric for the goal."
    )


_GOALS = """
    SELECT f.account_id, f.campaign_id, f.adset_id, goal.result_metric, goal.decided_by
    FROM (
        SELECT DISTINCT made.account_id, made.campaign_id, made.adset_id, made.ad_id
        FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
            AS asked (account_id, since, until)
        JOIN meta_ads.ad_rollups AS made ON made.account_id = asked.account_id
            AND made.date_start BETWEEN asked.since AND asked.until
    ) AS f
    LEFT JOIN meta_ads.adset_goals AS goal ON goal.adset_id = f.adset_id
    LEFT JOIN meta_ads.meta_campaigns AS c ON c.campaign_id = f.campaign_id
    LEFT JOIN meta_ads.meta_adsets AS s ON s.adset_id = f.adset_id
    LEFT JOIN meta_ads.meta_ads AS a ON a.ad_id = f.ad_id
    WHERE {asked}
    GROUP BY f.account_id, f.campaign_id, f.adset_id, goal.result_metric, goal.decided_by
    ORDER BY f.adset_id
"""
