-- One row per ad set, also those that never delivered (zeros): today so far, the last 7 and 30 whole
-- days before today in the account's time zone, and everything stored. Conversions as the metric
-- dictionary counts them for the account; ratios are ratios of sums, null where nothing can be
-- divided: never average them
-- account_id: Ad account, as act_<number>
-- account_name: Name of the ad account
-- campaign_id: Campaign id
-- campaign_name: Campaign name
-- adset_id: Ad set id
-- adset_name: Ad set name
-- objective: Meta's objective
-- goal: What the objective is after, in plain words
-- optimization_goal: What delivery optimises for
-- learning_stage: Learning stage: LEARNING, SUCCESS, FAIL
-- targeting_summary: Targeting in one line
-- effective_status: What is true after parents, review and billing
-- is_deleted: True once Meta says DELETED or no longer lists it
-- currency: Currency of the amounts
-- daily_budget: Daily budget in major units
-- lifetime_budget: Lifetime budget in major units
-- pacing_pct: Spend in percent of what was due by now (see budget_pacing); null without a pace
-- ads: Ads in it that are not deleted
-- active_ads: Ads whose effective status is ACTIVE or WITH_ISSUES
-- has_delivery: Whether any stored day has a row
-- spend_today: Spend of the account's current day so far
-- spend_7d: Spend of the last 7 whole days
-- impressions_7d: Impressions of the last 7 whole days
-- clicks_7d: Clicks of the last 7 whole days
-- link_clicks_7d: Link clicks of the last 7 whole days
-- results_7d: Results by the ad set's goal of the last 7 whole days; null where nothing here
-- counts that goal
-- leads_7d: Leads of the last 7 whole days
-- purchases_7d: Purchases of the last 7 whole days
-- revenue_7d: Purchase value of the last 7 whole days
-- ctr_7d_pct: Clicks per 100 impressions of the last 7 whole days
-- cpc_7d: Spend per click of the last 7 whole days
-- cpm_7d: Spend per 1,000 impressions of the last 7 whole days
-- cost_per_result_7d: Spend per result of the last 7 whole days
-- cpl_7d: Spend per lead of the last 7 whole days
-- cpa_7d: Spend per purchase of the last 7 whole days
-- roas_7d: Purchase value per unit of spend of the last 7 whole days
-- spend_30d: Spend of the last 30 whole days
-- impressions_30d: Impressions of the last 30 whole days
-- clicks_30d: Clicks of the last 30 whole days
-- link_clicks_30d: Link clicks of the last 30 whole days
-- results_30d: Results by the ad set's goal of the last 30 whole days; null where nothing here
-- counts that goal
-- leads_30d: Leads of the last 30 whole days
-- purchases_30d: Purchases of the last 30 whole days
-- revenue_30d: Purchase value of the last 30 whole days
-- ctr_30d_pct: Clicks per 100 impressions of the last 30 whole days
-- cpc_30d: Spend per click of the last 30 whole days
-- cpm_30d: Spend per 1,000 impressions of the last 30 whole days
-- cost_per_result_30d: Spend per result of the last 30 whole days
-- cpl_30d: Spend per lead of the last 30 whole days
-- cpa_30d: Spend per purchase of the last 30 whole days
-- roas_30d: Purchase value per unit of spend of the last 30 whole days
-- spend_lifetime: Spend of every stored day; days before the backfill are not in it
-- impressions_lifetime: Impressions of every stored day
-- clicks_lifetime: Clicks of every stored day
-- link_clicks_lifetime: Link clicks of every stored day
-- results_lifetime: Results by the ad set's goal of every stored day; null where nothing here
-- counts that goal
-- leads_lifetime: Leads of every stored day
-- purchases_lifetime: Purchases of every stored day
-- revenue_lifetime: Purchase value of every stored day
-- ctr_lifetime_pct: Clicks per 100 impressions of every stored day
-- cpc_lifetime: Spend per click of every stored day
-- cpm_lifetime: Spend per 1,000 impressions of every stored day
-- cost_per_result_lifetime: Spend per result of every stored day
-- cpl_lifetime: Spend per lead of every stored day
-- cpa_lifetime: Spend per purchase of every stored day
-- roas_lifetime: Purchase value per unit of spend of every stored day
-- first_delivery_day: First stored day with a row
-- last_delivery_day: Last stored day with a row
-- data_as_of: When Meta gave the newest of these numbers
SELECT
    adset.account_id,
    account.name AS account_name,
    adset.campaign_id,
    campaign.name AS campaign_name,
    adset.adset_id,
    adset.name AS adset_name,
    campaign.objective,
    campaign.goal,
    adset.optimization_goal,
    adset.learning_stage,
    adset.targeting_summary,
    adset.effective_status,
    adset.is_deleted,
    coalesce(adset.currency, account.currency) AS currency,
    adset.daily_budget,
    adset.lifetime_budget,
    round(CASE
        WHEN adset.is_deleted OR adset.effective_status NOT IN ('ACTIVE', 'WITH_ISSUES', 'IN_PROCESS')
            THEN NULL
        WHEN schedule.starts_on >= account.today OR meta_ads.present() >= adset.end_time THEN NULL
        WHEN adset.daily_budget > 0
            THEN 100 * coalesce(delivery.spend_7d, 0)
                / (adset.daily_budget * least(7, coalesce(account.today - schedule.starts_on, 7)))
        WHEN adset.lifetime_budget > 0
            THEN 100 * coalesce(adset.lifetime_budget - adset.budget_remaining, delivery.spend_lifetime, 0)
                / nullif(adset.lifetime_budget
                    * extract(epoch FROM meta_ads.present() - coalesce(adset.start_time, adset.created_time))
                    / nullif(extract(epoch FROM adset.end_time - coalesce(adset.start_time, adset.created_time)), 0), 0)
    END, 2) AS pacing_pct,
    coalesce(inside.ads, 0) AS ads,
    coalesce(inside.active_ads, 0) AS active_ads,
    delivery.adset_id IS NOT NULL AS has_delivery,
    coalesce(delivery.spend_today, 0) AS spend_today,
    coalesce(delivery.spend_7d, 0) AS spend_7d,
    coalesce(delivery.impressions_7d, 0)::bigint AS impressions_7d,
    coalesce(delivery.clicks_7d, 0)::bigint AS clicks_7d,
    coalesce(delivery.link_clicks_7d, 0) AS link_clicks_7d,
    CASE WHEN delivery.impressions_7d IS NULL THEN 0 ELSE delivery.results_7d END AS results_7d,
    coalesce(delivery.leads_7d, 0) AS leads_7d,
    coalesce(delivery.purchases_7d, 0) AS purchases_7d,
    coalesce(delivery.revenue_7d, 0) AS revenue_7d,
    round(100 * delivery.clicks_7d / nullif(delivery.impressions_7d, 0), 4) AS ctr_7d_pct,
    round(delivery.spend_7d / nullif(delivery.clicks_7d, 0), 4) AS cpc_7d,
    round(1000 * delivery.spend_7d / nullif(delivery.impressions_7d, 0), 4) AS cpm_7d,
    round(delivery.spend_7d / nullif(delivery.results_7d, 0), 4) AS cost_per_result_7d,
    round(delivery.spend_7d / nullif(delivery.leads_7d, 0), 4) AS cpl_7d,
    round(delivery.spend_7d / nullif(delivery.purchases_7d, 0), 4) AS cpa_7d,
    round(delivery.revenue_7d / nullif(delivery.spend_7d, 0), 4) AS roas_7d,
    coalesce(delivery.spend_30d, 0) AS spend_30d,
    coalesce(delivery.impressions_30d, 0)::bigint AS impressions_30d,
    coalesce(delivery.clicks_30d, 0)::bigint AS clicks_30d,
    coalesce(delivery.link_clicks_30d, 0) AS link_clicks_30d,
    CASE WHEN delivery.impressions_30d IS NULL THEN 0 ELSE delivery.results_30d END AS results_30d,
    coalesce(delivery.leads_30d, 0) AS leads_30d,
    coalesce(delivery.purchases_30d, 0) AS purchases_30d,
    coalesce(delivery.revenue_30d, 0) AS revenue_30d,
    round(100 * delivery.clicks_30d / nullif(delivery.impressions_30d, 0), 4) AS ctr_30d_pct,
    round(delivery.spend_30d / nullif(delivery.clicks_30d, 0), 4) AS cpc_30d,
    round(1000 * delivery.spend_30d / nullif(delivery.impressions_30d, 0), 4) AS cpm_30d,
    round(delivery.spend_30d / nullif(delivery.results_30d, 0), 4) AS cost_per_result_30d,
    round(delivery.spend_30d / nullif(delivery.leads_30d, 0), 4) AS cpl_30d,
    round(delivery.spend_30d / nullif(delivery.purchases_30d, 0), 4) AS cpa_30d,
    round(delivery.revenue_30d / nullif(delivery.spend_30d, 0), 4) AS roas_30d,
    coalesce(delivery.spend_lifetime, 0) AS spend_lifetime,
    coalesce(delivery.impressions_lifetime, 0)::bigint AS impressions_lifetime,
    coalesce(delivery.clicks_lifetime, 0)::bigint AS clicks_lifetime,
    coalesce(delivery.link_clicks_lifetime, 0) AS link_clicks_lifetime,
    CASE WHEN delivery.impressions_lifetime IS NULL THEN 0 ELSE delivery.results_lifetime END AS results_lifetime,
    coalesce(delivery.leads_lifetime, 0) AS leads_lifetime,
    coalesce(delivery.purchases_lifetime, 0) AS purchases_lifetime,
    coalesce(delivery.revenue_lifetime, 0) AS revenue_lifetime,
    round(100 * delivery.clicks_lifetime / nullif(delivery.impressions_lifetime, 0), 4) AS ctr_lifetime_pct,
    round(delivery.spend_lifetime / nullif(delivery.clicks_lifetime, 0), 4) AS cpc_lifetime,
    round(1000 * delivery.spend_lifetime / nullif(delivery.impressions_lifetime, 0), 4) AS cpm_lifetime,
    round(delivery.spend_lifetime / nullif(delivery.results_lifetime, 0), 4) AS cost_per_result_lifetime,
    round(delivery.spend_lifetime / nullif(delivery.leads_lifetime, 0), 4) AS cpl_lifetime,
    round(delivery.spend_lifetime / nullif(delivery.purchases_lifetime, 0), 4) AS cpa_lifetime,
    round(delivery.revenue_lifetime / nullif(delivery.spend_lifetime, 0), 4) AS roas_lifetime,
    delivery.first_day AS first_delivery_day,
    delivery.last_day AS last_delivery_day,
    delivery.data_as_of
