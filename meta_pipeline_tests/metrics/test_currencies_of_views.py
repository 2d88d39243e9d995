"""Views add up no amounts of several currencies: what an account that changed its own has is null.

The account is in EUR. Each stored day is in EUR or JPY by chance, as Meta gave it, and so is each
budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from meta_pipeline.metrics import reconcile, rollup
from meta_pipeline.metrics.kpi import KPIs, PacingState, Verdict
from meta_pipeline.warehouse import Warehouse

from .rows import ACCOUNT, NOW, Rows, actions, ago

ADS = {"a1": ("s1", "c1"), "a2": ("s1", "c1"), "a3": ("s2", "c1"), "a4": ("s3", "c2")}
WINDOWS = {"today": (0, 0), "7d": (1, 7), "30d": (1, 30), "lifetime": (0, 99)}
"""First and last day ago."""
DAYS = (0, 1, 3, 8, 20, 40)

Held = Mapping[tuple[str, int], tuple[Decimal, str]]
"""Spend and its currency by ad and days ago; revenue is twice as much."""


def total(held: Held, ads: Iterable[str], window: str, currency: str) -> Decimal | None:
    """What these ads spent, where all that is not nothing is held in `currency`."""
    first, last = WINDOWS[window]
    parts = [part for (ad, days), part in held.items() if ad in set(ads) and first <= days <= last]
    if any(spend and held_in != currency for spend, held_in in parts):
        return None
    return sum((spend for spend, _ in parts), Decimal(0))


@pytest.fixture(params=range(6))
def held(request: pytest.FixtureRequest, rows: Rows) -> Held:
    """The more JPY the higher the seed; with seed 0 there is none."""
    rng = Random(request.param)
    share_of_jpy = request.param / 10
    rows.tree()
    for table, key in (("meta_campaigns", "campaign_id"), ("meta_adsets", "adset_id")):
        for entity_id in ("c1", "c2", "c3") if key == "campaign_id" else ("s1", "s2", "s3"):
            rows.connection.execute(
                f"UPDATE meta_ads.{table} SET currency = %s, daily_budget = 10,"
                f" created_time = '2026-01-01' WHERE {key} = %s",
                ("JPY" if rng.random() < share_of_jpy else "EUR", entity_id),
            )
    made: dict[tuple[str, int], tuple[Decimal, str]] = {}
    for days in DAYS:
        currency = "JPY" if rng.random() < share_of_jpy else "EUR"
        for ad in ADS:
            spend = Decimal(rng.choice([0, 5, 12]))
            made[ad, days] = spend, currency
            worth = actions(omni_purchase=2 * spend)
            rows.insight(
                ad, ago(days), spend=spend, impressions=100, clicks=10, currency=currency,
                actions=actions(omni_purchase=1), action_values=worth if spend else None,
            )  # fmt: skip
    rollup(rows.connection, ACCOUNT)
    rows.connection.execute(f"SET meta_ads.now = '{NOW.isoformat()}'")
    rows.connection.commit()
    return made


def read(rows: Rows, view: str, key: str) -> dict[str, dict[str, Any]]:
    cursor = rows.connection.execute(f"SELECT * FROM meta_ads.{view}")
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in found:
        odd = [name for name, value in row.items() if str(value) == "NaN"]
        assert not odd, (view, odd)
    return {row[key]: row for row in found}


def inside(level: str, entity_id: str) -> list[str]:
    place: Mapping[str, Callable[[str], str]] = {
        "account": lambda _: ACCOUNT,
        "campaign": lambda ad: ADS[ad][1],
        "adset": lambda ad: ADS[ad][0],
        "ad": lambda ad: ad,
    }
    return [ad for ad in ADS if place[level](ad) == entity_id]


@pytest.mark.parametrize("level", ["campaign", "adset", "ad"])
def test_performance_of_a_level(rows: Rows, held: Held, level: str) -> None:
    shown = read(rows, f"{level}_performance", f"{level}_id")
    assert shown
    for entity_id, row in shown.items():
        ads = inside(level, entity_id)
        for window in ("today", "7d", "30d", *(() if level == "ad" else ("lifetime",))):
            spend = total(held, ads, window, row["currency"])
            assert row[f"spend_{window}"] == spend, (entity_id, window)
            if window == "today":
                continue
            assert row[f"revenue_{window}"] == (None if spend is None else 2 * spend)
            if spend is None:
                of_money = ("cpc", "cpm", "cpl", "cpa", "roas", "cost_per_result")
                assert {row[f"{name}_{window}"] for name in of_money} == {None}
                assert row[f"purchases_{window}"] > 0
                assert row[f"ctr_{window}_pct"] == 10
            elif spend:
                assert row[f"roas_{window}"] == 2
        if level != "ad" and row["effective_status"] == "ACTIVE" and ads:
            has_pace = total(held, ads, "7d", row["currency"]) is not None
            assert (row["pacing_pct"] is not None) == has_pace


def test_the_tree_and_the_overview(rows: Rows, held: Held) -> None:
    for entity_id, row in read(rows, "entity_tree", "entity_id").items():
        spend = total(held, inside(row["entity_type"], entity_id), "30d", "EUR")
        assert row["spend_30d"] == spend
        assert row["revenue_30d"] == (None if spend is None else 2 * spend)
        assert row["roas_30d"] == (2 if spend else None)
    row = read(rows, "account_overview", "account_id")[ACCOUNT]
    for window in ("today", "7d", "30d"):
        assert row[f"spend_{window}"] == total(held, ADS, window, "EUR")
    assert (row["cpm_7d"] is None) == (row["spend_7d"] is None)
    assert (row["roas_7d"] is None) == (not row["spend_7d"])


def test_what_no_ad_explains(rows: Rows, held: Held) -> None:
    """One unit of each day, in the currency that the account's own row of the day is in."""
    for days in DAYS:
        parts = [part for (_, back), part in held.items() if back == days]
        spend = sum(spend for spend, _ in parts)
        rows.insight(
            ACCOUNT, ago(days), level="account", spend=spend + 1, impressions=500, clicks=50,
            currency=parts[0][1],
        )  # fmt: skip
        for dataset in ("insights_ad", "insights_account"):
            rows.fetched([ago(days)], dataset=dataset, sync="s")
    reconcile(rows.connection, ACCOUNT, ago(60), ago(0))
    row = read(rows, "account_overview", "account_id")[ACCOUNT]
    lately = {back: currency for (_, back), (_, currency) in held.items() if 1 <= back <= 30}
    expected = None if "JPY" in lately.values() else len(lately)
    assert row["unexplained_spend_30d"] == expected


