"""Account: its numbers with their comparison, day by day, its pace, what changed, how proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.period import Period
from meta_pipeline.metrics.answers.question import Account
from meta_pipeline.metrics.definitions.definition import Metric
from meta_pipeline.metrics.kpi import KPIs, PacingState
from meta_pipeline.model.time_zone import zone
from meta_pipeline.web.asked import OFFERED, days_of, preset_label
from meta_pipeline.web.chart import DayBar, daily_bars
from meta_pipeline.web.compared import compared
from meta_pipeline.web.gate import NotFound, Visit
from meta_pipeline.web.reader import Reader
from meta_pipeline.web.standing import statuses_of

_TILES = ("spend", "results", "cost_per_result", "impressions", "ctr", "roas")
_CHARTS = ("spend", "results", "cost_per_result")
_BUDGETS_SHOWN = 15
_CHANGES_SHOWN = 15
_DAYS_SHOWN = 35
"""Days whose proof is listed; a longer range shows the newest."""
_MOST_BARS = 120


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric day by day: the picture, and the same as rows."""

    metric: Metric
    picture: Markup
    rows: Sequence[tuple[date, float | None, bool]]

    @classmethod
    def of(
        cls,
        reader: Reader,
        metric: Metric,
        known: Account,
        answered: Sequence[Mapping[str, Any]],
        *,
        settling: set[date],
        currency: str | None,
    ) -> Trend:
        """Of the rows of an answer by day; `settling` are days that Meta may still restate."""
        rows = [
            (
                row["day"],
                None if row[metric.key] is None else float(row[metric.key]),
                row["day"] in settling,
            )
            for row in answered
        ]

        def shown(value: float | None) -> str:
            return reader.value(value, metric.unit, currency)

        bars = [
            DayBar(
                day,
                value if value is not None or metric.kind == "ratio" else None,
                f"{reader.day(day)}: {shown(value)}{', may still move' if moves else ''}",
            )
            for day, value, moves in rows
        ]
        # No result on a day has no cost: nothing to draw, nothing unknown.
        if metric.kind == "ratio":
            bars = [DayBar(one.day, one.value or 0.0, one.label) for one in bars]
        picture = daily_bars(
            f"{metric.display_name} of {known.name or known.account_id} by day",
            bars,
            settling=settling,
            scale=lambda value: reader.compact(value, metric.unit, currency),
            name_of=reader.short_day,
        )
        return cls(metric, picture, rows)


def account(visit: Visit) -> Response:
    """Everything about one account for the days asked for."""
    params = visit.request.query_params
    days = days_of(params, "last_28d")
    known = account_named(visit, visit.request.path_params["account_id"])
    dictionary = metrics.dictionary_of(visit.warehouse)
    kpis = [
        kpi
        for kpi in KPIs(visit.warehouse).performance(
            known.account_id, days.asked, now=visit.now, bound=metrics.Bound()
        )
        if kpi.metric_key in dictionary.metrics
    ]
    of_kpis = [note for kpi in kpis for note in kpi.notes]
    numbers = compared(visit.warehouse, [known], _TILES, days.asked, visit.now)
    period = numbers.periods[known.account_id]
    answer = metrics.answer(
        visit.warehouse,
        account=known.account_id,
        metrics=_CHARTS,
        by=["day"],
        date_range=(period.since, period.until),
        now=visit.now,
        bound=metrics.Bound(),
    )
    timeline = metrics.timeline(
        visit.warehouse, known.account_id, with_below=True, limit=_CHANGES_SHOWN
    )
    budgets = [
        one
        for one in KPIs(visit.warehouse).pacing(known.account_id, now=visit.now)
        if one.state in (PacingState.UNDER, PacingState.OVER, PacingState.ON_PACE)
    ]
    proof = _proof(visit, known, period)
    return visit.page(
        "account.html",
        title=known.name or known.account_id,
        account=known,
        zone=zone(known.timezone_name),
        status=statuses_of(visit, known.account_id)[0],
        days=days,
        period=period,
        presets=[(name, preset_label(name)) for name in OFFERED],
        tiles=[dictionary.metric(name) for name in _TILES],
        numbers=numbers,
        kpis=[(kpi, dictionary.metric(kpi.metric_key)) for kpi in kpis],
        trends=_trends(visit.reader, dictionary, known, answer),
        notes=list(dict.fromkeys([*numbers.notes, *answer.about["notes"], *of_kpis])),
        completeness=answer.about["completeness"],
        budgets=sorted(budgets, key=lambda one: -abs(float(one.pacing_pct or 100) - 100)),
        budgets_shown=_BUDGETS_SHOWN,
        timeline=timeline,
        proof=proof,
        proven=Counter(str(one.status) for one in proof),
        settling=metrics.settling(visit.warehouse, known.account_id, now=visit.now),
    )


def account_named(visit: Visit, account_id: str) -> Account:
    """The account of an address; NotFound when there is none of that id."""
    try:
        (known,) = metrics.accounts_of(visit.warehouse, account_id)
    except metrics.MetricsError as error:
        raise NotFound(str(error)) from None
    return known


def _trends(
    reader: Reader, dictionary: metrics.Dictionary, known: Account, answer: metrics.Result
) -> list[Trend]:
    complete: Mapping[str, Any] = answer.about["completeness"]
    settling = {
        date.fromisoformat(day) for day in complete["settling_days"].get(known.account_id, ())
    }
    shown = answer.rows[-_MOST_BARS:]
    currency = answer.currencies.get(known.account_id, known.currency)
    return [
        Trend.of(
            reader, dictionary.metric(name), known, shown, settling=settling, currency=currency
        )
        for name in _CHARTS
    ]


def _proof(visit: Visit, known: Account, period: Period) -> list[metrics.Reconciliation]:
    """The verdicts stored for the newest of these days, newest first."""
    since = max(period.since, period.until - timedelta(days=_DAYS_SHOWN - 1))
    with visit.warehouse.connection() as connection:
        rows = metrics.reconciliations(connection, known.account_id, since, period.until)
    return rows[::-1]
