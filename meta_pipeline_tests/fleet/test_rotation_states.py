"""How accounts stand, read from the tables as syncs leave them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from meta_pipeline.fleet import RotationRules
from meta_pipeline.fleet.policy import Tier, tier_of
from meta_pipeline.model.money import CURRENCIES
from meta_pipeline.warehouse import account_lock

from .fleet import HOUR, MINUTE, NOW
from .stored import Stored


def test_a_new_account_was_never_read(stored: Stored) -> None:
    stored.account(business_id="b7", first_seen_at=NOW - HOUR)
    state = stored.state()
    assert (state.account_id, state.tenant, state.currency) == ("act_1", "b7", "EUR")
    assert state.entities_synced_at is state.insights_synced_at is state.last_attempt_at is None
    assert (state.last_status, state.failures, state.not_before) == (None, 0, None)
    assert (state.spend_7d, state.first_seen_at) == (0.0, NOW - HOUR)
    assert state.is_accessible
    assert state.can_deliver
    assert not state.has_backfill_gap
    assert not state.is_running


def test_the_tenant_is_the_owner_where_there_is_no_business(stored: Stored) -> None:
    stored.account("act_1", owner_id="o1")
    stored.account("act_2")
    assert [state.tenant for state in stored.states()] == ["o1", ""]


def test_the_tenant_is_whom_it_was_granted_to_before_it_is_the_business(stored: Stored) -> None:
    for account_id in ("act_1", "act_2"):
        stored.account(account_id, business_id="b7")
    stored.insert("tenants", tenant="acme", name="Acme", added_at=NOW)
    stored.insert("tenant_accounts", tenant="acme", account_id="act_2", granted_at=NOW)
    assert [state.tenant for state in stored.states()] == ["b7", "acme"]


def test_structure_is_as_old_as_its_oldest_edge(stored: Stored) -> None:
    stored.account()
    stored.entities(NOW - HOUR, edges=("campaigns", "adsets"))
    assert stored.state().entities_synced_at is None
    stored.entities(NOW - 2 * HOUR, edges=("ads",))
    stored.entities(NOW - 9 * HOUR, edges=("creatives",))
    assert stored.state().entities_synced_at == NOW - 2 * HOUR


def test_numbers_are_as_old_as_the_last_reading_of_the_newest_day(stored: Stored) -> None:
    """A backfill of January makes today's numbers no younger."""
    stored.account()
    stored.days(3, at=NOW - HOUR)
    stored.insert(
        "sync_windows",
        account_id="act_1",
        dataset="insights_ad",
        date_start=(NOW - timedelta(days=70)).date(),
        fetched_at=NOW,
        rows=1,
    )
    stored.days(3, at=NOW, dataset="insights_account")
    assert stored.state().insights_synced_at == NOW - HOUR
    assert stored.state(dataset="insights_account").insights_synced_at == NOW


@pytest.mark.parametrize("ahead", [6 * MINUTE, HOUR, timedelta(days=400)])
def test_a_host_whose_clock_is_ahead_holds_nothing_back(stored: Stored, ahead: timedelta) -> None:
    """What it did says nothing; what was done before it does."""
    stored.account()
    stored.days(1, at=NOW + ahead)
    stored.run("throttled", -ahead / MINUTE, not_before=NOW + ahead + HOUR)
    state = stored.state()
    assert state.insights_synced_at is state.last_attempt_at is state.not_before is None
    stored.run("success", 30)
    assert (stored.state().last_attempt_at, stored.state().failures) == (NOW - 30 * MINUTE, 0)


def test_a_little_ahead_is_now(stored: Stored) -> None:
    stored.account()
    stored.days(1, at=NOW + MINUTE)
    assert stored.state().insights_synced_at == NOW


def test_nobody_waits_for_a_moment_that_cannot_be(stored: Stored) -> None:
    stored.account()
    stored.run("throttled", 5, not_before=NOW + timedelta(days=300))
    assert stored.state().not_before is None


@pytest.mark.parametrize(("days", "gap"), [(90, False), (89, False), (60, True), (1, True)])
def test_an_unfinished_backfill_shows(stored: Stored, days: int, gap: bool) -> None:
    stored.account()
    stored.days(days, at=NOW)
    assert stored.state(backfill_days=90).has_backfill_gap is gap


def test_failures_in_a_row_are_counted_since_the_last_success(stored: Stored) -> None:
    stored.account()
    for minutes, status in [(90, "fail"), (80, "success"), (60, "fail"), (40, "throttled")]:
        stored.run(status, minutes)
    stored.run("partial", 20)
    stored.run("refused", 1)
    state = stored.state()
    assert (state.last_status, state.failures) == ("partial", 2)
    assert state.last_attempt_at == NOW - 20 * MINUTE
    stored.run("success", 10)
    assert stored.state().failures == 0


def test_the_time_of_a_throttle_is_known(stored: Stored) -> None:
    stored.account()
    stored.run("throttled", 5, not_before=NOW + HOUR)
    state = stored.state()
    assert (state.last_status, state.not_before, state.failures) == ("throttled", NOW + HOUR, 0)


def test_running_is_who_holds_the_lock_not_who_says_so(stored: Stored, database_url: str) -> None:
    stored.account("act_1")
    stored.account("act_2")
    stored.run("running", 400, "act_1")
    with account_lock(database_url, "act_2", holder="test"):
        one, two = stored.states()
    assert (one.is_running, one.last_status, one.failures) == (False, "running", 1)
    assert two.is_running
    assert not any(state.is_running for state in stored.states())