FROM meta_ads.meta_adsets AS adset
LEFT JOIN (
    SELECT
        account_id,
        name,
        currency,
        timezone_name,
        meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
    FROM meta_ads.meta_ad_accounts
    OFFSET 0 -- the day is computed once for each account, not for each of its rows
) AS account ON account.account_id = adset.account_id
LEFT JOIN meta_ads.meta_campaigns AS campaign ON campaign.campaign_id = adset.campaign_id
CROSS JOIN LATERAL (
    SELECT meta_ads.day_in_zone(coalesce(adset.start_time, adset.created_time), account.timezone_name)
        AS starts_on
) AS schedule
LEFT JOIN (
    SELECT
        account_id,
        adset_id,
        count(*) FILTER (WHERE NOT is_deleted) AS ads,
        count(*) FILTER (WHERE NOT is_deleted AND effective_status IN ('ACTIVE', 'WITH_ISSUES'))
            AS active_ads
    FROM meta_ads.meta_ads
    GROUP BY account_id, adset_id
) AS inside ON inside.account_id = adset.account_id AND inside.adset_id = adset.adset_id
LEFT JOIN (
    SELECT
        made.account_id,
        made.adset_id,
        sum(made.spend) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS spend_7d,
        sum(made.spend) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS spend_30d,
        sum(made.spend) AS spend_lifetime,
        sum(made.impressions) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS impressions_7d,
        sum(made.impressions) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS impressions_30d,
        sum(made.impressions) AS impressions_lifetime,
        sum(made.clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS clicks_7d,
        sum(made.clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS clicks_30d,
        sum(made.clicks) AS clicks_lifetime,
        sum(made.link_clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS link_clicks_7d,
        sum(made.link_clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS link_clicks_30d,
        sum(made.link_clicks) AS link_clicks_lifetime,
        sum(made.results) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS results_7d,
        sum(made.results) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS results_30d,
        sum(made.results) AS results_lifetime,
        sum(made.leads) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS leads_7d,
        sum(made.leads) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS leads_30d,
        sum(made.leads) AS leads_lifetime,
        sum(made.purchases) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS purchases_7d,
        sum(made.purchases) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS purchases_30d,
        sum(made.purchases) AS purchases_lifetime,
        sum(made.revenue) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS revenue_7d,
        sum(made.revenue) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS revenue_30d,
        sum(made.revenue) AS revenue_lifetime,
        sum(made.spend) FILTER (WHERE made.date_start = account.today) AS spend_today,
        min(made.date_start) AS first_day,
        max(made.date_start) AS last_day,
        max(made.data_as_of) AS data_as_of
    FROM meta_ads.adset_rollups AS made
    LEFT JOIN (
        SELECT
            account_id,
            name,
            currency,
            timezone_name,
            meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
        FROM meta_ads.meta_ad_accounts
        OFFSET 0 -- the day is computed once for each account, not for each of its rows
    ) AS account ON account.account_id = made.account_id
    GROUP BY made.account_id, made.adset_id
) AS delivery
    ON delivery.account_id = adset.account_id AND delivery.adset_id = adset.adset_id
