"""What `results` of an answer are results of: whether that changed, and where it has to be said."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from meta_pipeline.metrics.custom_conversions import names_in, with_names
from meta_pipeline.metrics.kept import Kept
from meta_pipeline.metrics.once import once_each

from .delivered import of_delivered
from .question import Question

# A note is read in passing: it names a few, and counts the others.
_SHOWN = 3
_ALONE = frozenset({"adset", "ad", "optimization_goal"})
"""Grouped by one of these, no row adds up several goals."""

Goals = dict[str | None, bool]
"""What an account's ad sets that ever delivered count now (None: nothing here counts it), and
whether days of one were rolled up by something else."""

_KEPT: Kept[dict[str, Goals]] = Kept(32)
_MADE_OF = ("adset_goal_days", "meta_adsets", "meta_campaigns", "metric_goals")


def changed_goals(connection: Connection[Any], question: Question) -> set[str]:
    """Accounts of the question an ad set of which has another goal by now than on some day."""
    goals = _goals(connection, question)
    return {account_id for account_id, of_account in goals.items() if any(of_account.values())}


def goal_notes(connection: Connection[Any], question: Question) -> list[str]:
    """Sentences about ad sets whose results nothing counts, and about goals that are added up.

    Only ad sets that delivered in the question's days and pass its filters speak.
    """
    by_account = _goals(connection, question)
    notes = []
    if any(None in goals for goals in by_account.values()):
        unknown = _asked(connection, question, _UNKNOWN)
        notes += [_unknown(unknown)] if unknown else []
    whole = {goal for goals in by_account.values() for goal in goals if goal is not None}
    if len(whole) > 1 and not _ALONE & set(question.grouping.by):
        mixed = sorted(goal for (goal,) in _asked(connection, question, _MIXED))
        names = names_in(connection, mixed, question.account_ids)
        notes += [with_names(_mixed(mixed), names)] if mixed else []
    return notes


def _goals(connection: Connection[Any], question: Question) -> dict[str, Goals]:
    """Of all days: what they say of none is true of those asked for, whichever these are."""

    def again(before: dict[str, Goals] | None, changed: list[str]) -> dict[str, Goals]:
        # An account without such ad sets has no row, and is known to have none.
        read: dict[str, Goals] = {account_id: {} for account_id in changed}
        for account_id, goal, was_otherwise in connection.execute(_GOALS, {"accounts": changed}):
            read[account_id][goal] = was_otherwise
        return (before or {}) | read

    return once_each(
        connection,
        "goals",
        question.account_ids,
        lambda some: _KEPT.answer(connection, "goals", _MADE_OF, some, again),
    )


def _asked(connection: Connection[Any], question: Question, text: str) -> list[tuple[Any, ...]]:
    """`text` about the delivered ad sets that pass the question's filters, by its rows."""
    # Rows that several goals may be added up in.
    rows = [f"f.{name}_id" for name in ("account", "campaign") if name in question.grouping.by]
    # The rollups say the goals as long as none has changed, without looking every one up.
    is_old = bool(changed_goals(connection, question))
    return of_delivered(
        connection,
        question,
        text,
        goal="goal.result_metric" if is_old else "f.result_metric",
        looked_up=_LOOKED_UP if is_old else "",
        row=", ".join(rows) or "()",
    )


def _mixed(goals: list[str]) -> str:
    more = f" and {len(goals) - _SHOWN} more" if len(goals) > _SHOWN else ""
    return (
        f"results adds up different goals ({', '.join(goals[:_SHOWN])}{more}): group by adset to "
        "keep them apart."
    )


def _unknown(adsets: list[tuple[Any, ...]]) -> str:
    named = "; ".join(f"{adset} ({why or 'not read yet'})" for adset, why in adsets[:_SHOWN])
    more = f" and {len(adsets) - _SHOWN} more" if len(adsets) > _SHOWN else ""
    return (
        f"results of {len(adsets)} ad sets are unknown: nothing here counts their goal: "
        f"{named}{more}. They are left out, also from cost_per_result; a dictionary file can "
        "name a metric for the goal."
    )


# Materialized: else each mention of a goal decides anew what it is. Of an ad set that is not known
# yet there is no goal now that another could differ from.
_GOALS = """
    WITH goal AS MATERIALIZED (
        SELECT adset_id, result_metric FROM meta_ads.adset_goals
        WHERE account_id = ANY (%(accounts)s::text[])
    )
    SELECT f.account_id, goal.result_metric,
           coalesce(bool_or(coalesce(goal.result_metric, '') <> f.result_metric)
               FILTER (WHERE goal.adset_id IS NOT NULL), false)
    FROM meta_ads.adset_goal_days AS f
    LEFT JOIN goal ON goal.adset_id = f.adset_id
    WHERE f.account_id = ANY (%(accounts)s::text[])
    GROUP BY f.account_id, goal.result_metric
"""
_LOOKED_UP = """
    LEFT JOIN meta_ads.adset_goals AS goal ON goal.adset_id = f.adset_id
        AND goal.account_id = ANY (%(accounts)s::text[])
"""
_UNKNOWN = f"""
    SELECT DISTINCT f.adset_id, goal.decided_by
    FROM {{rows}}
    {_LOOKED_UP}
    {{joins}}
    WHERE {{goal}} IS NULL AND {{kept}}
    ORDER BY f.adset_id
"""
_MIXED = """
    SELECT DISTINCT unnest(goals)
    FROM (
        SELECT array_agg(DISTINCT {goal}) AS goals
        FROM {rows}
        {looked_up}
        {joins}
        WHERE {goal} IS NOT NULL AND {kept}
        GROUP BY {row}
    ) AS row
    WHERE cardinality(goals) > 1
"""
