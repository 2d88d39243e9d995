"""An account that changed its currency: days that are held in the old one weigh nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.advice import Account, Day, Entity, Kind, Learning, judge
from meta_pipeline.advisor import (
    backtest_account,
    given_advice,
    judge_account,
    known_account,
    open_advice,
)
from meta_pipeline.metrics import rollup
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, TODAY, Rows, actions, ago
from meta_pipeline_tests.postgres import rows_read

CHANGED = 4
"""Days ago of the newest day in JPY."""
DAYS = [ago(back) for back in range(-30, 61)]


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    """An ad with a target CPA of 15 EUR: 1,500 JPY a result until four days ago, 10 EUR since."""
    with Warehouse(database_url) as opened, opened.connection() as connection:
        rows = Rows(connection)
        rows.tree()
        for back in range(1, 60):
            _day(rows, ago(back), in_jpy=back >= CHANGED)
        rollup(connection, ACCOUNT, DAYS)
        metrics.KPIs(opened).set(ACCOUNT, "cpa", 15, is_primary=True)
        yield opened


def _day(rows: Rows, day: date, *, in_jpy: bool, ad: str = "a1", results: int = 10) -> None:
    for entity, level in ((ad, "ad"), (ACCOUNT, "account")):
        # Not the same each day: what is exactly alike is no chance.
        spend = (14_900 + 17 * day.day) if in_jpy else 95 + day.day % 10
        rows.insight(
            entity, day, level=level, spend=spend, currency="JPY" if in_jpy else "EUR",
            impressions=10_000, clicks=100, actions=actions(omni_purchase=results),
        )  # fmt: skip


def _read_again(rows: Rows, since: date, until: date) -> None:
    """Meta gives these days in EUR by now."""
    rows.connection.execute(
        "UPDATE meta_ads.meta_insights SET spend = round(spend / 150), currency = 'EUR'"
        " WHERE currency = 'JPY' AND date_start BETWEEN %s AND %s",
        (since, until),
    )
    rollup(rows.connection, ACCOUNT, DAYS)


def _saw_the_change(rows: Rows, moment: Any, was: str = "JPY", now: str = "EUR") -> None:
    rows.insert(
        "entity_changes", account_id=ACCOUNT, entity_type="account", entity_id=ACCOUNT,
        field="currency", old_value=was, new_value=now, seen_at=moment,
    )  # fmt: skip


def test_yen_are_not_weighed_as_euros(warehouse: Warehouse) -> None:
    known = known_account(warehouse, ACCOUNT, NOW)
    assert (known.currency, known.other_currency_until) == ("EUR", ago(CHANGED))
    for one in known.entities:
        if one.entity_id in {ACCOUNT, "c1", "s1", "a1"}:
            assert [day.day for day in one.days] == [ago(3), ago(2), ago(1)], one.entity_id
            assert max(day.spend for day in one.days) < 110
    done = judge_account(warehouse, ACCOUNT, now=NOW)
    with warehouse.connection() as connection:
        assert [(row.kind, row.why) for row in open_advice(connection)] == []
    assert any("stored in another currency" in one.sentence for one in done.closed)


def test_while_all_of_it_is_in_the_old_currency_nothing_is_weighed(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.meta_ad_accounts SET currency = 'USD'")
    known = known_account(warehouse, ACCOUNT, NOW)
    assert not any(one.days for one in known.entities)
    assert judge_account(warehouse, ACCOUNT, now=NOW).given == 0


def test_days_without_a_currency_are_in_todays(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.meta_insights SET currency = NULL, spend = 1")
        rollup(connection, ACCOUNT, DAYS)
    known = known_account(warehouse, ACCOUNT, NOW)
    assert known.other_currency_until is None
    assert {one.entity_id: len(one.days) for one in known.entities}["a1"] == 59


def test_between_days_of_another_currency_none_are_taken(warehouse: Warehouse) -> None:
    """With a hole in it a steady ad set would look as if it had stopped."""
    with warehouse.connection() as connection:
        _read_again(Rows(connection), ago(59), ago(20))
    known = known_account(warehouse, ACCOUNT, NOW)
    assert known.other_currency_until == ago(CHANGED)
    assert {one.entity_id: len(one.days) for one in known.entities}["a1"] == 3


def test_an_ad_that_is_gone_keeps_its_yen_beside_the_others(warehouse: Warehouse) -> None:
    """A campaign's row names one currency, the first by its letters."""
    with warehouse.connection() as connection:
        rows = Rows(connection)
        _day(rows, ago(30), in_jpy=True, ad="a2")
        _read_again(rows, ago(29), ago(0))
        connection.execute(
            "UPDATE meta_ads.meta_insights SET spend = 100, currency = 'EUR'"
            " WHERE entity_id = 'a1' AND date_start = %s",
            (ago(30),),
        )
        rollup(connection, ACCOUNT, DAYS)
        _saw_the_change(rows, NOW - timedelta(days=1))
    known = known_account(warehouse, ACCOUNT, NOW)
    assert known.other_currency_until == ago(30)
    assert {one.entity_id: len(one.days) for one in known.entities}["a1"] == 29


