-- title: Throttle envelope
-- question: How hard can each endpoint be used before Meta refuses calls?
-- minimum: 10
-- endpoint_key: Endpoint
-- calls: Attempts in the period
-- throttled_calls: Attempts Meta refused for a limit
-- throttled_pct: Share of the attempts
-- answered_at_pct: Highest usage at which a call was still answered
-- refused_at_pct: Highest usage read when calls were refused; empty when none were
-- busiest_hour_calls: Most attempts of one account in one hour
-- busiest_clean_hour_calls: The same among hours without a refusal
-- observations: Attempts
SELECT
    endpoint_key,
    sum(calls)::bigint AS calls,
    sum(throttled_calls)::bigint AS throttled_calls,
    round(100.0 * sum(throttled_calls) / sum(calls), 2) AS throttled_pct,
    max(answered_at_pct) AS answered_at_pct,
    max(refused_at_pct) AS refused_at_pct,
    max(calls)::bigint AS busiest_hour_calls,
    (max(calls) FILTER (WHERE throttled_calls = 0))::bigint AS busiest_clean_hour_calls,
    sum(calls)::bigint AS observations
FROM (
    SELECT
        endpoint_key,
        hour,
        account_id,
        sum(calls) AS calls,
        sum(throttled_calls) AS throttled_calls,
        max(usage_pct) FILTER (WHERE outcome = 'ok') AS answered_at_pct,
        max(usage_pct) FILTER (WHERE throttled_calls > 0) AS refused_at_pct
    FROM (
        SELECT *, greatest(
            app_pct, account_pct, use_case_pct, insights_app_pct, insights_account_pct
        ) AS usage_pct
        FROM meta_ads.meta_api_hours
        WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
    ) AS read
    GROUP BY endpoint_key, hour, account_id
) AS by_hour
GROUP BY endpoint_key
ORDER BY throttled_calls DESC, calls DESC, endpoint_key
