from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline.metrics import ImpossibleQuestion, UnknownName, rollup
from meta_pipeline.metrics.kpi import KPIs, PacingState, Verdict
from meta_pipeline.warehouse import Warehouse

from .rows import ACCOUNT, NOW, Rows, actions, ago

MIDNIGHT = datetime(2026, 3, 17, 23, tzinfo=UTC)
"""Where the test's day begins in Berlin."""


def test_performance_is_judged_in_the_metrics_direction(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    rows.insight(
        "a1",
        ago(1),
        spend=100,
        actions=actions(lead=10, omni_purchase=2),
        action_values=actions(omni_purchase=450),
    )
    rollup(rows.connection, ACCOUNT)
    rows.connection.commit()
    kpis = KPIs(warehouse)
    kpis.set(ACCOUNT, "cpl", 12.5, is_primary=True, note="agreed in March")
    kpis.set(ACCOUNT, "roas", 5)
    kpis.set(ACCOUNT, "spend")
    kpis.set(ACCOUNT, "cost_per_registration", 8)

    found = {row.metric_key: row for row in kpis.performance(ACCOUNT, now=NOW)}

    assert (found["cpl"].value, found["cpl"].distance_pct) == (10.0, 20.0)
    assert found["cpl"].verdict is Verdict.MET
    assert (found["roas"].distance_pct, found["roas"].verdict) == (-10.0, Verdict.MISSED)
    assert found["spend"].verdict is Verdict.NO_TARGET
    assert found["cost_per_registration"].verdict is Verdict.UNKNOWN

    rows.connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
    view = rows.connection.execute(
        "SELECT metric_key, value_7d::float, distance_7d_pct::float, verdict_7d"
        " FROM meta_ads.performance_vs_target"
    ).fetchall()
    assert {row[0]: row[1:] for row in view} == {
        key: (row.value, row.distance_pct, str(row.verdict)) for key, row in found.items()
    }


def test_an_account_that_changed_its_currency_leaves_the_targets_of_the_others(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.changed_currency()
    kpis = KPIs(warehouse)
    for account in ("act_2", ACCOUNT):
        kpis.set(account, "cpc", 3, is_primary=True)
    kpis.set("act_2", "spend")

    stayed, judged, watched = kpis.performance(None, "last_7d", now=NOW)

    assert (stayed.account_id, stayed.value, stayed.verdict) == (ACCOUNT, 2.0, Verdict.MET)
    assert (judged.account_id, judged.value, judged.verdict) == ("act_2", None, Verdict.UNKNOWN)
    assert (watched.value, watched.verdict) == (None, Verdict.NO_TARGET)
    for one in (judged, watched):
        assert "act_2 changed its currency: its stored amounts are in JPY from" in one.notes[0]
    assert not any("changed its currency" in note for note in stayed.notes)


def test_one_primary_metric_per_account(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    kpis = KPIs(warehouse)
    kpis.set(ACCOUNT, "cpl", 10, is_primary=True)
    kpis.set(ACCOUNT, "roas", 3, is_primary=True)

    assert [(kpi.metric_key, kpi.is_primary) for kpi in kpis.list(ACCOUNT)] == [
        ("roas", True),
        ("cpl", False),
    ]
    kpis.remove(ACCOUNT, "cpl")
    with pytest.raises(UnknownName, match="roas"):
        kpis.remove(ACCOUNT, "roa")


def test_targets_that_mean_nothing_are_refused(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    kpis = KPIs(warehouse)

    with pytest.raises(ImpossibleQuestion, match="above 0"):
        kpis.set(ACCOUNT, "cpl", 0)
    with pytest.raises(ImpossibleQuestion, match="no better direction"):
        kpis.set(ACCOUNT, "frequency", 3)
    with pytest.raises(UnknownName, match="Did you mean cpl"):
        kpis.set(ACCOUNT, "cplx", 3)
    with pytest.raises(UnknownName, match="act_1"):
        kpis.set("act_10", "cpl", 3)
    assert kpis.list() == []


DAILY: dict[str, Any] = {"daily_budget": 10, "start_time": MIDNIGHT - timedelta(days=30)}
LIFETIME: dict[str, Any] = {
    "lifetime_budget": 100,
    "start_time": NOW - timedelta(days=5),
    "stop_time": NOW + timedelta(days=5),
}
BUDGETS: dict[str, tuple[dict[str, Any], PacingState, float | None]] = {
    "daily, seven whole days": (DAILY, PacingState.ON_PACE, 100.0),
    "daily, too little": (DAILY | {"daily_budget": 20}, PacingState.UNDER, 50.0),
    "daily, too much": (DAILY | {"daily_budget": 5}, PacingState.OVER, 200.0),
    "daily, two whole days": (
        DAILY | {"start_time": MIDNIGHT - timedelta(days=2)},
        PacingState.ON_PACE,
        100.0,
    ),
    "first day": (DAILY | {"start_time": MIDNIGHT}, PacingState.FIRST_DAY, None),
    "paused": (DAILY | {"effective_status": "PAUSED"}, PacingState.PAUSED, None),
    "not started": (
        DAILY | {"start_time": NOW + timedelta(days=1)},
        PacingState.NOT_STARTED,
        None,
    ),
    "ended": (DAILY | {"stop_time": NOW - timedelta(hours=1)}, PacingState.ENDED, None),
    "lifetime, half the time, all we know": (LIFETIME, PacingState.ON_PACE, 100.0),
    "lifetime, as Meta says": (LIFETIME | {"budget_remaining": 20}, PacingState.OVER, 160.0),
    "lifetime without an end": (LIFETIME | {"stop_time": None}, PacingState.NO_SCHEDULE, None),
}


@pytest.mark.parametrize("case", BUDGETS)
def test_pacing(case: str, warehouse: Warehouse, rows: Rows) -> None:
    values, state, pacing_pct = BUDGETS[case]
    rows.account()
    rows.campaign("c1", **values)
    first = min(9, max(1, (NOW - values["start_time"]).days + 1))
    for back in range(1, first):
        rows.insight("a1", ago(back), spend=10)
    rollup(rows.connection, ACCOUNT)
    rows.connection.commit()

    (row,) = KPIs(warehouse).pacing(ACCOUNT, now=NOW)

    assert (row.state, row.pacing_pct) == (
        state,
        None if pacing_pct is None else Decimal(str(pacing_pct)),
    )
    rows.connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
    view = rows.connection.execute("SELECT pacing_pct FROM meta_ads.campaign_performance")
    assert view.fetchall() == [(row.pacing_pct,)]


def test_budgets_of_ad_sets_are_paced_where_they_are_set(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    rows.connection.execute(
        "UPDATE meta_ads.meta_adsets SET daily_budget = 5, start_time = '2026-01-01'"
        " WHERE adset_id = 's1'"
    )
    for back in range(1, 8):
        rows.insight("a1", ago(back), spend=3)
        rows.insight("a2", ago(back), spend=2)
    rollup(rows.connection, ACCOUNT)
    rows.connection.commit()

    (row,) = KPIs(warehouse).pacing(now=NOW)

    assert (row.entity_type, row.entity_id, row.spent) == ("adset", "s1", Decimal(35))
    assert row.state is PacingState.ON_PACE
