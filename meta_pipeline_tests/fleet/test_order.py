"""Nobody starves, tenants get equal shares, the round survives what happens to the fleet."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.fleet import AccountState, Policy, choose

from .fleet import HOUR, MINUTE, NOW, SETTINGS, World, account, aged, new, picked

SPENDS = (0.0, 5.0, 50.0, 500.0)
LONGEST_TURN = SETTINGS.empty_every
SHORTEST_TURN = SETTINGS.first_sync_within

fleets = st.lists(
    st.tuples(
        st.sampled_from(SPENDS),
        st.sampled_from("abc"),
        st.integers(0, 1500),
        st.booleans(),
    ),
    min_size=1,
    max_size=9,
).map(
    lambda rows: [
        new(number, tenant=tenant)
        if is_new
        else aged(number, minutes=age, spend_7d=spend, tenant=tenant, can_deliver=spend > 0)
        for number, (spend, tenant, age, is_new) in enumerate(rows)
    ]
)


def overdue(state: AccountState) -> AccountState:
    """The same account, long past its turn."""
    if state.insights_synced_at is None:
        return state
    at = state.insights_synced_at - 3 * timedelta(days=1)
    return replace(state, insights_synced_at=at, entities_synced_at=at, last_attempt_at=at)


@given(fleets, st.integers(1, 4), st.none() | st.sampled_from(["act_3", "act_77", "zzz", ""]))
def test_rotation_reaches_everybody_within_one_round(
    fleet: list[AccountState], limit: int, cursor: str | None
) -> None:
    """Whoever is due is picked within ceil(accounts / limit) ticks, wherever the cursor stood."""
    world = World.of(map(overdue, fleet), Policy.ROTATION, limit=limit, tick=MINUTE, cursor=cursor)
    for _ in range(ceil(len(fleet) / limit)):
        world.step()
    assert set(world.taken_at) == set(world.states)
    assert all(len(times) == 1 for times in world.taken_at.values())


@settings(max_examples=25)
@given(fleets, st.sampled_from([MINUTE, 10 * MINUTE, HOUR]), st.data())
def test_priority_starves_nobody_in_an_overload(
    fleet: list[AccountState], tick: timedelta, data: st.DataObject
) -> None:
    """The bound of docs/rotation.md: 2 x accounts x (1 + longest turn / shortest turn) ticks."""
    names = [state.account_id for state in fleet]
    failing = frozenset(data.draw(st.sets(st.sampled_from(names))))
    world = World.of(map(overdue, fleet), Policy.PRIORITY, limit=1, tick=tick, failing=failing)
    bound = ceil(2 * len(fleet) * (1 + LONGEST_TURN / SHORTEST_TURN))
    for _ in range(min(bound, 1500)):
        world.step()
        if set(world.taken_at) == set(names):
            break
    assert set(world.taken_at) == set(names)


@settings(max_examples=50)
@given(fleets, st.integers(2, 4), st.sampled_from([MINUTE, 10 * MINUTE]))
def test_hybrid_reaches_the_late_within_as_many_ticks_as_there_are_accounts(
    fleet: list[AccountState], limit: int, tick: timedelta
) -> None:
    world = World.of(map(overdue, fleet), Policy.HYBRID, limit=limit, tick=tick)
    for _ in range(len(fleet)):
        world.step()
    late = {state.account_id for state in fleet if state.insights_synced_at is not None}
    assert late <= set(world.taken_at)


@pytest.mark.parametrize("policy", [Policy.PRIORITY, Policy.HYBRID])
def test_a_crowd_of_high_spenders_cannot_hold_one_small_account_back(policy: Policy) -> None:
    """Three times more is due than can be done, day in, day out."""
    crowd = [aged(number, minutes=30, spend_7d=500) for number in range(45)]
    world = World.of([*crowd, aged(999, minutes=0, spend_7d=1)], policy, limit=2, tick=4 * MINUTE)
    for _ in range(5 * 24 * 15):
        world.step()
    served = world.taken_at["act_999"]
    gaps = [later - earlier for earlier, later in pairwise(served)]
    assert len(served) >= 2
    assert max(gaps) < timedelta(days=2)
    if policy is Policy.HYBRID:
        latest = SETTINGS.low_every + SETTINGS.fallback_after + len(world.states) * 4 * MINUTE
        assert max(gaps) <= latest


def test_failing_accounts_do_not_take_the_places_of_sound_ones() -> None:
    failing = [aged(number, minutes=600, spend_7d=500) for number in range(50)]
    sound = [aged(100 + number, minutes=600, spend_7d=500) for number in range(10)]
    world = World.of(
        failing + sound,
        Policy.HYBRID,
        limit=2,
        tick=MINUTE,
        failing=frozenset(state.account_id for state in failing),
    )
    for _ in range(24 * 60):
        world.step()
    attempts = Counter({name: len(times) for name, times in world.taken_at.items()})
    assert min(attempts[state.account_id] for state in sound) >= 40
    assert max(attempts[state.account_id] for state in failing) <= 16


@pytest.mark.parametrize("policy", [Policy.PRIORITY, Policy.HYBRID, Policy.FALLBACK])
def test_a_big_tenant_takes_no_more_than_its_share(policy: Policy) -> None:
    big = [aged(number, minutes=700, spend_7d=900, tenant="big") for number in range(400)]
    small = [aged(1000 + number, minutes=200, spend_7d=900, tenant="small") for number in (1, 2)]
    tenants = Counter(pick.tenant for pick in choose(big + small, NOW, policy, limit=3).picks)
    assert tenants["small"] >= 1
    six = choose(big + small, NOW, policy, limit=6).picks
    if policy is not Policy.FALLBACK:
        assert Counter(pick.tenant for pick in six) == {"big": 4, "small": 2}


def test_what_a_tenant_is_having_synced_counts_as_its_share() -> None:
    fleet = [
        *[account(number, tenant="big", is_running=True) for number in range(3)],
        *[aged(10 + number, minutes=300, spend_7d=900, tenant="big") for number in range(5)],
        *[aged(20 + number, minutes=100, spend_7d=900, tenant="small") for number in range(3)],
    ]
    picks = choose(fleet, NOW, Policy.PRIORITY, limit=3).picks
    assert {pick.tenant for pick in picks} == {"small"}


def test_rotation_goes_on_where_its_account_was_when_accounts_come_and_go() -> None:
    fleet = [aged(number, minutes=600) for number in (10, 20, 30, 40)]
    first = choose(fleet, NOW, Policy.ROTATION, limit=2)
    assert picked(first) == ["act_10", "act_20"]
    assert first.cursor == "act_20"
    without = [state for state in fleet if state.account_id != "act_20"]
    earlier = aged(15, minutes=600)
    later = aged(25, minutes=600)
    second = choose([*without, earlier, later], NOW, Policy.ROTATION, cursor=first.cursor, limit=2)
    assert picked(second) == ["act_25", "act_30"]


def test_switching_the_policy_loses_nothing() -> None:
    fleet = [aged(number, minutes=800) for number in (10, 20, 30, 40)]
    world = World.of(fleet, Policy.ROTATION, limit=1, tick=MINUTE)
    world.step()
    world.policy = Policy.HYBRID
    world.step()
    assert world.cursor == "act_10"
    world.policy = Policy.ROTATION
    world.step()
    world.step()
    assert set(world.taken_at) == {"act_10", "act_20", "act_30", "act_40"}
    assert all(len(times) == 1 for times in world.taken_at.values())


def test_a_lost_cursor_costs_no_more_than_the_place_in_the_round() -> None:
    fleet = [aged(number, minutes=600) for number in range(10, 30)]
    world = World.of(fleet, Policy.ROTATION, limit=2, tick=MINUTE)
    for _ in range(10):
        world.cursor = None
        world.step()
    assert len(world.taken_at) == 20