def test_spend_is_that_of_the_accounts_own_last_days(stored: Stored) -> None:
    stored.account()
    stored.days(9, at=NOW)
    for age, amount in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 1000]):
        stored.spend(amount, age)
        stored.spend(9999, age, "ad", f"ad{age}")
    assert stored.state().spend_7d == 255


def test_spend_is_added_up_from_ads_where_the_account_has_no_row(stored: Stored) -> None:
    stored.account()
    stored.days(9, at=NOW)
    stored.spend(2, 1, "ad", "ad1")
    stored.spend(3, 2, "ad", "ad2")
    stored.spend(500, 2, "campaign", "c2")
    assert stored.state().spend_7d == 5


def test_spend_is_told_in_one_currency(stored: Stored) -> None:
    """500 yen are not 500 euros: without this every account in yen were a high spender."""
    stored.account("act_1", currency="JPY")
    stored.days(1, at=NOW)
    stored.spend(500, 1)
    state = stored.state(currency="EUR")
    assert (1 < state.spend_7d < 10, state.currency) == (True, "EUR")
    rate = {"base_currency": "EUR", "quote_currency": "JPY", "source": "test"}
    stored.insert("exchange_rates", rate_date=NOW.date() - timedelta(days=30), rate=1, **rate)
    assert stored.state(currency="EUR") == state
    stored.insert("exchange_rates", rate_date=NOW.date(), rate=160, **rate)
    state = stored.state(currency="EUR")
    assert (round(state.spend_7d, 3), state.currency) == (3.125, "EUR")


def test_the_same_worth_is_the_same_tier_in_every_currency(stored: Stored) -> None:
    """Each currency an ad account can have: 50 dollars' worth of it is of the medium tier."""
    worth = dict(stored.connection.execute("SELECT currency, usd FROM meta_ads.currency_worth"))
    assert set(worth) == CURRENCIES
    for number, currency in enumerate(sorted(CURRENCIES), start=1):
        account_id = f"act_{number}"
        stored.account(account_id, currency=currency)
        stored.days(1, at=NOW, account_id=account_id)
        amount = 50 / float(worth[currency])
        stored.spend(amount, 1, entity_id=account_id, account_id=account_id)
    states = stored.states(currency="USD")
    assert {tier_of(each, RotationRules()) for each in states} == {Tier.MEDIUM}
    assert {round(each.spend_7d, 1) for each in states} == {50.0}


def test_spend_without_a_rate_is_neither_much_nor_little(stored: Stored) -> None:
    stored.account("act_1", currency="XAU")
    stored.days(1, at=NOW)
    stored.spend(0.5, 1)
    state = stored.state()
    assert (state.spend_7d, state.currency, state.is_comparable) == (0.5, "XAU", False)
    assert tier_of(state, RotationRules()) is Tier.MEDIUM
    assert tier_of(replace(state, spend_7d=10.0**9), RotationRules()) is Tier.MEDIUM


@pytest.mark.parametrize(
    ("status", "can_deliver"), [("ACTIVE", True), ("WITH_ISSUES", True), ("PAUSED", False)]
)
def test_an_account_without_an_active_campaign_cannot_deliver(
    stored: Stored, status: str, can_deliver: bool
) -> None:
    stored.account()
    stored.entities(NOW - HOUR)
    assert not stored.state().can_deliver
    stored.campaign("ARCHIVED", "c0")
    stored.campaign(status, "c1")
    assert stored.state().can_deliver is can_deliver


def test_the_cost_does_not_grow_with_history(stored: Stored) -> None:
    """Every table with a history is read through an index, a few entries for each account."""
    stored.connection.execute(
        "INSERT INTO meta_ads.meta_ad_accounts (account_id, last_listed_at, data_as_of)"
        " SELECT 'act_' || n, %(now)s, %(now)s FROM generate_series(1, 50) AS n",
        {"now": NOW},
    )
    stored.connection.execute(
        "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, status)"
        " SELECT 'r' || n, 'act_' || 1 + n %% 50, 'insights', %(now)s - n * interval '1 minute',"
        " 'success' FROM generate_series(1, 50000) AS n",
        {"now": NOW},
    )
    stored.connection.execute(
        "INSERT INTO meta_ads.meta_insights"
        " (entity_type, entity_id, date_start, date_stop, account_id, spend, data_as_of)"
        " SELECT level, level || n, %(day)s - d, %(day)s - d, 'act_' || 1 + n %% 50, 1, %(now)s"
        " FROM generate_series(1, 1000) AS n, generate_series(0, 59) AS d,"
        " unnest(ARRAY['ad']) AS level",
        {"now": NOW, "day": NOW.date()},
    )
    stored.connection.commit()
    stored.connection.autocommit = True
    stored.connection.execute("VACUUM ANALYZE meta_ads.sync_runs, meta_ads.meta_insights")
    before = _rows_read(stored.connection)
    stored.states()
    read = _rows_read(stored.connection) - before
    assert read < 50 * 10


def _rows_read(connection: psycopg.Connection[object]) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT pg_stat_clear_snapshot()")
    row = connection.execute(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables"
        " WHERE relname IN ('sync_runs', 'meta_insights', 'sync_windows', 'sync_cursor')"
    ).fetchone()
    assert isinstance(row, tuple)
    return int(row[0])
