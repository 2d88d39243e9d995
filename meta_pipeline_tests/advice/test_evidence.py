"""Evidence holds what it promises, on data made by the law it is about."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import binom

from meta_pipeline.advice.evidence import (
    compare,
    cpa_above,
    log_e_values,
    rate_fell,
    unusual_amount,
    unusually_low,
)
from meta_pipeline.advice.response import fit, gain_of_move

_COUNTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9)


@given(_COUNTS)
def test_with_equal_spend_it_is_the_beta_mixture_itself(days: list[tuple[int, int]]) -> None:
    first, second = np.array(days, dtype=float).T
    a, b = first.sum(), second.sum()

    found = log_e_values(first, second, np.full(len(days), 0.5))[-1]

    assert found == pytest.approx(betaln(20 + a, 20 + b) - betaln(20, 20) + (a + b) * np.log(2))


@given(st.integers(1, 8), st.floats(0.05, 0.95))
def test_a_day_is_worth_nothing_on_average_while_both_cost_the_same(n: int, share: float) -> None:
    """The mean of an e-value under "equal" is one, at every share of spend."""
    worth = sum(
        binom.pmf(k, n, share) * np.exp(log_e_values([float(k)], [float(n - k)], [share])[0])
        for k in range(n + 1)
    )
    assert worth == pytest.approx(1, abs=1e-6)


def test_daily_looks_at_equal_ads_err_less_than_promised_and_find_a_doubled_cpa() -> None:
    rng = np.random.default_rng(3)
    shape = (500, 28)
    share = rng.uniform(0.3, 0.7, shape)
    equal = log_e_values(rng.poisson(10 * share), rng.poisson(10 * (1 - share)), share)
    dear = log_e_values(rng.poisson(2.5, shape), rng.poisson(5, shape), np.full(shape, 0.5))

    assert (equal.max(axis=1) >= np.log(20)).mean() <= 0.05
    found = np.where(dear >= np.log(20), np.arange(28), 99).min(axis=1) + 1
    assert np.median(found) <= 14


def test_a_day_on_which_one_side_spent_alone_says_nothing() -> None:
    before = log_e_values([3.0, 2.0], [1.0, 2.0], [0.4, 0.5])[-1]
    after = log_e_values([3.0, 2.0, 9.0, 0.0], [1.0, 2.0, 0.0, 9.0], [0.4, 0.5, 1.0, 0.0])[-1]
    assert after == pytest.approx(before)


def test_the_ratio_says_which_side_is_dear_and_swaps_with_the_sides() -> None:
    days = np.full(30, 0.5)
    dear = compare(np.full(30, 2.0), np.full(30, 4.0), days)
    cheap = compare(np.full(30, 4.0), np.full(30, 2.0), days)
    assert dear.ratio_low < 2 < dear.ratio_high
    assert dear.ratio == pytest.approx(1 / cheap.ratio, rel=0.05)
    assert dear.e_value == pytest.approx(cheap.e_value)


def test_a_cpa_is_surer_to_be_above_the_less_the_same_spend_brought() -> None:
    sure = [float(cpa_above(1000, n, 26, target=20, prior=10)) for n in (0, 10, 25, 50, 90)]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] > 0.95 > 0.05 > sure[-1]


def test_rates_counts_and_amounts_are_judged_by_how_much_there_is() -> None:
    assert rate_fell(80, 10_000, 450, 30_000) > 0.999 > rate_fell(2, 150, 7, 450)
    assert unusually_low(0, [14, 16, 15, 13, 17]) < 0.001 < unusually_low(0, [3, 2, 4, 3, 3])
    assert unusually_low(4, [2, 30, 5, 41, 15]) > 0.05, "days that differ much let much happen"
    assert unusual_amount(10, [100, 105, 96, 102, 99]) < 0.001 < unusual_amount(93, [100, 105, 96])


def test_a_planted_response_curve_is_found_and_the_cheaper_next_result_wins() -> None:
    rng = np.random.default_rng(5)
    spend = 100 * np.exp(rng.normal(0, 0.4, 300))
    poor = fit(spend, rng.poisson(10 * (spend / 100) ** 0.6))
    rich = fit(spend, rng.poisson(20 * (spend / 100) ** 0.6))

    assert poor.beta == pytest.approx(0.6, abs=0.1)
    gain, sure = gain_of_move(poor, rich, (100, 100), 20)
    assert gain == pytest.approx(20 * (1.2**0.6 - 1) - 10 * (1 - 0.8**0.6), rel=0.3)
    assert sure > 0.99
    assert gain_of_move(rich, poor, (100, 100), 20)[0] < 0
