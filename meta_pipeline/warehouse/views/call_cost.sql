-- One row per query shape seen in the period (7 days, or meta_ads.report_days): its configured
-- weight beside what its calls really moved Meta's meters by. A call's movement is the rise of a
-- meter since the account's previous reading of the same use case, at most a minute old; falls (old
-- calls leaving the rolling hour) are left out.
-- endpoint_key: Endpoint
-- query_shape: The query in words
-- params_hash: Hash of the query shape
-- calls: Attempts
-- throttled_calls: Attempts Meta refused for a limit
-- accounts: Ad accounts that were asked
-- rows_per_call: Average rows of an answered attempt
-- latency_avg_ms: Average latency
-- configured_weight: Average cost by the configured weights
-- observations: Attempts whose movement could be seen
-- moved_pct: Average movement of the meter that moved most, in percentage points
-- moved_spread_pct: Standard deviation of that movement
-- account_moved_pct: Average movement of the account's own score
-- use_case_moved_pct: Average movement of the use case the calls draw on
-- insights_moved_pct: Average movement of the insights throttle
-- observed_weight: moved_pct in units of what calls of weight 1 move the same meters by; null
-- without ten observations of at least two shapes to compare
-- verdict: about right, guess too low, guess too high (by more than half), or not enough data
WITH shape AS (
    SELECT
        endpoint_key,
        max(query_shape) AS query_shape,
        params_hash,
        meta_ads.use_case_of(endpoint_key) AS use_case,
        sum(calls) AS calls,
        sum(throttled_calls) AS throttled_calls,
        count(DISTINCT nullif(account_id, '')) AS accounts,
        sum(rows) / nullif(sum(calls) FILTER (WHERE outcome = 'ok'), 0) AS rows_per_call,
        sum(latency_ms) / sum(calls) AS latency_avg_ms,
        sum(weighted_cost) / sum(calls) AS configured_weight,
        sum(observations) AS observations,
        sum(moved_pct) / nullif(sum(observations), 0) AS moved_pct,
        sum(moved_pct_squared) AS squares,
        CASE WHEN max(account_pct) IS NOT NULL
            THEN sum(account_moved_pct) / nullif(sum(observations), 0) END AS account_moved_pct,
        CASE WHEN max(use_case_pct) IS NOT NULL
            THEN sum(use_case_moved_pct) / nullif(sum(observations), 0) END AS use_case_moved_pct,
        CASE WHEN max(insights_account_pct) IS NOT NULL
            THEN sum(insights_moved_pct) / nullif(sum(observations), 0) END AS insights_moved_pct
    FROM meta_ads.meta_api_hours
    WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
    GROUP BY endpoint_key, params_hash
),
unit AS (
    -- What weight 1 moves the meters of a use case by, over all of its calls that were seen.
    SELECT
        use_case,
        sum(moved_pct * observations) / nullif(sum(configured_weight * observations), 0) AS pct,
        count(*) FILTER (WHERE observations >= 10) AS shapes
    FROM shape
    GROUP BY use_case
),
compared AS (
    SELECT shape.*, CASE WHEN shape.observations >= 10 AND unit.shapes >= 2
        THEN shape.moved_pct / nullif(unit.pct, 0) END AS observed_weight
    FROM shape JOIN unit USING (use_case)
)
SELECT
    endpoint_key,
    query_shape,
    params_hash,
    calls::bigint AS calls,
    throttled_calls::bigint AS throttled_calls,
    accounts,
    round(rows_per_call, 1) AS rows_per_call,
    round(latency_avg_ms, 1) AS latency_avg_ms,
    round(configured_weight, 3) AS configured_weight,
    observations::bigint AS observations,
    round(moved_pct, 4) AS moved_pct,
    round(sqrt(greatest(squares - observations * moved_pct ^ 2, 0) / nullif(observations - 1, 0)), 4)
        AS moved_spread_pct,
    round(account_moved_pct, 4) AS account_moved_pct,
    round(use_case_moved_pct, 4) AS use_case_moved_pct,
    round(insights_moved_pct, 4) AS insights_moved_pct,
    round(observed_weight, 3) AS observed_weight,
    CASE
        WHEN observed_weight IS NULL THEN 'not enough data'
        WHEN observed_weight > configured_weight * 1.5 THEN 'guess too low'
        WHEN observed_weight < configured_weight / 1.5 THEN 'guess too high'
        ELSE 'about right'
    END AS verdict
FROM compared
