-- title: Expensive accounts
-- question: Which accounts cost more than the others, in all and for what they bring?
-- minimum: 30
-- account: Ad account
-- weighted_cost: Cost by the configured weights
-- times_median: That cost in units of the median account's
-- rows: Rows Meta returned
-- cost_per_1000_rows: Cost for a thousand rows; high means many calls for little
-- verdict: expensive from twice the median, wasteful when its rows also cost twice the median's
-- observations: Attempts
WITH spent AS (
    SELECT
        account_id,
        sum(calls)::bigint AS calls,
        sum(weighted_cost) AS weighted_cost,
        sum(rows)::bigint AS rows,
        1000 * sum(weighted_cost) / nullif(sum(rows), 0) AS cost_per_1000_rows
    FROM meta_ads.meta_api_hours
    WHERE hour >= date_trunc('hour', meta_ads.report_since(), 'UTC') AND account_id <> ''
    GROUP BY account_id
),
middle AS (
    SELECT
        count(*) AS accounts,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY weighted_cost)::numeric AS weighted_cost,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY cost_per_1000_rows)::numeric
            AS cost_per_1000_rows
    FROM spent
)
SELECT
    coalesce(account.name, spent.account_id) AS account,
    round(spent.weighted_cost, 1) AS weighted_cost,
    round(spent.weighted_cost / nullif(middle.weighted_cost, 0), 2) AS times_median,
    spent.rows,
    round(spent.cost_per_1000_rows, 2) AS cost_per_1000_rows,
    CASE
        WHEN middle.accounts < 3 THEN 'not enough data'
        WHEN spent.weighted_cost < 2 * middle.weighted_cost THEN 'usual'
        WHEN spent.cost_per_1000_rows >= 2 * middle.cost_per_1000_rows THEN 'wasteful'
        ELSE 'expensive'
    END AS verdict,
    spent.calls AS observations
FROM spent
CROSS JOIN middle
LEFT JOIN meta_ads.meta_ad_accounts AS account USING (account_id)
ORDER BY spent.weighted_cost DESC, account
