"""Within a snapshot what was asked is not asked again, and answers stay what they are."""

from __future__ import annotations

from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics.once import asked_once, once_each
from meta_pipeline.warehouse import DEFAULT_TENANT, Warehouse

from .rows import NOW, Rows, actions, ago

QUESTIONS: tuple[dict[str, Any], ...] = (
    {"account": None, "metrics": ["spend", "results", "cost_per_result"], "by": ["account"]},
    {"account": "act_1", "metrics": ["results", "cost_per_result"], "by": ["campaign"]},
    {"account": "act_1", "metrics": ["results"], "by": ["adset"]},
    {"account": None, "metrics": ["results"], "by": ["day"]},
    {
        "account": "act_1",
        "metrics": ["results"],
        "by": ["campaign"],
        "filters": {"campaign": ["c1", "c2"]},
    },
    {"account": "act_1", "metrics": ["results"], "by": [], "filters": {"adset_name": "*s1"}},
    {"account": "act_1", "metrics": ["results"], "by": [], "filters": {"ad_name": "*a4"}},
    {"account": "act_1", "metrics": ["results"], "by": [], "filters": {"ad": ["a1", "a3"]}},
    {"account": "act_2", "metrics": ["spend"], "date_range": "last_3d"},
)


@pytest.fixture
def goals(rows: Rows) -> Rows:
    """Two accounts; ad sets of one have three goals, one of which nothing counts."""
    rows.tree()
    rows.tree("act_2", "x")
    for adset, goal in (("s1", "LINK_CLICKS"), ("s2", "LEAD_GENERATION"), ("s3", "NEVER_HEARD_OF")):
        rows.connection.execute(
            "UPDATE meta_ads.meta_adsets SET optimization_goal = %s WHERE adset_id = %s",
            (goal, adset),
        )
    days = [ago(n) for n in range(1, 8)]
    for day in days:
        for ad in ("a1", "a3", "a4"):
            rows.insight(ad, day, spend=4, actions=actions(link_click=3, lead=1))
        rows.insight("xa1", day, "act_2", spend=2)
    for account in ("act_1", "act_2"):
        rows.fetched(days, account)
        metrics.rollup(rows.connection, account)
    rows.connection.commit()
    return rows


def test_answers_of_a_snapshot_are_the_answers(goals: Rows, warehouse: Warehouse) -> None:
    alone = [metrics.answer(warehouse, now=NOW, **asked) for asked in QUESTIONS]
    with warehouse.of_tenant(DEFAULT_TENANT).snapshot() as seen, asked_once(seen):
        for _ in range(2):
            together = [metrics.answer(seen, now=NOW, **asked) for asked in QUESTIONS]
            assert [one.rows for one in together] == [one.rows for one in alone]
            assert [one.about["notes"] for one in together] == [one.about["notes"] for one in alone]
    assert any("different goals" in note for one in alone for note in one.about["notes"])
    assert any("are unknown" in note for one in alone for note in one.about["notes"])


def test_a_goal_that_changed_is_noticed_where_results_count(
    goals: Rows, warehouse: Warehouse
) -> None:
    goals.connection.execute(
        "UPDATE meta_ads.meta_adsets SET optimization_goal = 'LINK_CLICKS' WHERE adset_id = 's2'"
    )
    goals.connection.commit()
    asked = {"account": "act_1", "now": NOW}
    counted = metrics.answer(warehouse, metrics=["results"], **asked)  # type: ignore[arg-type]
    assert "days behind" in counted.about["notes"][0]
    assert counted.rows == [{"results": 7 * (3 + 3)}]
    spent = metrics.answer(warehouse, metrics=["spend"], **asked)  # type: ignore[arg-type]
    assert not [note for note in spent.about["notes"] if "behind" in note]
    assert spent.rows == [{"spend": 84.0}]


def test_only_what_is_not_known_yet_is_asked(goals: Rows, warehouse: Warehouse) -> None:
    asked: list[list[str]] = []

    def read(keys: list[str]) -> dict[str, int]:
        asked.append(keys)
        return {key: len(key) for key in keys}

    tenant = warehouse.of_tenant(DEFAULT_TENANT)
    with tenant.snapshot() as seen, asked_once(seen), seen.connection() as connection:
        assert once_each(connection, "lengths", ["a", "bb", "a"], read) == {"a": 1, "bb": 2}
        assert once_each(connection, "lengths", ["bb", "ccc"], read) == {"bb": 2, "ccc": 3}
        assert once_each(connection, "others", ["a"], read) == {"a": 1}
    assert asked == [["a", "bb"], ["ccc"], ["a"]]
    with warehouse.connection() as connection:
        once_each(connection, "lengths", ["a"], read)
        once_each(connection, "lengths", ["a"], read)
    assert asked[3:] == [["a"], ["a"]], "outside a snapshot nothing is kept"
