"""The replay: the same from the same seed, and true to what it models."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from meta_pipeline.commands.rotation import app
from meta_pipeline.fleet import Policy, RotationRules, Tier
from meta_pipeline.fleet.replay.accounts import FleetAccount, make_fleet
from meta_pipeline.fleet.replay.allowances import AccessTier, SimulatedAllowances
from meta_pipeline.fleet.replay.replay import START, Conditions, Replayed, replay

ONE_DAY = Conditions(days=1, tick=timedelta(minutes=2), failing_share=0.0)


def steady(spend_a_day: float, *, new_after: timedelta | None = None) -> FleetAccount:
    return FleetAccount(
        account_id="act_1",
        tenant="",
        spend_by_day=(spend_a_day,) * 12,
        active_ads=10,
        first_seen_at=START + (new_after or timedelta(0)),
        can_deliver=True,
    )


def one(policy: Policy, account: FleetAccount) -> Replayed:
    return replay(policy, [account], Conditions(days=1, failing_share=0.0))


@pytest.mark.parametrize(
    ("spend_a_day", "tier", "syncs", "longest_minutes"),
    [(100, Tier.HIGH, 48, 31), (5, Tier.MEDIUM, 12, 121), (0.1, Tier.LOW, 2, 721)],
)
def test_one_account_alone_is_synced_on_its_cadence(
    spend_a_day: float, tier: Tier, syncs: int, longest_minutes: int
) -> None:
    found = one(Policy.PRIORITY, steady(spend_a_day))
    # A turn starts at the next tick and a run takes seconds to begin: a little less often.
    assert syncs - 2 <= found.syncs <= syncs
    assert found.accounts == {tier: 1}
    assert (found.ages[tier].longest or 0) <= longest_minutes


def test_calls_are_those_of_the_cost_model() -> None:
    """A high spender in a day: 46 or 47 reads of the numbers, 6 of the structure, one proof."""
    found = one(Policy.PRIORITY, steady(100))
    assert found.calls == found.syncs * 1 + 6 * 3 + 1


def test_a_new_account_is_synced_soon_and_once() -> None:
    account = steady(1, new_after=timedelta(days=1, hours=1))
    found = one(Policy.HYBRID, account)
    assert (found.first_sync_minutes.longest or 0) <= 1
    assert found.calls >= 20


@pytest.mark.slow
def test_the_same_seed_gives_the_same_result_and_another_one_another() -> None:
    def calls(seed: int) -> tuple[float, int, int | None]:
        fleet = make_fleet(12, 2, START, seed)
        found = replay(Policy.HYBRID, fleet, Conditions(days=1, seed=seed))
        return found.calls, found.runs, found.ages[Tier.LOW].percentile(0.5)

    assert calls(1) == calls(1)
    assert calls(1) != calls(2)


def test_spend_of_the_fleet_is_as_unequal_as_in_life() -> None:
    spends = sorted((each.spend_7d(0) for each in make_fleet(1000, 8, START)), reverse=True)
    assert sum(spends[:100]) > 0.7 * sum(spends)
    assert 50 < sum(spend == 0 for spend in spends) < 300


@pytest.mark.slow
def test_priority_keeps_spenders_fresher_for_fewer_calls_than_rotation() -> None:
    fleet = make_fleet(40, 2, START, 3)
    rotation, hybrid = (replay(each, fleet, ONE_DAY) for each in (Policy.ROTATION, Policy.HYBRID))
    assert hybrid.calls < 0.8 * rotation.calls
    fresher = hybrid.ages[Tier.HIGH].percentile(0.5)
    staler = rotation.ages[Tier.HIGH].percentile(0.5)
    assert fresher is not None
    assert staler is not None
    assert fresher < staler


def test_more_is_due_than_can_be_done_and_nobody_is_forgotten() -> None:
    slow = RotationRules(accounts_per_run=2)
    fleet = make_fleet(60, 3, START, 4)
    tight = Conditions(days=2, slots=1, tick=timedelta(minutes=10), failing_share=0.0)
    found = replay(Policy.HYBRID, fleet, tight, slow)
    longest = [ages.longest or 0 for ages in found.ages.values()]
    assert max(longest) < 2.2 * 24 * 60


@pytest.mark.parametrize("policy", list(Policy))
def test_a_new_account_is_not_passed_over_when_one_run_is_free(policy: Policy) -> None:
    """Its first sync needs a run of its own; with others due all the time it still gets one."""
    fleet = make_fleet(60, 3, START, 4)
    fleet.append(replace(steady(1, new_after=timedelta(days=1, hours=1)), account_id="act_new"))
    tight = Conditions(days=1, slots=1, tick=timedelta(minutes=5), failing_share=0.0)
    found = replay(policy, fleet, tight)
    assert 0 <= (found.first_sync_minutes.longest or 0) <= 120
    assert found.first_sync_minutes.longest is not None


@pytest.mark.slow
def test_an_app_wide_limit_throttles_and_is_kept() -> None:
    fleet = make_fleet(60, 2, START, 5)
    found = replay(Policy.ROTATION, fleet, Conditions(days=1, app_calls_per_hour=60))
    assert found.throttled > 0
    assert found.busiest_hour_calls <= 2 * 60


def test_the_rolling_hour_gives_back_what_was_used_an_hour_ago() -> None:
    quota = SimulatedAllowances(AccessTier.LIMITED)
    for minute in range(21):
        quota.charge("act_1", 0, minute * 60, management=10, insights=0)
    # 210 of 300 are 70 %: free again when 15 are gone, which is after two of the 10s.
    assert quota.blocked_until("act_1", 0, 1200) == 3600 + 60
    assert quota.blocked_until("act_1", 0, 3660) is None
    assert quota.blocked_until("act_2", 0, 1200) is None


@pytest.mark.slow
def test_the_score_drains_in_five_minutes() -> None:
    quota = SimulatedAllowances(AccessTier.LIMITED)
    quota.charge("act_1", 100, 0, management=45, insights=0)
    # 75 % of 60 falls to 65 % in a tenth of 300 s.
    assert quota.blocked_until("act_1", 100, 0) == pytest.approx(30)
    assert quota.blocked_until("act_1", 100, 30) is None


@pytest.mark.slow
@pytest.mark.parametrize("accounts", [10, 40, 60])
@pytest.mark.parametrize("policy", [Policy.PRIORITY, Policy.HYBRID])
def test_a_crowd_of_new_accounts_has_its_newest_days_first(policy: Policy, accounts: int) -> None:
    """As the sensor does it: nobody's days of long ago before anybody's newest."""
    arrival = timedelta(days=1, hours=2)
    fleet = [
        replace(steady(50, new_after=arrival), account_id=f"act_{number}")
        for number in range(accounts)
    ]
    kept = replay(policy, fleet, ONE_DAY)
    first, whole = kept.first_sync_minutes, kept.history_minutes
    assert first.count == whole.count == accounts
    assert first.longest is not None
    assert whole.longest is not None
    is_crowd = accounts > RotationRules().accounts_per_run
    assert (first.longest < whole.longest) is is_crowd
    alone = RotationRules(newest_days=RotationRules().backfill_days)
    at_once = replay(policy, fleet, ONE_DAY, alone)
    assert at_once.history_minutes.longest == at_once.first_sync_minutes.longest
    assert at_once.first_sync_minutes.longest is not None
    assert (first.longest < at_once.first_sync_minutes.longest) is is_crowd


def test_the_command_compares_policies() -> None:
    arguments = ["replay", "--days", "1", "--accounts", "8", "--seed", "2"]
    found = CliRunner().invoke(app, arguments, env={"COLUMNS": "140"})
    assert found.exit_code == 0, found.output
    for words in ("rotation", "hybrid", "calls in 1 days", "high:", "throttled"):
        assert words in found.output
    assert "calls than rotation" in found.output
    again = CliRunner().invoke(app, arguments, env={"COLUMNS": "140"})
    assert again.output == found.output
