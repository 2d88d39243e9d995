"""Who is picked, why, and what is said of the others."""

from __future__ import annotations

import cProfile
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.fleet import (
    AccountState,
    DuePart,
    Policy,
    RotationRules,
    Tier,
    choose,
    tier_of,
)

from .fleet import HOUR, MINUTE, NOW, SETTINGS, account, aged, any_fleet, by_id, new, picked

BOTH = frozenset({DuePart.ENTITIES, DuePart.INSIGHTS})
LESS = settings(max_examples=50)
NUMBERS = frozenset({DuePart.INSIGHTS})


@pytest.mark.parametrize(
    ("spend", "can_deliver", "tier"),
    [
        (100.01, True, Tier.HIGH),
        (100.0, True, Tier.MEDIUM),
        (10.01, True, Tier.MEDIUM),
        (10.0, True, Tier.LOW),
        (0.0, True, Tier.LOW),
        (0.01, False, Tier.LOW),
        (0.0, False, Tier.EMPTY),
    ],
)
def test_the_tier_follows_the_spend(spend: float, can_deliver: bool, tier: Tier) -> None:
    assert tier_of(account(spend_7d=spend, can_deliver=can_deliver), SETTINGS) is tier


@pytest.mark.parametrize(
    ("spend", "can_deliver", "due_after"),
    [
        (812.0, True, timedelta(minutes=30)),
        (50.0, True, timedelta(hours=2)),
        (3.0, True, timedelta(hours=12)),
        (0.0, False, timedelta(days=1)),
    ],
)
@pytest.mark.parametrize("policy", [Policy.PRIORITY, Policy.HYBRID])
def test_an_account_is_due_as_often_as_its_tier_says(
    spend: float, can_deliver: bool, due_after: timedelta, policy: Policy
) -> None:
    minutes = due_after / MINUTE
    early = aged(minutes=minutes - 0.1, spend_7d=spend, can_deliver=can_deliver)
    on_time = aged(minutes=minutes, spend_7d=spend, can_deliver=can_deliver)
    assert picked(choose([early], NOW, policy)) == []
    assert picked(choose([on_time], NOW, policy)) == ["act_1"]


def test_the_reason_is_a_sentence() -> None:
    entities_at = NOW - 100 * MINUTE
    state = aged(minutes=34, spend_7d=812.4, entities_synced_at=entities_at)
    pick = choose([state], NOW).picks[0]
    assert pick.why == "high spend (812 EUR in 7 days), insights 34 min old, due every 30 min"
    assert (pick.reason, pick.parts, pick.tier) == ("priority", NUMBERS, Tier.HIGH)
    assert pick.max_age == timedelta(minutes=30)


def test_structure_and_numbers_have_cadences_of_their_own() -> None:
    hour_old = NOW - HOUR
    numbers = account(insights_synced_at=hour_old, entities_synced_at=hour_old)
    structure = account(
        insights_synced_at=NOW - 40 * MINUTE,
        entities_synced_at=NOW - 4 * HOUR,
    )
    at = replace(numbers, last_attempt_at=hour_old)
    assert choose([at], NOW, Policy.ROTATION).picks[0].parts == NUMBERS
    at = replace(structure, last_attempt_at=NOW - 40 * MINUTE)
    pick = choose([at], NOW, Policy.ROTATION).picks[0]
    assert pick.parts == {DuePart.ENTITIES}
    assert pick.days == "no days"


def test_a_part_that_is_nearly_due_goes_along() -> None:
    at = NOW - 31 * MINUTE
    state = account(
        spend_7d=500,
        insights_synced_at=at,
        last_attempt_at=at,
        entities_synced_at=NOW - timedelta(hours=3, minutes=50),
    )
    assert choose([state], NOW).picks[0].parts == BOTH


def test_steps_of_one_sync_do_not_drift_into_runs_of_their_own() -> None:
    """The numbers are read after the structure; twelve hours later both are due together."""
    state = aged(minutes=720, insights_synced_at=NOW - 715 * MINUTE, spend_7d=1)
    assert choose([state], NOW).picks[0].parts == BOTH


