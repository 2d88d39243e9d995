"""The days of a call, as programs give them to the tools."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from meta_pipeline.copilot.tools import GivenDays, Tools
from meta_pipeline.metrics import MetricsError
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows, ago

FIRST, LAST = ago(9), ago(2)


def test_days_are_a_preset_or_a_first_and_a_last_day() -> None:
    assert GivenDays().asked() == "last_7d"
    assert GivenDays("this_month").asked() == "this_month"
    assert GivenDays(since=FIRST).asked() == (FIRST, FIRST)
    assert GivenDays(since=FIRST, until=LAST).asked() == (FIRST, LAST)
    assert GivenDays(before_since=FIRST, before_until=LAST).earlier() == (FIRST, LAST)
    assert GivenDays(until=LAST).earlier() is None


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (GivenDays(until=LAST), "until alone is half a range: give since"),
        (GivenDays("last_30d", since=FIRST), "give the one or the others"),
        (GivenDays("last_30d", until=LAST), "give the one or the others"),
        (GivenDays("last_30d", FIRST, LAST), "give the one or the others"),
    ],
)
def test_half_a_range_and_two_ranges_are_refused(days: GivenDays, told: str) -> None:
    with pytest.raises(MetricsError, match=told):
        days.asked()


def test_half_a_range_to_compare_with_is_refused() -> None:
    with pytest.raises(MetricsError, match="before_until alone is half a range: give before_since"):
        GivenDays(since=FIRST, before_until=LAST).earlier()


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (GivenDays(), 4),
        (GivenDays(until=ago(2)), 2),
        (GivenDays(until=date(2003, 1, 1)), 0),
        (GivenDays(since=ago(2)), 1),
        (GivenDays(since=ago(3), until=ago(1)), 3),
    ],
)
def test_a_history_with_a_last_day_alone_is_all_that_happened_up_to_it(
    database_url: str, days: GivenDays, told: int
) -> None:
    with Warehouse(database_url) as warehouse:
        with warehouse.connection() as connection:
            rows = Rows(connection)
            rows.tree()
            for back in range(4):
                rows.insert(
                    "entity_changes",
                    account_id=ACCOUNT,
                    entity_type="campaign",
                    entity_id="c1",
                    field="daily_budget",
                    old_value="10",
                    new_value="20",
                    seen_at=NOW - timedelta(days=back),
                )
        tools = Tools(warehouse, lambda: NOW)
        found = tools.entity_timeline("c1", days, with_below=False, cursor=None, limit=200)
        assert (found.outcome, found.row_count) == ("answered", told), found.message
        assert found.asked.get("until") == days.until
