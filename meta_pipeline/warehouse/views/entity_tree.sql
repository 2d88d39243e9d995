-- One row per node of an account's tree (account, campaigns, ad sets, ads), with the sums of the ads
-- below it over the last 30 whole days in the account's time zone; zeros included. Order by path
-- account_id: Ad account, as act_<number>
-- depth: 0 account, 1 campaign, 2 ad set, 3 ad
-- entity_type: account, campaign, adset or ad
-- entity_id: Id of the node
-- parent_id: Id of the node above; null for the account
-- path: Ids from the account down to the node
-- entity_name: Name of the node
-- effective_status: What is true after parents, review and billing; null for the account
-- is_deleted: True once Meta says DELETED or no longer lists it
-- currency: Currency of the amounts
-- spend_30d: Spend of the last 30 whole days
-- impressions_30d: Impressions of the last 30 whole days
-- clicks_30d: Clicks of the last 30 whole days
-- results_30d: Results by each ad set's goal of the last 30 whole days
-- leads_30d: Leads of the last 30 whole days
-- purchases_30d: Purchases of the last 30 whole days
-- revenue_30d: Purchase value of the last 30 whole days
-- ctr_30d_pct: Clicks per 100 impressions
-- cost_per_result_30d: Spend per result
-- roas_30d: Purchase value per unit of spend
WITH accounts AS (
    SELECT
        account_id,
        name,
        currency,
        meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
    FROM meta_ads.meta_ad_accounts
),

nodes AS (
    SELECT
        account_id,
        0 AS depth,
        'account' AS entity_type,
        account_id AS entity_id,
        NULL::text AS parent_id,
        ARRAY[account_id] AS path,
        name AS entity_name,
        NULL::text AS effective_status,
        false AS is_deleted
    FROM meta_ads.meta_ad_accounts
    UNION ALL
    SELECT
        account_id,
        1,
        'campaign',
        campaign_id,
        account_id,
        ARRAY[account_id, campaign_id],
        name,
        effective_status,
        is_deleted
    FROM meta_ads.meta_campaigns
    UNION ALL
    SELECT
        account_id,
        2,
        'adset',
        adset_id,
        campaign_id,
        ARRAY[account_id, campaign_id, adset_id],
        name,
        effective_status,
        is_deleted
    FROM meta_ads.meta_adsets
    UNION ALL
    SELECT
        account_id,
        3,
        'ad',
        ad_id,
        adset_id,
        ARRAY[account_id, campaign_id, adset_id, ad_id],
        name,
        effective_status,
        is_deleted
    FROM meta_ads.meta_ads
),

delivered AS (
    SELECT
        made.account_id,
        'account' AS entity_type,
        made.account_id AS entity_id,
        sum(made.spend) AS spend,
        sum(made.impressions) AS impressions,
        sum(made.clicks) AS clicks,
        sum(made.results) AS results,
        sum(made.leads) AS leads,
        sum(made.purchases) AS purchases,
        sum(made.revenue) AS revenue
    FROM meta_ads.daily_campaign_metrics AS made
    INNER JOIN accounts ON accounts.account_id = made.account_id
        AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
    GROUP BY made.account_id
    UNION ALL
    SELECT
        made.account_id,
        'campaign' AS entity_type,
        made.campaign_id AS entity_id,
        sum(made.spend) AS spend,
        sum(made.impressions) AS impressions,
        sum(made.clicks) AS clicks,
        sum(made.results) AS results,
        sum(made.leads) AS leads,
        sum(made.purchases) AS purchases,
        sum(made.revenue) AS revenue
    FROM meta_ads.daily_campaign_metrics AS made
    INNER JOIN accounts ON accounts.account_id = made.account_id
        AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
    GROUP BY made.account_id, made.campaign_id
    UNION ALL
    SELECT
        made.account_id,
        'adset' AS entity_type,
        made.adset_id AS entity_id,
        sum(made.spend) AS spend,
        sum(made.impressions) AS impressions,
        sum(made.clicks) AS clicks,
        sum(made.results) AS results,
        sum(made.leads) AS leads,
        sum(made.purchases) AS purchases,
        sum(made.revenue) AS revenue
    FROM meta_ads.daily_adset_metrics AS made
    INNER JOIN accounts ON accounts.account_id = made.account_id
        AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
    GROUP BY made.account_id, made.adset_id
    UNION ALL
    SELECT
        made.account_id,
        'ad' AS entity_type,
        made.ad_id AS entity_id,
        sum(made.spend) AS spend,
        sum(made.impressions) AS impressions,
        sum(made.clicks) AS clicks,
        sum(made.results) AS results,
        sum(made.leads) AS leads,
        sum(made.purchases) AS purchases,
        sum(made.revenue) AS revenue
    FROM meta_ads.daily_ad_metrics AS made
    INNER JOIN accounts ON accounts.account_id = made.account_id
        AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
    GROUP BY made.account_id, made.ad_id
)

SELECT
    nodes.account_id,
    nodes.depth,
    nodes.entity_type,
    nodes.entity_id,
    nodes.parent_id,
    nodes.path,
    nodes.entity_name,
    nodes.effective_status,
    nodes.is_deleted,
    accounts.currency,
    coalesce(delivered.spend, 0) AS spend_30d,
    coalesce(delivered.impressions, 0)::bigint AS impressions_30d,
    coalesce(delivered.clicks, 0)::bigint AS clicks_30d,
    coalesce(delivered.results, 0) AS results_30d,
    coalesce(delivered.leads, 0) AS leads_30d,
    coalesce(delivered.purchases, 0) AS purchases_30d,
    coalesce(delivered.revenue, 0) AS revenue_30d,
    round(100 * delivered.clicks / nullif(delivered.impressions, 0), 4) AS ctr_30d_pct,
    round(delivered.spend / nullif(delivered.results, 0), 4) AS cost_per_result_30d,
    round(delivered.revenue / nullif(delivered.spend, 0), 4) AS roas_30d
FROM nodes
INNER JOIN accounts ON accounts.account_id = nodes.account_id
LEFT JOIN delivered
    ON delivered.account_id = nodes.account_id
    AND delivered.entity_type = nodes.entity_type
    AND delivered.entity_id = nodes.entity_id