@pytest.mark.parametrize("policy", list(Policy))
def test_an_account_synced_by_hand_a_moment_ago_is_left_alone(policy: Policy) -> None:
    state = aged(minutes=600, spend_7d=500, last_attempt_at=NOW - 10 * MINUTE)
    choice = choose([state], NOW, policy)
    assert picked(choice) == []
    assert choice.skipped["act_1"] == "fresh: synced within 30 min, until 09:20 UTC"


@pytest.mark.parametrize("policy", list(Policy))
def test_a_new_account_is_picked_with_all_it_has(policy: Policy) -> None:
    pick = choose([new()], NOW, policy).picks[0]
    assert (pick.reason, pick.parts, pick.days) == ("first sync", BOTH, "last 90 days")
    assert pick.why == "first sync: the last 90 days, newest first"


def test_missing_days_of_the_backfill_come_before_the_tiers_turn() -> None:
    state = aged(minutes=31, spend_7d=1, has_backfill_gap=True)
    pick = choose([state], NOW).picks[0]
    assert pick.parts == NUMBERS
    assert pick.days == "last 90 days"
    assert pick.why == (
        "low spend (1 EUR in 7 days), insights 31 min old, some of the last 90 days are missing"
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"is_running": True}, "running: it is being synced now"),
        ({"is_requested": True}, "requested: a run of it waits or has just started"),
        (
            {"is_accessible": False},
            "no access: no connection reaches the account any more; share it again or choose it",
        ),
        (
            {"not_before": NOW + 32 * MINUTE, "last_status": "throttled"},
            "throttled: Meta's limits allow no call before 09:32 UTC",
        ),
        (
            {"last_status": "fail", "failures": 3, "last_attempt_at": NOW - MINUTE},
            "failing: 3 times in a row, tried again at 09:39 UTC",
        ),
        (
            {"last_status": "running", "failures": 1, "last_attempt_at": NOW - MINUTE},
            "failing: 1 time, tried again at 09:09 UTC",
        ),
        (
            {"insights_synced_at": NOW - 29 * MINUTE},
            "not due: its turn comes at 09:01 UTC, in 1 min",
        ),
    ],
)
def test_who_is_not_picked_is_told_why(values: dict[str, Any], sentence: str) -> None:
    times = {"last_attempt_at": NOW - 40 * MINUTE, "entities_synced_at": NOW - 40 * MINUTE}
    numbers: dict[str, Any] = {"spend_7d": 500, "insights_synced_at": NOW - 40 * MINUTE}
    state = account(**(numbers | times | values))
    choice = choose([state], NOW)
    assert picked(choice) == []
    assert choice.skipped == {"act_1": sentence}


def test_a_dead_sync_is_tried_again_although_its_row_says_running() -> None:
    """A worker killed by the kernel closes nothing; only the lock tells that nobody runs."""
    state = aged(minutes=60, spend_7d=500, last_status="running", failures=1)
    assert picked(choose([state], NOW)) == ["act_1"]


def test_a_throttled_account_comes_back_when_meta_allows_it() -> None:
    state = aged(minutes=45, spend_7d=500, last_status="throttled", not_before=NOW)
    assert picked(choose([replace(state, not_before=NOW + MINUTE)], NOW)) == []
    assert picked(choose([state], NOW)) == ["act_1"]


def test_failures_double_the_pause_up_to_its_longest() -> None:
    def retried_after(failures: int) -> timedelta:
        state = aged(minutes=3000, last_status="fail", failures=failures, last_attempt_at=NOW)
        found = choose([state], NOW).next_at
        assert found is not None
        return found - NOW

    pauses = [retried_after(failures) / MINUTE for failures in (1, 2, 3, 4, 5, 60)]
    assert pauses == [10, 20, 40, 80, 120, 120]


