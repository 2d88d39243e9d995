"""The views, and the analysis queries the product was asked for, as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from meta_pipeline.model.usage import UsageReading
from meta_pipeline.warehouse import AccountHealth, Warehouse, account_lock, upsert
from meta_pipeline.warehouse.views import declared
from meta_pipeline_tests.warehouse.rows import (
    ACCOUNT,
    CAMPAIGN_COLUMNS,
    CAMPAIGNS,
    INSIGHT_COLUMNS,
    INSIGHTS,
    campaign,
    insert,
    insight,
    select,
)

NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(warehouse.url, autocommit=True) as opened:
        opened.execute("SET TIME ZONE 'UTC'")
        # The views' clock stands still, for this connection and for those made later.
        opened.execute(f"SET meta_ads.now = '{NOW.isoformat()}'")
        opened.execute(
            f"ALTER DATABASE {opened.info.dbname} SET meta_ads.now = '{NOW.isoformat()}'"
        )
        add_account(opened)
        yield opened


def add_account(connection: psycopg.Connection[Any], account_id: str = ACCOUNT) -> None:
    insert(
        connection,
        "meta_ad_accounts",
        account_id=account_id,
        name="Bakery",
        currency="USD",
        timezone_name="UTC",
        last_listed_at=NOW,
        data_as_of=NOW,
    )


def call(connection: psycopg.Connection[Any], seconds_ago: float, **values: Any) -> None:
    row = {
        "account_id": ACCOUNT,
        "endpoint_key": "insights_ad",
        "status_code": 200,
        "throttled": False,
        "latency_ms": 100,
        "timestamp": NOW - timedelta(seconds=seconds_ago),
    }
    insert(connection, "meta_api_logs", **(row | values))


def throttle(connection: psycopg.Connection[Any], seconds_ago: float, **values: Any) -> None:
    refused = {"status_code": 400, "throttled": True, "error_code": 80000, "error_subcode": 2446079}
    call(connection, seconds_ago, **(refused | values))


def run(connection: psycopg.Connection[Any], minutes_ago: float, **values: Any) -> None:
    started = NOW - timedelta(minutes=minutes_ago)
    row = {
        "sync_run_id": f"run-{minutes_ago}",
        "account_id": ACCOUNT,
        "scope": "ads,adsets,campaigns,insights",
        "started_at": started,
        "finished_at": started + timedelta(seconds=30),
        "status": "success",
    }
    insert(connection, "sync_runs", **(row | values))


def test_no_view_reads_another(connection: psycopg.Connection[Any]) -> None:
    """They are made one by one, by name: one that reads another could not always be made."""
    found = select(
        connection,
        """
        SELECT DISTINCT reader.relname, read.relname
        FROM pg_depend
        JOIN pg_rewrite AS rule ON rule.oid = objid
        JOIN pg_class AS reader ON reader.oid = rule.ev_class
        JOIN pg_class AS read ON read.oid = refobjid AND read.relkind = 'v'
        WHERE read.oid <> reader.oid AND read.relnamespace = 'meta_ads'::regnamespace
        """,
    )
    assert found == []


REFERENCE_ROWS = {"currency_worth": "source = 'reference'"}
"""What a view holds that comes with this version, whatever is stored."""


@pytest.mark.parametrize("view", [view.name for view in declared()])
def test_every_view_answers_on_an_empty_database(warehouse: Warehouse, view: str) -> None:
    of_reference = REFERENCE_ROWS.get(view, "false")
    with warehouse.connection() as connection:
        assert not select(connection, f"SELECT * FROM meta_ads.{view} WHERE NOT ({of_reference})")
        if view in REFERENCE_ROWS:
            assert select(connection, f"SELECT * FROM meta_ads.{view} WHERE {of_reference}")


def test_campaigns_without_delivery_are_shown_with_zeros(
    connection: psycopg.Connection[Any],
) -> None:
    upsert(connection, CAMPAIGNS, CAMPAIGN_COLUMNS, [campaign("c1"), campaign("c2")])
    columns = "campaign_id, has_delivery, spend_7d, impressions_30d, spend_lifetime, cpc_7d"
    found = select(connection, f"SELECT {columns} FROM campaign_performance ORDER BY 1")
    assert found == [("c1", False, 0, 0, 0, None), ("c2", False, 0, 0, 0, None)]


def health(warehouse: Warehouse) -> AccountHealth:
    (found,) = warehouse.accounts.health()
    return found


def test_an_account_that_was_never_synced(
    warehouse: Warehouse, connection: psycopg.Connection[Any]
) -> None:
    found = health(warehouse)
    assert (found.staleness, found.last_status, found.is_running) == ("never", None, False)
    assert (found.insight_days_missing, found.campaigns, found.active) == (0, 0, 0)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0.6, "just now"), (15.6, "15m ago"), (200, "3h ago"), (60 * 24 * 4, "3d ago")],
)
def test_staleness_in_words(
    warehouse: Warehouse, connection: psycopg.Connection[Any], minutes: float, words: str
) -> None:
    run(connection, minutes)
    assert health(warehouse).staleness == words


def test_success_by_scope(warehouse: Warehouse, connection: psycopg.Connection[Any]) -> None:
    run(connection, 300)
    run(connection, 200, scope="insights")
    run(connection, 100, scope="ads,adsets,campaigns")
    run(connection, 50, scope="campaigns", meta_call_count_total=3)
    run(connection, 40, status="refused")
    found = health(warehouse)
    assert found.entities_synced_at == NOW - timedelta(minutes=100) + timedelta(seconds=30)
    assert found.insights_synced_at == NOW - timedelta(minutes=200) + timedelta(seconds=30)
    assert found.last_success_at == NOW - timedelta(minutes=50) + timedelta(seconds=30)
    assert (found.last_status, found.last_calls, found.last_seconds) == ("success", 3, 30.0)


def test_waiting_is_visible(warehouse: Warehouse, connection: psycopg.Connection[Any]) -> None:
    until = NOW + timedelta(minutes=30)
    why = "ads_insights is at 97 %"
    run(connection, 60)
    run(connection, 5, status="throttled", not_before=until, error_summary=why)
    found = health(warehouse)
    assert (found.last_status, found.not_before, found.waiting_for) == ("throttled", until, why)

    later = until + timedelta(minutes=5)
    reading = UsageReading(
        scope="account",
        key=ACCOUNT,
        use_case="ads_insights",
        usage_pct=97,
        read_at=NOW,
        regain_at=later,
    )
    warehouse.usage.remember([reading])
    found = health(warehouse)
    assert found.not_before == later
    assert "because ads_insights is at 97 %" in (found.waiting_for or "")
    assert (found.usage_pct, found.usage_meter) == (97, "account ads_insights")


def test_what_is_over_is_not_waited_for(
    warehouse: Warehouse, connection: psycopg.Connection[Any]
) -> None:
    over = NOW - timedelta(seconds=1)
    run(connection, 5, status="throttled", not_before=over)
    old = UsageReading(
        scope="account",
        key=ACCOUNT,
        use_case="",
        usage_pct=99,
        read_at=NOW - timedelta(hours=2),
        regain_at=over,
    )
    warehouse.usage.remember([old])
    found = health(warehouse)
    assert (found.not_before, found.waiting_for, found.usage_pct) == (None, None, None)


def test_running_means_that_somebody_holds_the_account(
    warehouse: Warehouse, connection: psycopg.Connection[Any]
) -> None:
    run(connection, 5, status="running", finished_at=None)
    assert not health(warehouse).is_running, "its process died"
    with account_lock(warehouse.url, ACCOUNT, holder="sync"):
        assert health(warehouse).is_running


def test_missing_days_and_counts(warehouse: Warehouse, connection: psycopg.Connection[Any]) -> None:
    with warehouse.connection() as pooled:
        days = {TODAY - timedelta(days=back): back for back in (0, 1, 4)}
        warehouse.ledger.mark(pooled, ACCOUNT, "insights_ad", days, NOW, [], None)
    states = ("ACTIVE", "PAUSED", "WITH_ISSUES")
    rows = [campaign(state, effective_status=state) for state in states]
    upsert(connection, CAMPAIGNS, CAMPAIGN_COLUMNS, rows)
    upsert(connection, INSIGHTS, INSIGHT_COLUMNS, [insight(day=TODAY)])
    found = health(warehouse)
    assert (found.insight_days_fetched, found.insight_days_missing) == (3, 2)
    assert (found.insight_rows, found.newest_insight_day) == (5, TODAY)
    assert (found.campaigns, found.active) == (3, 2)


def test_throttles_are_grouped_into_incidents(connection: psycopg.Connection[Any]) -> None:
    call(connection, 9000)
    for seconds in (8900, 8800, 8700):
        throttle(connection, seconds, sync_run_id="run1")
    call(connection, 8000)
    throttle(connection, 3000, error_code=17, error_subcode=None, endpoint_key="ads_list")
    throttle(connection, 2000, account_id="act_2")
    found = select(
        connection,
        """
        SELECT account_id, throttled_attempts, refused_in_vain, duration_seconds, blocked_seconds,
               calls_hour_before, error_codes, endpoints, sync_runs
        FROM throttle_incidents ORDER BY started_at
        """,
    )
    assert found == [
        (ACCOUNT, 3, 2, 200, 900, 1, ["80000/2446079"], ["insights_ad"], 1),
        (ACCOUNT, 1, 0, 0, None, 0, ["17"], ["ads_list"], 0),
        ("act_2", 1, 0, 0, None, 0, ["80000/2446079"], ["insights_ad"], 0),
    ]


def test_too_little_to_say(connection: psycopg.Connection[Any]) -> None:
    used = '{"1": [{"type": "ads_insights", "call_count": 7, "total_time": 9}]}'
    odd = {"x-business-use-case-usage": used, "x-fb-ads-insights-throttle": '"garbage"'}
    headers = Jsonb(odd)
    call(connection, 20, weighted_cost=1, usage_headers=headers)
    call(connection, 10, weighted_cost=1, usage_headers=headers)
    columns = "observations, moved_pct, use_case_moved_pct, observed_weight, verdict"
    assert select(connection, f"SELECT {columns} FROM call_cost") == [
        (1, 0, 0, None, "not enough data")
    ]


ORIGINAL_QUERIES = {
    "throttle envelope": """
        SELECT endpoint_key, COUNT(*) AS total_calls,
        COUNT(*) FILTER (WHERE status_code = 429) AS throttled_count, AVG(latency_ms),
        MAX((usage_headers->>'x-ad-account-usage')::jsonb->>'acc_id_util_pct')
        FROM meta_api_logs WHERE timestamp > NOW() - INTERVAL '7 days' GROUP BY endpoint_key;
    """,
    "where the time goes": """
        SELECT AVG(entity_fetch_ms), AVG(insights_fetch_ms), AVG(db_write_ms) FROM sync_runs
        WHERE status = 'success' AND started_at > NOW() - INTERVAL '7 days';
    """,
    "several insight ranges": """
        SELECT entity_id, COUNT(*), COUNT(DISTINCT date_start) FROM meta_insights
        WHERE entity_type = 'campaign' AND entity_id IN
        (SELECT campaign_id FROM meta_campaigns WHERE account_id = 'act_1')
        GROUP BY entity_id HAVING COUNT(*) > 1;
    """,
}
ANSWERS = {
    "throttle envelope": [("insights_ad", 2, 0, Decimal(100), "9.67")],
    "where the time goes": [(Decimal(10), Decimal(20), Decimal(5))],
    "several insight ranges": [("c1", 2, 2)],
}


@pytest.mark.parametrize("name", ORIGINAL_QUERIES)
def test_the_original_queries_run_as_written(
    connection: psycopg.Connection[Any], name: str
) -> None:
    header = Jsonb({"x-ad-account-usage": '{"acc_id_util_pct": 9.67}'})
    call(connection, 5, usage_headers=header)
    throttle(connection, 4)
    run(connection, 5, entity_fetch_ms=10, insights_fetch_ms=20, db_write_ms=5)
    upsert(connection, CAMPAIGNS, CAMPAIGN_COLUMNS, [campaign("c1")])
    level: dict[str, Any] = {"entity_type": "campaign", "entity_id": "c1"}
    rows = [insight(**level, day=TODAY - timedelta(days=back)) for back in (0, 1)]
    upsert(connection, INSIGHTS, INSIGHT_COLUMNS, rows)
    assert select(connection, ORIGINAL_QUERIES[name]) == ANSWERS[name]
