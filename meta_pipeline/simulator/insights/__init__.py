"""The numbers: what ads delivered, broken down and added up as insights show it (FACTS §5)."""

from meta_pipeline.simulator.insights.answer import (
    FILTERABLE,
    asks_old_reach,
    count,
    rows,
    spoiled,
    summary,
)
from meta_pipeline.simulator.insights.query import InsightsQuery

__all__ = [
    "FILTERABLE",
    "InsightsQuery",
    "asks_old_reach",
    "count",
    "rows",
    "spoiled",
    "summary",
]