def test_lists_of_accounts_decide_first() -> None:
    fleet = [aged(number, minutes=800) for number in (1, 2, 3)]
    only = RotationRules(include=frozenset({"act_1", "act_2"}), exclude=frozenset({"act_2"}))
    choice = choose(fleet, NOW, rules=only, limit=9)
    assert picked(choice) == ["act_1"]
    assert set(choice.skipped) == {"act_2", "act_3"}
    assert choice.skipped["act_2"].startswith("excluded:")


def test_high_spend_comes_before_a_longer_wait_of_low_spend() -> None:
    high = aged(1, minutes=60, spend_7d=500)
    low = aged(2, minutes=13 * 60, spend_7d=1)
    assert picked(choose([low, high], NOW, Policy.PRIORITY, limit=1)) == ["act_1"]


def test_hybrid_keeps_places_for_who_is_late() -> None:
    crowd = [aged(number, minutes=90, spend_7d=500) for number in range(20)]
    late = [aged(100 + number, minutes=15.1 * 60 + number, spend_7d=1) for number in range(9)]
    by_priority = picked(choose(crowd + late, NOW, Policy.PRIORITY, limit=10))
    assert not set(by_priority) & set(by_id(late))
    choice = choose(crowd + late, NOW, Policy.HYBRID, limit=10)
    forgotten = [pick for pick in choice.picks if pick.reason == "fallback"]
    assert [pick.account_id for pick in forgotten] == ["act_108", "act_107", "act_106"]
    assert forgotten[0].why.startswith("3 h 14 min late: low spend (1 EUR in 7 days)")


def test_hybrid_takes_nobody_before_its_tier_is_due() -> None:
    """Who is read every 12 h by choice is not forgotten after 3."""
    assert picked(choose([aged(minutes=11 * 60, spend_7d=1)], NOW, Policy.HYBRID)) == []


def test_fallback_takes_three_that_were_not_synced_for_three_hours() -> None:
    fleet = [aged(number, minutes=170 + number, spend_7d=500) for number in range(20)]
    choice = choose(fleet, NOW, Policy.FALLBACK, limit=50)
    assert picked(choice) == ["act_19", "act_18", "act_17"]
    assert {pick.reason for pick in choice.picks} == {"fallback"}


def test_a_hundred_new_accounts_do_not_hold_every_place() -> None:
    fleet = [new(number, minutes=600) for number in range(100)]
    fleet += [aged(1000 + number, minutes=45, spend_7d=500) for number in range(30)]
    picks = choose(fleet, NOW, Policy.PRIORITY, limit=30).picks
    assert sum(pick.is_first_sync for pick in picks) == SETTINGS.first_syncs_at_once
    running = [replace(state, is_running=True) for state in fleet[:10]] + fleet[10:]
    assert not any(
        pick.is_first_sync for pick in choose(running, NOW, Policy.PRIORITY, limit=3).picks
    )
    alone = choose(fleet[:100], NOW, limit=30).picks
    assert len(alone) == 30


def test_the_summary_counts_the_fleet() -> None:
    fleet = [account(1), account(2), new(3), account(4, is_running=True)]
    found = choose(fleet, NOW)
    assert len(found.picks) == 1
    assert found.skipped.kinds == {"not due": 2, "running": 1}
    assert choose([account(1)], NOW).skipped.kinds == {"not due": 1}


def test_the_run_key_names_the_turn_and_moves_on_when_a_run_leaves_no_trace() -> None:
    """Dagster never runs the same key twice: a run that died before it began must get another."""
    state = aged(minutes=34, spend_7d=500)
    keys = [choose([state], NOW + wait * MINUTE).picks[0].run_key for wait in range(31)]
    assert keys[0] == keys[10] == "act_1:20260318T0856"
    assert list(dict.fromkeys(keys)) == [
        "act_1:20260318T0856",
        "act_1:20260318T0911",
        "act_1:20260318T0926",
    ]


