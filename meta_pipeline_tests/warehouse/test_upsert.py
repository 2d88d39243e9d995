"""Upsert: what is new is inserted, what differs is updated, the rest is not touched at all."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.warehouse import (
    Cleaned,
    ReturnedRows,
    RowScope,
    RowsRefused,
    Upserted,
    Warehouse,
    upsert,
)
from meta_pipeline.warehouse.schema import meta_creatives, sync_windows
from meta_pipeline_tests.postgres import rows_read

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
    insight,
    select,
)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(warehouse.url, autocommit=True) as opened:
        opened.execute("SET TIME ZONE 'UTC'")
        yield opened


def put(connection: psycopg.Connection[Any], *rows: list[Any], **options: Any) -> Upserted:
    return upsert(connection, CAMPAIGNS, CAMPAIGN_COLUMNS, rows, **options)


def test_new_rows_are_inserted(connection: psycopg.Connection[Any]) -> None:
    assert put(connection, campaign("c1"), campaign("c2")) == Upserted(received=2, inserted=2)
    assert select(connection, "SELECT campaign_id FROM meta_campaigns ORDER BY 1") == ["c1", "c2"]
    assert select(connection, "SELECT DISTINCT daily_budget FROM meta_campaigns") == [Decimal(20)]


def test_the_same_again_touches_nothing(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign("c1"), campaign("c2"))
    before = select(connection, "SELECT ctid, xmin, data_as_of FROM meta_campaigns ORDER BY 1")

    done = put(connection, campaign("c1", as_of=NOON), campaign("c2", as_of=NOON))

    assert done == Upserted(received=2)
    assert done.written == 0
    after = select(connection, "SELECT ctid, xmin, data_as_of FROM meta_campaigns ORDER BY 1")
    assert after == before


@pytest.mark.parametrize(
    "same",
    [
        {"daily_budget": Decimal("20.000")},
        {"daily_budget": 20},
        {"special_ad_categories": b" [ ] "},
        {"name": "Spring sale"},
    ],
)
def test_another_spelling_is_the_same_value(
    connection: psycopg.Connection[Any], same: dict[str, Any]
) -> None:
    put(connection, campaign())
    assert put(connection, campaign(**same)).written == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", "Spring sale "),
        ("daily_budget", "20.01"),
        ("special_ad_categories", ["HOUSING"]),
        ("special_ad_categories", None),
        ("extra", {"new_field": 1}),
        ("is_deleted", True),
    ],
)
def test_a_different_row_is_updated_and_its_neighbour_is_not(
    connection: psycopg.Connection[Any], field: str, value: Any
) -> None:
    put(connection, campaign("c1"), campaign("c2"))

    done = put(connection, campaign("c1", as_of=NOON, **{field: value}), campaign("c2", as_of=NOON))

    assert done == Upserted(received=2, updated=1)
    found = select(
        connection, f"SELECT campaign_id, {field}, data_as_of FROM meta_campaigns ORDER BY 1"
    )
    assert found[0] == ("c1", Decimal(value) if field == "daily_budget" else value, NOON)
    assert found[1][2] == MORNING


def test_null_becomes_a_value(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign(name=None))
    assert put(connection, campaign(name="named")).updated == 1


def test_the_last_of_the_same_key_wins(connection: psycopg.Connection[Any]) -> None:
    rows = [campaign("c1", name=f"version {number}") for number in range(5)]
    assert put(connection, *rows) == Upserted(received=5, inserted=1)
    assert select(connection, "SELECT name FROM meta_campaigns") == ["version 4"]


def test_the_last_of_the_same_key_wins_across_batches(
    connection: psycopg.Connection[Any],
) -> None:
    rows = [campaign(f"c{number % 3}", name=f"version {number}") for number in range(20)]
    done = put(connection, *rows, batch_rows=4)
    assert (done.received, done.inserted) == (20, 3)
    names = select(connection, "SELECT name FROM meta_campaigns ORDER BY campaign_id")
    assert names == ["version 18", "version 19", "version 17"]


def test_first_seen_at_stays(connection: psycopg.Connection[Any]) -> None:
    columns = (*CAMPAIGN_COLUMNS, "first_seen_at")
    upsert(connection, CAMPAIGNS, columns, [[*campaign(), MORNING]])
    upsert(connection, CAMPAIGNS, columns, [[*campaign(name="renamed"), NOON]])
    assert select(connection, "SELECT name, first_seen_at FROM meta_campaigns") == [
        ("renamed", MORNING)
    ]


def test_deleted_seen_at_follows_is_deleted(connection: psycopg.Connection[Any]) -> None:
    seen = "SELECT deleted_seen_at FROM meta_campaigns"
    put(connection, campaign())
    assert select(connection, seen) == [None]
    put(connection, campaign(is_deleted=True, as_of=NOON))
    assert select(connection, seen) == [NOON]
    put(connection, campaign(is_deleted=True, name="renamed", as_of=NOON + timedelta(days=1)))
    assert select(connection, seen) == [NOON], "the first sight of it counts"
    put(connection, campaign(is_deleted=False))
    assert select(connection, seen) == [None]


def test_a_row_first_seen_deleted(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign(is_deleted=True))
    assert select(connection, "SELECT deleted_seen_at FROM meta_campaigns") == [MORNING]


def test_ignored_columns_are_written_but_do_not_count(connection: psycopg.Connection[Any]) -> None:
    ignore = ("data_as_of", "budget_remaining")
    put(connection, campaign(), ignore=ignore)
    assert put(connection, campaign(budget_remaining="4"), ignore=ignore).written == 0
    put(connection, campaign(budget_remaining="3", name="renamed"), ignore=ignore)
    assert select(connection, "SELECT budget_remaining FROM meta_campaigns") == [Decimal(3)]


def test_columns_that_are_not_given_keep_their_values(connection: psycopg.Connection[Any]) -> None:
    put(connection, campaign())
    columns = ("campaign_id", "account_id", "goal", "data_as_of")
    done = upsert(connection, CAMPAIGNS, columns, [["c1", "act_1", "purchases", NOON]])
    assert done.updated == 1
    assert select(connection, "SELECT name, goal FROM meta_campaigns") == [
        ("Spring sale", "purchases")
    ]


def test_keys_alone(connection: psycopg.Connection[Any]) -> None:
    columns = ("account_id", "dataset", "date_start", "fetched_at", "rows")
    row = ["act_1", "insights_ad", DAY, MORNING, 0]
    assert upsert(connection, sync_windows, columns, [row]).inserted == 1
    ignore = ("fetched_at", "rows")
    assert upsert(connection, sync_windows, columns, [row], ignore=ignore).written == 0


def test_nothing_to_write(connection: psycopg.Connection[Any]) -> None:
    assert put(connection) == Upserted()


def test_the_caller_owns_the_transaction(warehouse: Warehouse) -> None:
    def interrupted() -> None:
        with warehouse.connection() as pooled:
            put(pooled, campaign("c1"))
            put(pooled, campaign("c2"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with warehouse.connection() as pooled:
        assert select(pooled, "SELECT * FROM meta_campaigns") == []
        put(pooled, campaign("c3"))
    with warehouse.connection() as pooled:
        assert select(pooled, "SELECT campaign_id FROM meta_campaigns") == ["c3"]


def test_two_tables_in_one_transaction(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        put(connection, campaign())
        columns = ("creative_id", "account_id", "data_as_of")
        upsert(connection, meta_creatives, columns, [["x", "act_1", NOON]])
        put(connection, campaign("c2"))
        assert select(connection, "SHOW enable_seqscan") == ["on"]
    assert select(connection, "SELECT count(*) FROM meta_campaigns") == [2]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"daily_budget": "twenty"}, r"daily_budget"),
        ({"account_id": None}, r"account_id"),
        ({"is_deleted": "perhaps"}, r"is_deleted"),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_nothing_is_written(
    connection: psycopg.Connection[Any], values: dict[str, Any], words: str
) -> None:
    with pytest.raises(RowsRefused, match=rf"meta_campaigns refused.*{words}"):
        put(connection, campaign("c1"), campaign("c2", **values))
    assert select(connection, "SELECT * FROM meta_campaigns") == []


def test_wrong_use_is_told(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(ValueError, match="meta_campaigns has no column colour"):
        upsert(connection, CAMPAIGNS, ["campaign_id", "colour"], [])
    with pytest.raises(ValueError, match="needs its key columns: campaign_id"):
        upsert(connection, CAMPAIGNS, ["account_id"], [])
    with pytest.raises(ValueError, match="every row must have 10 values"):
        put(connection, campaign()[:-1])


def test_cleaned_values_are_counted_and_told(connection: psycopg.Connection[Any]) -> None:
    told: list[Cleaned] = []
    done = put(connection, campaign(name="a\x00b", extra={"x": "\x00"}), on_cleaned=told.append)
    assert done == Upserted(received=1, inserted=1, cleaned=2)
    assert [(one.column, one.kept) for one in told] == [("name", "ab"), ("extra", '{"x":""}')]
    again = put(connection, campaign(name="a\x00b", extra={"x": "\x00"}))
    assert (again.written, again.cleaned) == (0, 2)


def test_two_writers_of_the_same_new_keys(warehouse: Warehouse) -> None:
    with (
        psycopg.connect(warehouse.url) as first,
        psycopg.connect(warehouse.url) as second,
    ):
        put(first, campaign("c1", name="first"))
        second.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            put(second, campaign("c1", name="second"))
        second.rollback()
        first.commit()
        assert put(second, campaign("c1", name="second")).updated == 1


def test_memory_does_not_grow_with_the_rows(connection: psycopg.Connection[Any]) -> None:
    def rows(count: int) -> Iterator[list[Any]]:
        for number in range(count):
            yield insight(f"ad{number}")

    def peak(count: int) -> int:
        tracemalloc.reset_peak()
        with connection.transaction(force_rollback=True):
            upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows(count))
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        peak(100)
        assert peak(20_000) < 1.5 * peak(2_000)
    finally:
        tracemalloc.stop()


def test_a_first_load_is_looked_up_by_index(connection: psycopg.Connection[Any]) -> None:
    """While the table is empty a planner left alone would scan it for each row."""
    rows = [insight(f"ad{number}") for number in range(2_000)]
    upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows)
    connection.execute("SELECT pg_stat_force_next_flush()")
    scans = select(
        connection, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'meta_insights'"
    )
    assert scans == [0]


NAMES = st.sampled_from(["a", "b", "\\N", "tab\t", None])
ROWS = st.lists(
    st.tuples(st.sampled_from(["ad1", "ad2", "ad3"]), st.integers(0, 2), NAMES), max_size=8
)


@settings(max_examples=60)
@given(loads=st.lists(ROWS, min_size=1, max_size=4))
def test_the_table_is_a_dictionary(
    connection: psycopg.Connection[Any], loads: list[list[tuple[str, int, str | None]]]
) -> None:
    connection.execute("TRUNCATE meta_insights")
    expected: dict[tuple[str, date], str | None] = {}
    for load in loads:
        rows = [
            insight(ad, day=DAY + timedelta(days=days), campaign_id=name) for ad, days, name in load
        ]
        wanted = expected | {(ad, DAY + timedelta(days=days)): name for ad, days, name in load}
        changes = sum(
            key not in expected or expected[key] != value for key, value in wanted.items()
        )
        done = upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows)
        assert (done.received, done.written) == (len(load), changes)
        expected = wanted
    found = connection.execute("SELECT entity_id, date_start, campaign_id FROM meta_insights")
    assert {(ad, day): name for ad, day, name in found} == expected


def test_the_sum_of_upserts() -> None:
    parts = [Upserted(3, 1, 1, 1), Upserted(2, 2, 0, 0)]
    assert sum(parts, Upserted()) == Upserted(5, 3, 1, 1)
    assert list(itertools.accumulate(parts))[-1].written == 4


def test_a_window_is_judged_by_the_keys_of_its_own_walks_alone(
    connection: psycopg.Connection[Any],
) -> None:
    """Not by all that the sync has read so far: that would grow with each window."""
    returned, scope = ReturnedRows(), RowScope(INSIGHTS, ACCOUNT, {"entity_type": "ad"})
    days = [DAY + timedelta(days=number) for number in range(20)]
    with connection.transaction():
        for walk, day in enumerate(days):
            rows = [insight(f"ad{number}", day=day) for number in range(50)]
            upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows)
            upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows[1:], returned=(returned, walk))
        before = rows_read(connection, "returned_meta_insights")
        for walk, day in enumerate(days):
            (found,) = returned.stored(connection, scope, [day], [walk]).values()
            assert (found.all.rows, found.gone.rows) == (50, 1)
        assert rows_read(connection, "returned_meta_insights") - before == 20 * 49
