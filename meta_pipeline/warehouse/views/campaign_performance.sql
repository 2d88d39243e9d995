-- One row per campaign, also those that never delivered (zeros). Sums of the daily rows of its ads
-- over the last 7 and 30 whole days before today in the account's time zone, and over all that is
-- stored. Ratios are ratios of sums; null where nothing can be divided.
-- account_id: Ad account, as act_<number>
-- account_name: Name of the ad account
-- campaign_id: Campaign id
-- campaign_name: Campaign name
-- objective: Meta's objective
-- goal: What the objective is after, in plain words
-- effective_status: What is true after parents, review and billing
-- is_deleted: True once Meta says DELETED or no longer lists it
-- currency: Currency of the amounts
-- daily_budget: Daily budget in major units
-- lifetime_budget: Lifetime budget in major units
-- ads: Ads of the campaign that are not deleted
-- active_ads: Ads whose effective status is ACTIVE or WITH_ISSUES
-- has_delivery: Whether any stored day has a row
-- spend_7d: Spend of the last 7 whole days
-- impressions_7d: Impressions of the last 7 whole days
-- clicks_7d: Clicks of the last 7 whole days
-- ctr_7d_pct: Clicks per 100 impressions of the last 7 whole days
-- cpc_7d: Spend per click of the last 7 whole days
-- spend_30d: Spend of the last 30 whole days
-- impressions_30d: Impressions of the last 30 whole days
-- clicks_30d: Clicks of the last 30 whole days
-- ctr_30d_pct: Clicks per 100 impressions of the last 30 whole days
-- cpc_30d: Spend per click of the last 30 whole days
-- spend_lifetime: Spend of every stored day; days before the backfill are not in it
-- impressions_lifetime: Impressions of every stored day
-- clicks_lifetime: Clicks of every stored day
-- ctr_lifetime_pct: Clicks per 100 impressions of every stored day
-- cpc_lifetime: Spend per click of every stored day
-- first_delivery_day: First stored day with a row
-- last_delivery_day: Last stored day with a row
-- data_as_of: When Meta gave the newest of these numbers
SELECT
    campaign.account_id,
    account.name AS account_name,
    campaign.campaign_id,
    campaign.name AS campaign_name,
    campaign.objective,
    campaign.goal,
    campaign.effective_status,
    campaign.is_deleted,
    coalesce(campaign.currency, account.currency) AS currency,
    campaign.daily_budget,
    campaign.lifetime_budget,
    coalesce(ad.ads, 0) AS ads,
    coalesce(ad.active_ads, 0) AS active_ads,
    delivery.campaign_id IS NOT NULL AS has_delivery,
    coalesce(delivery.spend_7d, 0) AS spend_7d,
    coalesce(delivery.impressions_7d, 0)::bigint AS impressions_7d,
    coalesce(delivery.clicks_7d, 0)::bigint AS clicks_7d,
    round(100 * delivery.clicks_7d / nullif(delivery.impressions_7d, 0), 4) AS ctr_7d_pct,
    round(delivery.spend_7d / nullif(delivery.clicks_7d, 0), 4) AS cpc_7d,
    coalesce(delivery.spend_30d, 0) AS spend_30d,
    coalesce(delivery.impressions_30d, 0)::bigint AS impressions_30d,
    coalesce(delivery.clicks_30d, 0)::bigint AS clicks_30d,
    round(100 * delivery.clicks_30d / nullif(delivery.impressions_30d, 0), 4) AS ctr_30d_pct,
    round(delivery.spend_30d / nullif(delivery.clicks_30d, 0), 4) AS cpc_30d,
    coalesce(delivery.spend, 0) AS spend_lifetime,
    coalesce(delivery.impressions, 0)::bigint AS impressions_lifetime,
    coalesce(delivery.clicks, 0)::bigint AS clicks_lifetime,
    round(100 * delivery.clicks / nullif(delivery.impressions, 0), 4) AS ctr_lifetime_pct,
    round(delivery.spend / nullif(delivery.clicks, 0), 4) AS cpc_lifetime,
    delivery.first_day AS first_delivery_day,
    delivery.last_day AS last_delivery_day,
    delivery.data_as_of
FROM meta_ads.meta_campaigns AS campaign
LEFT JOIN meta_ads.meta_ad_accounts AS account ON account.account_id = campaign.account_id
LEFT JOIN (
    SELECT
        account_id,
        campaign_id,
        count(*) FILTER (WHERE NOT is_deleted) AS ads,
        count(*) FILTER (WHERE effective_status IN ('ACTIVE', 'WITH_ISSUES')) AS active_ads
    FROM meta_ads.meta_ads
    GROUP BY account_id, campaign_id
) AS ad ON ad.account_id = campaign.account_id AND ad.campaign_id = campaign.campaign_id
LEFT JOIN (
    SELECT
        insight.account_id,
        insight.campaign_id,
        sum(insight.spend) FILTER (WHERE today.day - insight.date_start BETWEEN 1 AND 7)
            AS spend_7d,
        sum(insight.impressions) FILTER (WHERE today.day - insight.date_start BETWEEN 1 AND 7)
            AS impressions_7d,
        sum(insight.clicks) FILTER (WHERE today.day - insight.date_start BETWEEN 1 AND 7)
            AS clicks_7d,
        sum(insight.spend) FILTER (WHERE today.day - insight.date_start BETWEEN 1 AND 30)
            AS spend_30d,
        sum(insight.impressions) FILTER (WHERE today.day - insight.date_start BETWEEN 1 AND 30)
            AS impressions_30d,
        sum(insight.clicks) FILTER (WHERE today.day - insight.date_start BETWEEN 1 AND 30)
            AS clicks_30d,
        sum(insight.spend) AS spend,
        sum(insight.impressions) AS impressions,
        sum(insight.clicks) AS clicks,
        min(insight.date_start) AS first_day,
        max(insight.date_start) AS last_day,
        max(insight.data_as_of) AS data_as_of
    FROM meta_ads.meta_insights AS insight
    LEFT JOIN (
        -- A zone Postgres does not know would be an error for everybody: it counts as UTC.
        SELECT account.account_id, (now() AT TIME ZONE coalesce(zone.name, 'UTC'))::date AS day
        FROM meta_ads.meta_ad_accounts AS account
        LEFT JOIN pg_timezone_names AS zone ON zone.name = account.timezone_name
    ) AS today ON today.account_id = insight.account_id
    WHERE insight.entity_type = 'ad' AND insight.date_stop = insight.date_start
    GROUP BY insight.account_id, insight.campaign_id
) AS delivery
    ON delivery.account_id = campaign.account_id AND delivery.campaign_id = campaign.campaign_id
