"""Plots: the report's pictures, made from the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from meta_pipeline.words import times

from .answer import QuestionRows
from .chart import Bar, Series, Threshold, bars, columns, lines
from .words import number

_SHOWN = 15
"""Bars in a picture; the table has them all."""

# A limit keeps its colour from one report to the next, whichever of them have readings.
_SCOPES = ("app", "ads_management", "ads_insights", "score", "insights throttle")

Draw = Callable[[QuestionRows], str]
_DRAW: dict[str, Draw] = {}


def plot(answer: QuestionRows, thresholds: Mapping[str, float]) -> str:
    """The picture of one answer as HTML; empty where there is none or not enough data.

    `thresholds` are the governor's, by name, in percent: lines of the usage plot.
    """
    if not answer.is_enough or not answer.rows:
        return ""
    if answer.question.key == "usage_over_time":
        return _usage(answer, thresholds)
    draw = _DRAW.get(answer.question.key)
    return draw(answer) if draw is not None else ""


def _draws(key: str) -> Callable[[Draw], Draw]:
    """The picture of the answer to this question."""

    def kept(draw: Draw) -> Draw:
        _DRAW[key] = draw
        return draw

    return kept


def _usage(answer: QuestionRows, thresholds: Mapping[str, float]) -> str:
    points: dict[str, list[Any]] = {}
    for row in answer.records():
        points.setdefault(row["scope"], []).append((row["at"], float(row["usage_pct"])))
    ordered = [*(one for one in _SCOPES if one in points), *sorted(points.keys() - set(_SCOPES))]
    marks = [Threshold(name, value) for name, value in thresholds.items()]
    return lines(
        "Highest usage of each limit, in percent (UTC)",
        [Series(name, points[name]) for name in ordered],
        thresholds=marks,
        unit=" %",
    )


@_draws("cost_per_account")
def _cost(answer: QuestionRows) -> str:
    rows = [
        Bar(
            row["account"],
            # A weight may be below one; a part of a bar may not.
            (float(row["calls"]), max(0.0, float(row["weighted_cost"] - row["calls"]))),
            f"{times(row['calls'], 'call')}, cost {number(row['weighted_cost'], 0)}",
        )
        for row in answer.records()
    ]
    return bars(
        "Calls of each account, and what weights by query shape add to them",
        rows[:_SHOWN],
        names=("calls", "added by weights"),
    )


@_draws("time_by_phase")
def _phases(answer: QuestionRows) -> str:
    rows = [
        Bar(
            row["account"],
            (float(row["network_seconds"]), float(row["database_seconds"])),
            f"{number(row['network_seconds'])} + {number(row['database_seconds'])} s",
        )
        for row in answer.records()
    ]
    return bars(
        "Seconds of an average sync, by phase",
        rows[:_SHOWN],
        names=("waiting for Meta", "writing to Postgres"),
    )


@_draws("throttled_syncs")
def _throttles(answer: QuestionRows) -> str:
    rows = [
        Bar(
            row["account"],
            (
                float(row["syncs"] - row["throttled_syncs"]),
                float(row["by_governor"]),
                float(row["by_meta"]),
            ),
            f"{row['throttled_syncs']} of {row['syncs']} throttled",
        )
        for row in answer.records()
    ]
    return bars(
        "Syncs of each account: how many went through, and who stopped the others",
        rows[:_SHOWN],
        names=("went through", "held back by the governor", "refused by Meta"),
    )


@_draws("freshness")
def _freshness(answer: QuestionRows) -> str:
    known = [row for row in answer.records() if row["age_hours"] is not None]
    never = [row for row in answer.records() if row["age_hours"] is None]
    # First, and without a bar: never is no number of hours, and worse than all of them.
    rows = [Bar(row["account"], (), "never") for row in never]
    rows += [Bar(row["account"], (float(row["age_hours"]),), row["synced"]) for row in known]
    return bars("Hours since the last successful sync", rows[:_SHOWN])


@_draws("burst_by_hour")
def _bursts(answer: QuestionRows) -> str:
    by_hour = {row["hour_utc"]: row for row in answer.records()}
    rows = []
    # Also the hours without a call: a day has all of them, and gaps are what is looked for.
    for hour in range(24):
        row = by_hour.get(hour)
        parts = (float(row["sustained_per_minute"]), float(row["burst_per_minute"])) if row else ()
        note = f"{number(parts[0])} a minute, busiest {number(parts[1])}" if parts else "no calls"
        rows.append(Bar(f"{hour:02}", parts or (0.0, 0.0), note))
    title = "Calls per minute by hour of the day (UTC)"
    return columns(title, rows, names=("sustained", "busiest minute"))


@_draws("calls_by_endpoint")
def _endpoints(answer: QuestionRows) -> str:
    rows = [
        Bar(
            row["endpoint_key"],
            (float(row["calls"]),),
            f"{times(row['calls'], 'call')}, {number(row['share_pct'], 1)} %",
        )
        for row in answer.records()
    ]
    return bars("Calls by endpoint", rows[:_SHOWN])
