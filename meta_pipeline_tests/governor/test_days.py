"""Days lived against a model of Meta's meters: the scenarios of the governor's proof."""

from __future__ import annotations

import pytest

from . import scenarios
from .day import LATENCY_SECONDS
from .scenarios import run
from .world import HOUR

SAME_CAPS = (0.7, 0.8)
QUICK = ("vanish", "malformed", "jump to 250 %")
"""Of the odd headers: none, one that cannot be read, and one that says too much."""


@pytest.mark.slow
def test_a_rising_load_is_never_refused_and_all_of_it_is_done() -> None:
    """At noon the load is half more than the quota: a perfect scheduler has it done by night."""
    day = run("rising", scenarios.rising)
    assert day.refused == 0
    assert day.work_pct >= 99
    assert day.unfinished == []


def test_under_more_load_than_fits_it_does_nine_tenths_of_what_its_thresholds_allow() -> None:
    day = run("saturated", lambda: scenarios.saturated(5), ideal_caps=SAME_CAPS)
    assert day.refused == 0
    assert day.work_pct >= 90


@pytest.mark.slow
def test_allowed_to_go_to_95_it_does_nine_tenths_of_the_whole_quota() -> None:
    day = run("to 95 %", lambda: scenarios.saturated(5, account_stop_pct=95))
    assert day.refused == 0
    assert day.work_pct >= 90


def test_a_draining_score_is_used_as_fast_as_it_drains() -> None:
    day = run("score", lambda: scenarios.saturated_score(2))
    assert day.refused == 0
    assert day.work_pct >= 90


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 4, 5))]
)
def test_a_noisy_neighbour_costs_at_most_the_call_that_finds_out(seed: int) -> None:
    day = run("noisy", lambda: scenarios.noisy(8, seed))
    assert day.blocks >= 2, "the neighbour did reach the wall"
    assert day.refused <= day.blocks
    assert day.world.refused_though_known(LATENCY_SECONDS) == []
    assert day.work_pct >= 90


def _assert_left_alone(day: scenarios.Outcome) -> None:
    """Nothing but calls already under way met the blocks of act_3; nobody else was late."""
    assert day.world.blocks == len(scenarios.BLOCKS)
    assert {each.account_id for each in day.world.refused} == {"act_3"}
    assert day.world.refused_though_known(LATENCY_SECONDS) == []
    for start, seconds in scenarios.BLOCKS:
        found = [each.at for each in day.world.refused if start <= each.at <= start + seconds]
        inside = [at for at, who in day.sent if who == "act_3" and start <= at < start + seconds]
        assert inside == found, "every call inside the block is one that found it"
    for job, ideal in zip(day.jobs, day.ideal_jobs, strict=True):
        if job.account_id != "act_3":
            assert job.finished is not None
            assert ideal.finished is not None
            assert job.finished - ideal.finished <= 5


@pytest.mark.slow
def test_one_blocked_account_of_ten_is_left_alone_and_nine_are_on_time() -> None:
    day = run("one of ten", lambda: scenarios.one_of_ten(16))
    _assert_left_alone(day)
    first = [each for each in day.world.refused if each.at < 10 * HOUR]
    assert len(first) == 1, "a block met at the start of a sync costs the one call that looks"
    assert day.unfinished == []


@pytest.mark.slow
def test_a_process_that_starts_anew_within_a_block_knows_of_it() -> None:
    day = run("restart", lambda: scenarios.restart(16))
    _assert_left_alone(day)
    assert day.unfinished == []


def test_a_blocked_app_stops_ten_processes_after_one_refusal() -> None:
    day = run("whole app", lambda: scenarios.whole_app(8))
    assert day.blocks == 2
    assert day.refused == 2
    assert day.unfinished == []


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in scenarios.ODD],
)
def test_odd_headers_neither_overrun_the_quota_nor_stop_the_work(kind: str) -> None:
    day = run(kind, lambda: scenarios.odd_headers(kind, 8), ideal_caps=SAME_CAPS)
    assert day.refused == 0
    assert day.work_pct >= (60 if kind in ("vanish", "unknown use case") else 90)
    late = [at for at, _ in day.sent if at > 7 * HOUR]
    assert late, "it still works in the last hour"


def test_ten_processes_keep_one_quota_together() -> None:
    day = run("ten", lambda: scenarios.ten_processes(3), ideal_caps=SAME_CAPS)
    assert day.refused == 0
    assert day.work_pct >= 90
