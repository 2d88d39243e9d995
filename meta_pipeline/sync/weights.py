"""The configured weight of a call, from the shape of its query (mission B3)."""

from __future__ import annotations

from meta_pipeline.graph import Attempt


def weight_of(attempt: Attempt) -> float:
    """What the attempt costs by the configured weights, times what Meta counts it as."""
    words = dict(word.split("=", 1) for word in attempt.query_shape.split() if "=" in word)
    weight = float(attempt.counted_calls)
    if not attempt.endpoint_key.startswith(("insights_", "report_create")):
        return weight
    weight *= 3 if "breakdowns" in words else 1
    weight *= 5 if words.get("increment") == "1" else 1
    weight *= 2 if int(words.get("days", "1")) >= 90 else 1
    weight *= 4 if "action_breakdowns" in words else 1
    return weight
