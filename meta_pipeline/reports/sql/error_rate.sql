-- title: Error rate
-- question: How many calls fail, at which endpoints, and with which of Meta's codes?
-- minimum: 20
-- endpoint_key: Endpoint, or all endpoints
-- calls: Attempts
-- failed_calls: Attempts without a usable answer, refusals for limits included
-- error_pct: Share of the attempts
-- throttled_calls: Attempts Meta refused for a limit
-- retried_calls: Attempts that repeated a failed one
-- failures: What they ended with and how often: code/subcode, HTTP status or no answer
-- observations: Attempts
SELECT
    CASE WHEN grouping(endpoint_key) = 1 THEN 'all endpoints' ELSE endpoint_key END
        AS endpoint_key,
    sum(calls)::bigint AS calls,
    coalesce(sum(calls) FILTER (WHERE outcome <> 'ok'), 0)::bigint AS failed_calls,
    round(100 * coalesce(sum(calls) FILTER (WHERE outcome <> 'ok'), 0) / sum(calls), 2)
        AS error_pct,
    sum(throttled_calls)::bigint AS throttled_calls,
    sum(retried_calls)::bigint AS retried_calls,
    string_agg(outcome || ' x ' || calls, ', ' ORDER BY calls DESC, outcome)
        FILTER (WHERE outcome <> 'ok') AS failures,
    sum(calls)::bigint AS observations
FROM (
    SELECT
        endpoint_key,
        outcome,
        sum(calls) AS calls,
        sum(throttled_calls) AS throttled_calls,
        sum(retried_calls) AS retried_calls
    FROM meta_ads.meta_api_hours
    WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
    GROUP BY endpoint_key, outcome
) AS total
GROUP BY GROUPING SETS ((endpoint_key), ())
HAVING count(*) > 0
ORDER BY grouping(endpoint_key) DESC, failed_calls DESC, calls DESC, endpoint_key
