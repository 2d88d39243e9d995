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
-- currency: Currency of the amounts; a sum is null where some of it is stored in another one
-- spend_30d: Spend of the last 30 whole days
-- impressions_30d: Impressions of the last 30 whole days
-- clicks_30d: Clicks of the last 30 whole days
-- results_30d: Results by each ad set's goal of the last 30 whole days; null where none is counted
-- leads_30d: Leads of the last 30 whole days
-- purchases_30d: Purchases of the last 30 whole days
-- revenue_30d: Purchase value of the last 30 whole days
-- ctr_30d_pct: Clicks per 100 impressions
-- cost_per_result_30d: Spend per result, without that of ad sets whose results are not counted
-- roas_30d: Purchase value per unit of spend
WITH accounts AS (
    SELECT
        account_id,
        name,
        currency,
        meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
    FROM meta_ads.meta_ad_accounts
),

-- Ads are the many: their numbers come ad by ad through the index on (ad_id, date_start), without
-- sorting or grouping the account's rows.
nodes AS (
    SELECT
        entity.account_id,
        0 AS depth,
        'account' AS entity_type,
        entity.account_id AS entity_id,
        NULL::text AS parent_id,
        ARRAY[entity.account_id] AS path,
        entity.name AS entity_name,
        NULL::text AS effective_status,
        false AS is_deleted,
        delivered.*
    FROM meta_ads.meta_ad_accounts AS entity
    INNER JOIN accounts ON accounts.account_id = entity.account_id
    LEFT JOIN LATERAL (
        SELECT
            sum(meta_ads.amount_in(accounts.currency, made.spend, made.currency)) AS spend,
            sum(made.impressions) AS impressions,
            sum(made.clicks) AS clicks,
            sum(made.results) AS results,
            sum(meta_ads.amount_in(accounts.currency, made.spend_without_results, made.currency)) AS spend_without_results,
            sum(made.leads) AS leads,
            sum(made.purchases) AS purchases,
            sum(meta_ads.amount_in(accounts.currency, made.revenue, made.currency)) AS revenue
        FROM meta_ads.campaign_rollups AS made
        WHERE made.account_id = entity.account_id
            AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
    ) AS delivered ON true
    UNION ALL
    SELECT
        entity.account_id,
        1,
        'campaign',
        entity.campaign_id,
        entity.account_id,
        ARRAY[entity.account_id, entity.campaign_id],
        entity.name,
        entity.effective_status,
        entity.is_deleted,
        delivered.spend,
        delivered.impressions,
        delivered.clicks,
        delivered.results,
        delivered.spend_without_results,
        delivered.leads,
        delivered.purchases,
        delivered.revenue
    FROM meta_ads.meta_campaigns AS entity
    LEFT JOIN (
        SELECT
            made.account_id,
            made.campaign_id,
            sum(meta_ads.amount_in(accounts.currency, made.spend, made.currency)) AS spend,
            sum(made.impressions) AS impressions,
            sum(made.clicks) AS clicks,
            sum(made.results) AS results,
            sum(meta_ads.amount_in(accounts.currency, made.spend_without_results, made.currency)) AS spend_without_results,
            sum(made.leads) AS leads,
            sum(made.purchases) AS purchases,
            sum(meta_ads.amount_in(accounts.currency, made.revenue, made.currency)) AS revenue
        FROM meta_ads.campaign_rollups AS made
        INNER JOIN accounts
            ON accounts.account_id = made.account_id
            AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
        GROUP BY made.account_id, made.campaign_id
    ) AS delivered
        ON delivered.account_id = entity.account_id AND delivered.campaign_id = entity.campaign_id
    UNION ALL
    SELECT
        entity.account_id,
        2,
        'adset',
        entity.adset_id,
        entity.campaign_id,
        ARRAY[entity.account_id, entity.campaign_id, entity.adset_id],
        entity.name,
        entity.effective_status,
        entity.is_deleted,
        delivered.spend,
        delivered.impressions,
        delivered.clicks,
        delivered.results,
        delivered.spend_without_results,
        delivered.leads,
        delivered.purchases,
        delivered.revenue
    FROM meta_ads.meta_adsets AS entity
    LEFT JOIN (
        SELECT
            made.account_id,
            made.adset_id,
            sum(meta_ads.amount_in(accounts.currency, made.spend, made.currency)) AS spend,
            sum(made.impressions) AS impressions,
            sum(made.clicks) AS clicks,
            sum(made.results) AS results,
            sum(meta_ads.amount_in(accounts.currency, made.spend_without_results, made.currency)) AS spend_without_results,
            sum(made.leads) AS leads,
            sum(made.purchases) AS purchases,
            sum(meta_ads.amount_in(accounts.currency, made.revenue, made.currency)) AS revenue
        FROM meta_ads.adset_rollups AS made
        INNER JOIN accounts
            ON accounts.account_id = made.account_id
            AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
        GROUP BY made.account_id, made.adset_id
    ) AS delivered
        ON delivered.account_id = entity.account_id AND delivered.adset_id = entity.adset_id
    UNION ALL
    SELECT
        entity.account_id,
        3,
        'ad',
        entity.ad_id,
        entity.adset_id,
        ARRAY[entity.account_id, entity.campaign_id, entity.adset_id, entity.ad_id],
        entity.name,
        entity.effective_status,
        entity.is_deleted,
        delivered.*
    FROM meta_ads.meta_ads AS entity
    INNER JOIN accounts ON accounts.account_id = entity.account_id
    LEFT JOIN LATERAL (
        SELECT
            sum(meta_ads.amount_in(accounts.currency, made.spend, made.currency)) AS spend,
            sum(made.impressions) AS impressions,
            sum(made.clicks) AS clicks,
            sum(made.results) AS results,
            sum(meta_ads.amount_in(accounts.currency, made.spend_without_results, made.currency)) AS spend_without_results,
            sum(made.leads) AS leads,
            sum(made.purchases) AS purchases,
            sum(meta_ads.amount_in(accounts.currency, made.revenue, made.currency)) AS revenue
        FROM meta_ads.ad_rollups AS made
        WHERE made.ad_id = entity.ad_id
            AND made.date_start BETWEEN accounts.today - 30 AND accounts.today - 1
    ) AS delivered ON true
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
    nullif(coalesce(nodes.spend, 0), 'NaN') AS spend_30d,
    coalesce(nodes.impressions, 0)::bigint AS impressions_30d,
    coalesce(nodes.clicks, 0)::bigint AS clicks_30d,
    CASE WHEN nodes.impressions IS NULL THEN 0 ELSE nodes.results END AS results_30d,
    coalesce(nodes.leads, 0) AS leads_30d,
    coalesce(nodes.purchases, 0) AS purchases_30d,
    nullif(coalesce(nodes.revenue, 0), 'NaN') AS revenue_30d,
    round(100 * nodes.clicks / nullif(nodes.impressions, 0), 4) AS ctr_30d_pct,
    nullif(round((nodes.spend - nodes.spend_without_results) / nullif(nodes.results, 0), 4), 'NaN')
        AS cost_per_result_30d,
    nullif(round(nodes.revenue / nullif(nodes.spend, 0), 4), 'NaN') AS roas_30d
FROM nodes
INNER JOIN accounts ON accounts.account_id = nodes.account_id
