-- title: Calls and cost per account
-- question: What does each ad account cost in calls, and in calls weighed by their shape?
-- minimum: 10
-- account: Ad account
-- calls: Graph API attempts
-- weighted_cost: Their cost by the configured weights; a plain call is 1
-- share_pct: Share of the weighted cost of all accounts
-- calls_per_day: Attempts per day with calls
-- throttled_calls: Attempts Meta refused for a limit
-- rows: Rows Meta returned
-- observations: Attempts
SELECT
    coalesce(max(account.name), nullif(total.account_id, ''), 'no account') AS account,
    sum(calls)::bigint AS calls,
    round(sum(weighted_cost), 1) AS weighted_cost,
    round(100 * sum(weighted_cost) / nullif(sum(sum(weighted_cost)) OVER (), 0), 1) AS share_pct,
    round(sum(calls) / count(DISTINCT date_trunc('day', hour, 'UTC')), 1) AS calls_per_day,
    sum(throttled_calls)::bigint AS throttled_calls,
    sum(rows)::bigint AS rows,
    sum(calls)::bigint AS observations
FROM meta_ads.meta_api_hours AS total
LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC')
GROUP BY total.account_id
ORDER BY sum(weighted_cost) DESC, account
