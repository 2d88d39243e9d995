-- title: Calls by endpoint
-- question: Which endpoints are called, and what do their calls bring?
-- minimum: 10
-- endpoint_key: Endpoint
-- calls: Attempts
-- share_pct: Share of all attempts
-- weighted_cost: Their cost by the configured weights; a plain call is 1
-- rows_per_call: Rows in an answer, on average over answered attempts
-- kb_per_call: Size of an answer in kilobytes
-- average_ms: Average latency of an attempt
-- accounts: Ad accounts that were asked
-- observations: Attempts
SELECT
    endpoint_key,
    sum(calls)::bigint AS calls,
    round(100 * sum(calls) / sum(sum(calls)) OVER (), 1) AS share_pct,
    round(sum(weighted_cost), 1) AS weighted_cost,
    round(sum(rows) / nullif(sum(calls) FILTER (WHERE outcome = 'ok'), 0), 1) AS rows_per_call,
    round(sum(response_bytes) / 1000 / sum(calls), 1) AS kb_per_call,
    round(sum(latency_ms) / sum(calls)) AS average_ms,
    count(DISTINCT nullif(account_id, '')) AS accounts,
    sum(calls)::bigint AS observations
FROM meta_ads.meta_api_hours
WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
GROUP BY endpoint_key
ORDER BY sum(calls) DESC, endpoint_key
