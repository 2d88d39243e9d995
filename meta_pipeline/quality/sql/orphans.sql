-- Entities that insights of the last days or children mention and whose table lacks them.
WITH recent AS MATERIALIZED (
    SELECT mentioning.*
    FROM meta_ads.meta_ad_accounts AS account
    -- Account by account: so the last days are found by index, however many years there are.
    CROSS JOIN LATERAL (
        SELECT DISTINCT account_id, entity_type, entity_id, campaign_id, adset_id, ad_id
        FROM meta_ads.meta_insights AS row
        WHERE row.account_id = account.account_id AND entity_type <> 'account'
            AND date_start > meta_ads.present()::date - %(days)s::int
    ) AS mentioning
),
mentioned AS (
    SELECT account_id, level.entity_type, level.entity_id, 'insights' AS mentioned_by
    FROM recent
    CROSS JOIN LATERAL (VALUES
        ('campaign', campaign_id), ('adset', adset_id), ('ad', ad_id),
        (recent.entity_type, recent.entity_id)
    ) AS level (entity_type, entity_id)
    WHERE level.entity_id IS NOT NULL
    UNION ALL
    SELECT account_id, 'campaign', campaign_id, 'ad ' || ad_id FROM meta_ads.meta_ads
    WHERE campaign_id IS NOT NULL
    UNION ALL
    SELECT account_id, 'adset', adset_id, 'ad ' || ad_id FROM meta_ads.meta_ads
    WHERE adset_id IS NOT NULL
    UNION ALL
    SELECT account_id, 'campaign', campaign_id, 'ad set ' || adset_id FROM meta_ads.meta_adsets
    WHERE campaign_id IS NOT NULL
),
missing AS (
    SELECT mentioned.account_id, entity_type, entity_id, min(mentioned_by) AS mentioned_by
    FROM mentioned
    LEFT JOIN meta_ads.meta_campaigns AS campaign
        ON mentioned.entity_type = 'campaign' AND campaign.campaign_id = mentioned.entity_id
    LEFT JOIN meta_ads.meta_adsets AS adset
        ON mentioned.entity_type = 'adset' AND adset.adset_id = mentioned.entity_id
    LEFT JOIN meta_ads.meta_ads AS ad
        ON mentioned.entity_type = 'ad' AND ad.ad_id = mentioned.entity_id
    WHERE coalesce(campaign.campaign_id, adset.adset_id, ad.ad_id) IS NULL
    GROUP BY mentioned.account_id, entity_type, entity_id
)
SELECT account_id, entity_type, entity_id, mentioned_by, true AS is_error,
    count(*) OVER () AS total
FROM missing
ORDER BY account_id, entity_type, entity_id
LIMIT %(worst)s
