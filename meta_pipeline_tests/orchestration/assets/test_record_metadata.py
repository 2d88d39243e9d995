from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from meta_pipeline.model.missing import Missing
from meta_pipeline.model.part import Part
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.orchestration.record_metadata import (
    Account,
    ads_manager_url,
    materialization_metadata,
    record_metadata,
    worst_usage_pct,
)
from meta_pipeline.orchestration.tables import DELIVERY, STRUCTURE
from meta_pipeline.words import ago

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def record(**changes: object) -> SyncRun:
    values: dict[str, object] = {
        "sync_run_id": "run1",
        "account_id": "act_101",
        "scope": "ads,adsets,campaigns",
        "started_at": START,
        "finished_at": START + timedelta(seconds=2.5),
        "status": Status.SUCCESS,
        "campaigns_fetched": 49,
        "ad_sets_fetched": 182,
        "ads_fetched": 798,
        "entity_rows_written": 1029,
        "meta_call_count_total": 4,
        "weighted_cost_total": 4.0,
        "entity_fetch_ms": 900.123,
        "db_write_ms": 210.0,
        "meta_usage_end_snapshot": {"app_pct": 3.0, "account_pct": 11.5, "insights_pct": None},
    }
    return SyncRun(**{**values, **changes})  # type: ignore[arg-type]


def test_every_table_has_its_own_rows() -> None:
    found = [materialization_metadata(record(), Account("act_101"), table) for table in STRUCTURE]
    assert [metadata["rows_read"].value for metadata in found] == [49, 182, 798]


def test_what_is_stored_is_not_what_was_read() -> None:
    metadata = materialization_metadata(record(), Account("act_101"), STRUCTURE[0], 50)
    assert metadata["dagster/partition_row_count"].value == 50
    assert metadata["rows_read"].value == 49


@pytest.mark.parametrize(
    ("changes", "is_fresh"),
    [
        ({"meta_call_count_total": 0, "entity_fetch_ms": None}, True),
        # The account itself is looked at once a day, whatever else is fresh.
        ({"meta_call_count_total": 1, "entity_fetch_ms": None}, True),
        # Planned, and answered from what an earlier, killed sync had already asked for.
        ({"meta_call_count_total": 0, "entity_fetch_ms": 3.5}, False),
        ({"meta_call_count_total": 0, "entity_fetch_ms": None, "insights_fetch_ms": 0.0}, False),
        ({"meta_call_count_total": 0, "entity_fetch_ms": None, "status": Status.FAIL}, False),
        (
            {"meta_call_count_total": 0, "entity_fetch_ms": None, "status": Status.THROTTLED},
            False,
        ),
    ],
)
def test_a_sync_of_what_is_fresh_says_so_by_what_was_planned(
    changes: dict[str, object], is_fresh: bool
) -> None:
    idle = record(**({"db_write_ms": 0.0} | changes))
    summary = str(record_metadata(idle, Account("act_101"))["summary"].value)
    assert ("everything was fresh, nothing had to be read" in summary) is is_fresh


def test_numbers_are_numbers_so_that_dagster_plots_them() -> None:
    account = Account("act_101", "2EZi", False, START - timedelta(hours=2))
    metadata = record_metadata(record(), account)
    numbers = {
        key: value.value
        for key, value in metadata.items()
        if isinstance(value, dg.IntMetadataValue | dg.FloatMetadataValue)
    }
    assert numbers == {
        "calls": 4,
        "weighted_cost": 4.0,
        "rows_written": 1029,
        "duration_seconds": 2.5,
        "entity_fetch_ms": 900.1,
        "db_write_ms": 210.0,
        "usage_end_pct": 11.5,
        "staleness_before_seconds": 7200.0,
    }


def test_the_account_can_be_told_and_opened() -> None:
    metadata = record_metadata(record(), Account("act_101", "2EZi", True))
    assert metadata["account"].value == "2EZi (act_101)"
    assert metadata["ads_manager"].value == ads_manager_url("act_101")
    assert str(metadata["ads_manager"].value).endswith("?act=101")
    assert "Simulated data" in str(metadata["summary"].value)


def test_the_summary_tells_what_is_missing_and_until_when() -> None:
    throttled = record(
        status=Status.THROTTLED,
        missing=[Missing("not finished", Part.ADS, "ads")],
        error_summary="Meta limits the account",
        not_before=START + timedelta(minutes=12),
        since=date(2026, 11, 1),
        until=date(2026, 11, 20),
    )
    summary = str(record_metadata(throttled, Account("act_101"))["summary"].value)
    for part in (
        "throttled",
        "Meta limits the account",
        "- missing: ads: not finished",
        "No call before 2026-11-20 12:12:00 UTC",
        "2026-11-01 to 2026-11-20",
        "| Synced before | never |",
    ):
        assert part in summary


def test_insights_count_the_rows_meta_gave() -> None:
    found = record(insights_rows_read=11, insights_rows_written=3)
    metadata = materialization_metadata(found, Account("act_101"), DELIVERY[0])
    assert metadata["rows_read"].value == 11
    assert "dagster/partition_row_count" not in metadata


def test_usage_is_the_worst_of_the_meters() -> None:
    assert worst_usage_pct({}) is None
    assert worst_usage_pct({"app_pct": None, "account_pct": 0.0}) == 0.0
    assert worst_usage_pct({"app_pct": 1, "insights_pct": 80, "meters": [{"raw_pct": 99}]}) == 80


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "never"),
        (0, "just now"),
        (59.9, "just now"),
        (60, "1m ago"),
        (900, "15m ago"),
        (3 * 3600 + 5, "3h ago"),
        (49 * 3600, "2d ago"),
    ],
)
def test_staleness_ago(seconds: float | None, words: str) -> None:
    assert ago(seconds) == words