def test_a_day_of_the_account(rows: Rows, held: Held) -> None:
    # A day whose campaigns were read before and after the change.
    rows.connection.execute(
        "UPDATE meta_ads.campaign_rollups SET currency = 'USD'"
        " WHERE campaign_id = 'c2' AND date_start = %s",
        (ago(3),),
    )
    rows.connection.execute(
        "UPDATE meta_ads.metric_definitions SET unit = 'currency' WHERE metric_key = 'searches'"
    )
    rows.connection.execute(
        "UPDATE meta_ads.campaign_rollups"
        """ SET other_metrics = '{"searches": 2.5, "contacts": 1}'"""
    )
    for day, row in read(rows, "daily_account_metrics", "date_start").items():
        assert row["other_metrics"] == {"searches": None if day == ago(3) else 5, "contacts": 2}
        spend = sum(held[ad, days][0] for ad in ADS for days in DAYS if ago(days) == day)
        assert (row["spend"], row["revenue"]) == (
            (None, None) if day == ago(3) else (spend, 2 * spend)
        )


def test_targets_and_budgets(rows: Rows, held: Held, warehouse: Warehouse) -> None:
    kpis = KPIs(warehouse)
    kpis.set(ACCOUNT, "spend")
    for metric_key in ("revenue", "cpa", "roas", "purchases"):
        kpis.set(ACCOUNT, metric_key, 4)
    shown = read(rows, "performance_vs_target", "metric_key")
    for window in ("7d", "30d"):
        spend = total(held, ADS, window, "EUR")
        assert shown["spend"][f"value_{window}"] == spend
        assert shown["revenue"][f"value_{window}"] == (None if spend is None else 2 * spend)
        assert shown["purchases"][f"value_{window}"] > 0
        for ratio in ("cpa", "roas"):
            assert (shown[ratio][f"value_{window}"] is None) == (not spend)
            verdict = shown[ratio][f"verdict_{window}"]
            assert (verdict == Verdict.UNKNOWN) == (not spend)

    budgets = kpis.pacing(ACCOUNT, now=NOW)
    assert len(budgets) == 6
    for budget in budgets:
        ads = inside(budget.entity_type, budget.entity_id)
        assert budget.spent == total(held, ads, "7d", budget.currency or "")
        assert (budget.state is PacingState.OTHER_CURRENCY) == (budget.spent is None)
        assert (budget.pacing_pct is None) == (budget.spent is None)
