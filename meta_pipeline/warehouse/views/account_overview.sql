-- One row per ad account: today so far, yesterday, the last 7 whole days and the 7 before them, and
-- the last 30, in the account's time zone; its KPI, freshness and settling days
-- account_id: Ad account, as act_<number>
-- account_name: Name of the ad account
-- currency: Currency of the amounts; a sum is null where some of it is stored in another one
-- timezone_name: IANA zone in which the account's days are counted
-- today: The account's current day
-- is_simulated: True when the rows came from a host that is not Meta's
-- active_campaigns: Campaigns whose effective status is ACTIVE or WITH_ISSUES
-- spend_today: Spend of the current day so far
-- spend_yesterday: Spend of yesterday
-- spend_7d: Spend of the last 7 whole days
-- spend_previous_7d: Spend of the 7 days before them
-- spend_change_pct: Change of spend between these two in percent
-- spend_30d: Spend of the last 30 whole days
-- impressions_7d: Impressions of the last 7 whole days
-- clicks_7d: Clicks of the last 7 whole days
-- results_7d: Results by each ad set's goal in the last 7 whole days; null where none is counted
-- leads_7d: Leads of the last 7 whole days
-- purchases_7d: Purchases of the last 7 whole days
-- revenue_7d: Purchase value of the last 7 whole days
-- ctr_7d_pct: Clicks per 100 impressions of the last 7 whole days
-- cpm_7d: Spend per 1,000 impressions of the last 7 whole days
-- cpl_7d: Spend per lead of the last 7 whole days
-- cpa_7d: Spend per purchase of the last 7 whole days
-- roas_7d: Purchase value per unit of spend of the last 7 whole days
-- roas_previous_7d: The same of the 7 days before them
-- primary_metric: Metric the account is judged by; null where none is set
-- primary_target: Its target
-- newest_day: Newest day that was fetched
-- data_as_of: When that day was last fetched
-- settling_days: Fetched days that Meta may still restate
-- unfinished_days: Days of the last 30 that were never fetched
-- unexplained_spend_30d: Spend in the account's own rows of the last 30 whole days that no ad row
-- explains (ads that are gone), as last compared; it is in none of the other columns
SELECT
    account.account_id,
    account.name AS account_name,
    account.currency,
    account.timezone_name,
    account.today,
    account.is_simulated,
    coalesce(campaign.active_campaigns, 0) AS active_campaigns,
    nullif(coalesce(delivery.spend_today, 0), 'NaN') AS spend_today,
    nullif(coalesce(delivery.spend_yesterday, 0), 'NaN') AS spend_yesterday,
    nullif(coalesce(delivery.spend_7d, 0), 'NaN') AS spend_7d,
    nullif(coalesce(delivery.spend_previous_7d, 0), 'NaN') AS spend_previous_7d,
    nullif(round(
        100 * (coalesce(delivery.spend_7d, 0) - delivery.spend_previous_7d)
        / nullif(delivery.spend_previous_7d, 0), 2
    ), 'NaN') AS spend_change_pct,
    nullif(coalesce(delivery.spend_30d, 0), 'NaN') AS spend_30d,
    coalesce(delivery.impressions_7d, 0)::bigint AS impressions_7d,
    coalesce(delivery.clicks_7d, 0)::bigint AS clicks_7d,
    CASE WHEN delivery.impressions_7d IS NULL THEN 0 ELSE delivery.results_7d END AS results_7d,
    coalesce(delivery.leads_7d, 0) AS leads_7d,
    coalesce(delivery.purchases_7d, 0) AS purchases_7d,
    nullif(coalesce(delivery.revenue_7d, 0), 'NaN') AS revenue_7d,
    round(100 * delivery.clicks_7d / nullif(delivery.impressions_7d, 0), 4) AS ctr_7d_pct,
    nullif(round(1000 * delivery.spend_7d / nullif(delivery.impressions_7d, 0), 4), 'NaN') AS cpm_7d,
    nullif(round(delivery.spend_7d / nullif(delivery.leads_7d, 0), 4), 'NaN') AS cpl_7d,
    nullif(round(delivery.spend_7d / nullif(delivery.purchases_7d, 0), 4), 'NaN') AS cpa_7d,
    nullif(round(delivery.revenue_7d / nullif(delivery.spend_7d, 0), 4), 'NaN') AS roas_7d,
    nullif(round(delivery.revenue_previous_7d / nullif(delivery.spend_previous_7d, 0), 4), 'NaN')
        AS roas_previous_7d,
    kpi.metric_key AS primary_metric,
    kpi.target AS primary_target,
    ledger.newest_day,
    ledger.data_as_of,
    coalesce(ledger.settling_days, 0) AS settling_days,
    30 - coalesce(ledger.days_of_30, 0) AS unfinished_days,
    nullif(coalesce(proof.unexplained_spend_30d, 0), 'NaN') AS unexplained_spend_30d
