-- One row per ad, also those that never delivered (zeros): today so far, the last 7 and 30 whole
-- days before today in the account's time zone. Conversions as the metric
-- dictionary counts them for the account; ratios are ratios of sums, null where nothing can be
-- divided: never average them
-- account_id: Ad account, as act_<number>
-- account_name: Name of the ad account
-- campaign_id: Campaign id
-- campaign_name: Campaign name
-- adset_id: Ad set id
-- adset_name: Ad set name
-- ad_id: Ad id
-- ad_name: Ad name
-- objective: Meta's objective
-- goal: What the objective is after, in plain words
-- creative_id: Creative the ad shows
-- effective_status: What is true after parents, review and billing
-- is_deleted: True once Meta says DELETED or no longer lists it
-- currency: Currency of the amounts
-- has_delivery: Whether any stored day has a row
-- spend_today: Spend of the account's current day so far
-- spend_7d: Spend of the last 7 whole days
-- impressions_7d: Impressions of the last 7 whole days
-- clicks_7d: Clicks of the last 7 whole days
-- link_clicks_7d: Link clicks of the last 7 whole days
-- results_7d: Results by the ad set's goal of the last 7 whole days
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
-- results_30d: Results by the ad set's goal of the last 30 whole days
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
-- first_delivery_day: First stored day with a row
-- last_delivery_day: Last stored day with a row
-- data_as_of: When Meta gave the newest of these numbers
SELECT
    ad.account_id,
    account.name AS account_name,
    ad.campaign_id,
    campaign.name AS campaign_name,
    ad.adset_id,
    adset.name AS adset_name,
    ad.ad_id,
    ad.name AS ad_name,
    campaign.objective,
    campaign.goal,
    ad.creative_id,
    ad.effective_status,
    ad.is_deleted,
    coalesce(campaign.currency, account.currency) AS currency,
    ever.ad_id IS NOT NULL AS has_delivery,
    coalesce(delivery.spend_today, 0) AS spend_today,
    coalesce(delivery.spend_7d, 0) AS spend_7d,
    coalesce(delivery.impressions_7d, 0)::bigint AS impressions_7d,
    coalesce(delivery.clicks_7d, 0)::bigint AS clicks_7d,
    coalesce(delivery.link_clicks_7d, 0) AS link_clicks_7d,
    coalesce(delivery.results_7d, 0) AS results_7d,
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
    coalesce(delivery.results_30d, 0) AS results_30d,
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
    ever.first_day AS first_delivery_day,
    ever.last_day AS last_delivery_day,
    delivery.data_as_of
FROM meta_ads.meta_ads AS ad
LEFT JOIN (
    SELECT
        account_id,
        name,
        currency,
        timezone_name,
        meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
    FROM meta_ads.meta_ad_accounts
    OFFSET 0 -- the day is computed once for each account, not for each of its rows
) AS account ON account.account_id = ad.account_id
LEFT JOIN meta_ads.meta_campaigns AS campaign ON campaign.campaign_id = ad.campaign_id
LEFT JOIN meta_ads.meta_adsets AS adset ON adset.adset_id = ad.adset_id
LEFT JOIN (
    SELECT
        made.account_id,
        made.ad_id,
        sum(made.spend) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS spend_7d,
        sum(made.spend) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS spend_30d,
        sum(made.impressions) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS impressions_7d,
        sum(made.impressions) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS impressions_30d,
        sum(made.clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS clicks_7d,
        sum(made.clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS clicks_30d,
        sum(made.link_clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS link_clicks_7d,
        sum(made.link_clicks) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS link_clicks_30d,
        sum(made.results) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS results_7d,
        sum(made.results) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS results_30d,
        sum(made.leads) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS leads_7d,
        sum(made.leads) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS leads_30d,
        sum(made.purchases) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS purchases_7d,
        sum(made.purchases) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS purchases_30d,
        sum(made.revenue) FILTER (
            WHERE made.date_start BETWEEN account.today - 7 AND account.today - 1
        ) AS revenue_7d,
        sum(made.revenue) FILTER (
            WHERE made.date_start BETWEEN account.today - 30 AND account.today - 1
        ) AS revenue_30d,
        sum(made.spend) FILTER (WHERE made.date_start = account.today) AS spend_today,
        max(made.data_as_of) AS data_as_of
    FROM (
        SELECT
            account_id,
            name,
            currency,
            timezone_name,
            meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
        FROM meta_ads.meta_ad_accounts
        OFFSET 0 -- the day is computed once for each account, not for each of its rows
    ) AS account
    INNER JOIN meta_ads.daily_ad_metrics AS made
        ON made.account_id = account.account_id
        AND made.date_start BETWEEN account.today - 30 AND account.today
    GROUP BY made.account_id, made.ad_id
) AS delivery ON delivery.account_id = ad.account_id AND delivery.ad_id = ad.ad_id
LEFT JOIN (
    -- Answered from the index alone.
    SELECT account_id, ad_id, min(date_start) AS first_day, max(date_start) AS last_day
    FROM meta_ads.daily_ad_metrics
    GROUP BY account_id, ad_id
) AS ever ON ever.account_id = ad.account_id AND ever.ad_id = ad.ad_id
