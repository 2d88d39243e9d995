"""Ad sets whose conversions count by different attribution settings are not compared in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meta_pipeline.metrics import rollup
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, TODAY, Rows, ask

CLICK = {"event_type": "CLICK_THROUGH", "window_days": 7}
VIEW = {"event_type": "VIEW_THROUGH", "window_days": 1}
VIDEO = {"event_type": "ENGAGED_VIDEO_VIEW", "window_days": 1}


def attribute(rows: Rows, adset: str, *spec: Any) -> None:
    rows.connection.execute(
        "UPDATE meta_ads.meta_adsets SET attribution_spec = %s WHERE adset_id = %s",
        (json.dumps(spec), adset),
    )
    rows.connection.commit()


@pytest.fixture
def two(rows: Rows) -> Rows:
    """Two ad sets that delivered today, one of them on views, too."""
    rows.tree()
    for ad in ("a1", "a3"):
        rows.insight(ad, TODAY, spend=10, actions=[{"action_type": "lead", "value": "2"}])
    rows.fetched([TODAY])
    rollup(rows.connection, ACCOUNT)
    attribute(rows, "s1", CLICK)
    attribute(rows, "s2", VIDEO, VIEW, CLICK)
    return rows


def notes(warehouse: Warehouse, *metrics: str, **asked: Any) -> list[str]:
    answer = ask(warehouse, *metrics, date_range=(TODAY, TODAY), **asked)
    return [note for note in answer.attrs["notes"] if "attribution settings" in note]


def test_unequal_settings_are_said_with_what_to_ask_instead(
    two: Rows, warehouse: Warehouse
) -> None:
    for metric in ("leads", "cpl", "results"):
        (note,) = notes(warehouse, metric, by=["adset"])
        assert "7d_click (1)" in note
        assert "7d_click_1d_view_1d_ev (1)" in note
    assert notes(warehouse, "leads"), "added up they are no more alike"
    assert not notes(warehouse, "spend", "clicks", by=["adset"]), "they count in no window"
    assert not notes(warehouse, "leads", by=["adset"], filters={"adset": "s2"})


def test_equal_settings_need_no_word(two: Rows, warehouse: Warehouse) -> None:
    attribute(two, "s2", CLICK)
    assert not notes(warehouse, "leads", by=["adset"])
    attribute(two, "s2", CLICK, {"event_type": "NEW_IN_V28", "window_days": 3})
    (note,) = notes(warehouse, "leads", by=["adset"])
    assert "7d_click_3d_new_in_v28" in note
