"""How picks are divided into runs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.fleet import AccountState, Policy, RotationRules, batches, choose

from .fleet import NOW, aged, any_fleet, new

SMALL = RotationRules(accounts_per_run=4, first_syncs_per_run=2)


def due(count: int, start: int = 0) -> list[AccountState]:
    return [aged(start + number, minutes=600, spend_7d=500) for number in range(count)]


def sizes(count: int, slots: int) -> list[int]:
    picks = choose(due(count), NOW, limit=99).picks
    return [len(run.picks) for run in batches(picks, slots)]


def test_one_account_due_is_one_run_under_its_own_key() -> None:
    picks = choose(due(1), NOW).picks
    (run,) = batches(picks, 3)
    assert run.run_key == picks[0].run_key
    assert run.tags == {"account": "act_0", "reason": "priority", "window": "days due by age"}


def test_few_accounts_get_a_run_each_and_many_share() -> None:
    assert sizes(0, 3) == []
    assert sizes(3, 3) == [1, 1, 1]
    assert sizes(7, 3) == [3, 3, 1]
    assert sizes(30, 3) == [10, 10, 10]
    assert sizes(90, 3) == [25, 25, 25]
    assert sizes(5, 0) == []


def test_a_run_has_one_kind_of_work() -> None:
    numbers_only = [
        aged(50 + number, minutes=40, spend_7d=500, entities_synced_at=NOW) for number in range(3)
    ]
    fleet = [*due(6), *[new(20 + number) for number in range(5)], *numbers_only]
    runs = batches(choose(fleet, NOW, limit=99).picks, 9, SMALL)
    for run in runs:
        assert len({(pick.parts, pick.is_first_sync) for pick in run.picks}) == 1
    firsts = [len(run.picks) for run in runs if run.picks[0].is_first_sync]
    assert max(firsts) <= SMALL.first_syncs_per_run


def test_a_doubled_tick_makes_runs_of_the_same_keys() -> None:
    one, two = (batches(choose(due(9), NOW, limit=9).picks, 2) for _ in range(2))
    assert [run.run_key for run in one] == [run.run_key for run in two]
    assert len({run.run_key for run in one}) == 2
    assert one[0].run_key.startswith("5_accounts:20260318T")


@settings(max_examples=50)
@given(any_fleet(), st.sampled_from(Policy), st.integers(0, 5))
def test_no_pick_is_in_two_runs_and_the_most_urgent_is_in_the_first(
    fleet: list[AccountState], policy: Policy, slots: int
) -> None:
    picks = choose(fleet, NOW, policy, limit=40).picks
    runs = batches(picks, slots, SMALL)
    names = [name for run in runs for name in run.account_ids]
    assert len(names) == len(set(names))
    assert set(names) <= {pick.account_id for pick in picks}
    assert len(runs) <= slots
    assert all(len(run.picks) <= SMALL.accounts_per_run for run in runs)
    if picks and slots:
        assert runs[0].picks[0] == picks[0]
