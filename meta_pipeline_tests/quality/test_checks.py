"""A synced database passes every check; each fault is found, counted and named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.alerts import AlertLimits, ConditionKind, account_conditions
from meta_pipeline.quality import CHECKS, Finding, Limits, Severity, find
from meta_pipeline_tests.postgres import TestPostgres, rows_read
from meta_pipeline_tests.sync.lab import START, Lab, lab


def _sync(url: str) -> None:
    with lab(url) as opened:
        opened.sync()
        today = opened.today()
        with opened.warehouse.connection() as connection:
            metrics.rollup(connection, opened.account_id)
            metrics.reconcile(
                connection, opened.account_id, today - timedelta(days=9), today, tolerance_pct=0
            )
        assert opened.clock.now() == START, "another lab begins where this one ended"


@pytest.fixture(scope="module")
def template(postgres: TestPostgres) -> Iterator[str]:
    with postgres.template(_sync) as name:
        yield name


@pytest.fixture
def synced(postgres: TestPostgres, template: str) -> Iterator[Lab]:
    """One account, synced ten days back, rolled up and reconciled, in the world's own time."""
    with postgres.fresh_database(template) as url, lab(url) as opened:
        yield opened


def run(found: Lab, name: str, later: timedelta = timedelta(0), **limits: Any) -> Finding:
    at = (found.clock.now() + later).isoformat()
    with found.warehouse.connection() as connection:
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (at,))
        return find(name).run(connection, Limits(**limits))


def write(found: Lab, statement: str, *values: Any) -> int:
    with found.warehouse.connection() as connection:
        return connection.execute(statement, values).rowcount


@pytest.mark.parametrize("name", [check.name for check in CHECKS])
def test_a_fresh_sync_passes(synced: Lab, name: str) -> None:
    finding = run(synced, name)
    assert finding.passed, finding
    assert finding.headline.startswith("No ")
    assert finding.what_to_do


def test_an_account_is_late_on_its_own(synced: Lab) -> None:
    write(
        synced,
        "INSERT INTO meta_ads.meta_ad_accounts (account_id, name, last_listed_at, data_as_of,"
        " first_seen_at) VALUES ('act_9', 'Dead', %(at)s, %(at)s, %(at)s)".replace(
            "%(at)s", f"'{synced.clock.now() - timedelta(hours=30)}'"
        ),
    )
    finding = run(synced, "freshness")
    assert (finding.count, finding.severity) == (1, Severity.ERROR)
    assert finding.rows[0]["account"] == "Dead"
    assert run(synced, "freshness", exclude=["act_9"]).passed
    assert run(synced, "freshness", include=[synced.account_id]).passed
    assert finding.rows[0]["hours"] == pytest.approx(30, abs=0.1)
    both = run(synced, "freshness", later=timedelta(hours=7))
    assert [row["account_id"] for row in both.rows] == ["act_9", synced.account_id]
    write(synced, "UPDATE meta_ads.meta_ad_accounts SET is_accessible = account_id <> 'act_9'")
    assert run(synced, "freshness").passed


def test_an_account_that_spends_nothing_may_be_older(synced: Lab) -> None:
    write(synced, "UPDATE meta_ads.meta_insights SET spend = 0 WHERE entity_type = 'account'")
    assert run(synced, "freshness", later=timedelta(hours=35)).passed
    finding = run(synced, "freshness", later=timedelta(hours=37))
    assert (finding.count, finding.severity) == (1, Severity.WARN)
    assert finding.rows[0]["hours_allowed"] == 36


@pytest.mark.parametrize(
    ("currency", "spend", "is_quiet"),
    [
        ("JPY", 1000, True),
        ("VND", 200_000, True),
        ("JPY", 20_000, False),
        ("GBP", 9, False),
        ("XAU", 0.01, False),
        ("XAU", 0, True),
    ],
)
def test_little_is_what_is_worth_little(
    synced: Lab, currency: str, spend: float, is_quiet: bool
) -> None:
    """A number alone says nothing: 1,000 yen are less than 10 pounds."""
    write(synced, "UPDATE meta_ads.meta_insights SET spend = 0 WHERE entity_type = 'account'")
    write(
        synced,
        "UPDATE meta_ads.meta_insights SET spend = %s WHERE entity_type = 'account' AND date_start"
        " = (SELECT max(date_start) FROM meta_ads.meta_insights WHERE entity_type = 'account')",
        spend,
    )
    write(synced, "UPDATE meta_ads.meta_ad_accounts SET currency = %s", currency)
    limits = AlertLimits()
    assert run(synced, "freshness", later=timedelta(hours=20)).passed is is_quiet
    with synced.warehouse.connection() as connection:
        later = (synced.clock.now() + timedelta(hours=20)).isoformat()
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (later,))
        assert (account_conditions(connection, limits) == []) is is_quiet