def test_budgets_in_the_old_currency_have_no_pace(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        rows = Rows(connection)
        _read_again(rows, ago(59), ago(0))
        connection.execute(
            "UPDATE meta_ads.meta_adsets SET daily_budget = 15000, currency = 'JPY',"
            " created_time = '2026-01-01' WHERE adset_id = 's1'"
        )
        connection.execute("UPDATE meta_ads.meta_insights SET spend = 0 WHERE currency = 'EUR'")
        rollup(connection, ACCOUNT, DAYS)
    assert known_account(warehouse, ACCOUNT, NOW).budgets == ()


def _given(warehouse: Warehouse) -> str:
    """Advice that was given while the account was in JPY; its id."""
    with warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.meta_ad_accounts SET currency = 'JPY'")
    assert judge_account(warehouse, ACCOUNT, now=NOW - timedelta(days=CHANGED - 1)).given
    with warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.meta_ad_accounts SET currency = 'EUR'")
        (pause,) = open_advice(connection, kinds=["pause"])
        assert "JPY" in pause.why
    return pause.advice_id


@pytest.mark.parametrize(
    ("are_read_again", "is_known", "why"),
    [
        (False, False, f"Amounts up to {ago(CHANGED)} are stored in another currency than EUR"),
        (False, True, "It was given in JPY, and the account is in EUR by now"),
        (True, True, "It was given in JPY, and the account is in EUR by now"),
    ],
)
def test_advice_of_another_currency_is_not_judged_by_numbers_of_this_one(
    warehouse: Warehouse, are_read_again: bool, is_known: bool, why: str
) -> None:
    advice_id = _given(warehouse)
    with warehouse.connection() as connection:
        rows = Rows(connection)
        if is_known:
            _saw_the_change(rows, NOW - timedelta(days=1))
        for ahead in range(30):
            _day(rows, ago(-ahead), in_jpy=False)
        if are_read_again:
            _read_again(rows, ago(59), ago(0))
        rollup(connection, ACCOUNT, DAYS)
    assert judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=30)).reviewed == 1
    with warehouse.connection() as connection:
        (found,) = [row for row in given_advice(connection) if row.advice_id == advice_id]
    assert (found.verdict, (found.review or "").startswith(why)) == ("unknown", True)


def test_advice_after_the_change_is_judged_by_the_days_after(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        rows = Rows(connection)
        _read_again(rows, ago(59), ago(0))
        connection.execute("UPDATE meta_ads.meta_insights SET spend = 4 * spend")
        rollup(connection, ACCOUNT, DAYS)
        _saw_the_change(rows, NOW - timedelta(days=30))
    assert judge_account(warehouse, ACCOUNT, now=NOW).given
    with warehouse.connection() as connection:
        for ahead in range(30):
            _day(Rows(connection), ago(-ahead), in_jpy=False)
        rollup(connection, ACCOUNT, DAYS)
    judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=30))
    with warehouse.connection() as connection:
        verdicts = {row.kind: row.verdict for row in given_advice(connection)}
    assert verdicts["pause"] == "better"


def test_mornings_before_the_change_are_not_replayed(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        rows = Rows(connection)
        _read_again(rows, ago(59), ago(0))
        connection.execute("UPDATE meta_ads.meta_insights SET spend = 4 * spend")
        rollup(connection, ACCOUNT, DAYS)
    assert Kind.PAUSE in backtest_account(warehouse, ACCOUNT, 20, now=NOW).stats_by_kind
    with warehouse.connection() as connection:
        _saw_the_change(Rows(connection), NOW - timedelta(hours=1))
    assert backtest_account(warehouse, ACCOUNT, 20, now=NOW).stats_by_kind == {}


def test_sums_of_a_week_are_not_told_while_part_of_it_is_left_out() -> None:
    days = tuple(Day(TODAY - timedelta(days=back), 100.0, 10_000, 50, 1.0) for back in (2, 1))
    limited = Entity(
        entity_type="adset", entity_id="s1", days=days, effective_status="ACTIVE",
        learning=Learning("FAIL"), targeting="all",
    )  # fmt: skip
    other = Entity(
        entity_type="adset", entity_id="s2", days=days, effective_status="ACTIVE", targeting="all"
    )
    ads = [
        Entity(
            entity_type="ad", entity_id=f"a{adset[1:]}", adset_id=adset, creative_id="9",
            effective_status="ACTIVE", days=days,
        )
        for adset in ("s1", "s2")
    ]  # fmt: skip
    account = Account(
        account_id=ACCOUNT, today=TODAY, currency="EUR", entities=(limited, other, *ads)
    )
    weekly = {Kind.LEARNING_LIMITED, Kind.DUPLICATES}
    assert weekly <= {one.kind for one in judge(account).advices}
    for back, is_told in ((3, False), (7, False), (8, True)):
        found = judge(replace(account, other_currency_until=TODAY - timedelta(days=back)))
        assert (weekly <= {one.kind for one in found.advices}) is is_told, back
        closed = {one.kind for one in found.closed if one.gate == "currency"}
        assert (weekly <= closed) is not is_told, back


def test_where_no_change_is_known_ads_are_read_once(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        _read_again(Rows(connection), ago(59), ago(0))
        connection.execute("ANALYZE meta_ads.ad_rollups")
    with warehouse.of_tenant("default").snapshot() as seen, seen.connection() as connection:
        before = rows_read(connection, "ad_rollups")
        known_account(seen, ACCOUNT, NOW)
        assert rows_read(connection, "ad_rollups") - before == 59
