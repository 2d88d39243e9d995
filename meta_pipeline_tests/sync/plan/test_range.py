"""`META_BACKFILL_DAYS` limits the first reading; what was read once is kept up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.simulator import AccountSpec
from meta_pipeline.sync import DEFAULT_PARTS, Part, PlanPolicy, SyncRequest
from meta_pipeline.sync.days import today
from meta_pipeline.sync.plan.planner import make_plan
from meta_pipeline.sync.plan.stored import StoredAccount
from meta_pipeline.warehouse import CursorRow, WindowRow
from meta_pipeline_tests.sync.lab import START, Lab, lab

SPEC = AccountSpec("Kurzfristig", 2, 3, 5, (2, 2, 3), zone="Europe/Berlin", currency="EUR")
NUMBERS = frozenset({Part.INSIGHTS})
NOW = START
TODAY = today(NOW, "Europe/Berlin")
CURSORS = {
    edge: CursorRow("act_1", edge, last_full_at=NOW) for edge in ("campaigns", "adsets", "ads")
}


def set_policy(found: Lab, **changes: Any) -> None:
    policy = replace(found.engine.context.policy, **changes)
    found.engine = found.engine.changed(policy=policy)


@given(
    backfill=st.integers(1, 60),
    oldest=st.integers(0, 400),
    gaps=st.sets(st.integers(0, 400), max_size=30),
    read_ago=st.integers(8, 27),
)
@settings(deadline=None, max_examples=60)
def test_gaps_and_restatement_do_not_depend_on_the_setting(
    backfill: int, oldest: int, gaps: set[int], read_ago: int
) -> None:
    """Every missing day back to the oldest one is planned, and every day that may still move."""
    read_at = NOW - timedelta(days=read_ago)
    ledger = {
        TODAY - timedelta(days=age): WindowRow(read_at, 9, is_final=age >= 28 + read_ago)
        for age in range(oldest + 1)
        if age not in gaps
    }
    if not ledger:
        return
    first = {"insights_ad": min(ledger), "insights_account": min(ledger)}
    state = StoredAccount(
        "act_1",
        "Europe/Berlin",
        cursors=CURSORS,
        first_days=first,
        ledgers=dict.fromkeys(first, ledger),
    )
    plan = make_plan(SyncRequest("act_1", NUMBERS), state, PlanPolicy(backfill_days=backfill), NOW)
    for name in first:
        planned = {
            day
            for window in plan.windows
            if window.dataset.name == name
            for day in (window.since + timedelta(n) for n in range(window.days))
        }
        begin = min(*ledger, TODAY - timedelta(days=backfill - 1))
        missing = {begin + timedelta(n) for n in range((TODAY - begin).days + 1)} - ledger.keys()
        assert missing <= planned
        if name == "insights_ad":
            assert {TODAY - timedelta(days=age) for age in range(8, 29)} & ledger.keys() <= planned


@pytest.mark.slow
def test_days_of_a_short_backfill_are_restated_for_28_days(database_url: str) -> None:
    parts = NUMBERS | {Part.HOURLY, Part.BREAKDOWNS}
    policy = PlanPolicy(backfill_days=3, breakdowns=(("age",),))
    with lab(database_url, SPEC, policy=policy) as found:
        found.sync(parts=parts)
        first = found.today() - timedelta(days=2)
        for _ in range(40):
            found.advance(days=1)
            found.sync(parts=parts)
        found.assert_insights(first, found.today())
        for dataset in ("insights_ad", "insights_account", "insights_hourly", "breakdown:age"):
            row = found.query(
                "SELECT min(date_start) AS first, count(*) AS days, "
                "bool_and(is_final) FILTER (WHERE date_start < %s) AS old_final "
                "FROM meta_ads.sync_windows WHERE dataset = %s",
                found.today() - timedelta(days=36),
                dataset,
            )[0]
            assert row == {"first": first, "days": 43, "old_final": True}, dataset


@pytest.mark.parametrize("away_days", [4, 50])
def test_a_gap_longer_than_the_setting_is_filled(database_url: str, away_days: int) -> None:
    with lab(database_url, SPEC, policy=PlanPolicy(backfill_days=3)) as found:
        found.sync()
        first = found.today() - timedelta(days=2)
        found.advance(days=away_days)
        found.sync()
        found.assert_insights(first, found.today())


def test_a_first_backfill_goes_on_whatever_the_setting_becomes(database_url: str) -> None:
    with lab(database_url, SPEC, policy=PlanPolicy(backfill_days=40, window_days=5)) as found:
        first = found.today() - timedelta(days=39)
        stopped = found.engine.changed()
        stopped.sync(SyncRequest(found.account_id, NUMBERS), lambda _: stopped.stop())
        set_policy(found, backfill_days=2)
        found.advance(days=6)
        found.sync()
        found.assert_insights(first, found.today())
        set_policy(found, backfill_days=60)
        found.advance(hours=1)
        found.sync()
        found.assert_insights(found.today() - timedelta(days=59), found.today())


def test_a_first_sync_still_reads_no_more_than_the_setting() -> None:
    plan = make_plan(
        SyncRequest("act_1", DEFAULT_PARTS),
        StoredAccount("act_1", "Europe/Berlin"),
        PlanPolicy(backfill_days=5),
        NOW,
    )
    assert plan.since == TODAY - timedelta(days=4)
    assert set(plan.first_days.values()) == {plan.since}


@pytest.mark.parametrize("ahead", [0.5, 200])
def test_a_clock_ahead_once_freezes_nothing(database_url: str, ahead: float) -> None:
    """A sync in another year leaves days, cursors and readings of the future behind."""
    with lab(database_url, SPEC, policy=PlanPolicy(backfill_days=5)) as found:
        found.sync()
        sound = found.engine
        found.engine = sound.changed(clock=lambda: sound.now() + timedelta(days=ahead))
        found.sync()
        found.engine = sound
        found.advance(hours=1)
        renamed = found.world.objects("ads", found.account_id)[0].id
        found.world.rename(renamed, "After the clock was set right")
        found.sync()
        found.assert_insights(found.today() - timedelta(days=4), found.today())
        assert found.stored_entities("ads")[renamed]["name"] == "After the clock was set right"
        calls = found.calls()
        found.advance(minutes=5)
        found.sync()
        assert found.calls() == calls, "what was read after that is fresh"