def test_an_orphan_is_named_with_what_mentions_it(synced: Lab) -> None:
    (ad,) = synced.query(
        "SELECT entity_id FROM meta_ads.meta_insights WHERE entity_type = 'ad' LIMIT 1"
    )
    write(synced, "DELETE FROM meta_ads.meta_ads WHERE ad_id = %s", ad["entity_id"])
    finding = run(synced, "orphans")
    assert (finding.count, finding.severity) == (1, Severity.ERROR)
    assert finding.rows[0]["entity_id"] == ad["entity_id"]
    assert finding.rows[0]["mentioned_by"] == "insights"


def test_a_missing_parent_of_a_silent_ad_is_an_orphan_too(synced: Lab) -> None:
    (row,) = synced.query(
        "SELECT adset_id FROM meta_ads.meta_ads WHERE adset_id NOT IN (SELECT adset_id FROM"
        " meta_ads.meta_insights WHERE adset_id IS NOT NULL) LIMIT 1"
    )
    write(synced, "DELETE FROM meta_ads.meta_adsets WHERE adset_id = %s", row["adset_id"])
    finding = run(synced, "orphans")
    assert [one["entity_id"] for one in finding.rows] == [row["adset_id"]]
    assert finding.rows[0]["mentioned_by"].startswith("ad ")


@pytest.mark.parametrize(("factor", "severity"), [("1.01", Severity.WARN), ("1.5", Severity.ERROR)])
def test_a_day_that_does_not_add_up(synced: Lab, factor: str, severity: Severity) -> None:
    day = synced.today() - timedelta(days=2)
    write(
        synced,
        f"UPDATE meta_ads.meta_insights SET spend = spend * {factor}"
        " WHERE entity_type = 'ad' AND date_start = %s",
        day,
    )
    with synced.warehouse.connection() as connection:
        metrics.reconcile(connection, synced.account_id, day, day)
    finding = run(synced, "reconciliation")
    assert (finding.count, finding.severity) == (1, severity)
    assert finding.rows[0]["day"] == str(day)
    assert "more than the account" in finding.rows[0]["explanation"]


def test_news_of_metas_is_told_for_a_week(synced: Lab) -> None:
    note = (
        "INSERT INTO meta_ads.unrecognized_values (account_id, source, field, value, reason,"
        " first_seen_at, last_seen_at, seen_count) VALUES (%s, 'campaigns', 'objective',"
        " 'OUTCOME_NEW', 'unknown_enum', %s, %s, 3)"
    )
    now = synced.clock.now()
    write(synced, note, synced.account_id, now, now)
    finding = run(synced, "schema_drift")
    assert (finding.count, finding.severity) == (1, Severity.WARN)
    assert finding.rows[0]["value"] == "OUTCOME_NEW"
    assert run(synced, "schema_drift", later=timedelta(days=8)).passed
    later = now + timedelta(days=8)
    write(synced, note, "act_2", later, later)
    assert run(synced, "schema_drift", later=timedelta(days=8)).passed, "known from act_1"


def test_delivery_that_cost_nothing(synced: Lab) -> None:
    changed = write(
        synced,
        "UPDATE meta_ads.meta_insights SET spend = 0, impressions = 5000"
        " WHERE entity_type = 'ad' AND date_start = %s",
        synced.today() - timedelta(days=4),
    )
    finding = run(synced, "delivery_without_spend")
    assert finding.count == changed > 0
    assert finding.severity is Severity.WARN


