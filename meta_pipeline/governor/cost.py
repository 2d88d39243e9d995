"""What a call costs: a configured guess by its shape, and what calls of it really moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

LONG_WINDOW_DAYS = 90
ENOUGH_OBSERVATIONS = 10
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
            insights=endpoint_key.startswith(("insights", "report")),
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


@dataclass(frozen=True, slots=True)
class Observed:
    """What calls of one shape moved one meter: percentage points a call."""

    count: int = 0
    mean_pct: float = 0.0
    squares: float = 0.0

    def add(self, moved_pct: float) -> Observed:
        """With one more observation (Welford's update)."""
        count = self.count + 1
        off = moved_pct - self.mean_pct
        mean = self.mean_pct + off / count
        return replace(
            self, count=count, mean_pct=mean, squares=self.squares + off * (moved_pct - mean)
        )

    @property
    def spread_pct(self) -> float:
        """Standard deviation of one observation; 0 while there are fewer than two."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else 0.0

    @property
    def is_enough(self) -> bool:
        return self.count >= ENOUGH_OBSERVATIONS


class ObservedCosts:
    """Learns from readings before and after calls what each shape moves each meter by.

    Meta reports whole percents, so a cheap call moves a meter by 0 ninety-nine times and by 1
    once: single observations say little, their mean is right. A fall is the hour freeing, not a
    price, and is left out.
    """

    def __init__(self, weights: Weights | None = None) -> None:
        self._weights = weights or Weights()
        self._seen: dict[tuple[str, str], Observed] = {}
        self._guessed: dict[str, float] = {}
        self._points: dict[str, float] = {}

    def add(self, shape: QueryShape, use_case: str, before_pct: float, after_pct: float) -> None:
        """One call of `shape` alone between two readings of the meter of `use_case`."""
        moved = after_pct - before_pct
        if not math.isfinite(moved) or moved < 0:
            return
        slot = (shape.key, use_case)
        self._seen[slot] = self._seen.get(slot, Observed()).add(moved)
        guess = weight(shape, self._weights)
        self._guessed[use_case] = self._guessed.get(use_case, 0.0) + guess
        self._points[use_case] = self._points.get(use_case, 0.0) + moved

    def of(self, shape: QueryShape, use_case: str) -> Observed:
        """What was seen of the shape on that meter."""
        return self._seen.get((shape.key, use_case), Observed())

    def observed_weight(self, shape: QueryShape, use_case: str) -> float | None:
        """The observed price in the unit of the guesses; None where nothing moved yet.

        The unit is what weight 1 moved the meter by, over all calls seen on it.
        """
        points, guessed = self._points.get(use_case, 0.0), self._guessed.get(use_case, 0.0)
        seen = self.of(shape, use_case)
        if points <= 0 or guessed <= 0 or seen.count == 0:
            return None
        return seen.mean_pct * guessed / points

    def weight(self, shape: QueryShape, use_case: str) -> float:
        """The weight a plan should use: the guess, moved to the observed where that is enough."""
        seen = self.of(shape, use_case)
        guess = weight(shape, self._weights)
        return blend(guess, self.observed_weight(shape, use_case), seen.count)


def blend(prior: float, observed: float | None, count: int) -> float:
    """Guess and observation in one weight: the guess until ten observations, then ever less."""
    if observed is None or count < ENOUGH_OBSERVATIONS:
        return prior
    return (prior * _PRIOR_OBSERVATIONS + observed * count) / (_PRIOR_OBSERVATIONS + count)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(sorted(text.split(","))) if text else ()
