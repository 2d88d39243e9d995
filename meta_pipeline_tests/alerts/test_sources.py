"""What is told follows from the records: one condition an account, the one that tells most."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meta_pipeline.alerts import (
    AlertLimits,
    Condition,
    ConditionKind,
    Grade,
    account_conditions,
    check_conditions,
    error_rate_conditions,
    limits_of,
    run_condition,
    sources,
)
from meta_pipeline.graph import TokenInfo
from meta_pipeline.quality import Finding, Severity, read_query, token_finding
from meta_pipeline.settings import Settings
from meta_pipeline.sync import EXTRAS, Part
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import rows_read, rows_touched

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ALL = "campaigns,adsets,ads,insights"


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


class Records:
    """Accounts and their runs, written as a sync would."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def account(self, account_id: str = "act_1", since: float = 100, **changes: Any) -> None:
        values = {
            "account_id": account_id,
            "name": f"Shop {account_id[4:]}",
            "last_listed_at": ago(0.5),
            "data_as_of": ago(since),
            "first_seen_at": ago(since),
        } | changes
        self._insert("meta_ad_accounts", [values])

    def run(
        self, hours: float, status: str, scope: str = ALL, account_id: str = "act_1", **more: Any
    ) -> None:
        started = ago(hours)
        values = {
            "sync_run_id": f"{account_id}-{scope}-{hours}",
            "account_id": account_id,
            "scope": scope,
            "started_at": started,
            "finished_at": started + timedelta(minutes=1),
            "status": status,
        } | more
        self._insert("sync_runs", [values])
        if status == "success" and "insights" in scope:
            self._read(account_id, started)

    def _read(self, account_id: str, at: datetime) -> None:
        day = {
            "account_id": account_id,
            "dataset": "insights_ad",
            "date_start": NOW.date(),
            "fetched_at": at,
            "rows": 5,
        }
        self._insert("sync_windows", [day])
        spent = {
            "account_id": account_id,
            "entity_type": "account",
            "entity_id": account_id,
            "date_start": NOW.date(),
            "date_stop": NOW.date(),
            "data_as_of": at,
            "spend": 100,
        }
        self._insert("meta_insights", [spent])

    def calls(self, number: int, hours: float = 0.5, **more: Any) -> None:
        values = {
            "endpoint_key": "insights_ad",
            "status_code": 200,
            "throttled": False,
            "timestamp": ago(hours),
        } | more
        self._insert("meta_api_logs", [values] * number)

    def _insert(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        rows = list(rows)
        names, places = ", ".join(rows[0]), ", ".join(f"%({name})s" for name in rows[0])
        with self.warehouse.connection() as connection:
            connection.cursor().executemany(
                f"INSERT INTO meta_ads.{table} ({names}) VALUES ({places})", rows
            )

    def found(self, **limits: Any) -> list[Condition]:
        with self.warehouse.connection() as connection:
            connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
            given = AlertLimits(**limits)
            return [
                *account_conditions(connection, given),
                *error_rate_conditions(connection, given),
            ]


@pytest.fixture
def records(warehouse: Warehouse) -> Records:
    return Records(warehouse)


def test_a_synced_account_is_no_news(records: Records) -> None:
    records.account()
    records.run(3, "success")
    assert records.found() == []


def test_a_dead_account_beside_a_healthy_one(records: Records) -> None:
    records.account()
    records.run(3, "success")
    records.account("act_2")
    records.run(7, "success", account_id="act_2")
    (condition,) = records.found()
    assert (condition.kind, condition.grade) == (ConditionKind.STALE, Grade.WARNING)
    assert condition.subject == "Shop 2 (act_2)"
    assert condition.since == ago(7)
    (worse,) = records.found(very_late=1.1)
    assert worse.grade is Grade.ERROR


def test_a_new_account_gets_its_time(records: Records) -> None:
    records.account(since=2)
    assert records.found() == []
    records.account("act_2", since=8)
    assert [one.key for one in records.found()] == ["account:act_2"]


def test_structure_alone_does_not_make_numbers_fresh(records: Records) -> None:
    records.account()
    records.run(9, "success")
    records.run(1, "success", scope="campaigns,adsets,ads")
    (condition,) = records.found()
    assert condition.kind is ConditionKind.STALE


def test_one_failure_is_a_blip_and_two_are_news(records: Records) -> None:
    records.account()
    records.run(5, "success")
    records.run(2, "fail", error_summary="act_1: Meta says no to 1 (code 200)")
    assert records.found() == []
    records.run(1, "fail", error_summary="act_1: Meta says no (code 200)")
    (condition,) = records.found()
    assert (condition.kind, condition.grade) == (ConditionKind.FAILING, Grade.ERROR)
    assert condition.cause == "the account: Meta says no (code 200)"
    assert condition.since == ago(2)


def test_numbers_that_fail_are_not_excused_by_structure_that_works(records: Records) -> None:
    records.account()
    records.run(5, "success")
    for hours in (3, 2, 1):
        records.run(hours, "success", scope="campaigns,adsets,ads")
        records.run(hours - 0.1, "fail", scope="insights", error_summary="report failed")
    (condition,) = records.found()
    assert condition.kind is ConditionKind.FAILING
    assert condition.cause == "report failed"


def test_a_partial_sync_ends_a_row_of_failures(records: Records) -> None:
    records.account()
    records.run(5, "success")
    records.run(3, "fail")
    records.run(2, "fail")
    records.run(1, "partial")
    assert records.found() == []


def test_throttling_is_told_when_it_lasts(records: Records) -> None:
    records.account()
    records.run(4, "success")
    records.run(1.9, "throttled")
    assert records.found() == []
    records.run(2.5, "throttled")
    (condition,) = records.found()
    assert (condition.kind, condition.grade) == (ConditionKind.THROTTLED, Grade.WARNING)
    assert condition.since == ago(2.5)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_that_waits_for_quota_is_no_news_but_one_that_fails_is(
    records: Records, extra: Part
) -> None:
    records.account()
    records.run(1, "success")
    records.run(5, "throttled", scope=extra)
    assert records.found() == []
    records.run(4, "fail", scope=extra)
    records.run(3, "fail", scope=extra)
    (condition,) = records.found()
    assert condition.kind is ConditionKind.FAILING


def test_a_lost_account_is_told(records: Records) -> None:
    records.account(is_accessible=False, last_listed_at=ago(50))
    (condition,) = records.found()
    assert (condition.kind, condition.since) == (ConditionKind.LOST, ago(50))


def test_an_account_that_is_left_out_is_no_news(records: Records) -> None:
    records.account()
    records.account("act_2")
    settings = Settings.load(env_file=None, exclude_accounts="act_2")
    limits = limits_of(settings)
    found = records.found(include=limits.include, exclude=limits.exclude)
    assert [one.key for one in found] == ["account:act_1"]
    assert [one.key for one in records.found(include=["act_2"])] == ["account:act_2"]


def test_refused_syncs_say_nothing_of_an_account(records: Records) -> None:
    records.account()
    records.run(5, "success")
    for hours in (3, 2, 1):
        records.run(hours, "refused")
    assert records.found() == []


def test_an_error_rate_over_one_percent(records: Records) -> None:
    records.calls(98)
    records.calls(1, throttled=True, status_code=400, error_code=80004)
    records.calls(1, status_code=400, error_code=100, error_subcode=33)
    assert records.found() == [], "exactly 1 %"
    records.calls(2, status_code=400, error_code=100, error_subcode=33)
    records.calls(1, status_code=None)
    (condition,) = records.found()
    assert condition.subject == "3.9 % of the last hour's calls"
    assert condition.cause == "Most of them: insights_ad, Meta's 100/33."


def test_few_calls_make_no_rate(records: Records) -> None:
    records.calls(50, status_code=500)
    records.calls(500, hours=2, status_code=500)
    assert records.found() == []


def finding(name: str, count: int = 3, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(name, count, severity, f"{count} things.", "Do this.")


def test_a_failed_check_is_a_problem_of_its_severity() -> None:
    (condition,) = check_conditions(finding("orphans"), NOW)
    assert (condition.key, condition.grade) == ("check:orphans", Grade.ERROR)
    (mild,) = check_conditions(finding("schema_drift", severity=Severity.WARN), NOW)
    assert mild.grade is Grade.WARNING
    assert check_conditions(finding("orphans", 0), NOW) == []
    assert check_conditions(finding("freshness"), NOW) == [], "told account by account"


@pytest.mark.parametrize(
    ("days", "grade"),
    [(13, Grade.WARNING), (6, Grade.ERROR), (0.5, Grade.URGENT), (-1, Grade.HAPPENED)],
)
def test_a_token_gets_louder_as_its_end_comes_near(days: float, grade: Grade) -> None:
    token = TokenInfo(True, ("ads_read",), expires_at=NOW + timedelta(days=days))
    (condition,) = check_conditions(token_finding(token, NOW), NOW)
    assert (condition.kind, condition.grade) == (ConditionKind.TOKEN, grade)


def test_a_run_without_a_record_links_its_run() -> None:
    condition = run_condition("maintenance", "abc", "it\nbroke", NOW)
    assert (condition.key, condition.cause) == ("run:maintenance", "it broke")
    assert condition.link == "/runs/abc"


def test_a_thousand_accounts_cost_a_look_at_the_newest_runs_of_each(
    records: Records, warehouse: Warehouse
) -> None:
    """Rows are counted, not seconds: of those a busy machine needs more for the same."""
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts"
            " (account_id, last_listed_at, data_as_of, first_seen_at)"
            " SELECT 'act_' || n, %s, %s, %s FROM generate_series(1, 1000) AS n",
            [ago(9)] * 3,
        )
        connection.execute(
            "INSERT INTO meta_ads.sync_runs"
            " (sync_run_id, account_id, scope, started_at, finished_at, status)"
            " SELECT n || '-' || h, 'act_' || n, 'insights', %s - make_interval(hours => h),"
            " %s - make_interval(hours => h), CASE h WHEN 0 THEN 'fail' ELSE 'success' END"
            " FROM generate_series(1, 1000) AS n, generate_series(0, 30) AS h",
            [NOW] * 2,
        )
        # Of an account's numbers of eight days, its own rows are few among those of its ads.
        connection.execute(
            "INSERT INTO meta_ads.meta_insights (entity_type, entity_id, date_start, date_stop,"
            " account_id, spend, data_as_of)"
            " SELECT CASE ad WHEN 0 THEN 'account' ELSE 'ad' END,"
            " CASE ad WHEN 0 THEN 'act_' || n ELSE n || '-' || ad END, day, day, 'act_' || n, 1, %s"
            " FROM generate_series(1, 1000) AS n, generate_series(0, 10) AS ad,"
            " (SELECT %s::date - back FROM generate_series(0, 7) AS back) AS days (day)",
            [NOW] * 2,
        )
    assert len(records.found()) == 1000
    query = read_query(Path(sources.__file__).parent / "sql" / "accounts.sql")
    with warehouse.connection() as connection:
        connection.execute(
            "ANALYZE meta_ads.meta_ad_accounts, meta_ads.sync_runs, meta_ads.meta_insights"
        )
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
        before = rows_read(connection, "meta_insights")
        touched = rows_touched(connection, query, AlertLimits().parameters())
        read = rows_read(connection, "meta_insights") - before
    assert read <= 8 * 1000
    # All runs for every account would be 31 million.
    assert 1000 * 31 <= touched < 1_000_000
