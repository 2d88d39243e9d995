-- One row per query shape seen in the last 7 days: its configured weight beside what its calls really
-- moved Meta's meters by. A call's movement is the rise of a meter since the account's previous
-- reading, at most a minute old; falls (old calls leaving the rolling hour) are left out.
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
-- account_moved_pct: Average movement of the account's own meter
-- use_case_moved_pct: Average movement of the worst use case meter
-- insights_moved_pct: Average movement of the insights throttle
-- observed_weight: moved_pct in units of what calls of weight 1 move; null without enough to compare
-- verdict: about right, guess too low, guess too high (by more than half), or not enough data
WITH metered AS (
    SELECT
        id, account_id, endpoint_key, query_shape, params_hash, status_code, throttled,
        latency_ms, rows, weighted_cost, "timestamp",
        ((usage_headers ->> 'x-ad-account-usage')::jsonb ->> 'acc_id_util_pct')::numeric
            AS account_pct,
        (
            SELECT max(value::numeric)
            FROM jsonb_path_query(
                (usage_headers ->> 'x-business-use-case-usage')::jsonb,
                '$.*[*].keyvalue() ? (@.key == "call_count" || @.key == "total_time" ||
                    @.key == "total_cputime").value ? (@.type() == "number")'
            ) AS value
        ) AS use_case_pct,
        ((usage_headers ->> 'x-fb-ads-insights-throttle')::jsonb ->> 'acc_id_util_pct')::numeric
            AS insights_pct
    FROM meta_ads.meta_api_logs
    WHERE "timestamp" > now() - interval '7 days'
),
moved AS (
    SELECT
        *,
        CASE WHEN is_near THEN account_pct - lag(account_pct) OVER previous END AS account_delta,
        CASE WHEN is_near THEN use_case_pct - lag(use_case_pct) OVER previous END
            AS use_case_delta,
        CASE WHEN is_near THEN insights_pct - lag(insights_pct) OVER previous END
            AS insights_delta
    FROM (
        SELECT *, "timestamp" - lag("timestamp") OVER (
            PARTITION BY account_id ORDER BY "timestamp", id
        ) <= interval '1 minute' AS is_near
        FROM metered
    ) AS near
    WINDOW previous AS (PARTITION BY account_id ORDER BY "timestamp", id)
),
shape AS (
    SELECT
        endpoint_key,
        query_shape,
        params_hash,
        count(*) AS calls,
        count(*) FILTER (WHERE throttled) AS throttled_calls,
        count(DISTINCT account_id) AS accounts,
        avg(rows) FILTER (WHERE status_code = 200) AS rows_per_call,
        avg(latency_ms) AS latency_avg_ms,
        avg(weighted_cost) AS configured_weight,
        count(*) FILTER (WHERE rise IS NOT NULL) AS observations,
        avg(rise) AS moved_pct,
        stddev_samp(rise) AS moved_spread_pct,
        avg(account_delta) FILTER (WHERE account_delta >= 0) AS account_moved_pct,
        avg(use_case_delta) FILTER (WHERE use_case_delta >= 0) AS use_case_moved_pct,
        avg(insights_delta) FILTER (WHERE insights_delta >= 0) AS insights_moved_pct
    FROM (
        SELECT *, greatest(
            CASE WHEN account_delta >= 0 THEN account_delta END,
            CASE WHEN use_case_delta >= 0 THEN use_case_delta END,
            CASE WHEN insights_delta >= 0 THEN insights_delta END
        ) AS rise
        FROM moved
    ) AS risen
    GROUP BY endpoint_key, query_shape, params_hash
),
base AS (
    SELECT sum(moved_pct * observations) / nullif(sum(observations), 0) AS moved_pct,
        sum(observations) AS observations
    FROM shape
    WHERE round(configured_weight, 6) = 1
),
compared AS (
    SELECT
        shape.*,
        CASE WHEN shape.observations >= 20 AND base.observations >= 20
            THEN shape.moved_pct / nullif(base.moved_pct, 0) END AS observed_weight
    FROM shape CROSS JOIN base
)
SELECT
    endpoint_key,
    query_shape,
    params_hash,
    calls,
    throttled_calls,
    accounts,
    round(rows_per_call, 1) AS rows_per_call,
    round(latency_avg_ms, 1) AS latency_avg_ms,
    round(configured_weight, 3) AS configured_weight,
    observations,
    round(moved_pct, 4) AS moved_pct,
    round(moved_spread_pct, 4) AS moved_spread_pct,
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
