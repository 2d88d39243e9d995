"""Costs: what calls of each shape really moved Meta's meters by, as view `call_cost` has it."""

from __future__ import annotations

from dataclasses import dataclass

from .connect import Store

_OBSERVED = """
    SELECT endpoint_key, query_shape, observed_weight::float8, observations::int
    FROM meta_ads.call_cost
    WHERE observed_weight IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class ObservedWeight:
    """The weight that calls of one shape turned out to have, and how many calls say so."""

    endpoint_key: str
    query_shape: str
    weight: float
    observations: int


class CostStore(Store):
    """`call_cost`."""

    def observed(self) -> list[ObservedWeight]:
        """Every shape with enough observations; a handful of rows, from the hourly totals."""
        with self._using() as connection:
            return [ObservedWeight(*row) for row in connection.execute(_OBSERVED)]
