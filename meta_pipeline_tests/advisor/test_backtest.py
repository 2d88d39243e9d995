"""The back-test on real tables: restatements and edits are undone up to the day that is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from meta_pipeline.advice import Kind
from meta_pipeline.advisor import backtest_account, open_advice
from meta_pipeline.metrics import UnknownName
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.advisor.test_advisor import _day
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows, ago


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    """An ad twice as dear as its sibling for fifty days, and paused three days ago."""
    with Warehouse(database_url) as opened, opened.connection() as connection:
        rows = Rows(connection)
        rows.account()
        rows.campaign("c")
        rows.adset("s", "c")
        rows.ad("dear", "s", "c", effective_status="PAUSED")
        rows.ad("cheap", "s", "c")
        for back in range(1, 51):
            for ad, results in (("dear", 3), ("cheap", 7)):
                _day(rows, "ad", ad, ago(back), results=results, spend=100)
        rows.insert(
            "entity_changes", account_id=ACCOUNT, entity_type="ad", entity_id="dear",
            field="effective_status", old_value="ACTIVE", new_value="PAUSED",
            seen_at=NOW - timedelta(days=3),
        )  # fmt: skip
        yield opened


def _pauses(warehouse: Warehouse) -> int:
    found = backtest_account(warehouse, ACCOUNT, 30, now=NOW).stats_by_kind
    return found[Kind.PAUSE].hits if Kind.PAUSE in found else 0


def test_what_is_paused_now_was_running_then(warehouse: Warehouse) -> None:
    assert _pauses(warehouse) == 1
    with warehouse.connection() as connection:
        assert open_advice(connection) == [], "a back-test writes nothing"
        connection.execute("DELETE FROM meta_ads.entity_changes")
    assert _pauses(warehouse) == 0


def test_what_was_restated_later_was_not_known_before(warehouse: Warehouse) -> None:
    """Every conversion arrived a moment ago: until today there was nothing to go by."""
    with warehouse.connection() as connection:
        rows = Rows(connection)
        for back in range(1, 51):
            rows.insert(
                "insights_changes", account_id=ACCOUNT, entity_type="ad", date_start=ago(back),
                read_at=NOW, age_days=back, dataset="insights_ad",
                spend_before=200, spend_after=200, impressions_before=10000,
                impressions_after=10000, clicks_before=150, clicks_after=150,
                actions_before=0, actions_after=10,
            )  # fmt: skip
    assert _pauses(warehouse) == 0


def test_an_account_that_is_not_stored_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(UnknownName, match="act_9"):
        backtest_account(warehouse, "act_9", 30, now=NOW)
