"""Evidence: e-values that may be looked at every day, and CPA against a target.

An e-value is a bet against "both cost the same". Its chance to ever reach E while that is true is
at most 1/E, however often it is looked at (Ville's inequality); a p-value looked at daily errs in
21 of 100 cases instead of 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats: TypeAlias = NDArray[np.float64]
BETA = 20
"""Both parameters of the prior on the split: a CPA half or twice as high is well inside it."""
# n conversions are a polynomial of degree n in the split; 64 nodes integrate degree 127 exactly.
_NODES = 64


@lru_cache(maxsize=1)
def _mixture() -> tuple[Floats, Floats]:
    """Log odds of the split and their weights: Gauss's nodes of Beta(BETA, BETA).

    Weights of sum one make an e-value of whatever nodes there are; these integrate the mixture
    exactly up to 127 conversions.
    """
    nodes, weights = special.roots_jacobi(_NODES, BETA - 1, BETA - 1)
    split = (np.asarray(nodes, dtype=float) + 1) / 2
    return np.log(split / (1 - split)), np.log(np.asarray(weights) / np.sum(weights))


def _log_likelihoods(first: ArrayLike, second: ArrayLike, share: ArrayLike) -> Floats:
    """By day (last axis but one) and node (last): log likelihood ratios, added up over the days."""
    a, b, p = (np.asarray(one, dtype=float)[..., None] for one in (first, second, share))
    log_odds, _ = _mixture()
    # Where only one side spent, the split says nothing.
    tells = (p > 0) & (p < 1)
    safe = np.where(tells, p, 0.5)
    shifted = special.logit(safe) + log_odds
    by_day = a * (special.log_expit(shifted) - np.log(safe)) + b * (
        special.log_expit(-shifted) - np.log1p(-safe)
    )
    return np.asarray(np.cumsum(np.where(tells, by_day, 0.0), axis=-2), dtype=float)


def dispersion(counts: ArrayLike, expected: ArrayLike, fitted: int = 1) -> float:
    """How much more counts vary than Poisson's law lets them: 1 where chance explains it.

    `fitted` numbers of the expectation were taken from the counts. Pearson's statistic by its
    degrees of freedom, believed once it is beyond what 19 of 20 series by that law show.
    """
    seen, mean = np.asarray(counts, dtype=float), np.asarray(expected, dtype=float)
    tells = mean > 0
    free = int(tells.sum()) - fitted
    if free < 1:
        return 1.0
    statistic = float(((seen[tells] - mean[tells]) ** 2 / mean[tells]).sum())
    return statistic / free if statistic > float(special.chdtri(free, 0.05)) else 1.0


def _bunching(first: Floats, second: Floats, share: Floats) -> float:
    """How much more the daily split varies than chance lets it, around the split as it is."""
    both, tells = first + second, (share > 0) & (share < 1)
    a, n, p = first[tells], both[tells], share[tells]
    if not n.sum() or not a.sum() or a.sum() == n.sum():
        return 1.0
    # The odds beyond the share of spend that explain all conversions together: by halving, as the
    # sum rises with them. exp(12) is further apart than two CPAs ever are.
    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        more = float((n * special.expit(special.logit(p) + middle)).sum()) < a.sum()
        low, high = (middle, high) if more else (low, middle)
    split = special.expit(special.logit(p) + low)
    # A binomial's variance by its mean, as dispersion() takes Poisson's.
    mean = n * split * (1 - split)
    return dispersion((a - n * split) + mean, mean)


def log_e_values(first: ArrayLike, second: ArrayLike, share: ArrayLike) -> Floats:
    """Log e-value against equal CPA after each day (the last axis).

    `first` and `second` are conversions of the two sides by day, `share` is the first side's share
    of both sides' spend that day: each day's split is weighed by its own share, then the days are
    multiplied.
    """
    _, log_weights = _mixture()
    summed = _log_likelihoods(first, second, share) + log_weights
    return np.asarray(special.logsumexp(summed, axis=-1), dtype=float)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two CPAs. `ratio` is the first over the second (2 is twice as dear), with its 90 % range.

    `bunching` is how much more the daily split varied than chance lets it; 1 where it did not.
    """

    e_value: float
    ratio: float
    ratio_low: float
    ratio_high: float
    bunching: float = 1.0


