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
FROM meta_ads.meta_ad_accounts AS account
-- Account by account, which OFFSET keeps Postgres to: so the last days are found by index, however
-- many years there are.
CROSS JOIN LATERAL (
    SELECT account_id, date_start, entity_id, impressions, clicks
    FROM meta_ads.meta_insights
    WHERE account_id = account.account_id AND entity_type = 'ad'
        AND date_start > meta_ads.present()::date - %(days)s::int
        AND date_start < meta_ads.present()::date - 1
        AND impressions >= 100 AND coalesce(spend, 0) = 0
    OFFSET 0
) AS row
LEFT JOIN meta_ads.meta_ads AS ad ON ad.ad_id = row.entity_id
ORDER BY row.impressions DESC, row.account_id, row.date_start
LIMIT %(worst)s
