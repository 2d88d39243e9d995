"""A fleet's first fill: everybody's newest days before anybody's oldest, in full runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.fleet import (
    AccountState,
    DuePart,
    NextRuns,
    Pick,
    Policy,
    RotationRules,
    choose,
    next_runs,
)

from .fleet import HOUR, MINUTE, NOW, SETTINGS, aged, any_fleet, by_id, new, picked

CROWD = SETTINGS.accounts_per_run + 1
POLICIES = list(Policy)
NEWEST = "last 7 days"


def history(number: int, *, minutes: float, **values: object) -> AccountState:
    """An account whose newest days came some minutes ago, and nothing before them."""
    at = NOW - minutes * MINUTE
    return replace(
        aged(number, minutes=minutes, has_backfill_gap=True, has_newest_days_only=True),
        last_attempt_at=at - MINUTE / 2,
        **values,  # type: ignore[arg-type]
    )


class Fleet:
    """Ticks of a fleet whose runs all end before the next one; `failing` ones never succeed."""

    def __init__(
        self,
        states: list[AccountState],
        policy: Policy,
        slots: int = 3,
        failing: frozenset[str] = frozenset(),
    ) -> None:
        self.states = dict(by_id(states))
        self.policy, self.slots, self.failing = policy, slots, failing
        self.now, self.cursor = NOW, None
        self.runs: list[NextRuns] = []
        self.read: list[tuple[str, str]] = []

    def tick(self) -> list[Pick]:
        found = next_runs(
            list(self.states.values()), self.now, self.policy, cursor=self.cursor, slots=self.slots
        )
        self.cursor = found.cursor  # type: ignore[assignment]
        self.runs.append(found)
        picks = [pick for run in found.runs for pick in run.picks]
        for pick in picks:
            self.read.append((pick.account_id, pick.days))
            self.states[pick.account_id] = self._after(self.states[pick.account_id], pick)
        self.now += MINUTE
        return picks

    def _after(self, state: AccountState, pick: Pick) -> AccountState:
        tried = replace(state, last_attempt_at=self.now)
        if pick.account_id in self.failing:
            return replace(tried, last_status="fail", failures=state.failures + 1)
        only_newest = pick.newest_days is not None
        return replace(
            tried,
            last_status="success",
            failures=0,
            entities_synced_at=self.now,
            insights_synced_at=self.now,
            has_backfill_gap=only_newest,
            has_newest_days_only=only_newest,
        )


@pytest.mark.parametrize("policy", POLICIES)
def test_three_hundred_new_accounts_have_their_newest_days_in_a_few_runs(policy: Policy) -> None:
    fleet = Fleet([new(number) for number in range(300)], policy)
    for _ in range(4):
        fleet.tick()
    runs = [len(run.picks) for look in fleet.runs for run in look.runs]
    assert runs[:3] == [100] * 3
    firsts = [account for account, window in fleet.read if window == NEWEST]
    assert len(firsts) == 300
    for _ in range(30):
        fleet.tick()
    assert not any(state.has_backfill_gap for state in fleet.states.values())
    assert all(state.insights_synced_at for state in fleet.states.values())
    assert sum(len(look.runs) for look in fleet.runs) == 2 * 300 / 100


@pytest.mark.parametrize("policy", [Policy.HYBRID, Policy.PRIORITY, Policy.ROTATION])
def test_nobodys_oldest_days_come_before_anybodys_newest(policy: Policy) -> None:
    fleet = Fleet([new(number) for number in range(400)], policy)
    while any(state.is_first_sync for state in fleet.states.values()):
        fleet.tick()
    newest = [at for at, (_, window) in enumerate(fleet.read) if window == NEWEST]
    whole = [account for account, window in fleet.read[: newest[-1]] if window != NEWEST]
    assert whole == []


def test_few_new_accounts_are_read_whole() -> None:
    """One sync less, and nobody waits: a run of three takes as long as it takes."""
    picks = choose([new(number) for number in range(CROWD - 1)], NOW, limit=75).picks
    assert {pick.days for pick in picks} == {"last 90 days"}
    assert {pick.newest_days for pick in picks} == {None}
    crowded = choose([new(number) for number in range(CROWD)], NOW, limit=75).picks
    assert {(pick.days, pick.newest_days) for pick in crowded} == {(NEWEST, 7)}
    assert crowded[0].why == (
        "first sync: the last 7 days, those before them once every account has these"
    )


def test_a_short_backfill_is_read_whole() -> None:
    short = RotationRules(backfill_days=7)
    picks = choose([new(number) for number in range(CROWD)], NOW, rules=short, limit=75).picks
    assert {pick.newest_days for pick in picks} == {None}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_fleet_of_which_nobody_is_due_is_not_being_filled(policy: Policy) -> None:
    for fleet in ([], [aged(1, minutes=1)]):
        choice = choose(fleet, NOW, policy)
        assert (choice.picks, choice.is_fill) == ((), False)
    assert choose([history(1, minutes=1)], NOW, policy).is_fill


@pytest.mark.parametrize("policy", POLICIES)
def test_history_is_due_at_once_after_the_newest_days(policy: Policy) -> None:
    (pick,) = choose([history(1, minutes=1)], NOW, policy).picks
    assert (pick.parts, pick.days) == (frozenset({DuePart.INSIGHTS}), "last 90 days")


@pytest.mark.parametrize(
    "state",
    [
        replace(history(1, minutes=5), last_attempt_at=NOW - MINUTE),  # tried, and still not there
        replace(history(1, minutes=5), last_status="partial"),
        replace(history(1, minutes=5), has_newest_days_only=False),
    ],
)
def test_history_that_does_not_come_is_not_asked_for_all_the_time(state: AccountState) -> None:
    choice = choose([state], NOW)
    assert choice.picks == ()
    assert choice.next_at is not None
    assert choice.next_at > NOW


def test_history_waits_for_refreshes_and_first_syncs_and_starves_not() -> None:
    others = [aged(number, minutes=40, spend_7d=500) for number in range(5)]
    fleet = [history(99, minutes=1), *others, *[new(10 + number) for number in range(20)]]
    order = picked(choose(fleet, NOW, limit=50))
    assert order[-1] == "act_99"
    # Once its numbers are due by its cadence it is in line as everybody else is.
    late = [history(99, minutes=60, spend_7d=500), *others]
    assert picked(choose(late, NOW, limit=50))[0] == "act_99"


@pytest.mark.parametrize("policy", POLICIES)
def test_failing_accounts_stop_nobody(policy: Policy) -> None:
    failing = frozenset(f"act_{number}" for number in range(0, 120, 4))
    fleet = Fleet([new(number) for number in range(120)], policy, failing=failing)
    for _ in range(15):
        fleet.tick()
    for account_id, state in fleet.states.items():
        assert state.is_first_sync == (account_id in failing)
        assert not state.has_backfill_gap
    tries = Counter(account for account, _ in fleet.read)
    assert max(tries[account] for account in failing) <= 3  # after 10 minutes, then 20


def test_the_fallback_limit_is_not_for_new_accounts() -> None:
    old = [aged(number, minutes=600) for number in range(10)]
    fresh = [new(50 + number) for number in range(30)]
    picks = choose([*old, *fresh], NOW, Policy.FALLBACK, limit=75).picks
    assert sum(pick.is_first_sync for pick in picks) == 30
    assert sum(not pick.is_first_sync for pick in picks) == SETTINGS.fallback_at_most


def test_refreshes_keep_their_places_while_a_fleet_arrives() -> None:
    due = [aged(number, minutes=45, spend_7d=500) for number in range(60)]
    arriving = [new(100 + number, minutes=HOUR / MINUTE) for number in range(1000)]
    found = next_runs([*due, *arriving], NOW, slots=3)
    refreshed = {pick.account_id for pick in found.choice.picks if not pick.is_first_sync}
    assert refreshed == {state.account_id for state in due}


@pytest.mark.parametrize("policy", POLICIES)
def test_runs_are_no_longer_than_others_may_wait(policy: Policy) -> None:
    """A full run of a fill takes minutes: while one refresh is due, runs are as usual."""
    arriving = [new(100 + number) for number in range(400)]
    alone = next_runs(arriving, NOW, policy, slots=2).runs
    assert [len(run.picks) for run in alone] == [100, 100]
    beside = next_runs([aged(1, minutes=600, spend_7d=500), *arriving], NOW, policy, slots=2).runs
    assert max(len(run.picks) for run in beside) <= SETTINGS.accounts_per_run


@pytest.mark.parametrize("policy", POLICIES)
def test_the_last_new_accounts_are_spread_over_all_runs(policy: Policy) -> None:
    """In one run they would wait for each other, while the others read days of long ago."""
    fleet = [
        *(new(number) for number in range(40)),
        *(history(100 + n, minutes=1) for n in range(300)),
    ]
    runs = next_runs(fleet, NOW, policy, slots=3).runs
    # Of the two that go by waiting alone not all new ones are among the picks.
    by_urgency = policy in {Policy.HYBRID, Policy.PRIORITY}
    assert [len(run.picks) for run in runs] == ([14, 14, 12] if by_urgency else [11, 11, 9])
    assert {pick.days for run in runs for pick in run.picks} == {NEWEST}


@pytest.mark.parametrize(("most", "fill"), [(1, 4), (10, 40), (25, 100), (60, 100), (100, 100)])
def test_a_fill_takes_four_times_as_many_and_no_more_than_a_tag_can_name(
    most: int, fill: int
) -> None:
    rules = RotationRules(accounts_per_run=most)
    found = next_runs([new(number) for number in range(500)], NOW, rules=rules, slots=3)
    assert {len(run.picks) for run in found.runs} == {fill}
    # The longest ids there are: 2.7 kB are what Postgres takes of an indexed value.
    assert len(",".join(["act_" + "9" * 17] * fill)) < 2_700


@settings(max_examples=80)
@given(any_fleet(max_size=40), st.sampled_from(Policy), st.integers(1, 4))
def test_a_run_reads_the_same_days_of_all_its_accounts(
    fleet: list[AccountState], policy: Policy, slots: int
) -> None:
    small = RotationRules(accounts_per_run=4, first_syncs_per_run=2)
    for run in next_runs(fleet, NOW, policy, small, slots=slots).runs:
        assert len({pick.newest_days for pick in run.picks}) == 1
        if run.picks[0].is_first_sync and run.newest_days is None:
            assert len(run.picks) <= 2


def test_begin_within_is_a_time() -> None:
    with pytest.raises(ValueError, match="begin_within is 0:00:00: give a time above zero"):
        RotationRules(begin_within=timedelta(0))
