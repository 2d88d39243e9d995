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
    EXISTS (SELECT FROM meta_ads.ad_rollups AS made WHERE made.ad_id = ad.ad_id) AS has_delivery,
    coalesce((
        SELECT sum(made.spend) FROM meta_ads.ad_rollups AS made
        WHERE made.ad_id = ad.ad_id AND made.date_start = account.today
    ), 0) AS spend_today,
    coalesce(week.spend, 0) AS spend_7d,
    coalesce(week.impressions, 0)::bigint AS impressions_7d,
    coalesce(week.clicks, 0)::bigint AS clicks_7d,
    coalesce(week.link_clicks, 0) AS link_clicks_7d,
    CASE WHEN week.impressions IS NULL THEN 0 ELSE week.results END AS results_7d,
    coalesce(week.leads, 0) AS leads_7d,
    coalesce(week.purchases, 0) AS purchases_7d,
    coalesce(week.revenue, 0) AS revenue_7d,
    round(100 * week.clicks / nullif(week.impressions, 0), 4) AS ctr_7d_pct,
    round(week.spend / nullif(week.clicks, 0), 4) AS cpc_7d,
    round(1000 * week.spend / nullif(week.impressions, 0), 4) AS cpm_7d,
    round(week.spend / nullif(week.results, 0), 4) AS cost_per_result_7d,
    round(week.spend / nullif(week.leads, 0), 4) AS cpl_7d,
    round(week.spend / nullif(week.purchases, 0), 4) AS cpa_7d,
    round(week.revenue / nullif(week.spend, 0), 4) AS roas_7d,
    month.spend AS spend_30d,
    month.impressions::bigint AS impressions_30d,
    month.clicks::bigint AS clicks_30d,
    month.link_clicks AS link_clicks_30d,
    month.results AS results_30d,
    month.leads AS leads_30d,
    month.purchases AS purchases_30d,
    month.revenue AS revenue_30d,
    round(100 * month.clicks / nullif(month.impressions, 0), 4) AS ctr_30d_pct,
    round(month.spend / nullif(month.clicks, 0), 4) AS cpc_30d,
    round(1000 * month.spend / nullif(month.impressions, 0), 4) AS cpm_30d,
    round(month.spend / nullif(month.results, 0), 4) AS cost_per_result_30d,
    round(month.spend / nullif(month.leads, 0), 4) AS cpl_30d,
    round(month.spend / nullif(month.purchases, 0), 4) AS cpa_30d,
    round(month.revenue / nullif(month.spend, 0), 4) AS roas_30d,
    (SELECT min(made.date_start) FROM meta_ads.ad_rollups AS made WHERE made.ad_id = ad.ad_id)
        AS first_delivery_day,
    (SELECT max(made.date_start) FROM meta_ads.ad_rollups AS made WHERE made.ad_id = ad.ad_id)
        AS last_delivery_day,
    greatest(week.data_as_of, before.data_as_of, (
        SELECT max(made.data_as_of) FROM meta_ads.ad_rollups AS made
        WHERE made.ad_id = ad.ad_id AND made.date_start = account.today
    )) AS data_as_of
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
-- Numbers come ad by ad through the index on (ad_id, date_start): as few rows as there are ads asked
-- for, be it one campaign or an account. 30 days are 7 and the 23 before: no day is added up twice.
LEFT JOIN LATERAL (
    SELECT
        sum(made.spend) AS spend,
        sum(made.impressions) AS impressions,
        sum(made.clicks) AS clicks,
        sum(made.link_clicks) AS link_clicks,
        sum(made.results) AS results,
        sum(made.leads) AS leads,
        sum(made.purchases) AS purchases,
        sum(made.revenue) AS revenue,
        max(made.data_as_of) AS data_as_of
    FROM meta_ads.ad_rollups AS made
    WHERE made.ad_id = ad.ad_id
        AND made.date_start BETWEEN account.today - 7 AND account.today - 1
) AS week ON true
LEFT JOIN LATERAL (
    SELECT
        sum(made.spend) AS spend,
        sum(made.impressions) AS impressions,
        sum(made.clicks) AS clicks,
        sum(made.link_clicks) AS link_clicks,
        sum(made.results) AS results,
        sum(made.leads) AS leads,
        sum(made.purchases) AS purchases,
        sum(made.revenue) AS revenue,
        max(made.data_as_of) AS data_as_of
    FROM meta_ads.ad_rollups AS made
    WHERE made.ad_id = ad.ad_id
        AND made.date_start BETWEEN account.today - 30 AND account.today - 8
) AS before ON true
CROSS JOIN LATERAL (
    SELECT
        coalesce(week.spend, 0) + coalesce(before.spend, 0) AS spend,
        coalesce(week.impressions, 0) + coalesce(before.impressions, 0) AS impressions,
        coalesce(week.clicks, 0) + coalesce(before.clicks, 0) AS clicks,
        coalesce(week.link_clicks, 0) + coalesce(before.link_clicks, 0) AS link_clicks,
        CASE
            WHEN coalesce(week.impressions, before.impressions) IS NULL THEN 0
            WHEN coalesce(week.results, before.results) IS NOT NULL
                THEN coalesce(week.results, 0) + coalesce(before.results, 0)
        END AS results,
        coalesce(week.leads, 0) + coalesce(before.leads, 0) AS leads,
        coalesce(week.purchases, 0) + coalesce(before.purchases, 0) AS purchases,
        coalesce(week.revenue, 0) + coalesce(before.revenue, 0) AS revenue
) AS month
