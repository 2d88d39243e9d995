"""What calls cost, from the shape of their queries (mission B3).

The record of a call carries the configured guess. A plan is priced with what calls of the same
shape really moved Meta's meters by, as soon as there are enough of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from meta_pipeline.custom_reports.report import DEFAULT_ACTION_BREAKDOWNS
from meta_pipeline.governor import QueryShape, Weights, blend, weight
from meta_pipeline.graph import Attempt
from meta_pipeline.sync.plan.plan import Plan
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.warehouse import ObservedWeight


def weight_of(attempt: Attempt, weights: Weights) -> float:
    """What the attempt costs by the configured weights, times what Meta counts it as."""
    shape = QueryShape.of_words(attempt.endpoint_key, attempt.query_shape)
    return attempt.counted_calls * weight(shape, weights)


@dataclass(frozen=True)
class Prices:
    """The price of each shape of call: the guess, and what was seen (weight, observations)."""

    weights: Weights
    seen: dict[str, tuple[float, int]] = field(default_factory=dict)

    @classmethod
    def learned(cls, weights: Weights, observed: Iterable[ObservedWeight]) -> Prices:
        """Prices from `call_cost`; rows of one shape are averaged by their observations."""
        sums: dict[str, tuple[float, int]] = {}
        for one in observed:
            key = QueryShape.of_words(one.endpoint_key, one.query_shape).key
            total, count = sums.get(key, (0.0, 0))
            sums[key] = (total + one.weight * one.observations, count + one.observations)
        return cls(weights, {key: (total / count, count) for key, (total, count) in sums.items()})

    def of(self, shape: QueryShape) -> float:
        """The price of one call of the shape; a plain entity call guessed at is 1."""
        seen, count = self.seen.get(shape.key, (None, 0))
        return blend(weight(shape, self.weights), seen, count)

    def of_window(self, window: Window) -> float:
        """What reading a window is expected to cost."""
        # Only those that are asked for: the default is not (`InsightsEdge`).
        report = window.dataset.report
        asked = report.action_breakdowns if report else DEFAULT_ACTION_BREAKDOWNS
        shape = QueryShape(
            insights=True,
            level=window.dataset.level,
            breakdowns=window.dataset.breakdowns,
            action_breakdowns=(() if asked == DEFAULT_ACTION_BREAKDOWNS else tuple(sorted(asked))),
            daily=window.dataset.is_daily,
            days=window.days,
        )
        return window.calls * self.of(shape)

    def of_plan(self, plan: Plan) -> float:
        """What a plan is expected to cost; days that are sized later are not in it."""
        entities = plan.edge_calls * self.of(QueryShape())
        return entities + sum(self.of_window(window) for window in plan.windows)
