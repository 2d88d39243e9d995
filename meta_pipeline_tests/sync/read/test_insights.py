"""Windows of insights: backfill, restatement by age, sizes, days, hours and breakdowns."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest

from meta_pipeline import metrics
from meta_pipeline.simulator import AccountSpec, Caps, Fault, Plan
from meta_pipeline.sync import Part, PlanPolicy, Status, SyncRequest
from meta_pipeline.sync.plan.policy import PageSizes
from meta_pipeline_tests.sync.lab import SMALL, Lab, lab

NUMBERS = frozenset({Part.INSIGHTS})


def test_later_syncs_read_by_age_and_end_equal_to_the_world(small: Lab) -> None:
    small.sync()
    first = small.today()
    for _ in range(8):
        small.advance(hours=6)
        assert small.sync().status is Status.SUCCESS
    since = first - timedelta(days=9)
    small.assert_insights(small.today(), small.today())
    small.advance(hours=1)
    small.sync(since=since, force=True)
    small.assert_insights(since, small.today())


def test_how_much_a_day_still_moved_is_stored(small: Lab) -> None:
    small.sync()
    small.advance(days=1)
    small.sync()

    moved = small.query(
        "SELECT date_start, spend_before, spend_after, actions_after >= actions_before AS grew "
        "FROM meta_ads.insights_changes WHERE entity_type = 'ad' ORDER BY 1"
    )
    assert moved
    assert len({row["date_start"] for row in moved}) == len(moved)
    stored = small.query(
        "SELECT date_start, sum(spend) AS spend FROM meta_ads.meta_insights "
        "WHERE entity_type = 'ad' GROUP BY 1"
    )
    spend = {row["date_start"]: row["spend"] for row in stored}
    assert all(spend[row["date_start"]] == row["spend_after"] for row in moved)
    assert all(row["grew"] for row in moved)


def test_a_stop_in_the_middle_resumes_where_it_was(small: Lab) -> None:
    small.sim.fail("GET", "/insights", on_call=2, with_=Fault.graph_error(190, 463, status=400))
    first = small.sync()
    assert first.status is Status.FAIL
    done = {
        row["date_start"] for row in small.query("SELECT date_start FROM meta_ads.sync_windows")
    }

    second = small.sync()

    assert second.status is Status.SUCCESS
    asked = [entry for entry in small.sim.journal if "/insights" in entry.path]
    assert len(asked) <= 3 + 2
    today = small.today()
    small.assert_insights(today - timedelta(days=9), today)
    assert done <= {
        row["date_start"] for row in small.query("SELECT date_start FROM meta_ads.sync_windows")
    }


def test_a_range_older_than_meta_keeps_is_clamped_with_a_note(small: Lab) -> None:
    plan = small.engine.plan(
        SyncRequest(
            small.account_id, since=date(2020, 1, 1), until=small.today() - timedelta(days=5)
        )
    )

    assert any("37 months" in note for note in plan.notes)
    assert plan.since is not None
    assert plan.since > date(2023, 1, 1)


def test_the_plan_is_what_the_sync_does(small: Lab) -> None:
    small.sync()
    small.advance(hours=26)
    plan = small.engine.plan(SyncRequest(small.account_id))

    record = small.sync()

    assert plan.calls == record.meta_call_count_total
    assert plan.insights_calls == record.insights_calls


def test_refused_amounts_are_read_smaller(database_url: str) -> None:
    with lab(database_url, caps=Caps(insights_cells=600)) as small:
        record = small.sync()

        assert record.status is Status.SUCCESS, record.error_summary
        today = small.today()
        small.assert_insights(today - timedelta(days=9), today)


@pytest.mark.parametrize("plan", ["fail", "skip"])
def test_a_report_that_does_not_come_is_replaced(small: Lab, plan: str) -> None:
    small.sim.fail(
        "GET",
        f"{small.account_id}/insights",
        times=1,
        with_=Fault.graph_error(100, 1504018, status=400),
    )
    chosen = {"fail": Plan.fail(at_pct=100), "skip": Plan.skip()}[plan]
    small.sim.reports.plan_next(chosen)

    record = small.sync(parts=NUMBERS)

    assert record.status is Status.SUCCESS, record.error_summary
    small.sync(parts=NUMBERS, force=True)  # the wait for the report has moved the world on
    today = small.today()
    small.assert_insights(today - timedelta(days=9), today)


def test_days_are_the_accounts_own_across_a_clock_change(database_url: str) -> None:
    berlin = AccountSpec("Uhrenladen", 2, 4, 9, (2, 4, 9), zone="Europe/Berlin", currency="EUR")
    around_midnight = datetime(2026, 10, 25, 22, 59, tzinfo=UTC)
    with lab(database_url, berlin, start=around_midnight) as found:
        found.sync()
        assert found.today() == date(2026, 10, 25)
        found.assert_insights(date(2026, 10, 16), date(2026, 10, 25))
        found.advance(minutes=70)
        found.sync()
        assert found.today() == date(2026, 10, 26)
        found.assert_insights(date(2026, 10, 26), date(2026, 10, 26))


def test_money_without_minor_units(database_url: str) -> None:
    tokyo = AccountSpec("東京の店", 2, 4, 6, (2, 4, 6), zone="Asia/Tokyo", currency="JPY")
    with lab(database_url, tokyo) as found:
        found.sync()
        found.assert_entities()
        today = found.today()
        found.assert_insights(today - timedelta(days=9), today)


@pytest.mark.parametrize("breakdowns", [("age", "gender"), ("country",), ("publisher_platform",)])
def test_breakdown_rows_are_as_many_as_their_keys(small: Lab, breakdowns: tuple[str, ...]) -> None:
    record = small.sync(parts=frozenset({Part.BREAKDOWNS}), breakdowns=(breakdowns,))

    assert record.status is Status.SUCCESS, record.error_summary
    stored = small.scalar("SELECT count(*) FROM meta_ads.meta_insights_breakdown")
    assert record.insights_rows_read == record.insights_rows_written == stored > 0
    whole = small.sync(parts=NUMBERS)
    assert whole.status is Status.SUCCESS
    sums = (
        "SELECT entity_id, date_start, sum(spend) AS spend, sum(impressions) AS impressions "
        "FROM meta_ads.{} WHERE entity_type = 'ad' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    parts = small.query(sums.format("meta_insights_breakdown"))
    assert parts == small.query(sums.format("meta_insights"))


def test_hours_add_up_to_the_day(small: Lab) -> None:
    record = small.sync(parts=frozenset({Part.HOURLY, Part.INSIGHTS}))

    assert record.status is Status.SUCCESS, record.error_summary
    hours = small.query(
        "SELECT ad_id, date_start, sum(impressions) AS impressions "
        "FROM meta_ads.meta_insights_hourly GROUP BY 1, 2 ORDER BY 1, 2"
    )
    days = small.query(
        "SELECT ad_id, date_start, impressions FROM meta_ads.meta_insights "
        "WHERE entity_type = 'ad' AND impressions > 0 ORDER BY 1, 2"
    )
    assert hours == days


def test_every_level_on_request(database_url: str) -> None:
    policy = PlanPolicy(backfill_days=5, levels=("ad", "adset", "campaign"))
    with lab(database_url, SMALL, policy=policy) as found:
        found.sync()
        today = found.today()
        for level in ("ad", "adset", "campaign", "account"):
            found.assert_insights(today - timedelta(days=4), today, level=level)


def test_a_day_that_moves_is_proven_daily_and_never_called_different(small: Lab) -> None:
    small.sync()
    compared: Counter[str] = Counter()
    for _ in range(14):
        small.advance(hours=2)
        small.sync()
        compared.update(reconciled(small))
    assert compared["unchecked"] > 0, "the account's own row is read once a day"
    assert compared["differs"] == 0
    stored = "SELECT DISTINCT status FROM meta_ads.reconciliations WHERE date_start < %s"
    assert {row["status"] for row in small.query(stored, small.today())} <= {"match", "empty"}


@pytest.mark.slow
def test_ad_rows_are_read_with_the_accounts_own_row_once_a_day(database_url: str) -> None:
    """Also where each level is due at hours of its own: every day of ads is a page here."""
    policy = PlanPolicy(backfill_days=12, page_sizes=PageSizes(insights=20))
    with lab(database_url, policy=policy) as found:
        found.sync()
        proven: dict[date, datetime] = defaultdict(found.clock.now)
        for hours in (6, 16, 2) * 5:
            found.advance(hours=hours)
            found.sync()
            for row in found.query(READ_NOW, found.clock.now() - timedelta(hours=1)):
                if row["together"]:
                    proven[row["date_start"]] = found.clock.now()
                since = found.clock.now() - proven[row["date_start"]]
                assert since < timedelta(hours=36), row["date_start"]


READ_NOW = """
    SELECT date_start, ads.sync_run_id = account.sync_run_id AS together
    FROM meta_ads.sync_windows AS ads JOIN meta_ads.sync_windows AS account
        USING (account_id, date_start)
    WHERE ads.dataset = 'insights_ad' AND account.dataset = 'insights_account'
        AND ads.fetched_at > %s
"""


def reconciled(lab: Lab) -> list[str]:
    """How the last days compare."""
    with lab.warehouse.connection() as connection:
        metrics.rollup(connection, lab.account_id)
        since = lab.today() - timedelta(days=3)
        days = metrics.reconcile(connection, lab.account_id, since, lab.today())
    return [str(day.status) for day in days]