@LESS
@given(any_fleet(), st.sampled_from(Policy), st.integers(0, 6), st.none() | st.just("act_5"))
def test_every_account_is_picked_once_or_told_why_not(
    fleet: list[AccountState], policy: Policy, limit: int, cursor: str | None
) -> None:
    choice = choose(fleet, NOW, policy, cursor=cursor, limit=limit)
    names = picked(choice)
    assert len(names) == len(set(names)) <= limit
    assert set(names) | set(choice.skipped) == set(by_id(fleet))
    assert not set(names) & set(choice.skipped)
    for pick in choice.picks:
        assert pick.parts
        assert pick.due_at <= pick.turn_at <= NOW
        state = by_id(fleet)[pick.account_id]
        assert state.is_accessible
        assert not state.is_busy
        assert state.not_before is None or state.not_before <= NOW


@LESS
@given(any_fleet(), st.sampled_from(Policy), st.randoms())
def test_the_order_of_the_snapshot_does_not_matter(
    fleet: list[AccountState], policy: Policy, random: Random
) -> None:
    mixed = list(fleet)
    random.shuffle(mixed)
    one = choose(fleet, NOW, policy, limit=4)
    other = choose(mixed, NOW, policy, limit=4)
    assert one.picks == other.picks
    assert one.skipped == other.skipped


@LESS
@given(any_fleet(), st.sampled_from(Policy))
def test_a_tick_that_was_lost_or_doubled_asks_for_the_same(
    fleet: list[AccountState], policy: Policy
) -> None:
    one = choose(fleet, NOW, policy, limit=4)
    again = choose(fleet, NOW, policy, limit=4)
    assert [pick.run_key for pick in one.picks] == [pick.run_key for pick in again.picks]


@LESS
@given(any_fleet(), st.sampled_from(Policy))
def test_the_next_turn_is_really_next(fleet: list[AccountState], policy: Policy) -> None:
    choice = choose(fleet, NOW, policy, limit=99 if policy is not Policy.FALLBACK else 3)
    if choice.picks or choice.next_at is None:
        return
    at = choice.next_at
    assert at > NOW
    assert choose(fleet, at - timedelta(seconds=1), policy, limit=99).picks == ()
    assert choose(fleet, at, policy, limit=99).picks


@LESS
@given(any_fleet(), st.sampled_from(Policy), st.integers(0, 5))
def test_whose_turn_is_next_and_when_are_told_of_one_account(
    fleet: list[AccountState], policy: Policy, limit: int
) -> None:
    choice = choose(fleet, NOW, policy, limit=limit)
    assert (choice.next_at is None) == (choice.next_account is None)
    if choice.next_at is None or choice.next_account is None:
        return
    assert choice.next_account in choice.skipped
    alone = [state for state in fleet if state.account_id == choice.next_account]
    assert picked(choose(alone, choice.next_at, policy)) == [choice.next_account]


@pytest.mark.parametrize("policy", list(Policy))
def test_ten_times_the_accounts_take_ten_times_the_steps(policy: Policy) -> None:
    fleet = [
        aged(number, minutes=number % 900, spend_7d=number % 300, tenant=str(number % 40))
        for number in range(5000)
    ]

    def steps(states: list[AccountState]) -> int:
        """Calls of our own functions: the same on a busy machine."""
        profile = cProfile.Profile()
        profile.runcall(choose, states, NOW, policy, limit=30)
        return sum(entry.callcount for entry in profile.getstats())

    assert steps(fleet) < 12 * steps(fleet[:500])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"high_every": timedelta(0)}, "high_every is 0:00:00: give a time above zero"),
        ({"fresh": timedelta(minutes=-1)}, "give a time, or zero for none"),
        ({"accounts_per_run": 0}, "accounts_per_run is 0: give 1 or more"),
        ({"medium_spend": 200}, "medium_spend 200 and high_spend 100 must rise from 0"),
        ({"fallback_at_most": -1}, "fallback_at_most is -1: give 0 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RotationRules(**wrong)
