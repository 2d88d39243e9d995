"""The configured weight of a call, from the shape of its query (mission B3)."""

from __future__ import annotations

from meta_pipeline.governor import QueryShape, Weights, weight
from meta_pipeline.graph import Attempt

from .insights import Window
from .plan import Plan


def weight_of(attempt: Attempt, weights: Weights) -> float:
    """What the attempt costs by the configured weights, times what Meta counts it as."""
    shape = QueryShape.of_words(attempt.endpoint_key, attempt.query_shape)
    return attempt.counted_calls * weight(shape, weights)


def weight_of_window(window: Window, weights: Weights) -> float:
    """What reading a window of daily rows is expected to cost by the same weights."""
    shape = QueryShape(
        insights=True,
        level=window.dataset.level,
        breakdowns=window.dataset.breakdowns,
        daily=True,
        days=window.days,
    )
    return window.calls * weight(shape, weights)


def weight_of_plan(plan: Plan, weights: Weights) -> float:
    """What a plan is expected to cost; days that are sized later are not in it."""
    entities = plan.edge_calls * weights.entity
    return entities + sum(weight_of_window(window, weights) for window in plan.windows)


def weights_from(text: str) -> Weights:
    """The weights of the setting `name=number,...`; names that are left out keep their guess."""
    pairs = (part.split("=") for part in text.split(","))
    return Weights(**{name.strip(): float(number) for name, number in pairs})
