-- title: Latency
-- question: How long do calls take: usually, and when they are slow?
-- minimum: 20
-- endpoint_key: Endpoint, or all endpoints
-- calls: Attempts that got an answer
-- p50_ms: Half of the calls were faster
-- p95_ms: 19 of 20 calls were faster; needs 20 calls
-- p99_ms: 99 of 100 calls were faster; needs 100 calls. All three are right within 2.5 %
-- slowest_ms: The slowest call
-- observations: Attempts that got an answer
WITH step AS (
    SELECT endpoint_key, step, sum(calls) AS calls, grouping(endpoint_key) AS is_all
    FROM meta_ads.meta_api_latency_hours
    WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
    GROUP BY GROUPING SETS ((endpoint_key, step), (step))
),
ranked AS (
    SELECT
        *,
        1.05 ^ (step + 0.5) AS latency_ms,
        sum(calls) OVER (PARTITION BY is_all, endpoint_key ORDER BY step) AS below,
        sum(calls) OVER (PARTITION BY is_all, endpoint_key) AS total
    FROM step
)
SELECT
    CASE WHEN is_all = 1 THEN 'all endpoints' ELSE endpoint_key END AS endpoint_key,
    sum(calls)::bigint AS calls,
    round(min(latency_ms) FILTER (WHERE below >= 0.5 * total)) AS p50_ms,
    round(min(latency_ms) FILTER (WHERE below >= 0.95 * total AND total >= 20)) AS p95_ms,
    round(min(latency_ms) FILTER (WHERE below >= 0.99 * total AND total >= 100)) AS p99_ms,
    round(max(latency_ms)) AS slowest_ms,
    sum(calls)::bigint AS observations
FROM ranked
GROUP BY is_all, ranked.endpoint_key
ORDER BY is_all DESC, calls DESC, endpoint_key
