"""The configured weight of a call, from the shape of its query (mission B3)."""

from __future__ import annotations

from meta_pipeline.governor import QueryShape, weight
from meta_pipeline.graph import Attempt

from .insights import Window
from .plan import Plan


def weight_of(attempt: Attempt) -> float:
    """What the attempt costs by the configured weights, times what Meta counts it as."""
    shape = QueryShape.of_words(attempt.endpoint_key, attempt.query_shape)
    return attempt.counted_calls * weight(shape)


def weight_of_window(window: Window) -> float:
    """What reading a window of daily rows is expected to cost by the same weights."""
    shape = QueryShape(
        insights=True,
        level=window.dataset.level,
        breakdowns=window.dataset.breakdowns,
        daily=True,
        days=window.days,
    )
    return window.calls * weight(shape)


def weight_of_plan(plan: Plan) -> float:
    """What a plan is expected to cost; days that are sized later are not in it."""
    return plan.edge_calls + sum(weight_of_window(window) for window in plan.windows)
