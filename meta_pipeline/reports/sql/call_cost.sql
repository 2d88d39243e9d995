-- title: Cost of a call: guess and observation
-- question: Do the configured weights fit what calls really cost, and where are they wrong?
-- minimum: 10
-- endpoint_key: Endpoint
-- query_shape: The query in words
-- calls: Attempts
-- configured_weight: The guess: average cost by the configured weights
-- observed_weight: What these calls moved Meta's meters by, in the same unit
-- moved_pct: Average movement in percentage points
-- spread_pct: Standard deviation of the movement
-- verdict: about right, guess too low or too high (by more than half, and chance alone does not explain it), or not enough data
-- observations: Attempts whose movement could be seen
SELECT
    endpoint_key,
    query_shape,
    calls,
    configured_weight,
    observed_weight,
    moved_pct,
    moved_spread_pct AS spread_pct,
    verdict,
    observations
FROM meta_ads.call_cost
ORDER BY verdict = 'not enough data', calls DESC, endpoint_key, query_shape
LIMIT 50
