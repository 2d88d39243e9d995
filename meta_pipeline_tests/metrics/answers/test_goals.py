"""What an ad set is optimised for is what its results count, or they are unknown and said so."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest
from facebook_business.adobjects.adpromotedobject import AdPromotedObject

from meta_pipeline.metrics import rollup
from meta_pipeline.metrics.definitions.store import current
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, TODAY, Rows, ago, ask

EVENTS = sorted(
    value
    for name, value in vars(AdPromotedObject.CustomEventType).items()
    if not name.startswith("_")
)
CONVERSION = "offsite_conversion.custom.777"
EVENT = "offsite_conversion.fb_pixel_custom.StartTrial_X"
HAPPENED = [
    {"action_type": CONVERSION, "value": "9", "7d_click": "8"},
    {"action_type": "offsite_conversion.custom.778", "value": "70"},
    {"action_type": EVENT, "value": "6"},
    {"action_type": "offsite_conversion.fb_pixel_custom", "value": "50"},
    {"action_type": "purchase", "value": "1"},
    {"action_type": "lead", "value": "4"},
    {"action_type": "link_click", "value": "30"},
]
PROMOTED: tuple[tuple[dict[str, Any], str | None, float | None], ...] = (
    ({"pixel_id": "1", "custom_event_type": "OTHER", "custom_conversion_id": "777"}, CONVERSION, 9),
    ({"custom_conversion_id": "777"}, CONVERSION, 9),
    ({"custom_conversion_id": 777}, CONVERSION, 9),
    ({"custom_event_type": "PURCHASE", "custom_conversion_id": "777"}, CONVERSION, 9),
    ({"pixel_rule": "{}", "custom_conversion_id": "777"}, CONVERSION, 9),
    ({"custom_conversion_id": "1"}, "offsite_conversion.custom.1", 0),
    ({"pixel_id": "1", "custom_event_type": "OTHER", "custom_event_str": "StartTrial_X"}, EVENT, 6),
    ({"pixel_id": "1", "custom_event_str": "StartTrial_X"}, EVENT, 6),
    ({"pixel_id": "1", "custom_event_type": "OTHER"}, None, None),
    ({"pixel_id": "1", "custom_event_type": "OTHER", "custom_event_str": " "}, None, None),
    ({"pixel_id": "1", "pixel_rule": "{}"}, None, None),
    ({"pixel_id": "1", "pixel_rule": "{}", "custom_event_type": "PURCHASE"}, None, None),
    ({"pixel_aggregation_rule": "{}", "custom_event_type": "PURCHASE"}, None, None),
    ({"conversion_goal_id": "5"}, None, None),
    ({"mcme_conversion_id": "5"}, None, None),
    ({"application_id": "2", "custom_event_type": "OTHER", "custom_event_str": "x"}, None, None),
    ({"custom_event_type": "NEW_IN_V28"}, None, None),
    ({"custom_event_type": "purchase"}, "purchases", 1),
    ({"custom_event_type": "LEAD"}, "leads", 4),
    ({"page_id": "3"}, "purchases", 1),
    ({"custom_conversion_id": "0"}, "purchases", 1),
    ({"custom_conversion_id": None, "custom_event_type": None}, "purchases", 1),
    ({}, "purchases", 1),
)


def promote(rows: Rows, adset: str, promoted: Any, goal: str | None = None) -> None:
    rows.connection.execute(
        "UPDATE meta_ads.meta_adsets SET promoted_object = %s, optimization_goal = %s"
        " WHERE adset_id = %s",
        (json.dumps(promoted), goal, adset),
    )
    rows.connection.commit()


def deliver(rows: Rows, *ads: str, day: Any = TODAY) -> None:
    for ad in ads:
        rows.insight(ad, day, spend=10, impressions=100, clicks=5, actions=HAPPENED)
    rows.fetched([day])
    rollup(rows.connection, ACCOUNT)


@pytest.mark.parametrize(("promoted", "goal", "results"), PROMOTED, ids=str)
def test_results_count_what_the_ad_set_promotes(
    rows: Rows, warehouse: Warehouse, promoted: Any, goal: str | None, results: float | None
) -> None:
    rows.tree()
    promote(rows, "s1", promoted)
    deliver(rows, "a1")
    for level in ("ad", "adset", "campaign", "account"):
        answer = ask(
            warehouse, "results", "cost_per_result", level=level, zeros=False,
            date_range=(TODAY, TODAY),
        )  # fmt: skip
        (found,), (cost,) = list(answer["results"]), list(answer["cost_per_result"])
        unknown = [note for note in answer.attrs["notes"] if "unknown" in note]
        assert not any("was delivered" in note for note in answer.attrs["notes"])
        if results is None:
            assert pd.isna(found)
            assert math.isnan(cost)
            assert len(unknown) == 1
            assert "s1" in unknown[0]
        else:
            assert (found, unknown) == (results, [])
            assert cost == (10 / results if results else pytest.approx(math.nan, nan_ok=True))
    for level in ("ad", "adset"):
        stored = rows.connection.execute(
            "SELECT result_metric, results, spend_without_results"
            f" FROM meta_ads.daily_{level}_metrics"
        ).fetchone()
        assert stored == (goal, results, 10 if results is None else 0)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_of_metas_has_its_own_metric_or_none(rows: Rows, event: str) -> None:
    rows.tree()
    goals = current(rows.connection).goals.event
    promote(rows, "s1", {"pixel_id": "1", "custom_event_type": event})
    found = rows.connection.execute(
        "SELECT result_metric, decided_by FROM meta_ads.adset_goals WHERE adset_id = 's1'"
    ).fetchone()
    assert found == (goals.get(event), f"event {event}")


@pytest.mark.parametrize(
    ("goal", "metric"),
    [
        ("LINK_CLICKS", "link_clicks"),
        ("OFFSITE_CONVERSIONS", "purchases"),
        ("NONE", "purchases"),
        ("PROFILE_VISIT", None),
        ("NEW_IN_V28", None),
    ],
)
def test_an_optimization_goal_that_is_not_known_is_not_the_objective(
    rows: Rows, goal: str, metric: str | None
) -> None:
    rows.tree()
    current(rows.connection)
    promote(rows, "s1", {}, goal)
    found = rows.connection.execute(
        "SELECT result_metric FROM meta_ads.adset_goals WHERE adset_id = 's1'"
    ).fetchone()
    assert found == (metric,)


def test_windows_of_a_custom_conversion_count(rows: Rows, warehouse: Warehouse) -> None:
    rows.tree()
    promote(rows, "s1", {"custom_conversion_id": "777"})
    deliver(rows, "a1")
    answer = ask(warehouse, "results", date_range=(TODAY, TODAY), attribution="7d_click")
    assert list(answer["results"]) == [8]


def test_a_campaign_of_several_goals_adds_what_is_known_and_says_so(
    rows: Rows, warehouse: Warehouse
) -> None:
    rows.tree()
    promote(rows, "s1", {"custom_event_type": "OTHER"})
    promote(rows, "s2", {"custom_conversion_id": "777"})
    promote(rows, "s3", {"custom_event_type": "LEAD"})
    deliver(rows, "a1", "a3", "a4", day=ago(1))
    answer = ask(
        warehouse, "results", "cost_per_result", "spend", by=["campaign"], zeros=False,
        date_range=(ago(1), ago(1)),
    )  # fmt: skip
    by_campaign = answer.set_index("campaign_id")
    assert list(by_campaign.loc["c1", ["results", "cost_per_result", "spend"]]) == [9, 10 / 9, 20]
    (note,) = answer.attrs["notes"][:1]
    assert "s1 (event OTHER)" in note
    assert not any("different goals" in one for one in answer.attrs["notes"])

    whole = ask(warehouse, "results", "cost_per_result", date_range=(ago(1), ago(1)))
    assert (whole["results"][0], whole["cost_per_result"][0]) == (13, 20 / 13)
    assert any("different goals" in one for one in whole.attrs["notes"])
    assert not any("different goals" in one for one in ask(warehouse, "spend").attrs["notes"])

    rows.connection.execute("SET meta_ads.now = '2026-03-18 09:00+00'")
    found = rows.connection.execute(
        "SELECT results_7d, cost_per_result_7d FROM meta_ads.campaign_performance"
        " WHERE campaign_id IN ('c1', 'c2') ORDER BY campaign_id"
    ).fetchall()
    assert [(results, round(float(cost), 2)) for results, cost in found] == [(9, 1.11), (4, 2.5)]
    node = "SELECT entity_id, results_30d, cost_per_result_30d FROM meta_ads.entity_tree"
    tree = {row[0]: row[1:] for row in rows.connection.execute(node).fetchall()}
    assert tree["s1"] == (None, None)
    assert tree["c1"][0] == 9
    assert tree["c3"] == (0, None)
    for view, key in (("adset_performance", "adset_id"), ("ad_performance", "ad_id")):
        shown = rows.connection.execute(
            f"SELECT {key}, results_7d, cost_per_result_7d, results_30d FROM meta_ads.{view}"
            f" WHERE {key} IN ('s1', 'a1')"
        ).fetchone()
        assert shown is not None
        assert shown[1:] == (None, None, None)
    rows.insert("account_kpis", account_id=ACCOUNT, metric_key="cost_per_result", target=5,
                is_primary=True, updated_at=ago(0))  # fmt: skip
    rows.insert("account_kpis", account_id=ACCOUNT, metric_key="results", updated_at=ago(0))
    rows.connection.execute("SET meta_ads.now = '2026-03-18 09:00+00'")
    targets = dict(
        rows.connection.execute(
            "SELECT metric_key, value_7d FROM meta_ads.performance_vs_target"
        ).fetchall()
    )
    assert targets["results"] == 13
    assert float(targets["cost_per_result"]) == pytest.approx(20 / 13, abs=1e-4)


def test_results_of_nothing_are_zero_not_unknown(rows: Rows, warehouse: Warehouse) -> None:
    rows.tree()
    promote(rows, "s1", {"custom_event_type": "OTHER"})
    rows.fetched([TODAY])
    answer = ask(warehouse, "results", level="ad", date_range=(TODAY, TODAY))
    assert set(answer["results"]) == {0}