@pytest.mark.parametrize("name", ["orphans", "delivery_without_spend"])
def test_the_last_days_are_looked_at_and_not_all_years(synced: Lab, name: str) -> None:
    """Postgres 18 finds them without the account as well; those before do not."""
    write(
        synced,
        "INSERT INTO meta_ads.meta_insights (entity_type, entity_id, ad_id, account_id,"
        " date_start, date_stop, spend, impressions, data_as_of)"
        " SELECT 'ad', ad_id, ad_id, account_id, day, day, 1, 100, data_as_of"
        " FROM (SELECT * FROM meta_ads.meta_ads LIMIT 20) AS ad,"
        " LATERAL (SELECT %s::date - 35 - n AS day FROM generate_series(0, 729) AS n) AS older",
        synced.today(),
    )
    (young,) = synced.query(
        "SELECT count(*) AS rows FROM meta_ads.meta_insights WHERE date_start > %s::date - 35",
        synced.today(),
    )
    with synced.warehouse.connection() as connection:
        now = synced.clock.now().isoformat()
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (now,))
        connection.execute("ANALYZE meta_ads.meta_insights")
        before = rows_read(connection, "meta_insights")
        assert find(name).run(connection, Limits()).passed
        assert 0 < rows_read(connection, "meta_insights") - before <= young["rows"]


def test_a_day_ahead_of_the_account(synced: Lab) -> None:
    write(
        synced,
        "UPDATE meta_ads.meta_insights SET date_start = %s, date_stop = %s"
        " WHERE entity_type = 'account' AND date_start = %s",
        *[synced.today() + timedelta(days=1)] * 2,
        synced.today() - timedelta(days=1),
    )
    finding = run(synced, "future_days")
    assert (finding.count, finding.severity) == (1, Severity.ERROR)
    assert finding.rows[0]["today"] == str(synced.today())


def test_a_gap_in_the_ledger_is_given_as_a_range(synced: Lab) -> None:
    first, last = synced.today() - timedelta(days=6), synced.today() - timedelta(days=4)
    write(
        synced,
        "DELETE FROM meta_ads.sync_windows"
        " WHERE dataset = 'insights_ad' AND date_start BETWEEN %s AND %s",
        first,
        last,
    )
    finding = run(synced, "missing_days")
    assert finding.rows == [
        {
            "account_id": synced.account_id,
            "since": str(first),
            "until": str(last),
            "days": 3,
        }
    ]


def test_metrics_made_of_an_older_read(synced: Lab) -> None:
    synced.advance(hours=2)
    synced.sync()
    assert run(synced, "rollups_behind").passed, "just read: the rollup may be on its way"
    finding = run(synced, "rollups_behind", later=timedelta(hours=1))
    assert finding.count >= 1
    with synced.warehouse.connection() as connection:
        metrics.rollup(connection, synced.account_id)
    assert run(synced, "rollups_behind", later=timedelta(hours=1)).passed


def test_only_the_worst_are_shown_and_all_are_counted(synced: Lab) -> None:
    write(
        synced,
        "INSERT INTO meta_ads.meta_ad_accounts (account_id, last_listed_at, data_as_of,"
        " first_seen_at) SELECT 'act_9' || n, %s, %s, %s - make_interval(hours => n)"
        " FROM generate_series(10, 109) AS n",
        *[synced.clock.now()] * 3,
    )
    finding = run(synced, "freshness")
    assert finding.count == 100
    assert len(finding.rows) == 20
    assert finding.rows[0]["account_id"] == "act_9109"
    assert "100 accounts" in finding.headline


def test_every_file_is_a_check_and_every_check_has_one() -> None:
    folder = Path(__file__).parents[2] / "meta_pipeline/quality/sql"
    assert {path.stem for path in folder.glob("*.sql")} == {check.name for check in CHECKS}
    with pytest.raises(KeyError, match="there are freshness, orphans"):
        find("freshnes")


def test_alerts_and_checks_call_the_same_accounts_late(synced: Lab) -> None:
    late_after = []
    for hours in (5.9, 6.1, 23.9, 24.1):
        at = (synced.clock.now() + timedelta(hours=hours)).isoformat()
        with synced.warehouse.connection() as connection:
            connection.execute("SELECT set_config('meta_ads.now', %s, true)", (at,))
            told = account_conditions(connection, AlertLimits())
            check = find("freshness").run(connection)

        assert check.accounts == [one.account_id for one in told if one.kind is ConditionKind.STALE]
        late_after += [(hours, one.grade.name, check.severity.name) for one in told]

    assert late_after == [
        (6.1, "WARNING", "WARN"),
        (23.9, "WARNING", "WARN"),
        (24.1, "ERROR", "ERROR"),
    ]
