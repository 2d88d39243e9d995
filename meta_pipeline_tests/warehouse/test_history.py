"""History: what changed is on record, in the transaction that changed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from meta_pipeline.warehouse import (
    EntityHistory,
    InsightsHistory,
    InsightsRead,
    Warehouse,
    mark_deleted,
    one_change_per_day,
    tracked_columns,
    upsert,
)

from .rows import (
    ACCOUNT,
    CAMPAIGN_COLUMNS,
    CAMPAIGNS,
    DAY,
    INSIGHT_COLUMNS,
    INSIGHTS,
    MORNING,
    NOON,
    campaign,
    insert,
    insight,
    select,
)

TRACKED = tracked_columns(CAMPAIGNS, CAMPAIGN_COLUMNS)
ENTITY = EntityHistory(TRACKED, "campaign", "campaign_id", "run2", NOON)
READ = InsightsHistory("run2", NOON, ZoneInfo("America/New_York"))
HOUR = timedelta(hours=1)
CHANGES = """
    SELECT entity_id, field, old_value, new_value FROM entity_changes ORDER BY entity_id, field
"""
MOVES = """
    SELECT date_start, rows_new, rows_changed, spend_before, spend_after, impressions_before,
           impressions_after, clicks_before, clicks_after, actions_before, actions_after
    FROM insights_changes ORDER BY entity_type, date_start
"""


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(warehouse.url, autocommit=True) as opened:
        opened.execute("SET TIME ZONE 'UTC'")
        yield opened


def put(
    connection: psycopg.Connection[Any],
    *rows: list[Any],
    history: EntityHistory | None = ENTITY,
) -> None:
    upsert(connection, CAMPAIGNS, CAMPAIGN_COLUMNS, rows, history=history)


def read(
    connection: psycopg.Connection[Any],
    *rows: list[Any],
    history: InsightsHistory = READ,
    **options: Any,
) -> None:
    upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows, history=history, **options)


def mark(
    connection: psycopg.Connection[Any],
    *days: date,
    at: datetime = MORNING,
    dataset: str = "insights_ad",
) -> None:
    for day in days:
        insert(
            connection,
            "sync_windows",
            account_id=ACCOUNT,
            dataset=dataset,
            date_start=day,
            fetched_at=at,
            rows=1,
        )


def test_volatile_columns_are_not_tracked() -> None:
    assert set(TRACKED) == {
        "name",
        "effective_status",
        "daily_budget",
        "special_ad_categories",
        "is_deleted",
    }


def test_one_row_per_changed_field(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign("c1"), campaign("c2"))
    put(
        connection,
        campaign("c1", name="renamed", daily_budget="30", budget_remaining="1"),
        campaign("c2", special_ad_categories=["HOUSING"]),
        campaign("c3"),
    )
    assert select(connection, CHANGES) == [
        ("c1", "daily_budget", "20.00", "30"),
        ("c1", "name", "Spring sale", "renamed"),
        ("c2", "special_ad_categories", "[]", '["HOUSING"]'),
    ]
    about = "SELECT DISTINCT account_id, entity_type, seen_at, sync_run_id FROM entity_changes"
    assert select(connection, about) == [(ACCOUNT, "campaign", NOON, "run2")]


def test_a_new_entity_and_the_same_again_write_nothing(
    connection: psycopg.Connection[Any],
) -> None:
    put(connection, campaign())
    put(connection, campaign(daily_budget="20.000"))
    put(connection, campaign(budget_remaining="1", extra={"x": 1}))
    assert select(connection, CHANGES) == []


def test_absent_values_are_null(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign(name=None))
    put(connection, campaign(name="named", daily_budget=None))
    assert select(connection, CHANGES) == [
        ("c1", "daily_budget", "20.00", None),
        ("c1", "name", None, "named"),
    ]


def test_history_is_rolled_back_with_the_change(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign())
    with connection.transaction(force_rollback=True):
        put(connection, campaign(name="renamed"))
        assert len(select(connection, CHANGES)) == 1
    assert select(connection, CHANGES) == []


def test_a_deletion_is_history_too(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign("c1"), campaign("c2"))
    assert mark_deleted(connection, CAMPAIGNS, ACCOUNT, ["c1", "cX"], history=ENTITY) == 1
    assert mark_deleted(connection, CAMPAIGNS, ACCOUNT, ["c1"], history=ENTITY) == 0
    assert select(connection, CHANGES) == [("c1", "is_deleted", "false", "true")]


def test_a_tracked_column_that_does_not_exist(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(ValueError, match="meta_campaigns has no column colour"):
        put(connection, history=replace(ENTITY, tracked=("colour",)))


def test_the_first_read_of_a_day_is_no_restatement(connection: psycopg.Connection[Any]) -> None:
    read(connection, insight("ad1"), insight("ad2"))
    assert select(connection, MOVES) == []


def test_the_same_again_is_no_restatement(connection: psycopg.Connection[Any]) -> None:
    read(connection, insight())
    mark(connection, DAY)
    read(connection, insight(as_of=NOON))
    assert select(connection, MOVES) == []


def test_before_and_after_are_sums_of_the_whole_day(connection: psycopg.Connection[Any]) -> None:
    read(connection, insight("ad1"), insight("ad2"), insight("ad3", day=DAY - timedelta(days=1)))
    mark(connection, DAY, DAY - timedelta(days=1))
    more = [{"action_type": "link_click", "value": "7.5"}, {"action_type": "odd", "value": "n/a"}]
    read(
        connection,
        insight("ad1", spend="2.25", impressions=110, actions=more),
        insight("ad2"),
        insight("ad4", clicks=None, actions=None),
        insight("ad3", day=DAY - timedelta(days=1)),
    )
    assert select(connection, MOVES) == [
        (
            *(DAY, 1, 1),
            *(Decimal("3.00"), Decimal("5.25")),
            *(200, 310),
            *(10, 10),
            *(Decimal(10), Decimal("12.5")),
        )
    ]


def test_age_counts_from_the_end_of_the_day_in_the_accounts_zone(
    connection: psycopg.Connection[Any],
) -> None:
    # 8 March 2026 has 23 hours in New York; it ends at 04:00 UTC.
    day = date(2026, 3, 8)
    history = replace(READ, read_at=datetime(2026, 3, 9, 16, tzinfo=UTC))
    read(connection, insight(day=day))
    mark(connection, day, at=datetime(2026, 3, 9, 5, tzinfo=UTC))
    read(connection, insight(day=day, spend="9"), history=history)
    assert select(connection, "SELECT age_days, read_at, sync_run_id FROM insights_changes") == [
        (Decimal("0.500"), history.read_at, "run2")
    ]


def test_one_row_per_read_even_in_many_batches(
    connection: psycopg.Connection[Any],
) -> None:
    read(connection, *(insight(f"ad{number}") for number in range(7)))
    mark(connection, DAY)
    read(connection, *(insight(f"ad{number}", spend="2") for number in range(9)), batch_rows=2)
    ((_, new, changed, before, after, *_),) = select(connection, MOVES)
    assert (new, changed, before, after) == (2, 7, Decimal("10.5"), Decimal(18))


def test_marking_the_ledger_in_the_same_transaction_first_does_no_harm(
    connection: psycopg.Connection[Any],
) -> None:
    with connection.transaction():
        mark(connection, DAY, at=NOON)
        read(connection, insight())
    assert select(connection, MOVES) == []


def test_levels_and_ranges_are_kept_apart(connection: psycopg.Connection[Any]) -> None:
    mark(connection, DAY)
    mark(connection, DAY, dataset="insights_account")
    total: dict[str, Any] = {"entity_type": "account", "entity_id": ACCOUNT}
    read(connection, insight("ad1"), insight(**total, spend="4"))
    read(connection, insight("w", entity_type="campaign"))
    read(connection, insight("ad1", date_start=DAY - timedelta(days=6), spend="70"))
    levels = "SELECT entity_type, spend_before, spend_after FROM insights_changes ORDER BY 1"
    assert select(connection, levels) == [
        ("account", Decimal(0), Decimal(4)),
        ("ad", Decimal(0), Decimal("1.5")),
    ]


READING = InsightsRead(ACCOUNT, "ad", "insights_ad", NOON, "run2")


def test_a_day_that_comes_in_pages_is_added_up_once(connection: psycopg.Connection[Any]) -> None:
    ads, page = 3_000, 25
    connection.execute("SET enable_seqscan = off")
    read(connection, *(insight(f"ad{number}") for number in range(ads)))
    mark(connection, DAY)
    before = insights_read(connection)
    for first in range(0, ads, page):
        numbers = range(first, first + page)
        read(connection, *(insight(f"ad{number}", spend="2", clicks=6) for number in numbers))
    # Each row is looked up, as what comes; the day adds up all of them.
    assert insights_read(connection) - before < 4 * ads
    one_change_per_day(connection, READING, [DAY])
    assert select(connection, MOVES) == [
        (
            *(DAY, 0, ads),
            *(Decimal(4_500), Decimal(6_000)),
            *(100 * ads, 100 * ads),
            *(5 * ads, 6 * ads),
            *(Decimal(5 * ads), Decimal(5 * ads)),
        )
    ]


def insights_read(connection: psycopg.Connection[Any]) -> int:
    """Rows of `meta_insights` that were read so far, by whatever statement."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    (rows,) = select(
        connection,
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables"
        " WHERE relname = 'meta_insights'",
    )
    return int(rows)


