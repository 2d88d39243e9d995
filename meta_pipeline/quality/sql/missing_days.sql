-- Gaps in the ledger: days never fetched between two that were, the longest gap first.
SELECT
    account_id,
    (before + 1)::text AS since,
    (date_start - 1)::text AS until,
    date_start - before - 1 AS days,
    false AS is_error,
    count(*) OVER () AS total
FROM (
    SELECT account_id, date_start,
        lag(date_start) OVER (PARTITION BY account_id ORDER BY date_start) AS before
    FROM meta_ads.sync_windows
    WHERE dataset = 'insights_ad'
) AS fetched
WHERE date_start - before > 1
ORDER BY days DESC, account_id, before
LIMIT %(worst)s
