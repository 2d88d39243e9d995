"""Costs: what calls of each shape really moved Meta's meters by, as view `call_cost` has it.

The view has a row for each very query (fields, filters and days count in), over all accounts and
the last 7 days: to make them is to add up every hour of every account. So syncs learn them once an
hour for all, into `call_weights`. A plan knows less of its calls, so `sync.limits.weights` pools
the rows of what it takes for one shape (level, breakdowns, daily, long or short), each by its
observations.
"""

from __future__ import annotations

from dataclasses import dataclass

from meta_pipeline.warehouse.connect import Store

_OBSERVED = """
    SELECT endpoint_key, query_shape, observed_weight::float8, observations::int
    FROM meta_ads.call_weights
    WHERE observed_weight IS NOT NULL
        -- An attempt that holds up to fifty calls says nothing of the price of one.
        AND endpoint_key NOT IN ('batch', 'objects_by_id')
"""
_IS_FRESH = "meta_ads.past(learned_at) > meta_ads.present() - interval '1 hour'"
# Who may not write, or lock, prices by what others have learned.
_IS_DUE = f"""
    SELECT NOT current_setting('transaction_read_only')::boolean
        AND has_table_privilege('meta_ads.call_weights', 'INSERT')
        AND has_table_privilege('meta_ads.call_weights', 'DELETE')
        AND has_function_privilege('pg_catalog.pg_try_advisory_xact_lock(bigint)', 'EXECUTE')
        AND NOT EXISTS (SELECT FROM meta_ads.call_weights WHERE {_IS_FRESH})
"""
_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('meta_ads:call_weights', 0))"
_FORGET = f"DELETE FROM meta_ads.call_weights WHERE ({_IS_FRESH}) IS NOT TRUE"
# Asked again, as another may have learned them between the question and the turn.
_LEARN = """
    INSERT INTO meta_ads.call_weights (endpoint_key, params_hash, query_shape, accounts,
        observations, observed_weight, learned_at)
    SELECT endpoint_key, params_hash, query_shape, accounts, compared, observed_weight,
        meta_ads.present()
    FROM meta_ads.call_cost
    WHERE NOT EXISTS (SELECT FROM meta_ads.call_weights)
"""


@dataclass(frozen=True, slots=True)
class ObservedWeight:
    """The weight that calls of one query turned out to have, and how many calls say so."""

    endpoint_key: str
    query_shape: str
    weight: float
    observations: int


class CostStore(Store):
    """`call_weights`, learned from `call_cost`."""

    def learn(self) -> None:
        """Learn anew what calls cost where that is older than an hour; waits for nobody.

        While another is at it, and for a user who may not write, it stays as it is.
        """
        with self._using() as connection, connection.transaction():
            for needed in (_IS_DUE, _TURN):
                row = connection.execute(needed).fetchone()
                if row is None or not row[0]:
                    return
            connection.execute(_FORGET)
            connection.execute(_LEARN)

    def observed(self) -> list[ObservedWeight]:
        """Every query with enough observations, as they were last learned; a handful of rows."""
        with self._using() as connection:
            return [ObservedWeight(*row) for row in connection.execute(_OBSERVED)]
