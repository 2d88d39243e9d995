-- One row per query shape seen in the period (7 days, or meta_ads.report_days), over all accounts:
-- its configured weight beside what its calls really moved Meta's meters by. A call's movement is the
-- rise of a meter since the account's previous reading of the same use case, at most a minute old;
-- falls (old calls leaving the rolling hour) are left out. A point of a big account's meter is more
-- calls than a point of a small one's, so shapes are compared within each account and use case, and
-- only then added up
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
-- observed_weight: What the compared attempts moved, in units of what attempts of weight 1 would have
-- moved the same accounts' meters by; null without ten of them for each of at least two shapes
-- verdict: about right, guess too low, guess too high (by more than half, and more than chance
-- explains), or not enough data
-- compared: Observations on accounts whose meter moved and that saw another shape as well
-- observed_margin: Two standard errors of observed_weight: so far chance alone may take it
WITH seen AS (
    SELECT
        endpoint_key,
        params_hash,
        account_id,
        max(query_shape) AS query_shape,
        meta_ads.use_case_of(endpoint_key) AS use_case,
        sum(calls) AS calls,
        sum(throttled_calls) AS throttled_calls,
        sum(rows) AS rows,
        sum(calls) FILTER (WHERE outcome = 'ok') AS answered,
        sum(latency_ms) AS latency_ms,
        sum(weighted_cost) AS weighted_cost,
        sum(observations) AS observations,
        sum(moved_pct) AS moved,
        sum(moved_pct_squared) AS squares,
        CASE WHEN max(account_pct) IS NOT NULL THEN sum(account_moved_pct) END AS account_moved,
        CASE WHEN max(use_case_pct) IS NOT NULL THEN sum(use_case_moved_pct) END AS use_case_moved,
        CASE WHEN max(insights_account_pct) IS NOT NULL
            THEN sum(insights_moved_pct) END AS insights_moved
    FROM meta_ads.meta_api_hours
    WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
    GROUP BY endpoint_key, params_hash, account_id
),
unit AS (
    -- What weight 1 moves the meters of an account's use case by; nothing to compare is no unit.
    SELECT
        account_id,
        use_case,
        sum(moved) / sum(weighted_cost / calls * observations) AS pct
    FROM seen
    WHERE observations > 0
    GROUP BY account_id, use_case
    HAVING count(*) > 1 AND sum(moved) > 0 AND sum(weighted_cost / calls * observations) > 0
),
shape AS (
    SELECT
        endpoint_key,
        max(query_shape) AS query_shape,
        params_hash,
        max(use_case) AS use_case,
        sum(calls) AS calls,
        sum(throttled_calls) AS throttled_calls,
        count(DISTINCT nullif(account_id, '')) AS accounts,
        sum(rows) / nullif(sum(answered), 0) AS rows_per_call,
        sum(latency_ms) / sum(calls) AS latency_avg_ms,
        sum(weighted_cost) / sum(calls) AS configured_weight,
        sum(observations) AS observations,
        sum(moved) / nullif(sum(observations), 0) AS moved_pct,
        sum(squares) AS squares,
        sum(account_moved) / nullif(sum(observations), 0) AS account_moved_pct,
        sum(use_case_moved) / nullif(sum(observations), 0) AS use_case_moved_pct,
        sum(insights_moved) / nullif(sum(observations), 0) AS insights_moved_pct,
        coalesce(sum(observations) FILTER (WHERE unit.pct IS NOT NULL), 0) AS compared,
        sum(moved) FILTER (WHERE unit.pct IS NOT NULL) AS compared_moved,
        sum(observations * unit.pct) AS weight_1_moves,
        -- Of the sum over the accounts; whole percents, so never surer than by one point.
        greatest(1, sqrt(sum(CASE WHEN unit.pct IS NOT NULL THEN
            observations * greatest(squares - moved ^ 2 / nullif(observations, 0), 0)
            / greatest(observations - 1, 1) END))) AS standard_error
    FROM seen LEFT JOIN unit USING (account_id, use_case)
    GROUP BY endpoint_key, params_hash
),
compared AS (
    SELECT
        *,
        CASE WHEN is_enough THEN compared_moved / weight_1_moves END AS observed_weight,
        CASE WHEN is_enough THEN 2 * standard_error / weight_1_moves END AS observed_margin
    FROM (
        SELECT *, compared >= 10
            AND count(*) FILTER (WHERE compared >= 10) OVER (PARTITION BY use_case) >= 2
            AS is_enough
        FROM shape
    ) AS counted
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
        WHEN observed_weight - observed_margin > configured_weight * 1.5 THEN 'guess too low'
        WHEN observed_weight + observed_margin < configured_weight / 1.5 THEN 'guess too high'
        WHEN observed_weight BETWEEN configured_weight / 1.5 AND configured_weight * 1.5
            THEN 'about right'
        ELSE 'not enough data'
    END AS verdict,
    compared::bigint AS compared,
    round(observed_margin, 3) AS observed_margin
FROM compared
