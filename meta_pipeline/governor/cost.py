"""What a call costs: a configured guess by its shape, moved to what calls of it turned out to cost.

What that was is counted in one place, view `call_cost` of the warehouse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from meta_pipeline.model.usage import ADS_INSIGHTS, use_case_of

# What `long_window` of META_COST_WEIGHTS is about: a quarter and more in one answer.
LONG_WINDOW_DAYS = 90
# Fewer say more about who else was calling than about the shape.
ENOUGH_OBSERVATIONS = 10
# The guess counts as much as so many observations; after hundreds it hardly counts.
_PRIOR_OBSERVATIONS = 20


@dataclass(frozen=True, slots=True)
class QueryShape:
    """What makes two calls cost alike: kind, level, breakdowns, rows a day, days asked for."""

    insights: bool = False
    level: str = ""
    breakdowns: tuple[str, ...] = ()
    action_breakdowns: tuple[str, ...] = ()
    daily: bool = False
    days: int = 1

    @classmethod
    def of_words(cls, endpoint_key: str, query_shape: str) -> QueryShape:
        """The shape in `meta_api_logs`: `level=ad increment=1 days=7 breakdowns=age,gender`."""
        words = dict(word.split("=", 1) for word in query_shape.split() if "=" in word)
        days = words.get("days", "1")
        return cls(
            insights=use_case_of(endpoint_key) == ADS_INSIGHTS,
            level=words.get("level", ""),
            breakdowns=_listed(words.get("breakdowns")),
            action_breakdowns=_listed(words.get("action_breakdowns")),
            daily=words.get("increment") == "1",
            days=int(days) if days.isdigit() else 1,
        )

    @property
    def key(self) -> str:
        """The shape as a short text without the number of days beyond long or short."""
        if not self.insights:
            return "entity"
        parts = ["insights", self.level or "account", "daily" if self.daily else "total"]
        parts += ["long"] if self.days >= LONG_WINDOW_DAYS else []
        parts += [f"by {','.join(self.breakdowns)}"] if self.breakdowns else []
        parts += (
            [f"actions by {','.join(self.action_breakdowns)}"] if self.action_breakdowns else []
        )
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Weights:
    """The configured guess: what a property of a query multiplies its weight by (mission.md B3)."""

    entity: float = 1.0
    insights: float = 1.0
    breakdowns: float = 3.0
    daily: float = 5.0
    long_window: float = 2.0
    action_breakdowns: float = 4.0


def weight(shape: QueryShape, weights: Weights | None = None) -> float:
    """The configured weight of one call of the shape; a plain call is 1."""
    guess = weights or Weights()
    if not shape.insights:
        return guess.entity
    factors = (
        (bool(shape.breakdowns), guess.breakdowns),
        (shape.daily, guess.daily),
        (shape.days >= LONG_WINDOW_DAYS, guess.long_window),
        (bool(shape.action_breakdowns), guess.action_breakdowns),
    )
    return guess.insights * math.prod(factor for applies, factor in factors if applies)


def blend(prior: float, observed: float | None, count: int) -> float:
    """Guess and observation in one weight: the guess until ten observations, then ever less.

    Meta reports whole percents, so a cheap call moves a meter by 0 ninety-nine times and by 1
    once: single observations say little, their mean is right.
    """
    if observed is None or count < ENOUGH_OBSERVATIONS:
        return prior
    return (prior * _PRIOR_OBSERVATIONS + observed * count) / (_PRIOR_OBSERVATIONS + count)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(sorted(text.split(","))) if text else ()
