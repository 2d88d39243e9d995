-- Ad rows of the last days with impressions and no spend: the most shown first. A few unpaid
-- impressions are Meta's rounding to cents; the day before today may still be settling.
SELECT
    row.account_id,
    row.date_start::text AS day,
    row.entity_id AS ad_id,
    ad.name AS ad_name,
    row.impressions,
    row.clicks,
    false AS is_error,
    count(*) OVER () AS total
FROM meta_ads.meta_insights AS row
LEFT JOIN meta_ads.meta_ads AS ad ON ad.ad_id = row.entity_id
WHERE row.entity_type = 'ad'
    AND row.date_start > meta_ads.present()::date - %(days)s::int AND row.date_start < meta_ads.present()::date - 1
    AND row.impressions >= 100 AND coalesce(row.spend, 0) = 0
ORDER BY row.impressions DESC, row.account_id, row.date_start
LIMIT %(worst)s
