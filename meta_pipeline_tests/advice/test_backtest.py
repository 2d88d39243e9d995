"""The back-test: what the days after said of each claim, on what was known on the day itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import advice_rules as bench
from meta_pipeline.advice import Account, Day, Kind
from meta_pipeline.advice.backtest import BacktestStats, Restated, as_read, backtest, to_come
from meta_pipeline_tests.advice import planted
from meta_pipeline_tests.advice.replay import seen_on

LOOKS = [planted.FIRST + timedelta(days=at) for at in range(7, 50)]
FIRST = date(2026, 3, 2)


def _tested(account: Account, looks: list[date] = LOOKS) -> dict[Kind, BacktestStats]:
    return backtest(partial(seen_on, account), account, looks)


def _ads(ratio: float, later: float) -> Account:
    """Two ads, the first so many times as dear up to day 28, and then `later` times."""
    rng = np.random.default_rng(5)
    rate = np.r_[np.full(28, 0.05 / ratio), np.full(28, 0.05 / later)]
    ads = [
        planted.entity(rng, name, planted.steady_spend(rng, 56), rate=each)
        for name, each in (("ad0", rate), ("ad1", 0.05))
    ]
    return planted.account(ads, 56)


def test_what_stays_dear_is_a_hit_and_doing_nothing_loses() -> None:
    stats = _tested(_ads(2.5, 2.5))[Kind.PAUSE]
    assert (stats.given, stats.hits, stats.false_alarms) == (1, 1, 0)
    assert stats.hit_rate_pct == 100
    assert stats.regret_results > 10
    assert stats.regret_pct is not None


def test_what_was_dear_only_until_then_is_a_false_alarm_and_following_would_have_lost() -> None:
    account = _ads(2.2, 0.4)
    found = backtest(partial(seen_on, account), account, [planted.FIRST + timedelta(days=28)])
    stats = found[Kind.PAUSE]
    assert (stats.given, stats.false_alarms) == (1, 1)
    assert stats.regret_results < 0


@pytest.mark.parametrize(
    ("account", "kind", "since"),
    [
        (bench.creatives(0.05)(np.random.default_rng(1)), Kind.FATIGUE, 35),
        (bench.whole_account(breaks=True)(np.random.default_rng(1)), Kind.ANOMALY, 70),
        (bench.curves(4, 12)(np.random.default_rng(1)), Kind.BUDGET_SHIFT, 60),
        (bench.target(0.4)(np.random.default_rng(1)), Kind.SCALE, 7),
    ],
)
def test_planted_truths_hold(account: Account, kind: Kind, since: int) -> None:
    looks = [planted.FIRST + timedelta(days=since + at) for at in range(20)]
    stats = _tested(account, looks)[kind]
    assert stats.hits > stats.false_alarms == 0


def test_equal_worlds_are_silent() -> None:
    assert _tested(bench.two_ads(1)(np.random.default_rng(2))) == {}


def test_a_state_is_counted_once_however_long_it_lasts() -> None:
    account = bench.two_ads(1)(np.random.default_rng(2))
    ads = [replace(one, effective_status="DISAPPROVED") for one in account.entities]
    stats = _tested(replace(account, entities=tuple(ads)))[Kind.DELIVERY]
    assert (stats.given, stats.unclear) == (2, 2)
    assert stats.hit_rate_pct is None
    assert stats.regret_pct is None


def test_a_day_is_what_had_been_read_of_it_by_then() -> None:
    days = tuple(Day(FIRST + timedelta(days=at), 100.0, 1000, 100, 10.0) for at in range(5))
    moved = [
        Restated(FIRST, FIRST + timedelta(days=2), spend=0.9, results=0.4),
        Restated(FIRST, FIRST + timedelta(days=4), results=0.8),
    ]
    mornings = [FIRST + timedelta(days=at) for at in (1, 2, 3, 4, 5)]
    seen = [as_read(days, to_come(moved, today), today) for today in mornings]
    assert [one[0].results for one in seen] == [4, 4, 8, 8, 10]
    assert seen[1][0].spend == 90
    assert len(seen[1]) == 2


@given(
    shares=st.lists(st.floats(0, 2), min_size=1, max_size=6),
    at=st.integers(0, 10),
)
def test_once_all_is_read_nothing_is_undone(shares: list[float], at: int) -> None:
    days = (Day(FIRST, 100.0, 1000, 100, 10.0),)
    moved = [
        Restated(FIRST, FIRST + timedelta(days=1 + n), results=share)
        for n, share in enumerate(shares)
    ]
    today = FIRST + timedelta(days=1 + at)
    (seen,) = as_read(days, to_come(moved, today), today)
    expected = 10.0 * shares[at] if at < len(shares) else 10.0
    assert seen.results == (expected if expected >= 1e-6 else 0)  # a millionth of a result is none
