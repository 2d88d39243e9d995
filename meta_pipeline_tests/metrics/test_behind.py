"""Accounts whose rollup is behind are read from their insight rows, all others from rollups."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection, Cursor

from meta_pipeline import metrics
from meta_pipeline.metrics.answers import query
from meta_pipeline.metrics.definitions import store
from meta_pipeline.metrics.stale_days import days_behind, stale_days
from meta_pipeline.warehouse import Warehouse

from .rows import NOW, READ_AT, TODAY, Rows, actions, ago

DAYS = [ago(n) for n in range(9)]
ACCOUNTS = ["act_1", "act_2", "act_3"]


@pytest.fixture
def behind(rows: Rows) -> Rows:
    """Three accounts with goals of two kinds; one was read again since its rollup."""
    for number, account_id in enumerate(ACCOUNTS):
        prefix = "" if number == 0 else f"p{number}"
        rows.tree(account_id, prefix)
        rows.connection.execute(
            "UPDATE meta_ads.meta_adsets SET optimization_goal = 'LINK_CLICKS'"
            " WHERE adset_id LIKE '%s3'"
        )
        for day in DAYS:
            for ad, spend in (("a1", 5), ("a3", 9), ("a4", 2)):
                rows.insight(
                    prefix + ad,
                    day,
                    account_id,
                    spend=spend + number,
                    impressions=1000 * number,
                    clicks=7,
                    actions=actions(link_click=3, omni_purchase=2 + number, like=number),
                    action_values=actions(omni_purchase=40),
                )
        rows.fetched(DAYS, account_id)
        metrics.rollup(rows.connection, account_id)
    rows.connection.execute(
        "UPDATE meta_ads.meta_insights SET spend = 99"
        " WHERE entity_id = 'p1a3' AND date_start = ANY (%s)",
        (DAYS[:3],),
    )
    rows.fetched(DAYS[:3], "act_2", at=READ_AT + timedelta(hours=1))
    rows.connection.commit()
    return rows


@pytest.mark.parametrize(
    "by",
    [
        None,
        ["day"],
        ["week", "account"],
        ["account"],
        ["campaign"],
        ["adset", "day"],
        ["ad"],
        ["goal"],
        ["objective", "month"],
    ],
    ids=str,
)
def test_the_answer_is_that_of_rows_that_are_all_rolled_up(
    behind: Rows, warehouse: Warehouse, by: list[str] | None
) -> None:
    names = ["spend", "results", "cost_per_result", "cpa", "ctr", "roas", "page_likes"]
    asked: dict[str, Any] = {"metrics": names, "by": by, "now": NOW, "date_range": (ago(8), TODAY)}
    halved = metrics.answer(warehouse, **asked)
    assert any("The rollup of 1 account is 3 days behind" in one for one in halved.about["notes"])
    metrics.rollup(behind.connection, "act_2")
    behind.connection.commit()
    whole = metrics.answer(warehouse, **asked)
    assert not any("behind" in one for one in whole.about["notes"])
    assert halved.rows == [pytest.approx(row) for row in whole.rows]


@pytest.mark.parametrize("order", ["spend", "cost_per_result", "results", "name"])
def test_entities_are_in_the_order_of_both(behind: Rows, warehouse: Warehouse, order: str) -> None:
    asked: dict[str, Any] = {"level": "ad", "order": order, "now": NOW, "account": ACCOUNTS}
    halved = metrics.ranking(warehouse, **asked)
    metrics.rollup(behind.connection, "act_2")
    behind.connection.commit()
    whole = metrics.ranking(warehouse, **asked)
    assert (halved.ids, halved.total) == (whole.ids, 12)
    if order == "spend":
        assert halved.ids[0] == "p1a3"


def test_the_statement_that_is_told_runs(behind: Rows, warehouse: Warehouse) -> None:
    answer = metrics.answer(warehouse, metrics=["spend"], now=NOW)
    told = behind.connection.execute(answer.about["sql"].encode()).fetchall()
    assert [float(value) for (value,) in told] == [answer.rows[0]["spend"]]


def test_days_of_another_goal_are_counted_for_all_accounts_at_once(behind: Rows) -> None:
    connection = behind.connection
    change = "UPDATE meta_ads.meta_adsets SET optimization_goal = %s WHERE adset_id = %s"
    for adset, goal in (("s1", "OFFSITE_CONVERSIONS"), ("p2s3", "NEVER_HEARD_OF")):
        connection.execute(change, (goal, adset))
    version = store.current(connection).version
    for since, until in ((ago(20), TODAY), (ago(4), ago(2)), (ago(20), ago(12))):
        asked = [(one, version(one), since, until) for one in ACCOUNTS]
        counts = {one: len(stale_days(connection, *one)) for one in asked}
        assert days_behind(connection, asked, by_goal=True) == counts
        assert any(counts.values()) == (until > ago(9))


class Counting(Cursor[Any]):
    """Counts the statements of the test."""

    count = 0

    def execute(self, *args: Any, **options: Any) -> Counting:
        Counting.count += 1
        return super().execute(*args, **options)


def statements(connection: Connection[Any], accounts: list[str]) -> int:
    """How many a question about results takes."""
    asked = query.ask(
        connection,
        account=accounts,
        metrics=["results"],
        level=None,
        date_range=(ago(8), TODAY),
        by=["account"],
        filters=None,
        currency=None,
        attribution="default",
        now=NOW,
    )
    before = Counting.count
    assert len(query.components(connection, asked)) == len(accounts)
    return Counting.count - before


def test_a_question_takes_as_many_statements_however_many_accounts_have_other_goals(
    behind: Rows,
) -> None:
    behind.connection.execute("UPDATE meta_ads.meta_adsets SET optimization_goal = 'THRUPLAY'")
    behind.connection.cursor_factory = Counting
    assert statements(behind.connection, ACCOUNTS) == statements(behind.connection, ACCOUNTS[:1])
