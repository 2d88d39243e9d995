"""The configured weight of a call, from the shape of its query (mission B3)."""

from __future__ import annotations

from meta_pipeline.graph import Attempt

from .insights import Window

_BREAKDOWNS, _DAILY_ROWS, _LONG_WINDOW, _ACTION_BREAKDOWNS = 3, 5, 2, 4
_LONG_WINDOW_DAYS = 90


def weight_of(attempt: Attempt) -> float:
    """What the attempt costs by the configured weights, times what Meta counts it as."""
    words = dict(word.split("=", 1) for word in attempt.query_shape.split() if "=" in word)
    weight = float(attempt.counted_calls)
    if not attempt.endpoint_key.startswith(("insights_", "report_create")):
        return weight
    weight *= _BREAKDOWNS if "breakdowns" in words else 1
    weight *= _DAILY_ROWS if words.get("increment") == "1" else 1
    weight *= _LONG_WINDOW if int(words.get("days", "1")) >= _LONG_WINDOW_DAYS else 1
    weight *= _ACTION_BREAKDOWNS if "action_breakdowns" in words else 1
    return weight


def weight_of_window(window: Window) -> float:
    """What reading a window of daily rows is expected to cost by the same weights."""
    weight = float(window.calls) * _DAILY_ROWS
    weight *= _BREAKDOWNS if window.dataset.breakdowns else 1
    return weight * (_LONG_WINDOW if window.days >= _LONG_WINDOW_DAYS else 1)
