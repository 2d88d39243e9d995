"""What is kept of an answer is forgotten as soon as any row that it was made of is another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics.kept import Kept
from meta_pipeline.warehouse import Warehouse

from .rows import NOW, Rows, actions, ago

DAYS = [ago(n) for n in range(1, 8)]
CHANGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a day was read again": ("", ("a4", "a3", "a1", "a2")),
    "an ad is called otherwise": (
        "UPDATE meta_ads.meta_ads SET name = 'None of these' WHERE ad_id = 'a3'",
        ("a1", "a4", "a2"),
    ),
    "an ad is gone": (
        "UPDATE meta_ads.meta_ads SET is_deleted = true WHERE ad_id = 'a2'",
        ("a3", "a1", "a4"),
    ),
    "its campaign stands otherwise": (
        "UPDATE meta_ads.meta_campaigns SET effective_status = 'PAUSED' WHERE campaign_id = 'c2'",
        ("a3", "a1", "a2"),
    ),
    "an ad is not known any more": (
        "DELETE FROM meta_ads.meta_ads WHERE ad_id = 'a1'",
        ("a3", "a4", "a2"),
    ),
}


@pytest.fixture
def spent(rows: Rows) -> Rows:
    rows.tree()
    for day in DAYS:
        for ad, spend in (("a1", 5), ("a3", 9), ("a4", 2)):
            rows.insight(ad, day, spend=spend, actions=actions(link_click=3))
    rows.fetched(DAYS)
    metrics.rollup(rows.connection, "act_1")
    rows.connection.commit()
    return rows


def ranked(warehouse: Warehouse, **asked: Any) -> metrics.Ranking:
    filters = {"ad_name": "Ad *", "campaign_status": "ACTIVE"}
    return metrics.ranking(
        warehouse, level="ad", account="act_1", now=NOW, filters=filters, **asked
    )


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_at_once(spent: Rows, warehouse: Warehouse, change: str) -> None:
    assert ranked(warehouse).ids == ranked(warehouse).ids == ("a3", "a1", "a4", "a2")
    text, expected = CHANGES[change]
    if text:
        spent.connection.execute(text)
    else:
        spent.connection.execute(
            "UPDATE meta_ads.meta_insights SET spend = 99 WHERE entity_id = 'a4'"
        )
        spent.connection.commit()
        metrics.rollup(spent.connection, "act_1", DAYS)
    spent.connection.commit()
    assert ranked(warehouse).ids == expected


def test_a_changed_goal_is_seen_at_once(spent: Rows, warehouse: Warehouse) -> None:
    asked: dict[str, Any] = {"account": "act_1", "metrics": ["results"], "by": ["adset"]}
    before = metrics.answer(warehouse, now=NOW, **asked)
    assert before.about["notes"] == metrics.answer(warehouse, now=NOW, **asked).about["notes"]
    assert not any("behind" in note for note in before.about["notes"])
    spent.connection.execute(
        "UPDATE meta_ads.meta_adsets SET optimization_goal = 'LINK_CLICKS' WHERE adset_id = 's1'"
    )
    spent.connection.commit()
    after = metrics.answer(warehouse, now=NOW, **asked)
    assert any("behind" in note for note in after.about["notes"])


def test_pages_of_what_is_kept_are_those_of_postgres(spent: Rows, warehouse: Warehouse) -> None:
    whole = ranked(warehouse, size=50)
    assert whole.total == 4
    for first in range(6):
        page = ranked(warehouse, first=first, size=2)
        assert (page.ids, page.total) == (whole.ids[first : first + 2], 4)
    for number, place in enumerate(whole.places):
        after = ranked(warehouse, size=2, after=place)
        assert (after.ids, after.total) == (whole.ids[number + 1 : number + 3], 4)
        before = ranked(warehouse, size=2, before=place)
        assert (before.ids, before.total) == (whole.ids[max(0, number - 2) : number], 4)
    nowhere = metrics.Place("a0", "5")
    assert ranked(warehouse, after=nowhere).ids == ("a2",), "a place where nothing stands"


def test_what_was_asked_for_longest_ago_goes_first(rows: Rows) -> None:
    rows.tree()
    kept: Kept[int] = Kept(2)
    read: list[int] = []

    def asked(number: int) -> int:
        tables = ("meta_campaigns", "metric_goals")
        return kept.answer(rows.connection, number, tables, ["act_1"], noted(number))

    def noted(number: int) -> Callable[[], int]:
        return lambda: read.append(number) or number  # type: ignore[func-returns-value]

    assert [asked(number) for number in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert read == [1, 2, 3, 2]
