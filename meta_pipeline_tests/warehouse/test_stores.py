"""The stores: accounts, runs, ledger, cursors, usage, unrecognized values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

import psycopg
import pytest

from meta_pipeline.model.missing import Missing
from meta_pipeline.model.part import Part
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.warehouse import (
    CursorRow,
    UnrecognizedRow,
    Warehouse,
    WindowRow,
    account_lock,
)

from .rows import ACCOUNT, DAY, MORNING, NOON, select

ROW = {"account_id": ACCOUNT, "name": "Bakery", "currency": "USD", "timezone_name": "UTC"}
RUN = SyncRun(sync_run_id="run1", account_id=ACCOUNT, scope="ads,insights", started_at=MORNING)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection[Any]]:
    with warehouse.connection() as opened:
        yield opened


def days_ago(days: int) -> date:
    return DAY - timedelta(days=days)


class TestAccounts:
    def test_listed_accounts_are_kept(self, warehouse: Warehouse) -> None:
        done = warehouse.accounts.upsert_listed([ROW | {"spend_cap": "10.50"}], MORNING)
        assert done.inserted == 1
        (account,) = warehouse.accounts.all()
        assert (account.account_id, account.name, account.spend_cap) == (
            ACCOUNT,
            "Bakery",
            Decimal("10.50"),
        )
        assert account.is_accessible
        assert not account.is_simulated
        assert account.last_listed_at == account.data_as_of == MORNING
        assert warehouse.accounts.get(ACCOUNT) == account
        assert warehouse.accounts.get("act_2") is None

    def test_listing_again_moves_only_the_listing(self, warehouse: Warehouse) -> None:
        warehouse.accounts.upsert_listed([ROW], MORNING)
        assert warehouse.accounts.upsert_listed([ROW], NOON).written == 0
        (account,) = warehouse.accounts.all()
        assert (account.data_as_of, account.last_listed_at) == (MORNING, NOON)

    def test_a_lost_account_is_marked_and_comes_back(self, warehouse: Warehouse) -> None:
        other = ROW | {"account_id": "act_2", "name": "Airline"}
        warehouse.accounts.upsert_listed([ROW, other], MORNING)
        warehouse.accounts.upsert_listed([ROW], NOON)
        lost, kept = warehouse.accounts.all()
        assert (lost.account_id, lost.is_accessible, lost.last_listed_at) == (
            "act_2",
            False,
            MORNING,
        )
        assert kept.is_accessible
        assert [one.account_id for one in warehouse.accounts.all(accessible_only=True)] == [ACCOUNT]
        warehouse.accounts.upsert_listed([ROW, other], NOON)
        assert all(one.is_accessible for one in warehouse.accounts.all())

    def test_an_empty_list_loses_them_all(self, warehouse: Warehouse) -> None:
        warehouse.accounts.upsert_listed([ROW], MORNING)
        warehouse.accounts.upsert_listed([], NOON)
        assert warehouse.accounts.all(accessible_only=True) == []


class TestRuns:
    @pytest.mark.parametrize("odd", ["a\x00b", "\x00", "half \ud83d pair", "\udc00"])
    def test_a_sentence_with_what_no_text_holds_is_kept_without_it(
        self, warehouse: Warehouse, odd: str
    ) -> None:
        warehouse.runs.open(RUN)
        missing = [Missing(f"of {odd}")]
        closed = replace(RUN, status=Status.PARTIAL, error_summary=f"of {odd}", missing=missing)
        warehouse.runs.close(closed)
        (kept,) = warehouse.runs.recent()
        clean = odd.replace("\x00", "").replace("\ud83d", "\ufffd").replace("\udc00", "\ufffd")
        assert kept.error_summary == f"of {clean}"
        assert kept.missing == [Missing(f"of {clean}")]

    def test_open_then_close(self, warehouse: Warehouse) -> None:
        warehouse.runs.open(RUN)
        assert warehouse.runs.get("run1") == RUN
        closed = replace(
            RUN,
            status=Status.PARTIAL,
            finished_at=NOON,
            weighted_cost_total=2.5,
            entity_fetch_ms=10.25,
            missing=[Missing("insights 2026-04-30")],
            meta_usage_end_snapshot={"app": 12},
        )
        warehouse.runs.close(closed)
        assert warehouse.runs.get("run1") == closed

    def test_every_field_of_a_run_is_a_column_and_comes_back(self, warehouse: Warehouse) -> None:
        run = SyncRun(
            "run9", ACCOUNT, "ads", MORNING, "manual", Status.PARTIAL, NOON, MORNING.date(),
            NOON.date(), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1.5, {"app_pct": 12.0}, 2.5, 3.5, 4.5,
            "ads: not finished", [Missing("not finished", Part.ADS, "ads", is_whole=True)],
            NOON, "dagster", "host:1", connection_id="con_1", app_key="app",
            recommendations_fetched=11, custom_conversions_fetched=12,
            custom_audiences_fetched=13, images_fetched=14,
        )  # fmt: skip
        assert all(value not in (None, "", 0) for value in run.row().values())
        warehouse.runs.close(run)
        assert warehouse.runs.get("run9") == replace(run, missing=[Missing("ads: not finished")])

    def test_what_an_older_version_left_null_counts_as_nothing(self, warehouse: Warehouse) -> None:
        with warehouse.connection() as connection:
            connection.execute(
                "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, "
                "status) VALUES ('old', %s, 'ads', %s, 'fail')",
                (ACCOUNT, MORNING),
            )
        assert warehouse.runs.get("old") == SyncRun(
            "old", ACCOUNT, "ads", MORNING, status=Status.FAIL
        )

    def test_it_survives_the_syncs_rollback(self, warehouse: Warehouse) -> None:
        def failing() -> None:
            with account_lock(warehouse.url, ACCOUNT, holder="h") as held, held.transaction():
                warehouse.runs.open(RUN)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            failing()
        assert warehouse.runs.get("run1") == RUN

    def test_abandoned_runs_are_closed(self, warehouse: Warehouse) -> None:
        for name, account, status in (
            ("dead", ACCOUNT, Status.RUNNING),
            ("done", ACCOUNT, Status.SUCCESS),
            ("other", "act_2", Status.RUNNING),
        ):
            warehouse.runs.open(replace(RUN, sync_run_id=name, account_id=account, status=status))
        with warehouse.connection() as connection:
            closed = warehouse.runs.close_abandoned(connection, ACCOUNT, NOON)
        assert closed == ["dead"]
        found = warehouse.runs.get("dead")
        assert found is not None
        assert (found.status, found.finished_at) == ("fail", NOON)
        assert found.error_summary == "abandoned: the process ended"
        running = [run.sync_run_id for run in warehouse.runs.recent() if run.status == "running"]
        assert running == ["other"]

    def test_recent_and_latest(self, warehouse: Warehouse) -> None:
        for hours, status in enumerate((Status.SUCCESS, Status.FAIL, Status.THROTTLED)):
            warehouse.runs.open(
                replace(
                    RUN,
                    sync_run_id=status,
                    status=status,
                    started_at=MORNING + timedelta(hours=hours),
                )
            )
        assert [run.status for run in warehouse.runs.recent(2)] == ["throttled", "fail"]
        assert warehouse.runs.recent(account_id="act_2") == []

    def test_an_unknown_status_is_refused(self, warehouse: Warehouse) -> None:
        with pytest.raises(psycopg.errors.CheckViolation):
            warehouse.runs.open(replace(RUN, status=cast("Status", "sleeping")))


class TestLedger:
    def test_fetched_days(self, warehouse: Warehouse) -> None:
        ledger = warehouse.ledger
        with warehouse.connection() as connection:
            days = {days_ago(30): 5, days_ago(1): 0}
            ledger.mark(connection, ACCOUNT, "insights_ad", days, NOON, [days_ago(30)], "run1")
        assert ledger.fetched(ACCOUNT, "insights_ad", days_ago(30), DAY) == {
            days_ago(30): WindowRow(NOON, 5, is_final=True),
            days_ago(1): WindowRow(NOON, 0, is_final=False),
        }
        assert ledger.fetched(ACCOUNT, "insights_ad", DAY, DAY) == {}
        assert ledger.fetched(ACCOUNT, "insights_campaign", days_ago(30), DAY) == {}
        assert ledger.fetched("act_2", "insights_ad", days_ago(30), DAY) == {}

    def test_marking_again_replaces(self, warehouse: Warehouse) -> None:
        with warehouse.connection() as connection:
            for rows, at, final in ((5, MORNING, []), (6, NOON, [DAY])):
                warehouse.ledger.mark(connection, ACCOUNT, "d", {DAY: rows}, at, final, None)
        assert warehouse.ledger.fetched(ACCOUNT, "d", DAY, DAY) == {
            DAY: WindowRow(NOON, 6, is_final=True)
        }

    def test_a_day_that_lacks_something_is_not_final_until_it_does_not(
        self, warehouse: Warehouse
    ) -> None:
        other = days_ago(1)
        seen = []
        for reasons in ({DAY: "no ad rows"}, {DAY: "ad 7 was given up", other: "x"}, {}):
            with warehouse.connection() as connection:
                warehouse.ledger.mark(
                    connection, ACCOUNT, "d", {DAY: 3}, NOON, [DAY], None, incomplete=reasons
                )
            seen.append(warehouse.ledger.fetched(ACCOUNT, "d", other, DAY))
        assert seen == [
            {DAY: WindowRow(NOON, 3, False, "no ad rows", 1)},
            {DAY: WindowRow(NOON, 3, False, "ad 7 was given up", 2)},
            {DAY: WindowRow(NOON, 3, is_final=True)},
        ]

    def test_it_is_rolled_back_with_the_rows(self, warehouse: Warehouse) -> None:
        def failing() -> None:
            with warehouse.connection() as connection:
                warehouse.ledger.mark(connection, ACCOUNT, "d", {DAY: 1}, NOON, [], None)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            failing()
        assert warehouse.ledger.fetched(ACCOUNT, "d", DAY, DAY) == {}

    def test_gaps(self, warehouse: Warehouse) -> None:
        ledger = warehouse.ledger
        assert ledger.gaps(ACCOUNT, "d", days_ago(9), DAY) == [(days_ago(9), DAY)]
        with warehouse.connection() as connection:
            days = dict.fromkeys(map(days_ago, (8, 7, 4, 0)), 1)
            ledger.mark(connection, ACCOUNT, "d", days, NOON, [], None)
        assert ledger.gaps(ACCOUNT, "d", days_ago(9), DAY) == [
            (days_ago(9), days_ago(9)),
            (days_ago(6), days_ago(5)),
            (days_ago(3), days_ago(1)),
        ]
        assert ledger.gaps(ACCOUNT, "d", days_ago(8), days_ago(7)) == []


class TestCursors:
    def test_saved_and_replaced(self, warehouse: Warehouse) -> None:
        assert warehouse.cursors.get(ACCOUNT, "ads") is None
        for cursor in (
            CursorRow(ACCOUNT, "ads", updated_since=MORNING, page_size=500, statuses_hash="x"),
            CursorRow(ACCOUNT, "ads", last_full_at=NOON),
        ):
            with warehouse.connection() as connection:
                warehouse.cursors.save(connection, cursor)
            assert warehouse.cursors.get(ACCOUNT, "ads") == cursor
        assert warehouse.cursors.get(ACCOUNT, "adsets") is None


class TestUsage:
    def test_the_newest_of_each_meter_wins(self, warehouse: Warehouse) -> None:
        old = UsageReading("account", ACCOUNT, "", usage_pct=10, read_at=MORNING)
        new = replace(old, usage_pct=97.5, read_at=NOON, regain_at=NOON + timedelta(minutes=5))
        insights = replace(old, use_case="ads_insights", access_tier="standard", source="x-b-u-c-u")
        warehouse.usage.remember([new, old, insights])
        warehouse.usage.remember([old])
        assert warehouse.usage.current([ACCOUNT]) == [new, insights]
        assert warehouse.usage.current(["app"]) == []
        assert warehouse.usage.current() == [new, insights]

    @pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=4_000)])
    def test_a_reading_of_a_clock_far_ahead_shuts_no_other_out(
        self, warehouse: Warehouse, ahead: timedelta
    ) -> None:
        true = UsageReading("account", ACCOUNT, "", usage_pct=10, read_at=NOON)
        warehouse.usage.remember([replace(true, read_at=NOON + ahead, usage_pct=100)])
        warehouse.usage.remember([true], now=NOON)
        assert warehouse.usage.current() == [true]

    def test_nothing_to_remember(self, warehouse: Warehouse) -> None:
        warehouse.usage.remember([])
        assert warehouse.usage.current() == []


class TestUnrecognized:
    def test_it_counts_up(self, warehouse: Warehouse, connection: psycopg.Connection[Any]) -> None:
        seen = UnrecognizedRow(
            ACCOUNT, "campaigns", "objective", "OUTCOME_X", "unknown_enum", MORNING, sample_id="c1"
        )
        store = warehouse.unrecognized
        store.record(connection, [seen, replace(seen, value="OUTCOME_Y", count=3)])
        store.record(connection, [replace(seen, seen_at=NOON, sample_id=None, count=2)])
        store.record(connection, [])
        query = """
            SELECT value, seen_count, first_seen_at, last_seen_at, sample_id
            FROM unrecognized_values ORDER BY value
        """
        assert select(connection, query) == [
            ("OUTCOME_X", 3, MORNING, NOON, "c1"),
            ("OUTCOME_Y", 3, MORNING, MORNING, "c1"),
        ]

    def test_whatever_the_value_is(
        self, warehouse: Warehouse, connection: psycopg.Connection[Any]
    ) -> None:
        seen = UnrecognizedRow(ACCOUNT, "ads", "na\x00me", "a\x00\ud800" + "x" * 999, "odd", NOON)
        warehouse.unrecognized.record(connection, [seen])
        ((field, value),) = select(connection, "SELECT field, value FROM unrecognized_values")
        assert field == "na\N{SYMBOL FOR NULL}me"
        assert value.startswith("a\N{SYMBOL FOR NULL}\ufffdxx")
        assert len(value) == 200
