"""Costs: what calls of each shape really moved Meta's meters by, as view `call_cost` has it.

The view has a row for each very query (fields, filters and days count in), over all accounts and
the last 7 days. A plan knows less of its calls, so `sync.weights` pools the rows of what it takes
for one shape (level, breakdowns, daily, long or short), each by its observations.
"""

from __future__ import annotations

from dataclasses import dataclass

from meta_pipeline.warehouse.connect import Store

_OBSERVED = """
    SELECT endpoint_key, query_shape, observed_weight::float8, compared::int
    FROM meta_ads.call_cost
    WHERE observed_weight IS NOT NULL
        -- An attempt that holds up to fifty calls says nothing of the price of one.
        AND endpoint_key NOT IN ('batch', 'objects_by_id')
"""


@dataclass(frozen=True, slots=True)
class ObservedWeight:
    """The weight that calls of one query turned out to have, and how many calls say so."""

    endpoint_key: str
    query_shape: str
    weight: float
    observations: int


class CostStore(Store):
    """`call_cost`."""

    def observed(self) -> list[ObservedWeight]:
        """Every query with enough observations; a handful of rows, from the hourly totals."""
        with self._using() as connection:
            return [ObservedWeight(*row) for row in connection.execute(_OBSERVED)]
