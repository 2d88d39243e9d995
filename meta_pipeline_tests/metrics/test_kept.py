"""What is kept of an answer is forgotten as soon as any row that it was made of is another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from random import Random
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
    nowhere = metrics.PagePosition("a0", "5")
    assert ranked(warehouse, after=nowhere).ids == ("a2",), "a place where nothing stands"


ACCOUNTS = [f"act_{number}" for number in range(1, 6)]
SPEND = "UPDATE meta_ads.meta_insights SET spend = %s WHERE entity_id = %s AND date_start = %s"
EDITS = (
    "UPDATE meta_ads.meta_ads SET name = name || %s WHERE ad_id = %s",
    "UPDATE meta_ads.meta_ads SET created_time = now() - %s * interval '1 day' WHERE ad_id = %s",
    "UPDATE meta_ads.meta_ads SET is_deleted = %s %% 2 = 0 WHERE ad_id = %s",
)


def fleet(rows: Rows, chance: Random) -> None:
    """Five accounts of four ads, three of which spent something."""
    for number, account_id in enumerate(ACCOUNTS):
        rows.tree(account_id, f"p{number}")
        for ad in ("a1", "a3", "a4"):
            spend = chance.randrange(30)
            rows.insight(
                f"p{number}{ad}", DAYS[0], account_id, spend=spend, impressions=9, clicks=1
            )
        rows.fetched(DAYS, account_id)
        metrics.rollup(rows.connection, account_id)
        rows.connection.commit()


def change(rows: Rows, chance: Random) -> None:
    """Another number and another row of an ad, of one account or of more."""
    for number in chance.sample(range(5), chance.choice((1, 1, 1, 2, 4))):
        ad = f"p{number}{chance.choice(('a1', 'a2', 'a3', 'a4'))}"
        rows.connection.execute(SPEND, (chance.randrange(30), ad, DAYS[0]))
        rows.connection.execute(chance.choice(EDITS), (chance.randrange(9), ad))
        rows.connection.commit()
        metrics.rollup(rows.connection, ACCOUNTS[number], DAYS)
        rows.connection.commit()


@pytest.fixture
def few_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["meta_pipeline.metrics.answers.places"], "_KEPT_PLACES", 9)


@pytest.mark.parametrize(
    ("order", "descending"),
    [("spend", True), ("ctr", False), ("name", True), ("created", False)],
)
@pytest.mark.usefixtures("few_kept")
def test_one_account_that_changes_among_others_moves_its_own_places(
    rows: Rows, warehouse: Warehouse, order: str, descending: bool
) -> None:
    """Always the pages of one who reads all of it anew, though few places are kept."""
    chance = Random(f"{order} {descending}")
    fleet(rows, chance)
    asked: dict[str, Any] = {
        "level": "ad",
        "order": order,
        "descending": descending,
        "now": NOW,
        "account": ACCOUNTS,
    }
    for step in range(20):
        (whole,) = metrics.ranked(warehouse, size=100, **asked)
        for size in (3, 20):
            for first in range(0, 21, size):
                page = metrics.ranking(warehouse, first=first, size=size, **asked)
                assert page.ids == whole[first : first + size], (step, first)
                assert page.total == len(whole) or not page.ids
        change(rows, chance)


@pytest.mark.parametrize(("order", "descending"), [("spend", True), ("ctr", False)])
@pytest.mark.usefixtures("few_kept")
def test_a_place_that_moved_since_is_gone_on_from_where_it_was(
    rows: Rows, warehouse: Warehouse, order: str, descending: bool
) -> None:
    chance = Random(f"{order} {descending}")
    fleet(rows, chance)
    asked: dict[str, Any] = {
        "level": "ad",
        "order": order,
        "descending": descending,
        "now": NOW,
        "account": ACCOUNTS,
    }

    def key(place: metrics.PagePosition) -> tuple[bool, Decimal, str]:
        value = Decimal(place.value or 0)
        return place.value is None, -value if descending else value, place.id

    seen: list[metrics.PagePosition] = []
    for step in range(12):
        whole = metrics.ranking(warehouse, size=100, **asked).places
        for place in seen:
            beyond = [one for one in whole if key(one) > key(place)]
            before = [one for one in whole if key(one) < key(place)]
            ahead = metrics.ranking(warehouse, after=place, size=2, **asked)
            back = metrics.ranking(warehouse, before=place, size=2, **asked)
            assert list(ahead.places) == beyond[:2], (step, place)
            assert list(back.places) == before[-2:], (step, place)
        seen = [*seen[-6:], *chance.sample(whole, 3)]
        change(rows, chance)


def test_only_what_changed_is_read_again(rows: Rows) -> None:
    for account_id in ACCOUNTS:
        rows.account(account_id)
        rows.campaign(f"c{account_id}", account_id)
    kept: Kept[tuple[str, ...]] = Kept(2)
    read: list[tuple[tuple[str, ...] | None, list[str]]] = []

    def again(before: tuple[str, ...] | None, changed: list[str]) -> tuple[str, ...]:
        read.append((before, changed))
        return (*(before or ()), *changed)

    def asked() -> None:
        tables = ("meta_campaigns", "meta_adsets", "metric_goals")
        kept.answer(rows.connection, "all", tables, ACCOUNTS, again)

    asked()
    asked()
    rows.adset("s", "cact_2", "act_2")
    asked()
    rows.connection.execute("DELETE FROM meta_ads.meta_campaigns WHERE account_id = 'act_4'")
    asked()
    rows.insert("metric_goals", source="objective", value="OUTCOME_NEW", metric_key="leads")
    asked()
    assert [changed for _, changed in read] == [ACCOUNTS, ["act_2"], ["act_4"], ACCOUNTS]
    assert [before is None for before, _ in read] == [True, False, False, True]


def test_what_was_asked_for_longest_ago_goes_first(rows: Rows) -> None:
    rows.tree()
    kept: Kept[int] = Kept(2)
    read: list[int] = []

    def asked(number: int) -> int:
        tables = ("meta_campaigns", "metric_goals")
        return kept.answer(rows.connection, number, tables, ["act_1"], noted(number))

    def noted(number: int) -> Callable[[int | None, list[str]], int]:
        return lambda *_: read.append(number) or number  # type: ignore[func-returns-value]

    assert [asked(number) for number in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert read == [1, 2, 3, 2]
