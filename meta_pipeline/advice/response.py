"""Response: results follow spend to the power of beta; what the next result costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

PRIOR_BETA, PRIOR_BETA_SPREAD = 0.8, 0.25
"""Where beta is believed to be before the data says more: returns diminish, not steeply."""


@dataclass(frozen=True, slots=True)
class Response:
    """results = exp(level) * (spend / typical)^beta, with the covariance of level and beta."""

    level: float
    beta: float
    typical: float
    covariance: tuple[tuple[float, float], tuple[float, float]]

    def results(self, spend: float) -> float:
        """Results a day at this spend."""
        return float(np.exp(self.level) * (spend / self.typical) ** self.beta)

    def marginal_cost(self, spend: float) -> float:
        """What one more result costs at this spend."""
        # The slope of results(spend) is beta * results / spend; this is its inverse.
        return spend / (self.beta * self.results(spend))

    def log_spread(self, spend: float) -> float:
        """Standard deviation of the marginal cost's logarithm."""
        # Delta method: the logarithm's slopes by level and by beta, both of them negative.
        slope = np.array([1.0, np.log(spend / self.typical) + 1 / self.beta])
        return float(np.sqrt(slope @ np.array(self.covariance) @ slope))


def fit(spend: ArrayLike, results: ArrayLike) -> Response:
    """The response by days: Poisson, by Newton's method, beta held near its prior by few days.

    Days without spend are left out. Days that differ more than Poisson's law lets them widen the
    covariance.
    """
    x, y = np.asarray(spend, dtype=float), np.asarray(results, dtype=float)
    x, y = x[x > 0], y[x > 0]
    typical = float(np.exp(np.log(x).mean()))
    design = np.column_stack([np.ones_like(x), np.log(x / typical)])
    # Nothing is believed of the level: so little only keeps the matrix invertible.
    prior = np.diag([1e-6, PRIOR_BETA_SPREAD**-2])
    middle = np.array([0.0, PRIOR_BETA])
    at = np.array([np.log(max(float(y.mean()), 1e-3)), PRIOR_BETA])
    for _ in range(50):
        mean = np.exp(design @ at)
        slope = design.T @ (y - mean) - prior @ (at - middle)
        step = np.linalg.solve(design.T @ (design * mean[:, None]) + prior, slope)
        # From a poor start a whole step overshoots, and exp() of it overflows.
        at = at + np.clip(step, -1, 1)
        if float(np.abs(step).max()) < 1e-9:
            break
    mean = np.exp(design @ at)
    over = max(1.0, float(((y - mean) ** 2 / mean).sum()) / max(len(y) - 2, 1))
    covariance = np.linalg.inv(design.T @ (design * mean[:, None]) / over + prior)
    rows = [[float(one) for one in row] for row in covariance]
    pair = ((rows[0][0], rows[0][1]), (rows[1][0], rows[1][1]))
    # Below a twentieth the next unit would cost without bound: the data cannot say that.
    return Response(float(at[0]), max(float(at[1]), 0.05), typical, pair)


def gain_of_move(
    giver: Response, taker: Response, spends: tuple[float, float], amount: float
) -> tuple[float, float]:
    """Results a day gained by moving `amount` of spend, and the probability of any gain."""
    gave, took = spends
    gained = (
        taker.results(took + amount)
        - taker.results(took)
        + giver.results(max(gave - amount, 1e-9))
        - giver.results(gave)
    )
    apart = np.log(giver.marginal_cost(gave)) - np.log(taker.marginal_cost(took))
    spread = float(np.hypot(giver.log_spread(gave), taker.log_spread(took)))
    return gained, float(special.ndtr(apart / spread))