FROM (
    SELECT
        known.*,
        meta_ads.day_in_zone(meta_ads.present(), known.timezone_name) AS today
    FROM meta_ads.meta_ad_accounts AS known
    OFFSET 0 -- the day is computed once for each account, not for each of its rows
) AS account
LEFT JOIN (
    SELECT account_id, count(*) AS active_campaigns
    FROM meta_ads.meta_campaigns
    WHERE NOT is_deleted AND effective_status IN ('ACTIVE', 'WITH_ISSUES')
    GROUP BY account_id
) AS campaign ON campaign.account_id = account.account_id
LEFT JOIN LATERAL (
    SELECT
        sum(money.spend) FILTER (WHERE made.date_start = account.today) AS spend_today,
        sum(money.spend) FILTER (WHERE made.date_start = account.today - 1) AS spend_yesterday,
        sum(money.spend) FILTER (WHERE whole.is_last_7) AS spend_7d,
        sum(money.spend) FILTER (WHERE whole.is_previous_7) AS spend_previous_7d,
        sum(money.spend) FILTER (WHERE made.date_start < account.today) AS spend_30d,
        sum(made.impressions) FILTER (WHERE whole.is_last_7) AS impressions_7d,
        sum(made.clicks) FILTER (WHERE whole.is_last_7) AS clicks_7d,
        sum(made.results) FILTER (WHERE whole.is_last_7) AS results_7d,
        sum(made.leads) FILTER (WHERE whole.is_last_7) AS leads_7d,
        sum(made.purchases) FILTER (WHERE whole.is_last_7) AS purchases_7d,
        sum(money.revenue) FILTER (WHERE whole.is_last_7) AS revenue_7d,
        sum(money.revenue) FILTER (WHERE whole.is_previous_7) AS revenue_previous_7d
    FROM meta_ads.campaign_rollups AS made
    CROSS JOIN LATERAL (
        SELECT
            made.date_start BETWEEN account.today - 7 AND account.today - 1 AS is_last_7,
            made.date_start BETWEEN account.today - 14 AND account.today - 8 AS is_previous_7
    ) AS whole
    CROSS JOIN LATERAL (
        SELECT
            meta_ads.amount_in(account.currency, made.spend, made.currency) AS spend,
            meta_ads.amount_in(account.currency, made.revenue, made.currency) AS revenue
    ) AS money
    WHERE made.account_id = account.account_id
        AND made.date_start BETWEEN account.today - 30 AND account.today
) AS delivery ON true
LEFT JOIN meta_ads.account_kpis AS kpi
    ON kpi.account_id = account.account_id AND kpi.is_primary
LEFT JOIN LATERAL (
    SELECT
        max(day.date_start) AS newest_day,
        (array_agg(day.fetched_at ORDER BY day.date_start DESC))[1] AS data_as_of,
        count(*) FILTER (WHERE NOT coalesce(day.is_final, false)) AS settling_days,
        count(*) FILTER (
            WHERE day.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS days_of_30
    FROM meta_ads.sync_windows AS day
    WHERE day.account_id = account.account_id AND day.dataset = 'insights_ad'
) AS ledger ON true
LEFT JOIN LATERAL (
    SELECT
        sum(meta_ads.amount_in(
            account.currency, day.spend_account - day.spend_ads, own.currency
        )) AS unexplained_spend_30d
    FROM meta_ads.reconciliations AS day
    LEFT JOIN meta_ads.meta_insights AS own -- which says what currency the day is in
        ON own.entity_type = 'account' AND own.entity_id = day.account_id
        AND own.date_start = day.date_start AND own.date_stop = day.date_start
    WHERE day.account_id = account.account_id AND day.status = 'differs'
        AND day.spend_account > day.spend_ads
        AND day.date_start BETWEEN account.today - 30 AND account.today - 1
) AS proof ON true