def test_a_page_that_is_committed_is_on_record_and_another_is_not(
    connection: psycopg.Connection[Any],
) -> None:
    read(connection, *(insight(f"ad{number}") for number in range(4)))
    mark(connection, DAY)
    read(connection, insight("ad0", spend="2"))
    with connection.transaction(force_rollback=True):
        read(connection, insight("ad1", spend="50"))
    read(connection, insight("ad2", spend="3"), insight("ad9"))
    # As it stands where the process ends here; the next one reads the day at another moment.
    spend = "SELECT rows_new, rows_changed, spend_before, spend_after FROM insights_changes"
    first = (1, 2, Decimal(6), Decimal("9.5"))
    assert select(connection, spend) == [first]
    read(connection, insight("ad1", spend="4"), history=replace(READ, read_at=NOON + HOUR))
    assert select(connection, f"{spend} ORDER BY read_at") == [
        first,
        (0, 1, Decimal("9.5"), Decimal(12)),
    ]


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_pages_that_were_asked_for_less_move_what_they_brought(
    connection: psycopg.Connection[Any], order: Sequence[int]
) -> None:
    """Of an ad day that Meta cannot answer whole, one field is left out, whichever page it is."""
    read(connection, *(insight(f"ad{number}") for number in range(4)))
    mark(connection, DAY)
    without = ((), ("actions",), ("spend", "clicks"), ())
    for number in order:
        row = insight(f"ad{number}", spend="4", impressions=150, clicks=9, actions=[])
        pairs = zip(INSIGHT_COLUMNS, row, strict=True)
        given = {name: value for name, value in pairs if name not in without[number]}
        upsert(connection, INSIGHTS, tuple(given), [[*given.values()]], history=READ)
    one_change_per_day(connection, READING, [DAY])
    assert select(connection, MOVES) == [
        (DAY, 0, 4, Decimal(6), Decimal("13.5"), 400, 600, 20, 32, Decimal(20), Decimal(5))
    ]
