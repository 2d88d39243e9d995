-- Days of insights after the account's own today.
SELECT
    account.account_id,
    ahead.day::text,
    account.timezone_name,
    account.today::text,
    ahead.rows,
    true AS is_error,
    count(*) OVER () AS total
FROM (
    SELECT account_id, timezone_name, meta_ads.day_in_zone(meta_ads.present(), timezone_name) AS today
    FROM meta_ads.meta_ad_accounts
) AS account
CROSS JOIN LATERAL (
    SELECT date_start AS day, count(*) AS rows
    FROM meta_ads.meta_insights AS row
    WHERE row.account_id = account.account_id AND row.date_start > account.today
    GROUP BY date_start
) AS ahead
ORDER BY ahead.day DESC, account.account_id
LIMIT %(worst)s