def compare(first: ArrayLike, second: ArrayLike, share: ArrayLike) -> Comparison:
    """Weigh two sides by their days so far; arguments as of `log_e_values`.

    Where conversions come in bunches, each counts for less: likelihoods to the power of
    1/`bunching`, which an e-value stays an e-value under.
    """
    log_odds, log_weights = _mixture()
    sides = (np.asarray(one, dtype=float) for one in (first, second, share))
    bunching = _bunching(*sides)
    last = _log_likelihoods(first, second, share)[-1] / bunching + log_weights
    # exp(710) is infinite, and JSON has no word for that.
    e_value = float(np.exp(min(float(special.logsumexp(last)), 700.0)))
    chances = special.softmax(last)
    # Conversions per spend of the first over the second are odds; CPA is the other way round.
    order = np.argsort(-log_odds)
    ratios, summed = np.exp(-log_odds[order]), np.cumsum(chances[order])
    low, middle, high = (
        float(ratios[min(int(np.searchsorted(summed, at)), len(ratios) - 1)])
        for at in (0.05, 0.5, 0.95)
    )
    return Comparison(e_value, middle, low, high, bunching)


def cpa_above(
    spend: ArrayLike, conversions: ArrayLike, limit: float, *, target: float, prior: float
) -> Any:
    """Probability that the CPA is above `limit`.

    Conversions are Poisson in spend, their rate has a Gamma prior around 1/`target` that weighs as
    much as `prior` conversions. Amounts are in one currency.
    """
    spent, made = np.asarray(spend, dtype=float), np.asarray(conversions, dtype=float)
    # Gamma is conjugate to Poisson: the posterior adds conversions to its shape and spend to its
    # rate. A CPA above the limit is a conversion rate below 1/limit.
    return special.gammainc(prior + made, (prior * target + spent) / limit)


def rate_fell(
    events: ArrayLike,
    chances: ArrayLike,
    events_before: ArrayLike,
    chances_before: ArrayLike,
    *,
    spread: float = 1.0,
) -> Any:
    """Probability that a rate is lower than it was, both unknown: normal for the log of the ratio.

    `events` out of `chances`, such as clicks out of impressions; half an event is added to each.
    `spread` is their dispersion: how much more days vary than by Poisson's law.
    """
    # Half an event each (Haldane and Anscombe): none at all has a logarithm, and small counts are
    # biased less.
    now, before = (np.asarray(one, dtype=float) + 0.5 for one in (events, events_before))
    ratio = np.log(now / np.asarray(chances, dtype=float)) - np.log(
        before / np.asarray(chances_before, dtype=float)
    )
    return special.ndtr(-ratio / np.sqrt(spread * (1 / now + 1 / before)))


def unusually_low(count: float, expected: ArrayLike) -> float:
    """Chance of at most `count` events, given what comparable days had.

    Negative binomial as the predictive of a Gamma-Poisson; wider where the days differed more than
    Poisson's law lets them.
    """
    days = np.asarray(expected, dtype=float)
    mean, number = float(days.mean()), len(days)
    spread = float(days.var(ddof=1)) if number > 1 else mean
    over = max(1.0, spread / mean) if mean > 0 else 1.0
    # Dividing by the dispersion makes both counts Poisson-like: quasi-likelihood. The half is
    # Jeffreys' prior of a Poisson rate.
    shape = mean * number / over + 0.5
    return float(special.betainc(shape, np.floor(count / over) + 1, number / (number + 1)))


def unusual_amount(amount: float, expected: ArrayLike, least_spread: float = 0.1) -> float:
    """Two-sided chance of an amount so far out: Student's t of the logs.

    `least_spread` is the spread of logs below which no series is believed to be that steady.
    """
    logs = np.log(np.asarray(expected, dtype=float))
    number = len(logs)
    # A new day differs by its own spread and by that of the mean it is compared with.
    spread = max(float(logs.std(ddof=1)), least_spread) * np.sqrt(1 + 1 / number)
    distance = abs(np.log(max(amount, 1e-9)) - float(logs.mean())) / spread
    return float(2 * special.stdtr(number - 1, -distance))
